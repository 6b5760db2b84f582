"""What a command shows while it works: one bar on a terminal; elsewhere, as in a log, a plain line now and then."""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from ganaug.log import log

_EVERY = 30.0  # seconds between two lines of a log


class Progress:
    """Of the tasks with these ``keys``. Workers are other processes: each writes how many steps it has done to a small
    file in ``folder``, which is read here."""

    def __init__(self, folder: Path, keys: Collection[str]) -> None:
        self.folder, self.keys = folder, keys
        self._done, self._most = 0, 0

    def reporter(self, key: str) -> Callable[[int], None]:
        """For a worker: call it with the steps done so far."""
        return partial(_write_steps, self.folder / key)

    @contextmanager
    def stage(self, name: str, steps: int) -> Iterator[None]:
        """Around the work, each task of so many ``steps``; ``name`` is the stage's."""
        show = self._bar if _bars() else self._lines
        if not self.keys:
            log.info(f"{name}: nothing to do, all of it was done before")
        try:
            with show(name, steps) if self.keys else nullcontext():
                yield
        except KeyboardInterrupt:
            print(f"ganaug: {name} was interrupted; what is finished is kept, run it again to go on", file=sys.stderr)
            raise
        finally:
            for key in self.keys:
                for path in (self.folder / key, _unfinished(self.folder / key)):
                    path.unlink(missing_ok=True)

    def finished(self, title: str, line: str) -> None:
        """Print the ``line`` of a finished task, with how many are done."""
        self._done += 1
        log.info(f"[{self._done}/{len(self.keys)}] {title}: {line}")

    def completed(self, steps: int) -> int:
        """Steps done by all tasks, each of ``steps``: never fewer than it was said before."""
        self._most = max(self._most, sum(_read_steps(self.folder / key) for key in self.keys), self._done * steps)
        return self._most

    def _lines(self, name: str, steps: int) -> AbstractContextManager[object]:
        count = len(self.keys)

        def line(seconds: float) -> str:
            share = self.completed(steps) / (steps * count)
            return f"{name}: {share:.0%} after {seconds:.0f} s, {self._done} of {count} finished"

        return _now_and_then(f"{name}: {count} to do", line)

    def _bar(self, name: str, steps: int) -> AbstractContextManager[object]:
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.table import Table

        completed = self.completed

        class Bar(Progress):
            def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
                """Called whenever the bar is drawn."""
                for task in tasks:
                    self.update(task.id, completed=completed(steps))
                return super().make_tasks_table(self.tasks)

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        bar = Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn(), refresh_per_second=2)
        bar.add_task(name, total=steps * len(self.keys))
        return bar


@contextmanager
def counting(name: str) -> Iterator[Callable[[int, int], None]]:
    """For work that is counted here: call what is given with (done, total). Work that is begun again shows no less."""
    most, counted = 0, f"{name} ..."

    def count(done: int, total: int) -> None:
        nonlocal most, counted
        most = max(most, done)
        counted = f"{name}: {most:,} of {total:,}"
        if task is not None:
            bar.update(task, completed=most, total=total)

    if not _bars():
        task = None
        with _now_and_then(counted, lambda _: counted):
            yield count
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(name, total=None)
        yield count


@contextmanager
def _now_and_then(first: str, line: Callable[[float], str]) -> Iterator[None]:
    """Say ``first``, and then, every so often while the block runs, the ``line`` after so many seconds."""
    began, over = time.monotonic(), threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY):
            log.info(line(time.monotonic() - began))

    log.info(first)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _bars() -> bool:
    return sys.stdout.isatty() and log.isEnabledFor(logging.INFO)


def _unfinished(path: Path) -> Path:
    return path.with_suffix(".part")


def _write_steps(path: Path, steps: int) -> None:
    with contextlib.suppress(OSError):  # a full disk ends the work when it has a result to write, not for a bar
        path.parent.mkdir(parents=True, exist_ok=True)
        _unfinished(path).write_text(str(steps))
        _unfinished(path).replace(path)  # a file that is being written is short, and a bar would go back


def _read_steps(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not begun
        return 0
