"""The first-run path with your own images, from a built wheel: README.md's commands and Python, word for word and in
order, and the commands of the pages in docs/ that need more programs than ganaug, each in a copy of that project.

python tests/journey.py [FOLDER]            # some four minutes on two cores; the last line says pass
python tests/journey.py --all [FOLDER]      # two more sets; pip fills an empty environment by the wheel's metadata

Without --all the environment holds the wheel alone and looks up its dependencies in the environment that runs this
script. So files and entry points are the wheel's own, but a dependency that it forgets to name goes unnoticed.

The block with ``ganaug init`` comes first, since all others need a project, and gets ``--minutes 1``; Python's
``evaluate`` gets a third of its minute. The seconds of each command are printed. A verdict of the gate is no failure
here: with so few images it is chance.

The sets are made of real images: photographs that scikit-learn and scikit-image ship, and Fashion-MNIST's IDX files
where Debian's package has put them (else scikit-learn's digits).
"""

import argparse
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from documented import Block, blocks, examples, in_journey
from PIL import Image
from ruamel.yaml import YAML
from two_conditions import two_conditions

from ganaug.data.sources import Digits, Idx

FASHION = Path("/usr/share/datasets/fashion-mnist")
REPOSITORY = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where projects are made and stay; else a temporary one")
    parser.add_argument("--all", action="store_true", help="every set, in an environment that holds nothing else")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = (options.folder or Path(temporary)).resolve()
        root.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        programs = install(root, empty=options.all)
        print(f"environment: {time.perf_counter() - began:.0f} s\n", flush=True)
        failed = [*first_run(programs, root), *conditions_run(programs, root)]
        for name, images in SETS.items() if options.all else ():
            failed += [
                f"{name}: {problem}" for problem in journey(programs, root, name, images(root / f"{name}-photos"))
            ]
    print("\n".join(failed) or "journey: pass")
    sys.exit(1 if failed else 0)


def install(root: Path, empty: bool) -> Path:
    """Build the wheel and install it into an environment of its own. Returns its folder of programs.

    ``empty``: pip installs the dependencies too. Else they are found where this script's own are.
    """
    environment = root / "environment"
    pip = [sys.executable, "-m", "pip", "--quiet"]
    run([*pip, "wheel", "--no-deps", "--wheel-dir", root / "dist", REPOSITORY], root)
    (wheel,) = (root / "dist").glob("ganaug-*.whl")
    run([sys.executable, "-m", "venv", "--without-pip", environment], root)
    python = environment / "bin" / "python"
    run([*pip, "--python", python, "install", *([] if empty else ["--no-deps"]), wheel], root)
    if not empty:
        # A plain path: Python ignores .pth files in that folder, so the editable install there stays out of sight.
        (site,) = environment.glob("lib/python*/site-packages")
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        (environment / "bin" / "dvc").symlink_to(Path(sys.executable).parent / "dvc")
    where = run(
        [python, "-c", "import ganaug; print(ganaug.__file__)"], root, environment_of(environment / "bin", root)
    )
    if environment not in Path(where.strip()).parents:
        sys.exit(f"ganaug must come from the wheel in {environment}, but is {where}")
    return environment / "bin"


def environment_of(programs: Path, root: Path) -> dict[str, str]:
    """This process's variables, without whatever could lead to the repository, and an empty home."""
    home = root / "home"
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}/usr/bin:/bin", "HOME": str(home)}
    for variable in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(variable, None)
    who = ("me", "me@example.org")
    return environment | {
        f"GIT_{role}_{what}": one
        for role in ("AUTHOR", "COMMITTER")
        for what, one in zip(("NAME", "EMAIL"), who, strict=True)
    }


# Runs a line of a page in this shell, so that `cd` holds, and prints its seconds.
_STEP = """
step() {
  printf '\\n$ %s\\n' "$1"
  local began=$EPOCHREALTIME code=0
  eval "$1" || code=$?
  awk -v a="$began" -v b="$EPOCHREALTIME" -v code=$code 'BEGIN { printf "  %.1f s, exit code %d\\n", b - a, code }'
  case "$1:$code" in *:0 | "ganaug gate"*:[13]) ;; *) exit $code ;; esac
}
"""


