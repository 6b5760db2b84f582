"""What reads one kind of input. A new one is a class here or in a file beside this one, entered in readers.py."""

import os
import random
import shutil
from pathlib import Path
from typing import Any, ClassVar


class Wrong(Exception):
    """An input was read, but not as what it is, or something was done that nobody asked for."""


class Reader:
    """Makes inputs and has ganaug read them, as its commands would.

    ``home`` is a folder of its own, ``base`` a finished project, which nothing is written to. Inputs follow from the
    random generator alone, so that one can be made again.
    """

    name: ClassVar[str]
    slow: ClassVar[int] = 1  # one in so many of its inputs is tried, where each takes long

    def __init__(self, home: Path, base: Path) -> None:
        self.home, self.base = home, base

    def whole(self) -> Any:
        """An input without a fault, which must be read: else all that follows would be refused for another reason."""
        raise NotImplementedError

    def make(self, rng: random.Random) -> Any:
        """A damaged one."""
        raise NotImplementedError

    def read(self, made: Any) -> None:
        """Read what ``make`` made, in the current directory. It may be read or refused by a UserError or an OSError.

        Raises Wrong if it is read as something else.
        """
        raise NotImplementedError

    def fresh(self) -> None:
        """Before each input: an empty directory, which becomes the current one."""
        place = self.home / "here"
        os.chdir(self.home)
        if place.exists():
            shutil.rmtree(place)
        place.mkdir()
        os.chdir(place)

    def outside(self) -> list[str]:
        """What lies in ``home``, and belongs to no reader: something was written outside its place."""
        return sorted({path.name for path in self.home.iterdir()} - {"here", "project", "pictures"})
