"""``ganaug doctor``: what is missing on this machine and in this project for a run, and what is slow and why."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import joblib

from ganaug import config, device, space, store
from ganaug.config import Settings
from ganaug.errors import UserError, one_line
from ganaug.stages.machine import machine
from ganaug.stages.needs import amount, needs, sizes_now
from ganaug.stages.project import Project
from ganaug.stages.workspaces import existing, place_of_work
from ganaug.start import estimate
from ganaug.start.files import MADE
from ganaug.start.findings import run_time
from ganaug.start.sync import outdated

_LEAST_MEMORY, _LEAST_DISK = 4 * 2**30, 2 * 2**30  # below these, more than small sets may not run
_NEAR = 0.6  # of the memory or the disk: a step really takes up to twice the memory that is reckoned
_SMALLER = "make data.image_size smaller"
_SLOW_SYNC = 0.1  # seconds that it takes to have a file of 4 MiB on the disk
_NETWORK = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "lustre", "ceph", "afs")  # file systems, by how they begin


@dataclass(frozen=True)
class Finding:
    """What was found of one ``topic``. warn: it works, but slowly or not all of it; fail: a run would not end well."""

    topic: str
    status: Literal["ok", "warn", "fail"]
    says: str

    def __str__(self) -> str:
        return f"{self.status:4}  {self.topic:11}  {one_line(self.says, 500)}"


def examine(root: Path, with_time: bool = False) -> list[Finding]:
    """Everything about this machine and the project in ``root``, the current directory, if there is one.

    ``with_time``: how long a run takes here too, which times some steps of its networks.
    """
    settings, about = _settings(root)
    return [
        *_versions(),
        *_device(settings),
        *_cores(settings),
        *_memory(),
        *_disk(root),
        *_git(root),
        about,
        *(_images(settings, root) if settings else ()),
        *(_needs(settings, root, with_time) if settings else ()),
        *_dvc(root, settings),
        *_permissions(root),
    ]


def as_json(found: list[Finding]) -> str:
    """For programs."""
    return store.json_text([asdict(one) for one in found])


# ---------------------------------------------------------------------------------------------------------- the machine


def _versions() -> Iterator[Finding]:
    here = machine()
    packages = ", ".join(f"{name} {version}" for name, version in here["packages"].items())
    yield Finding("versions", "ok", f"Python {here['python']}, {packages}; {here['system']}")


def _device(settings: Settings | None) -> Iterator[Finding]:
    try:
        where = device.resolve(settings.device if settings else "auto")
    except UserError as error:
        yield Finding("device", "fail", str(error))
        return
    if where.type == "cpu":
        yield Finding("device", "warn", "cpu: no GPU is used, so images of 64 pixels and more train slowly")
    else:
        yield Finding("device", "ok", _several(device.title(where), settings.device if settings else "auto"))
    if device.computes_bfloat16(where):
        yield Finding("bfloat16", "ok", "computed natively")
    else:
        yield Finding("bfloat16", "warn", "not computed natively: GANs train in float32, which takes longer")


def _several(title: str, name: device.DeviceName) -> str:
    """With how many there are of them."""
    gpus = device.count(name)
    return title if gpus == 1 else f"{title}, the first of {gpus} that tasks run on side by side"


def _cores(settings: Settings | None) -> Iterator[Finding]:
    usable, there = joblib.cpu_count(), os.cpu_count() or 1
    jobs = settings.jobs if settings else 0
    says = f"{usable} of {there} may be used" if usable < there else f"{usable}"
    if usable < 2:
        yield Finding("cores", "warn", f"{says}: one training at a time")
    elif jobs > usable:
        yield Finding("cores", "warn", f"{says}, and jobs is {jobs}: they share cores; set it to 0")
    elif 0 < jobs < usable and device.kind(settings.device if settings else "auto") == "cpu":
        yield Finding("cores", "warn", f"{says}, and jobs is {jobs}: the others are idle; set it to 0")
    else:
        yield Finding("cores", "ok", says)
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    if threads != "1":
        says = f"is {threads}: tasks run side by side with one thread each; unset it, or set it to 1"
        yield Finding("threads", "warn", f"OMP_NUM_THREADS {says}")
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > usable:
        yield Finding("load", "warn", f"{load:.1f} on {usable} cores: other programs slow a run down")


def _memory() -> Iterator[Finding]:
    there = space.memory()
    if there is None:
        yield Finding("memory", "ok", "the system does not say how much")
    else:
        says = f"{there / 2**30:.1f} GiB"
        small = there < _LEAST_MEMORY
        yield Finding("memory", "warn" if small else "ok", says + (": lower jobs if a run is killed" if small else ""))


def _disk(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root).free
    says = f"{free / 2**30:.1f} GiB free"
    if free < _LEAST_DISK:
        yield Finding("disk", "warn", f"{says}: large sets and many images need more")
    else:
        yield Finding("disk", "ok", says)
    kind = _file_system(root)
    if kind and kind.startswith(_NETWORK):
        yield Finding(
            "disk speed", "warn", f"{kind}, over a network: locks may be missing, and many small files are slow"
        )
        return
    try:
        with tempfile.TemporaryDirectory(prefix=".ganaug-", dir=root) as folder:
            began = time.perf_counter()
            Path(folder, "probe").write_bytes(bytes(4 << 20))
            store.sync(Path(folder))
            took = time.perf_counter() - began
    except OSError:
        return  # the permissions say so
    slow = took > _SLOW_SYNC
    says = f"4 MiB in {1000 * took:.0f} ms" + (": slow, as finished work is kept on it" if slow else "")
    yield Finding("disk speed", "warn" if slow else "ok", says)


def _file_system(root: Path) -> str | None:
    """The kind of the file system that a folder lies on; None where the system does not say."""
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return None
    kinds = {}
    for line in mounts.read_text(errors="replace").splitlines():
        _, point, kind, *_ = line.split()
        kinds[point.replace("\\040", " ")] = kind
    return next((kinds[str(place)] for place in (root.resolve(), *root.resolve().parents) if str(place) in kinds), None)


# ---------------------------------------------------------------------------------------------------------- the project


def _settings(root: Path) -> tuple[Settings | None, Finding]:
    if not (root / "params.yaml").is_file():
        return None, Finding("settings", "warn", 'no params.yaml here: "ganaug init" makes a project of your images')
    try:
        return config.load(root / "params.yaml"), Finding("settings", "ok", "params.yaml has no mistake")
    except UserError as error:
        return None, Finding("settings", "fail", str(error))


def _images(settings: Settings, root: Path) -> Iterator[Finding]:
    title, places = settings.data.source.title(), settings.data.watched()
    if missing := [place for place in places if not (root / place).exists()]:
        yield Finding("images", "fail", f"{title}: {missing[0]} is not there; correct data.source")
    else:
        yield Finding("images", "ok", f"{title}{f' at {places[0]}' if places else ''}")


def _needs(settings: Settings, root: Path, with_time: bool) -> Iterator[Finding]:
    """What a run takes, against what there is; ``with_time``: how long, too."""
    try:
        sizes = sizes_now(Project(root, settings))
        takes = needs(settings, sizes, _dvc_project(root) is not None)
        there, free = space.memory() or takes.memory * 10, shutil.disk_usage(root).free
        disk = takes.disk - _made(root)
        if takes.memory > there:
            yield Finding("needs", "fail", f"{takes}; there are {amount(there)} of memory: lower jobs, or {_SMALLER}")
        elif disk > free:
            yield Finding("needs", "fail", f"{takes}; {amount(free)} are free: lower synth.per_class, or {_SMALLER}")
        elif takes.memory > _NEAR * there or disk > _NEAR * free:
            yield Finding("needs", "warn", f"{takes}: near what there is; lower jobs or synth.per_class")
        else:
            yield Finding("needs", "ok", f"{takes}")
        if with_time:
            pace = estimate.measure_for(settings, sizes)
            yield Finding("time", "ok", run_time(pace, pace.run_seconds(settings, sizes)))
    except UserError as error:
        yield Finding("needs", "warn", f"unknown: {error}")


def _made(root: Path) -> int:
    """Bytes of what a run has written there."""
    return sum(file.stat().st_size for name in MADE for file in (root / name).rglob("*") if file.is_file())


def _git(root: Path) -> Iterator[Finding]:
    if not shutil.which("git"):
        yield Finding("git", "warn", "not installed: no history, and DVC runs no experiments")
        return

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)

    said, inside = git("--version").stdout.strip(), git("rev-parse", "--git-dir")
    if inside.returncode:
        why = (inside.stderr.strip().splitlines() or ["no repository"])[0]
        yield Finding("git", "warn", f"{said}; {why}: no history here, and DVC runs no experiments")
    elif git("rev-parse", "--verify", "--quiet", "HEAD").returncode:
        needed = "git add . && git commit -m start"
        yield Finding("git", "warn", f"{said}; no commit yet: DVC runs experiments after {needed}")
    else:
        yield Finding("git", "ok", said)


def _dvc(root: Path, settings: Settings | None) -> Iterator[Finding]:
    if there := _dvc_project(root):
        yield Finding("DVC", "ok", f"project at {there}")
    else:
        yield Finding("DVC", "warn", 'no project here: "ganaug run" needs none, "dvc repro" needs "dvc init"')
    if settings is None:
        return
    try:
        names = outdated(root)
    except UserError as error:
        yield Finding("dvc.yaml", "fail", str(error))
        return
    if names:
        yield Finding("dvc.yaml", "warn", f'{", ".join(names)}: not as params.yaml asks for; run "ganaug sync"')
    else:
        yield Finding("dvc.yaml", "ok", "as params.yaml asks for")


def _dvc_project(root: Path) -> Path | None:
    here = root.resolve()
    return next((place for place in (here, *here.parents) if (place / ".dvc" / "config").is_file()), None)


def _permissions(root: Path) -> Iterator[Finding]:
    """Of the places where a run writes, by writing there: what a system says of them may be wrong."""
    try:
        kept = place_of_work(root)
    except UserError as error:
        yield Finding("permissions", "fail", str(error))
        return
    for place in (root, *(root / name for name in MADE), existing(kept)):
        if not place.exists():
            continue
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            more = f", so that {kept} can be made" if place in kept.parents else ""
            yield Finding("permissions", "fail", f"{place} cannot be written to ({error.strerror}); correct that{more}")
            return
    yield Finding("permissions", "ok", "all places where a run writes can be written to")
