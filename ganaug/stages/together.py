"""``torchrun -m ganaug train --split release``: one training by several processes.

Each runs this command. The first does what ``ganaug train`` does, and alone writes and speaks; when it comes to the
training itself, it tells the others, who take part and write nothing. The work has the key that it has of one process:
it differs from that in rounding alone, as work of another device does.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ganaug import device
from ganaug.errors import UserError
from ganaug.log import set_level
from ganaug.stages import train as stage
from ganaug.stages.project import Project
from ganaug.stages.split import open_splits
from ganaug.stages.tasks import Task, Worker

_WAITS = timedelta(days=1)  # for the first process, which may have to wait for another run
_LISTENS = 10.0  # seconds that torchrun lets the first process speak, which it ends when another has ended


def launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def train(project: Project, only: str | None) -> None:
    """Stage ``train``, with torchrun's other processes if there are any. Raises UserError if they cannot share it."""
    if not launched():
        stage.train(project, only)
        return
    is_first = os.environ["RANK"] == "0"
    if not is_first:
        set_level(logging.CRITICAL)
    try:
        _share(project, only, is_first)
    except UserError:
        if is_first:
            raise
        time.sleep(_LISTENS)
        raise SystemExit(2) from None
    except RuntimeError as error:
        if "by peer" not in str(error):  # as gloo says that a process is gone
            raise
        if not is_first:
            raise SystemExit(143) from None
        raise UserError(
            "torchrun: another process of the training ended; run it again, it goes on where it was"
        ) from None


def _share(project: Project, only: str | None, is_first: bool) -> None:
    from ganaug.gan import ranks

    if only is None:
        raise UserError("--split: torchrun trains one split, got none; name it, such as --split release")
    where = _device(project.settings.device)
    project = replace(project, settings=replace(project.settings, device=where, jobs=1, cluster=None))
    with _group(where):
        if is_first:
            stage.train(project, only, _announced)
            ranks.here().from_first(False)
            return
        (split,) = open_splits(project, only)
        while ranks.here().from_first(None):
            stage.take_part(split, Worker(device.resolve(where), lambda step: None, None))


def _device(name: device.DeviceName) -> device.DeviceName:
    """This process's. Raises UserError if it has none of its own."""
    if device.kind(name) != "cuda":
        return name
    place, there, started = int(os.environ["LOCAL_RANK"]), device.count(name), int(os.environ["LOCAL_WORLD_SIZE"])
    if started > there:
        raise UserError(
            f"device: each process of torchrun needs a GPU of its own, got {started} processes and {there} under "
            f"{name}; start fewer, or set device to auto or cpu"
        )
    return f"cuda:{place}"


@contextmanager
def _group(name: device.DeviceName) -> Iterator[None]:
    from torch import distributed

    from ganaug.gan import ranks

    where = device.resolve(name)
    device.prepare(where)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if where.type == "cuda" else "gloo", timeout=_WAITS)
    try:
        with ranks.sharing(ranks.Ranks(distributed.get_rank(), distributed.get_world_size())):
            yield
    finally:
        distributed.destroy_process_group()


def _announced(task: Task) -> Task:
    from ganaug.gan import ranks

    def make(folder: Path, worker: Worker) -> Mapping[str, Any] | None:
        ranks.here().from_first(True)
        return task.make(folder, worker)

    return replace(task, make=make)
