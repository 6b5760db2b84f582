"""Finished work, kept under ``.ganaug/`` by a hash of all that it depends on.

DVC removes a stage's outputs before it runs the stage. What a split cost is kept here instead, so that an interrupted
stage goes on with the next split, an added trial is computed alone, and a changed classifier trains no GAN.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganaug import store

# Raised when a release changes what a stage computes from the same settings and data: older work is not reused then.
RECIPES = {"train": 4, "labels": 1, "filters": 2, "synth": 2, "classify": 2, "fidelity": 2, "report": 6}


class Work:
    """Folders of finished work below ``root``; each is made once, whole, and never changed."""

    TIMING = "timing.json"

    def __init__(self, root: Path) -> None:
        self.root = root

    def key(self, stage: str, depends_on: Any) -> str:
        """What stands for work of ``stage``, one of RECIPES: a hash of all that it ``depends_on``, plain values."""
        return store.digest(store.canonical({"stage": stage, "recipe": RECIPES[stage], "on": depends_on}))[:32]

    def place(self, stage: str, key: str) -> Path:
        """The folder where finished work lies, whether it is there or not."""
        return self.root / stage / key

    def once(
        self, stage: str, key: str, make: Callable[[Path], Mapping[str, Any] | None], title: str | None = None
    ) -> Path:
        """The folder of work of ``stage`` under ``key`` that ``make`` filled, now or in an earlier run; what ``make``
        returns is kept as its timing.

        A lock keeps two runs from the same work, also if the first one's parent was killed and it lives on: the second
        says so, waits, then finds the work done. ``title`` names the work to a user.
        """
        place = self.place(stage, key)
        if place.is_dir():
            return place
        with self.alone(f"{stage}/{key}", f"{stage}: another run is at {title or 'the same work'}; waiting for it"):
            if place.is_dir():
                return place
            part = place.with_suffix(".part")  # left behind by a run that was killed
            store.remove(part)
            part.mkdir()
            began = time.perf_counter()
            measured = make(part) or {}
            store.write_json(part / self.TIMING, {"wall_seconds": round(time.perf_counter() - began, 3), **measured})
            part.rename(place)
        return place

    @contextmanager
    def alone(self, name: str, waits: str | None = None) -> Iterator[None]:
        """Hold the lock called ``name``; ``waits`` is printed if another run holds it. A run that is killed lets go."""
        from filelock import FileLock, Timeout

        path = self.root / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waits:
                print(waits, flush=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def timing(self, stage: str, key: str) -> dict[str, Any] | None:
        """What was measured when the work was made; None if it is not there."""
        path = self.place(stage, key) / self.TIMING
        return store.read_json(path, "") if path.is_file() else None
