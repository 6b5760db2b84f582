"""Every example of the documentation runs: each page from top to bottom, its commands and its Python.

A page starts in the folder of a finished project that has ``photos/`` (classes 3, 7 and nevus, imbalanced) and
``generator.safetensors``. Its commands run in this process, and all its Python shares one namespace. What takes
minutes is cut short here and nowhere else: the projects that ``ganaug init`` makes, ``ganaug.fit`` and
``ganaug.evaluate`` get the settings ``SHORT``. The commands of README.md, and of a page that needs other programs,
such as DVC, run in tests/journey.py.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documented import REPOSITORY, blocks, commands, examples, in_journey
from photos import photos
from ruamel.yaml import YAML
from stages import TINY_GAN
from test_cli import ganaug as command

import ganaug
from ganaug.report import plots
from ganaug.start import estimate, init
from ganaug.start.estimate import Pace
from ganaug.start.sync import sync

PAGES = [pytest.param(page, id=str(page.relative_to(REPOSITORY))) for page in examples()]
SHORT: dict[str, dict[str, Any]] = {
    "protocol": {"folds": 2, "repeats": 1, "trials": 2},
    "gan": TINY_GAN,
    "synth": {"per_class": 4},
    "classifier": {"steps": 2, "width": 4, "batch_size": 4},
    "classify": {"curve": []},
    "fidelity": {"enabled": False},
}
TRANSLATED = {"gan": {"steps": 2, "batch_size": 4}}  # its networks are what such a page is about
MAY_END = {"gate": (0, 1, 3), "run": (0, 4), "doctor": (0, 1)}  # else 0


def shorten(params: Path) -> None:
    """Give the project of the file ``params`` the settings ``SHORT``."""
    yaml = YAML()
    settings = yaml.load(params)
    changes = {**SHORT, **(TRANSLATED if settings["gan"].get("preset") == "translate" else {})}
    changes["protocol"] = {key: value for key, value in SHORT["protocol"].items() if key in settings["protocol"]}
    for group, values in changes.items():
        settings[group].update(values)
    yaml.dump({**settings, "device": "cpu", "jobs": 1}, params)
    sync(params.parent)


def run_command(words: list[str]) -> None:
    """One command of a page, in this process and folder. Raises AssertionError if it fails."""
    program, *rest = words
    if program == "cd":
        return os.chdir(*rest)
    assert program == "ganaug"
    rest = [str(found) for word in rest for found in (sorted(Path().glob(word)) if "*" in word else [word])]
    done = command(Path(), *rest)
    assert done.returncode in MAY_END.get(rest[0], (0,)), f"{' '.join(words)}: {done.stdout[-500:]}{done.stderr[-500:]}"
    if rest[0] == "init":
        shorten(Path(rest[1], "params.yaml"))
    return None


@contextlib.contextmanager
def brief() -> Iterator[None]:
    """No network is timed, no DVC started, no plot drawn, and what the library trains is short."""
    fit, evaluate = ganaug.fit, ganaug.evaluate
    settings = {f"{group}.{key}": value for group, values in SHORT.items() for key, value in values.items()}
    settings |= {"device": "cpu", "jobs": 1}
    del settings["protocol.trials"]  # of arrays, folds are made

    def measure(chosen: Any, *_: Any) -> Pace:
        return Pace("cpu", 2, 0.01, dict.fromkeys(chosen.classify.arms, 0.001))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "measure", measure)
        patch.setattr(ganaug, "fit", lambda *given, **named: fit(*given, **{**named, "steps": 2}))
        patch.setattr(ganaug, "evaluate", lambda *given, **named: evaluate(*given, **named, settings=settings))
        patch.setattr(init, "init_dvc", lambda folder: "DVC: not now")
        for name in (name for name, one in vars(plots).items() if hasattr(one, "__wrapped__")):
            patch.setattr(plots, name, lambda *_, **__: '<svg viewBox="0 0 1 1"></svg>')
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for name, count in (("3", 12), ("7", 8), ("nevus", 5)):
        photos(root / "photos", name, count=count)
    with brief(), contextlib.chdir(root):
        run_command(["ganaug", "init", ".", "--images", "photos"])
        run_command(["ganaug", "run"])
    shutil.copy(root / "models/release/generator.safetensors", root)
    return root


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(page: Path, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    namespace: dict[str, Any] = {"__name__": page.stem}
    with brief(), contextlib.chdir(tmp_path):
        for block in blocks(page):
            if block.info == "python":
                exec(compile("\n" * block.line + block.text, str(page), "exec"), namespace)
            elif block.info == "sh" and not in_journey(page):
                for words in (words for line in [block.first, *block.lines] for words in commands(line)):
                    run_command(words)