def first_run(programs: Path, root: Path) -> list[str]:
    """README.md's commands from images to gate, its Python, and the pages that go on from there. Returns what is
    wrong."""
    folder = root / "first-run"
    imbalanced_folder(folder / "photos")
    found = [block for block in blocks(REPOSITORY / "README.md") if block.info == "sh"]
    found.sort(key=lambda block: "ganaug init" not in block.text)
    environment = environment_of(programs, root)
    if problems := commands_of(found, folder, environment):
        return problems
    (project,) = {path.parent for path in folder.glob("*/params.yaml")}
    python = "\n".join(block.text for block in blocks(REPOSITORY / "README.md") if block.info == "python")
    python = python.replace("minutes=1)", "minutes=0.3)")
    began = time.perf_counter()
    print(run(["python", "-c", python], folder, environment))
    print(f"README.md, its Python: {time.perf_counter() - began:.0f} s\n", flush=True)
    problems = made(project)
    for page in filter(in_journey, examples()[1:]):
        copy = root / "pages" / page.stem
        shutil.copytree(project, copy, symlinks=True)
        problems += commands_of([block for block in blocks(page) if block.info == "sh"], copy, environment)
    return [*problems, *action(environment, root, project)]


def commands_of(found: list[Block], folder: Path, environment: dict[str, str]) -> list[str]:
    """The commands of a page's blocks, in one shell that starts in ``folder``. Returns what is wrong."""
    lines = [line for block in found for line in ([block.first] if block.first else []) + block.lines]
    lines = [re.sub(r"^(ganaug init [^#&]*\w/?)", r"\1 --minutes 1", line) for line in lines]
    script = _STEP + "\n".join(f"step {shlex.quote(line)}" for line in lines)
    began, page = time.perf_counter(), found[0].page.relative_to(REPOSITORY) if found else None
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, check=False)
    print(f"\n{page}, {len(lines)} commands: {time.perf_counter() - began:.0f} s\n", flush=True)
    return [f"{page}: a command ended with exit code {done.returncode}"] if done.returncode else []


def conditions_run(programs: Path, root: Path) -> list[str]:
    """Colour photographs by day, some classes of them in the evening too: from images to page, translations and gate.
    Returns what is wrong."""
    began, environment, folder = time.perf_counter(), environment_of(programs, root), root / "conditions"
    photos = two_conditions(folder)
    init = ["ganaug", "init", "parts", "--images", photos.relative_to(folder), "--conditions", "above"]
    print(run([*init, "--minutes", "1"], folder, environment))
    print(run(["ganaug", "run"], folder / "parts", environment))
    pictures = sorted((photos / "day" / "rocket").iterdir())[:3]
    print(run(["ganaug", "translate", *pictures, "--to", "evening", "-n", "2"], folder / "parts", environment))
    run(["ganaug", "synth", "--class", "rocket=5", "--condition", "evening"], folder / "parts", environment)
    print(f"conditions: {time.perf_counter() - began:.0f} s\n", flush=True)
    gain = "translate+classical+masked_vs_classical"
    problems = made(folder / "parts", gain)
    if not json.loads((folder / "parts/reports/summary.json").read_text(encoding="utf-8"))["cells"]["missing"]:
        problems.append("conditions: the summary names no missing cell")
    counts = [len(list((folder / "parts" / out).rglob("*.png"))) for out in ("translated", "synthetic")]
    return problems + ([] if counts == [6, 5] else [f"conditions: translate and synth made {counts} images"])


def made(project: Path, gain: str = "gan+classical_vs_classical") -> list[str]:
    """What a run must leave there, with this ``gain``. Returns what is missing."""
    expected = ["reports/report.html", "reports/summary.json", "models/release/generator.safetensors"]
    problems = [f"{path} is missing" for path in expected if not (project / path).is_file()]
    summary = json.loads((project / "reports/summary.json").read_text(encoding="utf-8"))
    if gain not in summary["gains"]:
        problems.append("the summary lacks the gains of the GAN images")
    return problems


