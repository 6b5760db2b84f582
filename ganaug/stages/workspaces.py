"""Where finished work is kept: in one place for all workspaces of a project.

A workspace is a folder that the project's files are checked out to. Another ``git worktree`` is one, and so is the
temporary folder that ``dvc exp run --temp`` or ``--queue`` runs in and removes. What one of them has trained, the
others need not train: all use the folder of the main one.
"""

import os
from pathlib import Path

from ganaug import store
from ganaug.errors import UserError, quoted

HIDDEN = ".ganaug"
SETTING = "GANAUG_STORE"


def place_of_work(project: Path) -> Path:
    """The folder of finished work of the ``project`` in this folder: what the environment variable GANAUG_STORE names,
    or ``.ganaug`` of the project in its main workspace. Raises UserError if GANAUG_STORE is no absolute path, or if a
    file is in its way."""
    if given := os.environ.get(SETTING):
        if not Path(given).is_absolute():  # or each workspace would have its own
            raise UserError(f"{SETTING}: must be an absolute path, got {quoted(given)}; write it in full, or unset it")
        if not (there := existing(Path(given))).is_dir():
            raise UserError(
                f"{SETTING}: must be a folder, or a new one in a folder, got {quoted(given)}, but {there} is a file; "
                "name another, or unset it"
            )
        return Path(given)
    here = project.resolve()
    main = _in_main(here)
    return (project if main == here else main) / HIDDEN


def existing(place: Path) -> Path:
    """The place itself, or where it is not there the nearest one above it that is."""
    return next(one for one in (place, *place.parents) if one.exists())


def make_ignored(folder: Path) -> None:
    """Make ``folder`` with a .gitignore of its own, if it is new: wherever it lies, git does not offer to add it."""
    if not folder.is_dir():
        store.write_text(folder / ".gitignore", "*\n")


def git_top(folder: Path) -> Path | None:
    """The root of the git workspace that ``folder``, an absolute path, lies in."""
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)


def _in_main(project: Path) -> Path:
    """The folder of the same project in the main workspace; its own, where it is not there."""
    top = git_top(project)
    outer = _around(top) or _linked(top) if top else None
    if not top or not outer:
        return project
    there = outer / project.relative_to(top)
    return _in_main(there) if there.is_dir() else project


def _around(top: Path) -> Path | None:
    """The workspace that has DVC run an experiment in ``top``, a folder below its ``.dvc/tmp/exps``."""
    exps = next((place for place in top.parents if place.parts[-3:] == (".dvc", "tmp", "exps")), None)
    return git_top(exps.parents[2]) if exps else None


def _linked(top: Path) -> Path | None:
    """The main workspace, where ``top`` is one that ``git worktree add`` made."""
    if not (top / ".git").is_file():
        return None
    own = top / (top / ".git").read_text(encoding="utf-8").removeprefix("gitdir:").strip()
    if not (own / "commondir").is_file():  # a submodule
        return None
    shared = (own / (own / "commondir").read_text(encoding="utf-8").strip()).resolve()
    return shared.parent if shared.name == ".git" else None  # else a bare repository, which has none
