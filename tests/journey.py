"""The road of a newcomer with images of their own: a built wheel, an empty environment, init, cd, dvc repro.

python tests/journey.py [FOLDER]            # three small sets, some ten minutes on two cores; the last line says pass

The sets are made of real images: photographs that scikit-learn and scikit-image ship, and Fashion-MNIST's IDX files
where Debian's package has put them (else scikit-learn's digits).
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ganaug.data.sources import Digits, Idx

FASHION = Path("/usr/share/datasets/fashion-mnist")
REPOSITORY = Path(__file__).parents[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        root.mkdir(parents=True, exist_ok=True)
        programs = install(root)
        failed = []
        for name, images in (
            ("clothes", imbalanced_folder(root / "clothes-photos")),
            ("patches", colour_folder(root / "patches-photos")),
            ("regions", grouped_table(root / "regions-photos")),
        ):
            failed += [f"{name}: {problem}" for problem in journey(programs, root, name, images)]
    print("\n".join(failed) or "journey: pass")
    sys.exit(1 if failed else 0)


def install(root: Path) -> Path:
    """Build the wheel and install it into an environment that holds nothing else. Returns its folder of programs."""
    environment = root / "environment"
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", root / "dist", REPOSITORY], root)
    run([sys.executable, "-m", "venv", environment], root)
    (wheel,) = (root / "dist").glob("ganaug-*.whl")
    run([environment / "bin" / "pip", "install", "--quiet", wheel], root)
    return environment / "bin"


def journey(programs: Path, root: Path, name: str, images: Path) -> list[str]:
    """The three commands, and what must be there afterwards. Returns what is wrong."""
    began = time.perf_counter()
    home = root / "home"
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}/usr/bin:/bin", "HOME": str(home)}
    for variable in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(variable, None)
    told = run(["ganaug", "init", name, "--images", images.relative_to(root), "--minutes", "1"], root, environment)
    print(told)
    run(["dvc", "repro"], root / name, environment)
    print(run(["ganaug", "verdict"], root / name, environment))
    run(["ganaug", "synth", "--class", "0=3"], root / name, environment)
    print(f"{name}: {time.perf_counter() - began:.0f} s\n", flush=True)
    expected = ["reports/report.html", "reports/summary.json", "models/release/generator.safetensors"]
    problems = [f"{path} is missing" for path in expected if not (root / name / path).is_file()]
    if len(list((root / name / "synthetic").glob("*/*.png"))) != 3:
        problems.append("synth made another number of images than 3")
    summary = json.loads((root / name / "reports/summary.json").read_text(encoding="utf-8"))
    if not {"gan_vs_none", "gan+classical_vs_classical"} <= set(summary["gains"]):
        problems.append("the summary lacks the gains of the GAN images")
    return problems


def run(words: list[str | Path], folder: Path, environment: dict[str, str] | None = None) -> str:
    search = environment["PATH"].split(os.pathsep)[0] + "/" if environment else ""
    command = [search + str(words[0]), *map(str, words[1:])]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(
            f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def imbalanced_folder(folder: Path) -> Path:
    """30, 10 and 3 images of three classes, as PNG files: 10:1 and 3:1."""
    source = Idx(FASHION) if FASHION.is_dir() else Digits()
    found = source.load()
    rng = np.random.default_rng(0)
    for label, (name, count) in enumerate({"T-shirt": 30, "Trouser": 10, "Pullover": 3}.items()):
        for row in rng.choice(np.flatnonzero(found.labels == label), count, replace=False):
            save(found.images[row, :, :, 0], folder / name / f"{row}.png")
    return folder


def photographs() -> dict[str, np.ndarray]:
    """(H, W, 3) photographs that packages ship."""
    import skimage.data
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    return {"astronaut": skimage.data.astronaut(), "roof": china, "flower": flower}


def patches(photograph: np.ndarray, size: int) -> list[tuple[int, int, np.ndarray]]:
    """(row, column, pixels) of square pieces that do not overlap."""
    rows, columns = photograph.shape[0] // size, photograph.shape[1] // size
    return [
        (row, column, photograph[row * size : (row + 1) * size, column * size : (column + 1) * size])
        for row in range(rows)
        for column in range(columns)
    ]


def colour_folder(folder: Path, size: int = 48, count: int = 20) -> Path:
    """Pieces of photographs, one class a photograph, at 48 pixels; half of them in JPEG."""
    rng = np.random.default_rng(1)
    for name, photograph in photographs().items():
        pieces = patches(photograph, size)
        for index in rng.permutation(len(pieces))[:count]:
            row, column, pixels = pieces[index]
            small = np.asarray(Image.fromarray(pixels).resize((16, 16)))
            save(small, folder / name / f"{row}-{column}.{'png' if index % 2 else 'jpg'}")
    return folder


def grouped_table(folder: Path, size: int = 32) -> Path:
    """A CSV table whose groups are regions of a photograph: neighbouring pieces must not be parted."""
    rng = np.random.default_rng(2)
    lines = []
    for name, photograph in photographs().items():
        for row, column, pixels in patches(photograph, size):
            if rng.random() < 0.2:
                file = f"pieces/{name}-{row}-{column}.png"
                save(np.asarray(Image.fromarray(pixels).resize((16, 16)).convert("L")), folder / file)
                lines.append([file, name, f"{name} {row // 5}/{column // 5}"])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([["file", "label", "group"], *lines])
    return folder / "labels.csv"


if __name__ == "__main__":
    main()
