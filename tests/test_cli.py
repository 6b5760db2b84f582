"""The command line: help with an example, and mistakes that are one line on stderr."""

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ganaug import __version__, log
from ganaug.cli import GROUPS, _names_in, app, main
from ganaug.gan.presets import PRESETS
from ganaug.start.schema import schema

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


Done = subprocess.CompletedProcess[str]


def started(folder: Path, *words: str) -> Done:
    """The command in a process of its own, as a user starts it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
    return subprocess.run(
        [sys.executable, "-m", "ganaug", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def ganaug(folder: Path, *words: str) -> Done:
    """The same in this process, which has its imports behind it."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(error))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sys, "argv", ["ganaug", *words])
        patch.setenv("GANAUG_LOG_LEVEL", "INFO")  # which --quiet changes, and the level itself
        stack.callback(log.log.setLevel, "INFO")
        with pytest.raises(SystemExit) as stopped:
            main()
    assert isinstance(stopped.value.code, int)
    return Done(words, stopped.value.code, out.getvalue(), error.getvalue())


def held(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def check_refused(done: Done, *parts: str) -> None:
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
    stages = {"prepare", "train", "synth", "classify", "report"}
    assert stages | {"init", "verdict", "gate", "presets", "run", "status", "sync", "open", "doctor"} < set(COMMANDS)


def test_the_help_lists_each_command_once_in_its_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == COMMANDS
    listed = CliRunner().invoke(app, ["--help"]).output.splitlines()
    for group, names in GROUPS.items():
        start = listed.index(f"{group}:") + 1
        lines = listed[start : start + len(names)]
        assert [line.split()[0] for line in lines] == list(names)
        assert not any(line.endswith("...") for line in lines), "the first sentence must fit one line"


@pytest.mark.parametrize("words", [["-h"], ["synth", "-h"]])
def test_h_is_help(words: list[str]) -> None:
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0
    assert said.output == CliRunner().invoke(app, [*words[:-1], "--help"]).output


@pytest.mark.parametrize("words", [["--quiet", "prepare"], ["prepare", "-q"]])
def test_quiet_before_or_after_the_command(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "params.yaml").write_text("data: {source: {kind: digits}}\nprotocol: {kind: subsets, trials: 2}\n")
    done = ganaug(tmp_path, *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "data" / "prepared" / "images.npy").is_file()


def test_shells_complete_commands_and_classes(tmp_path: Path) -> None:
    (tmp_path / "data" / "prepared").mkdir(parents=True)
    (tmp_path / "data" / "prepared" / "classes.json").write_text('["melanoma", "mole", "nevus"]')
    (tmp_path / "data" / "prepared" / "conditions.json").write_text('["day", "night"]')
    for words, found in (
        ("ganaug sy", ["sync", "synth"]),
        ("ganaug synth --class m", ["melanoma", "mole"]),
        ("ganaug translate --to n", ["night"]),
    ):
        variables = {
            "_GANAUG_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        code = "import sys; sys.argv = ['ganaug']; from ganaug.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, **variables}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert sorted(done.stdout.split()) == found
    assert _names_in("classes.json")("n") == []  # outside a project


def test_open_says_where_the_page_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_refused(ganaug(tmp_path, "open"), "report.html", "missing", "ganaug run")
    page = tmp_path / "reports" / "report.html"
    page.parent.mkdir()
    page.write_text("page")
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(sys, "platform", "linux")
    for display in (None, ":0"):
        monkeypatch.setenv("DISPLAY", display) if display else monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert ganaug(tmp_path, "open").stdout == f"{page}\n"
    assert opened == [page.as_uri()]


def test_presets_for_programs(tmp_path: Path) -> None:
    found = json.loads(ganaug(tmp_path, "presets", "--json").stdout)
    assert {name: one["source"] for name, one in found.items()} == {
        name: preset.source for name, preset in PRESETS.items()
    }


def test_the_schema_is_printed_as_it_is_written(tmp_path: Path) -> None:
    assert json.loads(ganaug(tmp_path, "schema").stdout) == schema()


def test_explain_finds_the_project(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {source: {kind: digits}}\njobs: 3\n")
    assert "here     3 (set in params.yaml)" in ganaug(tmp_path, "explain", "jobs").stdout
    check_refused(ganaug(tmp_path, "explain", "job"), "no such key", "jobs")


def test_presets_are_listed_with_source_and_line_and_without_torch(tmp_path: Path) -> None:
    said = ganaug(tmp_path, "presets").stdout
    for name, preset in PRESETS.items():
        assert f"\n{name} " in f"\n{said}"
        assert preset.line in said
        assert preset.source in said
        assert (
            preset.needs is None or f"70 % within {preset.needs[0]} s of one core, {preset.needs[1]:,} images" in said
        )
    code = ["import sys", "from ganaug.cli import app", "try: app(['presets'])"]
    code += ["except SystemExit: print('torch' in sys.modules)"]
    done = subprocess.run([sys.executable, "-c", "\n".join(code)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


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


@pytest.mark.parametrize("command", ["prepare", "train", "classify", "report", "gate", "run", "status", "sync"])
def test_outside_a_project(tmp_path: Path, command: str) -> None:
    check_refused(ganaug(tmp_path, command), "params.yaml", "missing")
    assert held(tmp_path) == []


def test_a_mistake_is_one_line_in_a_process_of_its_own(tmp_path: Path) -> None:
    check_refused(started(tmp_path, "gate"), "params.yaml", "missing")
    assert held(tmp_path) == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_letter_shows_another(tmp_path: Path, encoding: str) -> None:
    code = "import sys; from ganaug import cli; cli.app = lambda: print('± 日本'); cli.main()"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding).strip() in ("? ??", "± ??")


def test_an_error_of_the_system_is_one_line_whatever_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "a\nb")

    monkeypatch.setattr("ganaug.cli.app", fails)
    check_refused(ganaug(Path(), "report"), r"a\nb cannot be read or written (No space left on device)", "space on")


def test_a_typo_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {source: {kind: digits}}\ngan: {step: 3}\n")
    check_refused(ganaug(tmp_path, "prepare"), "params.yaml: gan.step: no such key", '"steps"')
    assert held(tmp_path) == ["params.yaml"]


@pytest.mark.parametrize("command", ["train", "classify"])
def test_a_stage_before_the_one_that_it_needs(tmp_path: Path, command: str) -> None:
    (tmp_path / "params.yaml").write_text("data: {source: {kind: digits}}\nprotocol: {kind: subsets, trials: 1}\n")
    check_refused(ganaug(tmp_path, command), "classes.json", "ganaug prepare")
    assert held(tmp_path) == ["params.yaml"]


def test_too_few_images_write_nothing(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {source: {kind: digits}}\nprotocol: {kind: subsets, trials: 60}\n")
    check_refused(ganaug(tmp_path, "prepare", "--quiet"), "lower protocol.trials to")
    assert set(held(tmp_path)) <= {"params.yaml", ".ganaug", ".ganaug/.gitignore", ".ganaug/prepare.lock", "data"}


def test_gate_without_a_report(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {source: {kind: digits}}\ngate: [{gain: gan_vs_none}]\n")
    check_refused(ganaug(tmp_path, "gate"), "summary.json", "missing", "dvc repro")
    assert held(tmp_path) == ["params.yaml"]


def test_synth_needs_no_project_but_a_generator(tmp_path: Path) -> None:
    check_refused(ganaug(tmp_path, "synth", "--class", "3"), "generator.safetensors", "missing", "--model")
    assert held(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "--images or --dataset"),
        (["--dataset", "cats"], "--dataset"),
        (["--images", "nowhere"], "--images"),
        (["--images", "mine.txt"], "--images"),
        (["--dataset", "digits", "--minutes", "0"], "--minutes"),
    ],
)
def test_init_with_a_wrong_value(tmp_path: Path, words: list[str], part: str) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    check_refused(ganaug(tmp_path, "init", "project", *words), part)
    assert held(tmp_path) == ["mine.txt"]


def test_init_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    check_refused(ganaug(tmp_path, "init", "mine.txt", "--dataset", "digits"), "mine.txt", "is a file")
    assert held(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize(
    ("words", "part"), [(["--n", "0"], "--n"), (["--format", "gif"], "--format"), (["--class", "1=0"], "--class 1=0")]
)
def test_synth_with_a_wrong_value(tmp_path: Path, tiny_model: Path, words: list[str], part: str) -> None:
    check_refused(ganaug(tmp_path, "synth", "--model", str(tiny_model), *words), part)
    assert held(tmp_path) == []


def test_synth_makes_images(tmp_path: Path, tiny_model: Path) -> None:
    done = started(tmp_path, "synth", "--model", str(tiny_model), "--class", "1", "-n", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "2 images of class 1" in done.stdout
    assert held(tmp_path) == [
        "synthetic",
        "synthetic/1",
        "synthetic/1/000000.png",
        "synthetic/1/000001.png",
        "synthetic/README.md",
        "synthetic/manifest.csv",
    ]


def test_synth_makes_numbers_of_images_by_class(tmp_path: Path, tiny_model: Path) -> None:
    done = ganaug(tmp_path, "synth", "--model", str(tiny_model), "--class", "1=2", "--class", "3", "--n", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 images of 2 classes (1, 3) in " in done.stdout


@pytest.mark.parametrize("words", [["--class", "1"], ["--balance", "fill"], ["--overwrite"]])
def test_the_images_of_the_arms_are_the_settings_business(tmp_path: Path, words: list[str]) -> None:
    done = ganaug(tmp_path, "synth", "--all", *words)
    assert done.returncode == 2
    assert "leave the other options out" in " ".join(done.stderr.split())


def test_prepare_writes_the_splits(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {source: {kind: digits}}\nprotocol: {kind: subsets, trials: 2}\n")
    done = ganaug(tmp_path, "prepare")
    assert done.returncode == 0, done.stderr
    assert "1,797 images of 8x8 pixels" in done.stdout
    assert {"data/prepared/images.npy", "data/prepared/splits/1.json", "data/prepared/splits/release.json"} <= set(
        held(tmp_path)
    )
