"""What a stage shows while it runs: one bar on a terminal, plain lines elsewhere."""

import contextlib
import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from ganaug.log import log


class Progress:
    """Of the tasks with these ``keys``. Workers are other processes: each writes how many steps it has done to a small
    file in ``folder``, which is read here."""

    def __init__(self, folder: Path, keys: Collection[str]) -> None:
        self.folder, self.keys = folder, keys
        self._done = 0

    def reporter(self, key: str) -> Callable[[int], None]:
        """For a worker: call it with the steps done so far."""
        return partial(_write_steps, self.folder / key)

    @contextmanager
    def stage(self, name: str, steps: int) -> Iterator[None]:
        """Around the work, each task of so many ``steps``; ``name`` is the stage's."""
        if not self.keys:
            log.info(f"{name}: nothing to do, all of it was done before")
        try:
            with self._bar(name, steps) if self.keys and _bars() else nullcontext():
                yield
        except KeyboardInterrupt:
            print(f"ganaug: {name} was interrupted; what is finished is kept, run it again to go on", file=sys.stderr)
            raise
        finally:
            for key in self.keys:
                (self.folder / key).unlink(missing_ok=True)

    def finished(self, title: str, line: str) -> None:
        """Print the ``line`` of a finished task, with how many are done."""
        self._done += 1
        log.info(f"[{self._done}/{len(self.keys)}] {title}: {line}")

    def _bar(self, name: str, steps: int) -> AbstractContextManager[object]:
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.table import Table

        def completed() -> int:
            return max(sum(_read_steps(self.folder / key) for key in self.keys), self._done * steps)

        class Bar(Progress):
            def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
                """Called whenever the bar is drawn."""
                for task in tasks:
                    self.update(task.id, completed=completed())
                return super().make_tasks_table(self.tasks)

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        bar = Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn(), refresh_per_second=2)
        bar.add_task(name, total=steps * len(self.keys))
        return bar


@contextmanager
def counting(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, for work that is counted here: call what is given with (done, total)."""
    if not _bars():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bars() -> bool:
    return sys.stdout.isatty() and log.isEnabledFor(logging.INFO)


def _write_steps(path: Path, steps: int) -> None:
    with contextlib.suppress(OSError):  # a full disk ends the work when it has a result to write, not for a bar
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(steps))


def _read_steps(path: Path) -> int:
    try:
        return int(path.read_text() or 0)
    except (OSError, ValueError):  # not begun, or just being written
        return 0
