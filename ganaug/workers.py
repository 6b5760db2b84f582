"""Worker processes: results of many calls, from processes that import nothing of the directory they run in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ganaug.errors import UserError


def guard_imports() -> None:
    """Have the processes that this one starts import from the installed packages alone, never from the directory they
    run in: a user's ``random.py`` there would be run in the place of Python's."""
    os.environ["PYTHONSAFEPATH"] = "1"
    if encoding := getattr(sys.stdout, "encoding", None):  # they show another letter, too, where a terminal lacks one
        os.environ["PYTHONIOENCODING"] = f"{encoding}:replace"


def run(
    jobs: int,
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    ordered: bool = True,
    hint: str = "lower jobs, and run it again: it goes on where it was",
) -> Iterator[Any]:
    """The result of ``function`` for the arguments of each of ``calls``, from at most ``jobs`` processes.

    ``ordered``: in their order; else as they come. Raises UserError, with the ``hint``, if a worker is killed.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    guard_imports()
    try:
        yield from joblib.Parallel(
            max(1, min(jobs, len(calls))),
            return_as="generator" if ordered else "generator_unordered",
            **({"pre_dispatch": "4*n_jobs"} if ordered else {"batch_size": 1}),
        )(joblib.delayed(function)(*arguments) for arguments in calls)
    except TerminatedWorkerError:
        raise UserError(f"jobs: a worker process was killed, as the system does when memory runs out; {hint}") from None
