"""Readers that do one thing wrong each: what finds faults must find these."""

import os
import signal
import sys
import time
import warnings
from typing import Any

from ganaug.errors import UserError

from .mutations import Code
from .reader import Reader, Wrong


class _Toy(Reader):
    def whole(self) -> Any:
        return None


class Sound(_Toy):
    """Reads its input."""

    name = "sound"

    def read(self, made: Any) -> None:
        pass


class Refuses(_Toy):
    """Refuses an input that is whole."""

    name = "refuses"

    def read(self, made: Any) -> None:
        raise UserError("no")


class Breaks(_Toy):
    """Lets an error through."""

    name = "breaks"

    def read(self, made: Any) -> None:
        raise KeyError("x")


class Misreads(_Toy):
    """Reads something else."""

    name = "misreads"

    def read(self, made: Any) -> None:
        raise Wrong("two instead of one")


class Sprawls(_Toy):
    """Tells an error in two lines."""

    name = "sprawls"

    def read(self, made: Any) -> None:
        print("ganaug: more\nthan one line", file=sys.stderr)


class Colours(_Toy):
    """Writes control characters."""

    name = "colours"

    def read(self, made: Any) -> None:
        print("\x1b[31mred")


class Warns(_Toy):
    """Warns of what the user cannot fix."""

    name = "warns"

    def read(self, made: Any) -> None:
        warnings.warn("soon", FutureWarning, stacklevel=1)


class Strays(_Toy):
    """Writes outside its folder."""

    name = "strays"

    def read(self, made: Any) -> None:
        (self.home / "stray").touch()


class RunsCode(_Toy):
    """Runs the code of its input."""

    name = "runs-code"

    def read(self, made: Any) -> None:
        function, arguments = Code().__reduce__()
        function(*arguments)


class Swells(_Toy):
    """Takes too much memory."""

    name = "swells"

    def read(self, made: Any) -> None:
        kept = b"x" * (900 << 20)
        time.sleep(60)
        del kept


class Dies(_Toy):
    """Is killed, as by a decoder's bad pointer."""

    name = "dies"

    def read(self, made: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(_Toy):
    """Never ends."""

    name = "hangs"

    def read(self, made: Any) -> None:
        time.sleep(60)


# What must be said of each; of Hangs too, when the patience is over.
TOYS: dict[type[Reader], str] = {
    Sound: "read",
    Refuses: "whole input refused",
    Breaks: "traceback",
    Misreads: "wrong",
    Sprawls: "message: 2 lines",
    Colours: "message: character U+001B",
    Warns: "warning",
    Strays: "file outside",
    RunsCode: "code was run",
    Swells: "memory",
    Dies: "death (exit code -9)",
}
