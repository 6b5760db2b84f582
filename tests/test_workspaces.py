"""Finished work lies in one place for all workspaces of a project; what they write themselves has locks of its own."""

import subprocess
from pathlib import Path

import pytest
from expect import refused

from ganaug.config import Settings
from ganaug.stages.project import Project
from ganaug.stages.workspaces import place_of_work


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A repository with a project in its root and another one in a subfolder."""
    folder = (tmp_path / "main").resolve()
    (folder / "examples" / "small").mkdir(parents=True)
    for place in (folder, folder / "examples" / "small"):
        (place / "params.yaml").write_text("data: {source: {kind: digits}}\n")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


@pytest.fixture
def linked(main: Path, tmp_path: Path) -> Path:
    git(main, "worktree", "add", "../linked", "-b", "other")
    return tmp_path / "linked"


def temporary(workspace: Path) -> Path:
    """A folder as `dvc exp run --temp` makes it: a clone of the repository."""
    folder = workspace / ".dvc" / "tmp" / "exps" / "standalone" / "tmpx"
    (folder / "examples" / "small").mkdir(parents=True)
    git(folder, "init")
    return folder


def test_of_a_project_outside_git_it_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place_of_work(tmp_path) == tmp_path / ".ganaug"
    monkeypatch.chdir(tmp_path)
    assert place_of_work(Path()) == Path(".ganaug")  # as messages show it


@pytest.mark.parametrize("within", ["", "examples/small"])
def test_every_workspace_uses_that_of_the_main_one(main: Path, linked: Path, within: str) -> None:
    expected = main / within / ".ganaug"
    for workspace in (main, linked, temporary(main), temporary(linked)):
        assert place_of_work(workspace / within).resolve() == expected


def test_of_a_project_whose_dvc_lies_below_the_root_of_git_too(main: Path) -> None:
    inner = main / "examples" / "small"
    assert place_of_work(temporary(inner) / "examples" / "small") == inner / ".ganaug"


def test_a_project_that_the_main_workspace_lacks_has_its_own(main: Path, linked: Path) -> None:
    (linked / "new").mkdir()
    assert place_of_work(linked / "new") == linked / "new" / ".ganaug"


def test_a_worktree_of_a_bare_repository_has_its_own(main: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--bare", "main", "bare.git")
    git(tmp_path / "bare.git", "worktree", "add", "../of-bare", "main")
    assert place_of_work(tmp_path / "of-bare") == tmp_path / "of-bare" / ".ganaug"


def test_a_submodule_has_its_own(main: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", str(main), "inner")
    assert place_of_work(outer / "inner") == outer / "inner" / ".ganaug"


def test_it_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANAUG_STORE", str(tmp_path / "elsewhere"))
    assert Project(tmp_path, Settings()).work.root == tmp_path / "elsewhere"
    monkeypatch.setenv("GANAUG_STORE", "work")
    with refused("GANAUG_STORE: must be an absolute path, got", '"work"', "write it in full"):
        Project(tmp_path, Settings())
    (tmp_path / "file").write_text("mine")
    for name in ("file", "file/below"):
        monkeypatch.setenv("GANAUG_STORE", str(tmp_path / name))
        with refused("GANAUG_STORE: must be a folder", name, f"{tmp_path / 'file'} is a file; name another, or unset"):
            Project(tmp_path, Settings())


def test_outputs_of_two_workspaces_have_locks_of_their_own(main: Path, linked: Path) -> None:
    one, other = Project(main, Settings()), Project(linked, Settings())
    with one.alone("models"), other.alone("models"):  # neither waits
        assert one.work.root.resolve() == other.work.root.resolve()


def test_git_never_sees_it(main: Path) -> None:
    project = Project(main, Settings())
    project.work.once("train", "key", lambda folder: None)
    assert (main / ".ganaug" / "train" / "key").is_dir()
    git(main, "add", ".")
    git(main, "diff", "--cached", "--exit-code")
