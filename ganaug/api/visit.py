"""Long work in a process of the user's, who has settings of their own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganaug import device


@contextmanager
def visiting() -> Iterator[None]:
    """Afterwards torch's settings, the environment and the path of imports are as they were before.

    Meanwhile modules of the current directory, which a notebook and a prompt find, are found wherever work is done.
    """
    environment, path = dict(os.environ), list(sys.path)
    sys.path[:] = [str(Path.cwd()) if place == "" else place for place in path]
    try:
        with device.lent(device.resolve("auto")):
            yield
    finally:
        sys.path[:] = path
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
