"""The command line: help with an example, and mistakes that are one line on stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ganaug import __version__
from ganaug.cli import app

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


def ganaug(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
    return subprocess.run(
        [sys.executable, "-m", "ganaug", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def held(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def check_refused(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Exit code 2 and one line on stderr, nothing on stdout."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("ganaug: ")
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert f"Example: ganaug {command}" in done.output


def test_the_commands_of_the_contract_are_there() -> None:
    assert {"prepare", "train", "synth", "classify", "report", "gate"} <= set(COMMANDS)
    listed = CliRunner().invoke(app, ["--help"]).output
    assert all(command in listed for command in COMMANDS)


def test_version() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output.strip()) == (0, __version__)


def test_no_command_shows_the_help() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code in (0, 2)
    assert "prepare" in done.output


def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    done = ganaug(tmp_path, "synth", "--nn", "3")
    assert done.returncode == 2
    assert "--nn" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["prepare", "train", "classify", "report", "gate"])
def test_outside_a_project(tmp_path: Path, command: str) -> None:
    check_refused(ganaug(tmp_path, command), "params.yaml", "missing")
    assert held(tmp_path) == []


def test_a_typo_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("gan: {step: 3}\n")
    check_refused(ganaug(tmp_path, "prepare"), "params.yaml: gan.step: no such key", '"steps"')
    assert held(tmp_path) == ["params.yaml"]


@pytest.mark.parametrize("command", ["train", "classify"])
def test_a_stage_before_the_one_that_it_needs(tmp_path: Path, command: str) -> None:
    (tmp_path / "params.yaml").write_text("protocol: {kind: subsets, trials: 1}\n")
    check_refused(ganaug(tmp_path, command), "classes.json", "ganaug prepare")
    assert held(tmp_path) == ["params.yaml"]


def test_too_few_images_write_nothing(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("protocol: {kind: subsets, trials: 60}\n")
    check_refused(ganaug(tmp_path, "prepare"), "lower protocol.trials to")
    assert held(tmp_path) == ["params.yaml"]


def test_gate_without_a_report(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("gate: [{gain: gan_vs_none}]\n")
    check_refused(ganaug(tmp_path, "gate"), "summary.json", "missing", "dvc repro")
    assert held(tmp_path) == ["params.yaml"]


def test_synth_needs_no_project_but_a_generator(tmp_path: Path) -> None:
    check_refused(ganaug(tmp_path, "synth", "--class", "3"), "generator.safetensors", "missing", "--model")
    assert held(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "part"), [(["--n", "0"], "--n"), (["--format", "gif"], "--format"), (["--class", "cat"], "--class")]
)
def test_synth_with_a_wrong_value(tmp_path: Path, tiny_model: Path, words: list[str], part: str) -> None:
    check_refused(ganaug(tmp_path, "synth", "--model", str(tiny_model), *words), part)
    assert held(tmp_path) == []


def test_synth_makes_images(tmp_path: Path, tiny_model: Path) -> None:
    done = ganaug(tmp_path, "synth", "--model", str(tiny_model), "--class", "1", "--n", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "2 images of class 1" in done.stdout
    assert held(tmp_path) == [
        "synthetic",
        "synthetic/1",
        "synthetic/1/000000.png",
        "synthetic/1/000001.png",
        "synthetic/manifest.csv",
    ]


def test_prepare_writes_the_splits(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("protocol: {kind: subsets, trials: 2}\n")
    done = ganaug(tmp_path, "prepare")
    assert done.returncode == 0, done.stderr
    assert "1,797 images of 8x8 pixels" in done.stdout
    assert {"data/prepared/images.npy", "data/prepared/splits/1.json", "data/prepared/splits/release.json"} <= set(
        held(tmp_path)
    )
