"""Writing a new project: nothing of the user's is overwritten, and a failure leaves nothing behind."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ganaug import config, store, yaml_text
from ganaug.errors import UserError, one_line
from ganaug.stages.workspaces import git_top
from ganaug.start.dvc import dvc_yaml
from ganaug.start.schema import MODELINE, SCHEMA_FILE, schema_text

FILES = ("params.yaml", SCHEMA_FILE, "dvc.yaml", ".gitignore", "README.md")
MADE = ("data/prepared", "data/synth", "models", "reports", "synthetic", ".ganaug")  # by a run
_DVC_FILES = (".dvc", ".dvcignore", ".git")
_NO_ANALYTICS = ["config", "core.analytics", "false"]
_BANNER = "Having any troubles?"  # below each of DVC's errors


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
def undone_on_error(folder: Path, *others: str) -> Iterator[None]:
    """Make ``folder``. If the block fails, remove what it made there, ``others`` too, and the folders that are new.

    Two at once in one folder: the second waits for the first. Raises UserError if there is a project then.
    """
    new = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    folder.mkdir(parents=True, exist_ok=True)
    with store.alone(folder):
        check_free(folder)
        absent = [name for name in (*FILES, *_DVC_FILES, *others) if not os.path.lexists(folder / name)]
        try:
            yield
        except BaseException:
            for path in [folder / name for name in absent] + new[-1:]:
                store.remove(path)
            raise


def write(folder: Path, plan: Plan) -> list[str]:
    """Write the project's files. Returns those that existed, which stay as they are."""
    kept = [name for name in FILES if os.path.lexists(folder / name)]
    with contextlib.chdir(folder):  # paths in the settings start there
        raw = yaml_text.parse(plan.params, "params.yaml")
        pipeline = dvc_yaml(config.check(raw), raw)
    readme = store.template("project-readme.md.j2").render(title=plan.title, about=plan.about)
    texts = (MODELINE + plan.params, schema_text(), pipeline, store.template("gitignore").render(), readme)
    for name, text in zip(FILES, texts, strict=True):
        if name not in kept:
            store.write_text(folder / name, text)
    return kept


def init_dvc(folder: Path) -> str:
    """Make the folder a DVC project, unless it is part of one: in git's root, below it, or in a repository made here.

    DVC 3 runs no experiments with ``core.no_scm``, which ``dvc init --no-scm`` sets and no ``git init`` takes back; and
    nothing at all without both. So the repository is made first, wherever git is installed.
    Returns what was done, and in a line of its own what experiments still need. Raises UserError if git or DVC fails.
    """
    here = folder.resolve()
    above = [here, *here.parents]
    git = git_top(here)
    within = above[: above.index(git) + 1] if git else above
    there = next((place for place in within if (place / ".dvc" / "config").is_file()), None)
    if there:
        return f"DVC: part of the project at {there}{_experiments(here, git, there)}"
    made = git is None and shutil.which("git") is not None
    if (git or made) and shutil.which("git"):
        if said := _failed(["git", "init", "--quiet"] if made else ["git", "rev-parse", "--git-dir"], here):
            reason = one_line(" ".join(said), 500)
            raise UserError(
                f"{folder}: git must work there, so that DVC does, but says {reason}; fix that and try again"
            )
        git = git or here
    options = ["--no-scm"] if git is None else ["--subdir"] if git != here else []
    code = f"from dvc.cli import main; exit(main({['init', *options]}) or main({_NO_ANALYTICS}))"
    said = _failed([sys.executable, "-P", "-c", code], here)  # -P: no dvc.py of the folder's
    if said or not (here / ".dvc" / "config").is_file():
        reason = one_line(said[-1], 500) if said else "it made no .dvc/config"
        raise UserError(f'{folder}: "dvc init" failed there ({reason}), so nothing was written; fix that and try again')
    how = "next to a new git repository" if made else "next to git" if git == here else f"below {git}"
    return f"DVC: initialised {how if git else 'without git'}{_experiments(here, git, here)}"


def _experiments(here: Path, git: Path | None, dvc: Path) -> str:
    """A line on what ``dvc exp run`` still needs; empty where it works."""
    option = "no_scm = true" in (dvc / ".dvc" / "config").read_text(encoding="utf-8", errors="replace").lower()
    steps = [] if git else ["git init"]
    steps += ["dvc config --unset core.no_scm"] if option else []
    if not git or (shutil.which("git") and _failed(["git", "rev-parse", "--verify", "--quiet", "HEAD"], here)):
        steps += ["git add .", "git commit -m start"]
    return f"\nexperiments (dvc exp run) work after: {' && '.join(steps)}" if steps else ""


def _failed(command: list[str], folder: Path) -> list[str]:
    """What a command that fails in ``folder`` says, line by line, without colours and DVC's banner; else nothing."""
    # DVC's report on its use is sent by a process that outlives it, and writes to .dvc even where "dvc init" failed.
    env = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False, env=env)
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", done.stderr)
    lines = [line.strip() for line in plain.splitlines() if line.strip() and not line.startswith(_BANNER)]
    return (lines or [f"exit code {done.returncode}"]) if done.returncode else []
