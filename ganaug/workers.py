"""Worker processes: results of many calls, from processes that import nothing of the directory they run in."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from ganaug.errors import UserError

GUARDS = ("PYTHONSAFEPATH", "PYTHONIOENCODING")  # of the environment: what ``guard_imports`` sets


def guard_imports() -> None:
    """Have the processes that this one starts import from the installed packages alone, never from the directory they
    run in: a user's ``random.py`` there would be run in the place of Python's."""
    os.environ[GUARDS[0]] = "1"
    if encoding := getattr(sys.stdout, "encoding", None):  # they show another letter, too, where a terminal lacks one
        os.environ[GUARDS[1]] = f"{encoding}:replace"


def run(
    jobs: int,
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    ordered: bool = True,
    hint: str = "lower jobs, and run it again: it goes on where it was",
) -> Iterator[Any]:
    """The result of ``function`` for the arguments of each of ``calls``, from at most ``jobs`` processes.

    ``ordered``: in their order; else as they come. Workers whose parent is killed end after their call.
    Raises UserError, with the ``hint``, if a worker is killed.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    guard_imports()
    waits = parent()
    try:
        with warnings.catch_warnings():
            # loky starts a worker anew, between calls, when it has grown by 300 MB, and warns of it as of a leak: here
            # calls differ in what they import and hold.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
            yield from joblib.Parallel(
                max(1, min(jobs, len(calls))),
                return_as="generator" if ordered else "generator_unordered",
                **({"pre_dispatch": "4*n_jobs"} if ordered else {"batch_size": 1}),
            )(joblib.delayed(_call)(waits, function, arguments) for arguments in calls)
    except TerminatedWorkerError:
        raise UserError(f"jobs: a worker process was killed, as the system does when memory runs out; {hint}") from None


def parent() -> int | None:
    """This process, if it is what the workers work for: joblib can be told to use those of a cluster, and then None."""
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    return os.getpid() if type(backend).__name__ in ("LokyBackend", "SequentialBackend") else None


_at_work = threading.Lock()


def _call(parent: int | None, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if parent not in (None, os.getpid()):
        _watch(parent)
    with _at_work:
        return function(*arguments)


@cache
def _watch(parent: int) -> None:
    """joblib's own would wait for minutes for more work of a parent that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        with _at_work:
            os._exit(143)

    threading.Thread(target=watch, daemon=True).start()
