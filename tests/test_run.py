"""``ganaug run`` and ``ganaug status``: stopped when told to, gone on with, and how far it is at any moment."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import processes
import pytest
import stages
from test_cli import ganaug
from test_resume import POSIX, Stop, resumed_at, until

from ganaug import config
from ganaug.gan.resume import Keeper
from ganaug.stages import pipeline
from ganaug.stages.project import Project
from ganaug.stages.status import duration, status

SETTINGS: dict[str, Any] = {
    "data": {"source": {"kind": "digits"}},
    "protocol": {"kind": "subsets", "trials": 2, "train_per_class": 2},
    "gan": stages.TINY_GAN,
    "synth": {"per_class": 2},
    "classifier": {"steps": 2, "batch_size": 4, "width": 4},
    "classify": {"arms": ["none", "gan"], "curve": []},
    "fidelity": {"enabled": False},
    "jobs": 1,
}


# Steps that no test waits for, and a state that is saved at once.
LONG = {**SETTINGS, "gan": {**stages.TINY_GAN, "steps": 10**6, "save_seconds": 0.01}}


def project(root: Path, **changes: Any) -> Project:
    return Project(root, config.check({**SETTINGS, **changes}))


def counts(made: Project) -> dict[str, tuple[int, int | None]]:
    return {one.stage: (one.done, one.pieces) for one in status(made).stages}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished")
    with stages.undrawn():
        pipeline.run(project(root))
    return root


@pytest.fixture
def prepared(finished: Path, tmp_path: Path) -> Path:
    """A folder where nothing but the images is ready."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prepared").symlink_to(finished / "data" / "prepared")
    return tmp_path


# --------------------------------------------------------------------------------------------------------------- status


def test_before_the_images_are_prepared(tmp_path: Path) -> None:
    found = status(project(tmp_path))
    assert counts(project(tmp_path))["prepare"] == (0, 1)
    assert "not prepared yet: " in str(found)
    assert "known once the images are prepared" in str(found)
    assert not found.is_done


def test_when_all_is_done(finished: Path) -> None:
    found = status(project(finished))
    assert counts(project(finished)) == {
        "prepare": (1, 1), "train": (3, 3), "synth": (3, 3), "classify": (4, 4), "report": (1, 1)
    }  # fmt: skip
    assert found.is_done
    assert str(found).endswith("left: nothing")
    assert json.loads(found.as_json())["done"] is True


def test_what_a_change_runs_and_how_long_it_takes(finished: Path) -> None:
    """A changed classifier trains no GAN; its time is that of such work under other settings."""
    made = project(finished, classifier={**SETTINGS["classifier"], "steps": 3})
    now = counts(made)
    assert (now["train"], now["synth"], now["classify"], now["report"]) == ((3, 3), (3, 3), (0, 4), (0, 1))
    by_stage = {one.stage: one for one in status(made).stages}
    classify = by_stage["classify"]
    assert classify.missing == ("0 none", "0 gan", "1 none", "1 gan")
    assert classify.by == "such work under other settings"
    took = sum(one["wall_seconds"] for one in made.work.timings("classify"))
    assert classify.seconds == pytest.approx(took, abs=0.06)  # four as long as the mean of four
    halved = project(finished, classifier={**SETTINGS["classifier"], "steps": 3}, jobs=2)
    assert {one.stage: one for one in status(halved).stages}["classify"].seconds == pytest.approx(took / 2, abs=0.06)


def test_what_was_never_timed_is_said(prepared: Path) -> None:
    found = status(project(prepared))
    assert found.untimed == ["train", "synth", "classify"]
    assert "left: train, synth, classify: unknown, since none was timed here yet" in str(found)


def test_filters_and_fidelity_are_stages_of_their_own(finished: Path) -> None:
    made = project(finished, synth={**SETTINGS["synth"], "drop_copies": True}, fidelity={"enabled": True})
    assert {name: counts(made)[name] for name in ("train", "filters", "fidelity")} == {
        "train": (3, 3), "filters": (0, 3), "fidelity": (0, 2)
    }  # fmt: skip


def test_a_report_of_other_rules_is_current(finished: Path) -> None:
    """They are judged again at each call of the gate."""
    assert status(project(finished, gate=[{"gain": "gan_vs_none", "above": 0.0}])).is_done


def test_it_imports_no_torch(finished: Path) -> None:
    code = "import sys; from contextlib import suppress; from ganaug.cli import app\n"
    code += "with suppress(SystemExit): app(['status'])"
    (finished / "params.yaml").write_text(json.dumps(SETTINGS))
    line = [sys.executable, "-c", f"{code}\nprint('torch' in sys.modules)"]
    done = subprocess.run(line, cwd=finished, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["left: nothing", "False"]


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "1 s"), (89, "89 s"), (100, "2 min"), (7200, "2.0 h")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# ------------------------------------------------------------------------------------------------------------------ run


def at_work(folder: Path) -> list[int]:
    """The processes that run in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # it has ended, or is another user's
            if place.readlink() == folder:
                found.append(int(place.parent.name))
    return found


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing outlives the test."""
    yield tmp_path
    for process in at_work(tmp_path):
        os.kill(process, signal.SIGKILL)


def states(root: Path) -> set[str]:
    return {path.read_text() for path in (root / ".ganaug" / "train" / "states").glob("*.json")}


