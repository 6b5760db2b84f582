"""What is said of work as it goes: records of the logger ``ganaug``, as plain lines on stdout.

Results proper (a verdict, a table, JSON) are printed, whatever the level. Workers are other processes: they take the
level from the environment that they are started with.
"""

import logging
import os

LEVEL = "GANAUG_LOGLEVEL"


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # In one piece, since workers write too, and wherever stdout leads to now: where there is a bar, above it.
        print(f"{self.format(record)}\n", end="", flush=True)


def set_level(level: int) -> None:
    """Show records of this ``level`` of ``logging`` and above, in this process and in those that it starts."""
    os.environ[LEVEL] = logging.getLevelName(level)
    log.setLevel(level)


log = logging.getLogger("ganaug")
log.propagate = False
log.addHandler(_Lines())  # beside any that are there
log.setLevel(os.environ.get(LEVEL, "INFO"))