def action(environment: dict[str, str], root: Path, project: Path) -> list[str]:
    """The scripts of action.yml that run and judge a project, on this one. Returns what is wrong."""
    steps = {step.get("id"): step for step in YAML(typ="safe").load(REPOSITORY / "action.yml")["runs"]["steps"]}
    variables = {
        **environment,
        "RUN": "dvc",
        "PULL": "false",
        "BASELINE": "reports/summary.json",
        "CANNOT_TELL": "fail",
        "RUNNER_TEMP": str(root),
        "GAINS": str(root / "gains.md"),
        "GITHUB_BASE_REF": "",
        "GITHUB_OUTPUT": str(root / "output"),
        "GITHUB_STEP_SUMMARY": str(root / "step-summary"),
    }
    for name, codes in (("run", (0,)), ("gate", (0, 1, 3))):
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps[name]["run"]]
        done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)
        if done.returncode not in codes:
            return [f"action.yml, {name}: exit code {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}"]
    result = (root / "output").read_text(encoding="utf-8").strip()
    print(f"action.yml: {result}\n{(root / 'step-summary').read_text(encoding='utf-8')}", flush=True)
    return [] if result in ("result=pass", "result=fail", "result=cannot tell") else [f"action.yml: {result}"]


def journey(programs: Path, root: Path, name: str, images: Path) -> list[str]:
    """The three commands, and what must be there afterwards. Returns what is wrong."""
    began = time.perf_counter()
    environment = environment_of(programs, root)
    said = run(["ganaug", "init", name, "--images", images.relative_to(root), "--minutes", "1"], root, environment)
    print(said)
    run(["dvc", "repro"], root / name, environment)
    print(run(["ganaug", "verdict"], root / name, environment))
    run(["ganaug", "synth", "--class", "0=3"], root / name, environment)
    print(f"{name}: {time.perf_counter() - began:.0f} s\n", flush=True)
    problems = made(root / name)
    if len(list((root / name / "synthetic").glob("*/*.png"))) != 3:
        problems.append("synth did not make 3 images")
    return problems


def run(words: list[str | Path], folder: Path, environment: dict[str, str] | None = None) -> str:
    """What the command prints. ``environment``: its own variables, and the program is taken from its PATH's first."""
    program = Path(environment["PATH"].split(os.pathsep)[0], words[0]) if environment else words[0]
    command = [str(program), *map(str, words[1:])]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(
            f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def balanced_folder(folder: Path) -> Path:
    """20 gray images of each of three classes, as PNG files."""
    source = Idx(FASHION) if FASHION.is_dir() else Digits()
    found = source.load()
    rng = np.random.default_rng(0)
    for label, name in enumerate(("T-shirt", "Trouser", "Pullover")):
        for row in rng.choice(np.flatnonzero(found.labels == label), 20, replace=False):
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


def imbalanced_folder(folder: Path, size: int = 48) -> Path:
    """30, 10 and 3 small pieces of photographs in colour, one class per photograph; half of them in JPEG.

    Classes so uneven that they are topped up, called as README.md's commands call them.
    """
    rng = np.random.default_rng(1)
    for name, photograph, count in zip(("3", "7", "nevus"), photographs().values(), (10, 30, 3), strict=True):
        pieces = patches(photograph, size)
        for index in rng.permutation(len(pieces))[:count]:
            row, column, pixels = pieces[index]
            small = np.asarray(Image.fromarray(pixels).resize((8, 8)))
            save(small, folder / name / f"{row}-{column}.{'png' if index % 2 else 'jpg'}")
    return folder


def grouped_table(folder: Path, size: int = 32) -> Path:
    """A CSV table whose groups are regions of a photograph: neighbouring pieces must stay together."""
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


SETS: dict[str, Callable[[Path], Path]] = {
    "clothes": balanced_folder,
    "regions": grouped_table,
}

if __name__ == "__main__":
    main()