@POSIX
def test_minutes_that_are_over_save_the_training(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Called again, it goes on from there."""
    wait, waited, before = subprocess.Popen.wait, list[float | None](), signal.getsignal(signal.SIGTERM)

    def time_is_over(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        waited.append(timeout)
        if len(waited) > 1:
            return wait(process, timeout)
        assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGHUP) in (
            signal.getsignal(signal.SIGTERM),
            signal.SIG_IGN,
        )  # a closed terminal
        until(lambda: states(root), "it has saved a state")
        raise subprocess.TimeoutExpired("ganaug", 300)

    monkeypatch.chdir(root)
    monkeypatch.setattr(subprocess.Popen, "wait", time_is_over)
    (root / "params.yaml").write_text(json.dumps(LONG))
    assert pipeline.run_for(5) is None
    assert waited[0] == 300
    assert [process for process in at_work(root) if process != os.getpid()] == []
    assert signal.getsignal(signal.SIGTERM) is before
    said, error = capfd.readouterr()
    assert (said.count("train: stopped "), said.count("resuming "), error) == (1, 0, "")
    train = next(one for one in status(project(root, **LONG)).stages if one.stage == "train")
    assert (train.done, train.by) == (0, "the steps that are done of it")
    assert sum("(at step " in one for one in train.missing) == 1

    def keep(*_: object) -> None:
        raise Stop

    monkeypatch.setattr(Keeper, "keep", keep)
    with pytest.raises(Stop):
        pipeline.run(project(root, **LONG))
    stopped = re.search(r"train: stopped (\w+) at step (\d+)", said)
    assert stopped
    assert resumed_at(capfd.readouterr().out, stopped[1]) == int(stopped[2])


@POSIX
@pytest.mark.parametrize(("words", "codes"), [(["--minutes", "5"], [143]), ([], [143, -signal.SIGTERM])])
def test_sigterm_ends_the_workers_with_their_states_saved(root: Path, words: list[str], codes: list[int]) -> None:
    (root / "params.yaml").write_text(json.dumps({**LONG, "jobs": 2}))
    process = processes.start(processes.ganaug, root, root / "said", ["run", *words])
    until(lambda: len(states(root)) == 2, "both workers saved a state")
    process.terminate()
    process.join(60)
    assert process.exitcode in codes
    until(lambda: at_work(root) == [], "nothing of it runs any more", 30)
    said = (root / "said").read_text()
    assert said.count("train: stopped ") == 2
    assert "Traceback" not in said


@POSIX
def test_what_ended_but_is_not_reaped_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """In many containers, nobody reaps the processes whose parent has ended."""
    orphan = subprocess.Popen(["sleep", "60"], process_group=0)
    try:
        assert pipeline._lives(orphan.pid)
        orphan.kill()
        os.waitid(os.P_PID, orphan.pid, os.WEXITED | os.WNOWAIT)
        assert not pipeline._lives(orphan.pid)
    finally:
        orphan.kill()
        orphan.wait()
    assert not pipeline._lives(orphan.pid)


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (2, 2), (None, 4)])
def test_exit_codes_of_a_run_with_minutes(
    prepared: Path, code: int | None, ends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(pipeline, "run_for", lambda minutes: asked.append(minutes) or code)
    (prepared / "params.yaml").write_text(json.dumps(SETTINGS))
    done = ganaug(prepared, "run", "--minutes", "0.5")
    assert (done.returncode, done.stderr, asked) == (ends, "", [0.5])
    over = "left: train, synth, classify: unknown, since none was timed here yet\n"
    over += "stopped after 0.5 minutes; run it again to go on\n"
    assert done.stdout.endswith(over) if ends == 4 else done.stdout == ""


@pytest.mark.parametrize(("script", "code"), [("exit()", 0), ("exit(3)", 3), ("os.kill(os.getpid(), 15)", 143)])
def test_a_run_that_ends_in_time_hands_on_its_code_and_what_it_says(
    script: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its end is that of ``python -m ganaug run``; another program is in its place here."""
    asked, real = [], subprocess.Popen

    def another(line: list[str], **how: Any) -> subprocess.Popen[bytes]:
        asked.append(line)
        return real([sys.executable, "-c", f"import os; print('said', flush=True); {script}"], **how)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", another)
    assert pipeline.run_for(5) == code
    assert asked == [[sys.executable, "-P", "-m", "ganaug", "run"]]
    assert capfd.readouterr() == ("said\n", "")


def test_no_time_is_enough_where_all_is_done(finished: Path) -> None:
    (finished / "params.yaml").write_text(json.dumps(SETTINGS))
    with stages.undrawn():
        done = ganaug(finished, "run", "--minutes", "1e-7")
    assert (done.returncode, done.stderr) == (0, "")
    assert "stopped" not in done.stdout
    assert "report: " in done.stdout


def test_a_finished_run_ends_with_the_verdict(finished: Path) -> None:
    (finished / "params.yaml").write_text(json.dumps(SETTINGS))
    with stages.undrawn():
        done, usual, much = (ganaug(finished, "run", *words) for words in (["--quiet"], [], ["--verbose"]))
    assert done.returncode == 0, done.stderr
    assert "stage 2 of 5" not in done.stdout
    assert "report: " in done.stdout
    assert "train: stage 2 of 5\ntrain: nothing to do, all of it was done before\n" in usual.stdout
    assert usual.stdout.endswith(done.stdout)
    assert "train: release is kept work " in much.stdout


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf"])
def test_odd_minutes_are_refused(tmp_path: Path, minutes: str) -> None:
    done = ganaug(tmp_path, "run", "--minutes", minutes)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--minutes: must be above 0" in done.stderr
