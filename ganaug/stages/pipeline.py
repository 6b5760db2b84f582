"""The whole pipeline in one process, as dvc.yaml has it in five."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from types import FrameType

from ganaug.log import log
from ganaug.stages import classify, prepare, synth, train
from ganaug.stages import report as reporting
from ganaug.stages.project import Project

_GRACE_SECONDS = 60  # in which a worker that is told to stop saves its state


def run(project: Project) -> None:
    """Every stage, one after the other."""
    stages: dict[str, Callable[[], object]] = {
        "prepare": lambda: log.info(prepare.prepare(project)),
        "train": lambda: train.train(project, None),
        "synth": lambda: synth.synth_all(project, None),
        "classify": lambda: classify.classify(project, None),
        "report": lambda: reporting.report(project),
    }
    for number, (name, stage) in enumerate(stages.items(), 1):
        log.info(f"{name}: stage {number} of {len(stages)}")
        stage()


def run_within(project: Project, minutes: float | None) -> bool:
    """The same, for so many ``minutes`` at most, all it takes where there are none; returns whether it is finished.

    Out of time, or on SIGTERM, it stops with its workers: trainings save their state, and finished work is kept, so
    that it goes on from there when it is called again. To be called from the main thread.
    """
    is_over = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        workers = multiprocessing.active_children()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(_GRACE_SECONDS)
        raise SystemExit(128 + number)

    def ring() -> None:
        is_over.set()
        signal.raise_signal(signal.SIGTERM)  # as a training in this process expects it

    clock = threading.Timer(60 * minutes, ring) if minutes is not None else None
    before = signal.signal(signal.SIGTERM, stop)
    try:
        if clock:
            clock.daemon = True
            clock.start()
        run(project)
    except SystemExit:
        if not is_over.is_set():
            raise
        return False
    finally:
        if clock:
            clock.cancel()
        signal.signal(signal.SIGTERM, before)
    return True
