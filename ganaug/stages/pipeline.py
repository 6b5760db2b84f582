"""The whole pipeline in one process, as dvc.yaml has it in five."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from ganaug.log import log
from ganaug.stages import classify, prepare, synth, train
from ganaug.stages import report as reporting
from ganaug.stages.project import Project

_GRACE_SECONDS = 60.0  # in which trainings that are told to stop save their states


def run(project: Project) -> None:
    """Every stage, one after the other."""
    stages: dict[str, Callable[[], object]] = {
        "prepare": lambda: log.info(_prepare(project)),
        "train": lambda: train.train(project, None),
        "synth": lambda: synth.synth_all(project, None),
        "classify": lambda: classify.classify(project, None),
        "report": lambda: reporting.report(project),
    }
    for number, (name, stage) in enumerate(stages.items(), 1):
        log.info(f"{name}: stage {number} of {len(stages)}")
        stage()


def _prepare(project: Project) -> str:
    with chdir(project.root):  # paths in the settings start there
        return prepare.prepare(replace(project, root=Path()))


def run_for(minutes: float, *options: str) -> int | None:
    """``ganaug run`` with the ``options`` in the current directory as a process of its own, for so many ``minutes`` at
    most; its exit code, or None if the time was over first. Then, as on an interruption, it is stopped with its
    workers: trainings save their states, and finished work is kept, so that it goes on from there when it is called
    again.

    To be called from the main thread.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ignored = [os.environ.get("PYTHONWARNINGS", ""), "ignore:resource_tracker:UserWarning"]  # it tidies up: no news
    env = {**os.environ, "PYTHONWARNINGS": ",".join(filter(None, ignored))}
    ends = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, stop) for number in ends}
    process = subprocess.Popen([sys.executable, "-P", "-m", "ganaug", "run", *options], process_group=0, env=env)
    try:
        code = process.wait(60 * minutes)
        return code if code >= 0 else 128 - code
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` before its workers: it would kill all of them as soon as the first one ends."""
    until = time.monotonic() + _GRACE_SECONDS
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    with suppress(ProcessLookupError, PermissionError):  # the group is empty, or has nothing that runs
        os.killpg(process.pid, signal.SIGTERM)
        while _lives(process.pid):
            if time.monotonic() > until:
                os.killpg(process.pid, signal.SIGKILL)
                return
            time.sleep(0.05)


def _lives(group: int) -> bool:
    """Whether any process of a ``group`` runs. One that has ended does not, though nobody reaps it, as in containers
    whose first process does not."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    states = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group:
                states.add(state)
    return states != {"Z"}
