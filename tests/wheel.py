"""What a user gets: ganaug in an empty environment, ten lines of the API, then the command line.

python tests/wheel.py [FILE...]     # wheels and sdists; without any, both are built from this repository

Each FILE is installed by pip, with all that its metadata asks for, into an environment of its own. Prints the size of
the environment and the seconds of each step; needs nothing but Python and pip. PIP_EXTRA_INDEX_URL and other variables
of pip's hold, so ``PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu`` installs the light build of torch.
"""

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

API = """
import ganaug
from sklearn.datasets import load_digits

digits = load_digits()
images, labels = (digits.images * 255 / 16).astype("uint8"), digits.target
generator = ganaug.fit(images, labels, preset="default", steps=20, seed=0)
made, names = generator.sample({3: 5, "7": 5}, seed=0)
generator.save("digits.safetensors")
again, _ = ganaug.load("digits.safetensors").sample({3: 5, "7": 5}, seed=0)
assert made.shape == (10, 8, 8, 1) and (made == again).all(), made.shape
"""
COMMANDS = (
    "ganaug --version",
    "ganaug synth --model digits.safetensors --class 3=20 --class 7=20 --out photos",
    "ganaug init project --images photos --minutes 1",
    "ganaug doctor",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        files = [Path(name).resolve() for name in sys.argv[1:]] or built(Path(temporary))
        for number, file in enumerate(files):
            folder = Path(temporary, str(number))
            folder.mkdir()
            check(file, folder)
    print("wheel: pass")


def built(folder: Path) -> list[Path]:
    """A wheel and an sdist of this repository."""
    run(sys.executable, "-m", "build", "--outdir", folder, REPOSITORY, folder=folder)
    return sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])


def check(file: Path, folder: Path) -> None:
    """Install ``file`` into an environment in the empty ``folder``, and use it there."""
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "--quiet", "install", file, folder=folder)
    print(f"{file.name}: {sum(one.lstat().st_size for one in environment.rglob('*')) / 1e9:.2f} GB", flush=True)
    run(programs / "python", "-c", API, folder=folder)
    for command in COMMANDS:
        program, *words = command.split()
        run(programs / program, *words, folder=folder / "project" if "doctor" in words else folder)


def run(*words: str | Path, folder: Path) -> None:
    """Run a command in ``folder``, where nothing leads to the repository; its output is shown if it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = f"{Path(words[0]).parent}{os.pathsep}{environment['PATH']}"  # DVC's program, for `doctor`
    began = time.perf_counter()
    done = subprocess.run(
        list(map(str, words)), cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    print(
        f"{time.perf_counter() - began:6.1f} s  {Path(words[0]).name} {' '.join(map(str, words[1:]))[:70]!r}",
        flush=True,
    )
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}\n{done.stdout[-4000:]}")


if __name__ == "__main__":
    main()
