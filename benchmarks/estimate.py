"""Does `ganaug init` keep its promise? What it says that a run takes, and what that run then takes, on four small sets.

python benchmarks/estimate.py [--minutes 2] [--only digits] [FOLDER]   # on an idle machine; FOLDER keeps the projects

On a machine that does other work too, go by the processor time: what its cores took, had they done nothing else.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
from PIL import Image

from ganaug.data.sources import Digits, Idx

FASHION = Path("/usr/share/datasets/fashion-mnist")
COMMAND = [sys.executable, "-P", "-c", "from ganaug.cli import main; main()"]
PARALLEL = ("train", "synth", "classify")  # on all cores
STAGES = (["prepare"], ["train"], ["synth", "--all"], ["classify"], ["report"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--only", choices=SETS)
    options = parser.parse_args()
    print("| set | asked, s | said, s | took, s | over said | by processor, s | over said | init, s | each stage, s |")
    print("|---" * 9 + "|")
    with tempfile.TemporaryDirectory() as temporary:
        root = (options.folder or Path(temporary)).resolve()
        root.mkdir(parents=True, exist_ok=True)
        for name, make in SETS.items():
            if options.only in (None, name) and (name != "clothes" or FASHION.is_dir()):
                print(row(root, name, make(root / f"{name}-photos"), options.minutes), flush=True)


def row(root: Path, name: str, images: Path, minutes: float) -> str:
    said, of_init, _ = timed(["init", name, "--images", str(images), "--minutes", f"{minutes:g}"], root)
    (root / f"{name}.txt").write_text(said, encoding="utf-8")
    number, unit = re.findall(r"a run takes about ([\d.]+) (seconds|minutes)", said)[0]
    expected = float(number) * (60 if unit == "minutes" else 1)
    stages = [timed(stage, root / name) for stage in STAGES]
    took = sum(wall for _, wall, _ in stages)
    alone = sum(
        used / (joblib.cpu_count() if stage[0] in PARALLEL else 1)
        for stage, (_, _, used) in zip(STAGES, stages, strict=True)
    )
    each = " ".join(
        f"{stage[0]} {wall:.0f} ({used:.0f})" for stage, (_, wall, used) in zip(STAGES, stages, strict=True)
    )
    ratios = (60 * minutes, expected, took, took / expected, alone, alone / expected, of_init)
    return f"| {name} | " + " | ".join(f"{figure:.3g}" for figure in ratios) + f" | {each} |"


def timed(words: list[str], folder: Path) -> tuple[str, float, float]:
    """What the command prints, its wall seconds, and the processor's, of all that it started."""
    began, before = time.perf_counter(), os.times()
    done = subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, time.perf_counter() - began, used


def saved(folder: Path, name: str, pictures: list[np.ndarray]) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / name / f"{number}.png")


def some(found: object, folder: Path, classes: int, count: int) -> Path:
    rng = np.random.default_rng(0)
    for label in range(classes):
        rows = rng.choice(np.flatnonzero(found.labels == label), count, replace=False)  # type: ignore[attr-defined]
        saved(folder, f"class {label}", [found.images[row, :, :, 0] for row in rows])  # type: ignore[attr-defined]
    return folder


def pieces(folder: Path, side: int, counts: tuple[int, int, int], size: int | None = None) -> Path:
    """Pieces of three colour photographs, a class each."""
    import skimage.data
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    rng = np.random.default_rng(1)
    for name, photograph, count in zip(
        ("astronaut", "roof", "flower"), (skimage.data.astronaut(), china, flower), counts, strict=True
    ):
        high, wide = photograph.shape[0] // side, photograph.shape[1] // side
        chosen = rng.permutation(high * wide)[:count]
        places = zip(chosen // wide * side, chosen % wide * side, strict=True)
        cut = [photograph[y : y + side, x : x + side] for y, x in places]
        saved(folder, name, [np.asarray(Image.fromarray(one).resize((size or side,) * 2)) for one in cut])
    return folder


SETS: dict[str, Callable[[Path], Path]] = {
    "digits": lambda folder: some(Digits().load(), folder, 10, 20),  # 8 pixels, gray
    "clothes": lambda folder: some(Idx(FASHION).load(), folder, 10, 20),  # 28 pixels, gray
    "textures": lambda folder: pieces(folder, 64, (30, 30, 30)),  # 64 pixels, in colour
    "uneven": lambda folder: pieces(folder, 48, (60, 20, 6), 16),  # 16 pixels, in colour, classes to top up
}

if __name__ == "__main__":
    main()
