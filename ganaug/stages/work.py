"""Finished work, kept under ``.ganaug/`` (see workspaces.py) by a hash of all that it depends on.

What a split cost is kept here, apart from a stage's outputs: an interrupted stage goes on with the next split, an added
trial is computed alone, and a changed classifier trains no GAN.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganaug import store
from ganaug.errors import UserError
from ganaug.log import log
from ganaug.stages.workspaces import make_ignored

# Raised when a release changes what a stage computes from the same settings and data: older work is not reused then.
RECIPES = {"train": 4, "labels": 1, "filters": 2, "synth": 2, "classify": 2, "fidelity": 2, "report": 7}


class Work:
    """Folders of finished work below ``root``; each is made once, whole, and never changed."""

    TIMING, DIGESTS = "timing.json", "digests.json"  # of a folder: what making it took, the SHA-256 of its other files

    def __init__(self, root: Path) -> None:
        self.root = root

    def key(self, stage: str, depends_on: Any) -> str:
        """What stands for work of ``stage``, one of RECIPES: a hash of all that it ``depends_on``, plain values."""
        return store.digest(store.canonical({"stage": stage, "recipe": RECIPES[stage], "on": depends_on}))[:32]

    def place(self, stage: str, key: str) -> Path:
        """The folder where finished work lies, whether it is there or not."""
        return self.root / stage / key

    def holds(self, stage: str, key: str) -> bool:
        """Whether the finished work is there, every file as it was made: a disk may lose what a run has written."""
        place = self.place(stage, key)
        if not (place / self.DIGESTS).is_file():
            return False
        try:
            return bool(store.read_json(place / self.DIGESTS, "") == self._digests(place))
        except (UserError, OSError):
            return False

    def _digests(self, place: Path) -> dict[str, str]:
        return {file.name: store.file_digest(file) for file in sorted(place.iterdir()) if file.name != self.DIGESTS}

    def once(
        self, stage: str, key: str, make: Callable[[Path], Mapping[str, Any] | None], title: str | None = None
    ) -> Path:
        """The folder of work of ``stage`` under ``key`` that ``make`` filled, now or in an earlier run; what ``make``
        returns is kept as its timing. Work that is not as it was made is made again.

        A lock keeps two runs from the same work, also if the first one's parent was killed and it lives on: the second
        says so, waits, then finds the work done. ``title`` names the work to a user.
        """
        place = self.place(stage, key)
        if self.holds(stage, key):
            return place
        with self.alone(f"{stage}/{key}", f"{stage}: another run is at {title or 'the same work'}; waiting for it"):
            if self.holds(stage, key):
                return place
            part = place.with_suffix(".part")
            for left in (part, place):  # by a run that was killed, and what was damaged
                store.remove(left)
            part.mkdir()
            try:
                self._fill(part, make)
                part.rename(place)
            except OSError as error:
                error.filename = error.filename or str(place)
                raise
            finally:
                store.remove(part)
        return place

    def _fill(self, part: Path, make: Callable[[Path], Mapping[str, Any] | None]) -> None:
        began = time.perf_counter()
        measured = make(part) or {}
        store.write_json(part / self.TIMING, {"wall_seconds": round(time.perf_counter() - began, 3), **measured})
        store.write_json(part / self.DIGESTS, self._digests(part))
        store.sync(part)

    def tidy(self, stage: str) -> None:
        """Remove the unfinished folders of ``stage`` that killed runs left: those whose lock nobody holds."""
        for part in (self.root / stage).glob("*.part"):
            with self._free(f"{stage}/{part.stem}") as free:
                if free:
                    store.remove(part)

    @contextmanager
    def _free(self, name: str) -> Iterator[bool]:
        """Hold the lock called ``name`` if no other run does."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.root / f"{name}.lock", timeout=0):
                yield True
        except Timeout:
            yield False

    @contextmanager
    def alone(self, name: str, waits: str | None = None) -> Iterator[None]:
        """Hold the lock called ``name``; ``waits`` is said if another run holds it. A run that is killed lets go."""
        from filelock import FileLock, Timeout

        make_ignored(self.root)
        path = self.root / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waits:
                log.warning(waits)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def timings(self, stage: str) -> list[dict[str, Any]]:
        """What was measured of all finished work of ``stage``, under whatever settings."""
        found = (self.timing(stage, folder.name) for folder in (self.root / stage).glob("*") if not folder.suffix)
        return [one for one in found if one]

    def timing(self, stage: str, key: str) -> dict[str, Any] | None:
        """What was measured when the work was made; None if it is not there."""
        path = self.place(stage, key) / self.TIMING
        return store.read_json(path, "") if path.is_file() else None
