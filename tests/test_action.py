"""action.yml: what its scripts do, run as GitHub runs them, with stand-ins for the programs that they call."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[1]
ACTION: dict[str, Any] = YAML(typ="safe").load(REPOSITORY / "action.yml")
STEPS = {step.get("name", step.get("uses")): step for step in ACTION["runs"]["steps"]}


def program(folder: Path, name: str, script: str) -> None:
    """A stand-in, which also writes down what it was called with, a line for each call."""
    path = folder / name
    path.write_text(f'#!/bin/bash\necho "{name} $*" >> "$CALLS"\n{script}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A folder to run in, with no program of ganaug's on the way yet."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "repository").mkdir()
    return tmp_path


def run(runner: Path, name: str, **variables: str) -> tuple[int, str, dict[str, str], list[str]]:
    """The step's exit code, what it prints, its outputs, and the calls of stand-ins."""
    for file in ("output", "summary", "calls"):
        (runner / file).write_text("")
    environment = {
        "PATH": f"{runner / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(runner),
        "GAINS": str(runner / "ganaug-gains.md"),
        "GITHUB_OUTPUT": str(runner / "output"),
        "GITHUB_STEP_SUMMARY": str(runner / "summary"),
        "GITHUB_BASE_REF": "",
        "GITHUB_REPOSITORY": "someone/parts",
        "CALLS": str(runner / "calls"),
        **variables,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
    done = subprocess.run(
        command, cwd=runner / "repository", env=environment, capture_output=True, text=True, check=False
    )
    lines = (runner / "output").read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    return done.returncode, done.stdout + done.stderr, outputs, (runner / "calls").read_text().splitlines()


def gate_that_exits(runner: Path, code: int) -> None:
    program(runner / "bin", "ganaug", f"echo '| gain |'; exit {code}")


def committed(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("file", [REPOSITORY / "action.yml", *(REPOSITORY / ".github" / "workflows").glob("*.yml")])
def test_no_expression_is_written_into_a_script(file: Path) -> None:
    """Text from outside would be a command there; ``env`` makes a variable of it."""

    def scripts(of: Any) -> list[str]:
        if isinstance(of, list):
            return [script for one in of for script in scripts(one)]
        if isinstance(of, dict):
            here = [of["run"]] if isinstance(of.get("run"), str) else []
            return here + [script for one in of.values() for script in scripts(one)]
        return []

    found = scripts(YAML(typ="safe").load(file))
    assert found
    assert not [script for script in found if "${{" in script]


def test_each_input_is_used_and_each_use_is_an_input() -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    assert all(len(one["description"]) > 10 and "default" in one for one in ACTION["inputs"].values())


@pytest.mark.parametrize(
    ("code", "cannot_tell", "exits", "result"),
    [
        (0, "pass", 0, "pass"),
        (1, "pass", 1, "fail"),
        (3, "pass", 0, "cannot tell"),
        (3, "fail", 3, "cannot tell"),
        (2, "pass", 2, None),
    ],
)
def test_the_gates_exit_code_is_the_steps(
    runner: Path, code: int, cannot_tell: str, exits: int, result: str | None
) -> None:
    gate_that_exits(runner, code)
    done, said, outputs, calls = run(runner, "Gate", BASELINE="", CANNOT_TELL=cannot_tell)
    assert (done, outputs.get("result")) == (exits, result)
    assert calls == ["ganaug gate --markdown"]
    assert (runner / "summary").read_text() == "| gain |\n"
    assert ("::notice::" in said) == (code == 3)


def test_a_baseline_is_compared_with(runner: Path) -> None:
    gate_that_exits(runner, 0)
    *_, calls = run(runner, "Gate", BASELINE="my $(touch x) earlier.json", CANNOT_TELL="pass")
    assert calls == ["ganaug gate --markdown --baseline my $(touch x) earlier.json"]
    assert list((runner / "repository").iterdir()) == []


@pytest.mark.parametrize("of_another_set", [False, True])
def test_a_pull_request_is_compared_with_its_base(runner: Path, of_another_set: bool) -> None:
    """The summary of the base branch, also of a project below the repository's root."""
    upstream = runner / "upstream"
    (upstream / "parts" / "reports").mkdir(parents=True)
    (upstream / "parts" / "reports" / "summary.json").write_text("the base's")
    committed(upstream, "init", "--quiet", "--initial-branch", "trunk")
    committed(upstream, "add", ".")
    committed(upstream, "commit", "--quiet", "--message", "first")
    (runner / "repository").rmdir()
    committed(runner, "clone", "--quiet", str(upstream), "clone")
    (runner / "clone" / "parts").rename(runner / "clone" / "moved")
    (runner / "clone" / "parts").mkdir()
    (runner / "repository").symlink_to(runner / "clone" / "parts")
    program(runner / "bin", "ganaug", f"[ $# -gt 2 ] && {'exit 2' if of_another_set else 'exit 0'}; exit 0")
    done, said, outputs, calls = run(runner, "Gate", BASELINE="", CANNOT_TELL="pass", GITHUB_BASE_REF="trunk")
    earlier = runner / "ganaug-baseline.json"
    assert (done, outputs) == (0, {"result": "pass"}), said
    assert earlier.read_text() == "the base's"
    assert calls == [f"ganaug gate --markdown --baseline {earlier}"] + ["ganaug gate --markdown"] * of_another_set
    assert ("not compared" in said) == of_another_set


@pytest.mark.parametrize(
    ("what", "pull", "calls"),
    [("dvc", "false", ["dvc repro"]), ("dvc", "true", ["dvc pull", "dvc repro"]), ("ganaug", "false", ["ganaug run"])],
)
def test_what_runs(runner: Path, what: str, pull: str, calls: list[str]) -> None:
    program(runner / "bin", "dvc", "echo '::error::a class of that name'")
    program(runner / "bin", "ganaug", "exit 0")
    done, said, _, called = run(runner, "Run", RUN=what, PULL=pull)
    assert (done, called) == (0, calls)
    first, *_, last = said.splitlines()
    assert first.startswith("::stop-commands::")
    assert last == f"::{first.removeprefix('::stop-commands::')}::"


def test_a_run_that_fails_fails_the_step_and_a_failed_pull_ends_it(runner: Path) -> None:
    program(runner / "bin", "dvc", "exit 7")
    done, said, _, calls = run(runner, "Run", RUN="dvc", PULL="true")
    assert (done, calls) == (7, ["dvc pull"])
    assert said.splitlines()[-1].endswith("::")


@pytest.mark.parametrize(
    ("wrong", "named"), [({"RUN": "make; rm"}, "run"), ({"CANNOT_TELL": "maybe"}, "cannot-tell"), ({}, "")]
)
def test_inputs_are_checked(runner: Path, wrong: dict[str, str], named: str) -> None:
    done, said, *_ = run(runner, "Check the inputs", **{"RUN": "no", "CANNOT_TELL": "fail", **wrong})
    assert done == (2 if wrong else 0)
    assert named in said


@pytest.mark.parametrize("index", ["", "https://example.org/cpu"])
def test_what_is_installed(runner: Path, index: str) -> None:
    program(runner / "bin", "pip", "exit 0")
    *_, calls = run(runner, "Install", PACKAGE="/the action", TORCH_INDEX=index)
    assert calls == [f"pip install --quiet {f'--extra-index-url {index} ' if index else ''}/the action"]


THEIRS = {"id": 1, "user": {"type": "User"}, "body": "<!-- ganaug: 1 --> mine"}


@pytest.mark.parametrize("there", [False, True])
def test_the_comment_is_made_once_and_then_brought_up_to_date(runner: Path, there: bool) -> None:
    (runner / "ganaug-gains.md").write_text("| gain |\n")
    program(
        runner / "bin",
        "gh",
        f"[[ $* == *paginate* ]] && cat {runner}/there || cat {runner}/ganaug-comment.md > {runner}/sent",
    )
    said = [THEIRS]
    for _ in range(1 + there):
        (runner / "there").write_text(json.dumps(said))
        done, _, _, calls = run(runner, "Comment", FOLDER="parts", NUMBER="12", GH_TOKEN="t")
        assert done == 0
        said.append({"id": 77, "user": {"type": "Bot"}, "body": (runner / "sent").read_text()})
    body = f"--field body=@{runner}/ganaug-comment.md"
    if there:
        assert calls[-1] == f"gh api --silent --method PATCH repos/someone/parts/issues/comments/77 {body}"
    else:
        assert calls[-1] == f"gh api --silent --method POST repos/someone/parts/issues/12/comments {body}"
    marker, *lines = (runner / "sent").read_text().splitlines()
    assert marker.startswith("<!-- ganaug: ")
    assert lines == ["| gain |"]


def test_a_token_that_may_not_comment_is_a_notice(runner: Path) -> None:
    (runner / "ganaug-gains.md").write_text("| gain |\n")
    program(runner / "bin", "gh", "exit 1")
    done, said, *_ = run(runner, "Comment", FOLDER=".", NUMBER="12", GH_TOKEN="t")
    assert done == 0
    assert "::notice::ganaug: no comment, which needs pull-requests: write" in said
