"""Long work in a process of the user's, who has settings of their own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganaug import device
from ganaug.workers import GUARDS


@contextmanager
def visiting() -> Iterator[None]:
    """Afterwards torch's settings, the path of imports and what workers are started with are as they were before.

    Meanwhile modules of the current directory, which a notebook and a prompt find, are found wherever work is done.
    """
    guards, path = {name: os.environ.get(name) for name in GUARDS}, list(sys.path)
    sys.path[:] = [str(Path.cwd()) if place == "" else place for place in path]
    try:
        with device.lent(device.resolve("auto")):
            yield
    finally:
        sys.path[:] = path
        for name, value in guards.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})
