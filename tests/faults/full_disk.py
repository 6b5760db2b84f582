"""A disk that is full while a command writes: one line, nothing half-written, and with room again the same bytes.

The disk is a small tmpfs where this may be mounted (root alone), else a limit to the size of a file.
"""

import contextlib
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .commands import Command, Fault, differences, hashes, leftovers, must, new_project
from .project import SMALL

_DISK = 64 << 20  # bytes
# Each command with what it writes, in the order in which a project needs them.
_COMMANDS = {
    "ganaug prepare": ("data/prepared",),
    "ganaug train": ("models",),
    "ganaug synth --all": ("data/synth",),
    "ganaug classify": ("reports/trials", "reports/fidelity"),
    "ganaug report": ("reports",),
    "ganaug synth --n 20": ("synthetic",),
    "ganaug init new --dataset digits": ("new",),
}


@dataclass(frozen=True)
class Step:
    """A command, the project before and after an undisturbed run of it, and the bytes that it wrote."""

    command: str
    before: Path
    after: dict[str, str]
    written: int

    @property
    def words(self) -> list[str]:
        """Of the command line."""
        return self.command.split()

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it writes."""
        return _COMMANDS[self.command]


def run(rounds: int, seed: int, work: Path) -> tuple[int, list[Fault]]:
    """``rounds`` of every command, each with another room on the disk, drawn by ``seed``, in the folder ``work``.

    Returns how many there were, and the faults.
    """
    rng, steps = random.Random(seed), undisturbed(work / "undisturbed")
    disks, faults = 0, []
    with _disk(work / "disk") as (disk, mounted):
        for number in range(rounds):
            for step in steps:
                room = int(step.written * rng.random()) if number else 0
                project = shutil.copytree(step.before, disk / "project")
                where = f"{step.command} with room for {room:,} of {step.written:,} bytes"
                faults += [Fault(where, what) for what in _trouble(step, project, room, mounted)]
                disks += 1
                shutil.rmtree(project)
    return disks, faults


def undisturbed(work: Path) -> list[Step]:
    """Every command with room enough."""
    root, steps = new_project(work / "project", SMALL.replace("jobs: 1", "jobs: 2")), []
    for number, command in enumerate(_COMMANDS):
        before = work / f"before-{number}"
        shutil.copytree(root, before)
        must(root, *command.split())
        written = _size(root) - _size(before)
        steps.append(Step(command, before, _files(root, _COMMANDS[command]), written))
    return steps


def _size(root: Path) -> int:
    """In bytes, as whole pages: so much a disk must have."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in root.rglob("*") if path.is_file())


def _files(root: Path, outputs: tuple[str, ...]) -> dict[str, str]:
    """{file: hash}; of what DVC keeps for itself nothing."""
    return {name: one for name, one in hashes(root, outputs).items() if "/.dvc/" not in name}


@contextlib.contextmanager
def _disk(place: Path) -> Iterator[tuple[Path, bool]]:
    """A folder, and whether it is a small disk of its own."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield place, mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def _little(room: int, disk: Path, mounted: bool) -> Iterator[Callable[[], None]]:
    """``disk`` has ``room`` for so many bytes only, if it is ``mounted``; else what this gives limits a process that
    calls it to files of that size."""
    if not mounted:
        most = max(room, 4096)  # of its log too
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        return
    now, filler = os.statvfs(disk), disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, now.f_bavail * now.f_frsize - room))
    yield lambda: None
    filler.unlink()


def _trouble(step: Step, project: Path, room: int, mounted: bool) -> Iterator[str]:
    """What is wrong when a ``step`` has little ``room``, then enough; ``project``: where; ``mounted``: as above."""
    before = _files(project, step.outputs)
    with _little(room, project.parent, mounted) as limit:
        ended = Command(project, step.words, limit).wait()
    if trouble := ended.trouble(0, 2):
        yield trouble
    now = _files(project, step.outputs)
    if ended.code != 0:
        halves = [name for name in now if now[name] not in (before.get(name), step.after.get(name))]
        if halves:
            yield f"half-written: {halves[0]}"
        if again := Command(project, step.words).wait().trouble(0):
            yield f"with room again: {again}"
    if unlike := differences(_files(project, step.outputs), step.after):
        yield f"in the end: {unlike}"
    if left := leftovers(project):
        yield left
