"""Writing a new project: nothing of the user's is overwritten, and a failure leaves nothing behind."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ganaug import config, store
from ganaug.errors import UserError
from ganaug.start.dvc import dvc_yaml

FILES = ("params.yaml", "dvc.yaml", ".gitignore", "README.md")
MADE = ("data/prepared", "data/synth", "models", "reports", "synthetic", ".ganaug")  # by a run
_DVC_FILES = (".dvc", ".dvcignore")
_NO_ANALYTICS = ["config", "core.analytics", "false"]


@dataclass(frozen=True)
class Plan:
    """What will be written, and what to say about the time that a run takes."""

    params: str  # params.yaml
    title: str
    about: str
    time: str


def check_free(folder: Path) -> None:
    """Raises UserError if ``folder`` holds a project or cannot be a folder."""
    there_now = next(place for place in (folder, *folder.parents) if place.exists())
    if not there_now.is_dir():
        raise UserError(f"{folder}: must be a folder to make or to add to, but {there_now} is a file; name another")
    there = [name for name in ("params.yaml", "dvc.yaml", "dvc.lock") if os.path.lexists(folder / name)]
    if there:
        raise UserError(f"{folder}: holds {there[0]} already, and nothing is overwritten; name another folder")


@contextlib.contextmanager
def undone_on_error(folder: Path) -> Iterator[None]:
    """Make ``folder``. If the block fails, remove what it made there, and the folders that are new."""
    new = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    absent = [name for name in (*FILES, *_DVC_FILES) if not os.path.lexists(folder / name)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in [folder / name for name in absent] + new[-1:]:
            store.remove(path)
        raise


def write(folder: Path, plan: Plan) -> list[str]:
    """Write the project's files. Returns those that existed, which stay as they are."""
    kept = [name for name in FILES if os.path.lexists(folder / name)]
    with contextlib.chdir(folder):  # paths in the settings start there
        pipeline = dvc_yaml(config.check(parsed(plan.params)))
    readme = store.template("project-readme.md.j2").render(title=plan.title, about=plan.about)
    texts = (plan.params, pipeline, store.template("gitignore").render(), readme)
    for name, text in zip(FILES, texts, strict=True):
        if name not in kept:
            store.write_text(folder / name, text)
    return kept


def parsed(params: str) -> Any:
    """The plain values of a params.yaml."""
    return YAML(typ="safe", pure=True).load(params)


def init_dvc(folder: Path) -> str:
    """Make the folder a DVC project, unless it is part of one: in git's root, below it, or without git.

    Returns what was done. Raises UserError if DVC fails.
    """
    here = folder.resolve()
    above = [here, *here.parents]
    git = next((place for place in above if (place / ".git").exists()), None)
    within = above[: above.index(git) + 1] if git else above
    there = next((place for place in within if (place / ".dvc" / "config").is_file()), None)
    if there:
        return f"DVC: part of the project at {there}"
    options = ["--no-scm"] if git is None else ["--subdir"] if git != here else []
    code = f"from dvc.cli import main; exit(main({['init', '--quiet', *options]}) or main({_NO_ANALYTICS}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        raise UserError(f'{folder}: "dvc init" failed there ({reason}), so nothing was written; fix that and try again')
    return f"DVC: initialised {'without git' if git is None else 'next to git' if git == here else f'below {git}'}"
