"""The state of a training on disk: saved whole now and then, on SIGTERM, and when the run that asked for it is gone."""

import hashlib
import io
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch

from ganaug import store
from ganaug.gan import ranks
from ganaug.log import log

_VERSION = 4


class Keeper:
    """The state of one split's training, in one file.

    ``path``: the file; ``title``: the split's name; ``about``: what the state depends on, as a table of texts;
    ``every_seconds`` it is saved; ``parent``: the process that this one works for, and stops without (None: nobody).
    """

    def __init__(self, path: Path, title: str, about: dict[str, str], every_seconds: float, parent: int | None) -> None:
        self.path, self.title, self.about, self.every_seconds = path, title, about, every_seconds
        self.parent = parent if parent != os.getpid() else None
        self.saved = time.perf_counter()
        self.asked_to_stop = False
        self.ranks = ranks.here()

    def load(self) -> dict[str, Any] | None:
        """The state to resume from, if there is one of the same settings, images and versions; of several processes
        the first has it, and keeps it.

        Others of this split are named and left where they are, of use again when their settings return.
        """
        return cast("dict[str, Any] | None", self.ranks.from_first(None if self.ranks.rank else self._load()))

    def _load(self) -> dict[str, Any] | None:
        state = _read(self.path) if self.path.exists() else None
        if self.path.exists() and (state is None or state["about"] != self.about):
            self._remove_broken()
            aside = self.path.with_suffix(".broken")  # until the next one, or the end of the training
            self.path.replace(aside)
            store.remove(self.path.with_suffix(".json"))
            self.say(f"set aside {aside}: it cannot be read")
            state = None
        for other in sorted(self.path.parent.glob(f"{self.title}-*.pt")):
            if other != self.path:
                self.say(f"set aside {other}: {self._difference(other)}")
        if state is None:
            return None
        self.say(f"resuming {self.title} at step {state['state']['step']}")
        return dict(state["state"])

    def _remove_broken(self) -> None:
        for broken in self.path.parent.glob(f"{self.title}-*.broken"):
            store.remove(broken)

    def _difference(self, other: Path) -> str:
        state = _read(other)
        if state is None:
            return "it cannot be read"
        differing = [name for name in self.about if state["about"].get(name) != self.about[name]]
        return f"a training of other {', '.join(differing)}, at step {state['state']['step']}"

    def keep(self, step: int, state: Callable[[], dict[str, Any]]) -> None:
        """Save ``state()`` if it is time. Stops the process, its state saved, if asked to or nobody waits for it."""
        orphaned = self.parent is not None and os.getppid() != self.parent
        stop = self.asked_to_stop or orphaned
        if self.ranks.rank:
            return
        if not stop and time.perf_counter() - self.saved < self.every_seconds:
            return
        self.save(state())
        if stop:
            self.say(f"stopped {self.title} at step {step}; run it again to go on")
            sys.stdout.flush()
            if self.parent is not None:
                os._exit(143)  # a pool would pass an exception to the parent, and wait forever if that is gone
            raise SystemExit(143)

    def save(self, state: dict[str, Any]) -> None:
        """Write the file, whole or not at all."""
        whole = io.BytesIO()  # torch tells of a full disk in a hundred lines
        torch.save({"version": _VERSION, "about": self.about, "state": state}, whole)
        with store.replacing(self.path) as part:
            part.write_bytes(hashlib.sha256(whole.getbuffer()).digest() + whole.getvalue())
        store.write_json(self.path.with_suffix(".json"), {"step": state["step"], "seconds": state.get("seconds", 0.0)})
        self.saved = time.perf_counter()

    def remove(self) -> None:
        """Delete the file: the training is finished."""
        store.remove(self.path)
        store.remove(self.path.with_suffix(".json"))  # how far it was, for those who read no weights
        self._remove_broken()

    def say(self, line: str) -> None:
        """Say a line about this training."""
        log.info(f"train: {line}" if not line.startswith("resuming") else line)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around a training: SIGTERM makes it save and stop."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: FrameType | None) -> None:
            self.asked_to_stop = True

        before = signal.signal(signal.SIGTERM, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
        if self.asked_to_stop:  # after the last step, too late for ``keep``
            signal.raise_signal(signal.SIGTERM)


def _read(path: Path) -> dict[str, Any] | None:
    """Runs no code from the file. None: it is not a state of this version, or not as it was written."""
    try:
        seal, data = (whole := path.read_bytes())[:32], memoryview(whole)[32:]
        if hashlib.sha256(data).digest() != seal:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saved: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return saved if saved["version"] == _VERSION else None
    except Exception:  # whatever the decoder raises, and whatever is missing or of another type
        return None
