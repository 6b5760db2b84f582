"""Work as tasks, and the one function that makes what is missing: on workers and devices, with a bar and lines."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import device, store, workers
from ganaug.config import Settings
from ganaug.log import log
from ganaug.stages.progress import Progress
from ganaug.stages.project import Project
from ganaug.stages.work import Work

if TYPE_CHECKING:
    import torch


_NOT_COPIED = shutil.ignore_patterns(Work.TIMING, Work.DIGESTS)


@dataclass(frozen=True)
class Worker:
    """Where a task is made."""

    device: torch.device
    report: Callable[[int], None]  # call it with the steps done so far
    parent: int | None  # the process that started this one and waits for it; None: nobody to watch


@dataclass(frozen=True)
class Task:
    """A piece of work on a split: what stands for it, how it is made, what it is called."""

    stage: str  # one of work.RECIPES
    key: str
    split: str
    make: Callable[[Path, Worker], Mapping[str, Any] | None]  # fills the folder; returns measurements to keep with it
    line: Callable[[Path], str]  # the finished folder -> what to say of it
    detail: str = ""  # which of the split's, where there are several
    steps: int = 1
    after: Callable[[Worker], None] | None = None  # called where it was made, when the folder is in its place

    @property
    def title(self) -> str:
        """What it is called: the split, and which of its tasks."""
        return f"{self.split} {self.detail}".strip()

    def folder(self, work: Work) -> Path:
        """Where the finished work lies."""
        return work.place(self.stage, self.key)


def finish(project: Project, name: str, tasks: Sequence[Task]) -> None:
    """Make those of ``tasks`` that are not finished yet, side by side, under a bar called ``name``.

    Work that another run of ``project`` is at is waited for.
    """
    work = project.work
    missing: dict[str, Task] = {}
    for stage in {task.stage for task in tasks}:
        work.tidy(stage)
    for task in tasks:
        if work.holds(task.stage, task.key):
            log.debug(f"{name}: {task.title} is kept work {task.key}")
        else:
            missing.setdefault(task.key, task)
    progress = Progress(work.root / "progress", missing)
    todo = [(_make, (project, task, progress.reporter(task.key))) for task in missing.values()]
    with progress.stage(name, max((task.steps for task in tasks), default=1)):
        for key in in_parallel(project, todo):
            task = missing[key]
            progress.finished(task.title, task.line(task.folder(work)))


def publish(project: Project, target: Path, folders: Mapping[str, Sequence[Path]], whole: bool) -> None:
    """Copy finished work to ``target/<name>``: ``folders`` has, by name, folders whose files add to earlier ones' or
    replace them; ``project`` holds the lock.

    ``whole``: these are all; what else lies in ``target``, as of an earlier protocol, is removed.
    """
    with project.alone(target.name):  # a run that waited for another one's work ends when that does
        for name, places in folders.items():
            with store.replacing(target / name, folder=True) as folder:
                for place in places:
                    shutil.copytree(place, folder, dirs_exist_ok=True, ignore=_NOT_COPIED)
        if whole:
            keep_only(target, folders)


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove whatever else lies in ``folder`` than these ``names``; what another run is writing there is hidden."""
    store.sweep(folder)
    for entry in list(folder.iterdir()):
        if entry.name not in names and not entry.name.startswith("."):
            store.remove(entry)


def _make(project: Project, task: Task, report: Callable[[int], None], parent: int | None) -> str:
    with device.least_busy(project.settings.device, project.work.root / "devices") as where:
        device.prepare(where)
        worker = Worker(where, report, parent)
        log.debug(f"{task.stage}: {task.title} begins on {device.title(where)}, as work {task.key}")
        with device.enough_memory(where, _largest(project.settings, task.stage)):
            project.work.once(task.stage, task.key, lambda folder: task.make(folder, worker), f"split {task.split}")
        if task.after:
            task.after(worker)
    return task.key


def _largest(settings: Settings, stage: str) -> str:
    """What takes the most memory in a stage."""
    if stage == "train":
        return f"gan.batch_size: {settings.gan.batch_size} images at once"
    if stage in ("synth", "fidelity"):
        return f"{stage}: the images"
    return f"classifier.batch_size: {settings.classifier.batch_size} images at once"


def in_parallel(project: Project, tasks: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> Iterable[Any]:
    """Results as they come, from ``jobs`` processes of one thread each; where ``project`` has a cluster, from its
    workers.

    Each function is also given, as its last argument, the process that it works for if that is on this machine: it must
    not go on without it. Raises UserError if a worker is killed.
    """
    if project.settings.cluster:
        from ganaug.stages import cluster

        yield from cluster.results(project, [(function, *arguments, None) for function, arguments in tasks])
        return
    parent = workers.parent()
    calls = [(function, *arguments, parent) for function, arguments in tasks]
    yield from workers.run(at_once(project.settings), _call, calls, ordered=False)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def at_once(settings: Settings) -> int:
    """How many tasks are made side by side: ``jobs``, or one per core; of GPUs, ``jobs`` or one on each. How many
    workers a cluster has is not asked: then as many as on this machine's cores."""
    if settings.cluster or device.kind(settings.device) == "cpu":
        return processes(settings)
    return (settings.jobs or 1) * device.count(settings.device)


def processes(settings: Settings) -> int:
    """``jobs``, or one per core (the cores that this process may use)."""
    import joblib

    return settings.jobs or joblib.cpu_count()
