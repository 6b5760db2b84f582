"""The memory and the disk of this machine, asked before something large is made."""

import os
import shutil
from pathlib import Path

from ganaug.errors import UserError

# What a container may use, where it says so: two generations of Linux's control groups.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory() -> int | None:
    """The bytes of memory that there are, used or not; None where the system does not say."""
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        said = [path.read_text().strip() for path in _LIMITS if path.is_file()]
        found += [int(limit) for limit in said if limit != "max"]
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, macOS not every name
        pass
    return min((size for size in found if size > 0), default=None)


def check_memory(needed: int, there: int | None, what: str, fix: str) -> None:
    """Raises UserError, which says ``what`` takes at least ``needed`` bytes, if fewer are ``there``, and ``fix``."""
    if there is not None and needed > there:
        raise UserError(f"{what} take at least {_size(needed)} of memory, and there are {_size(there)}; {fix}")


def check_disk(place: Path, needed: int, what: str, fix: str) -> None:
    """The same for the disk of ``place``. Raises UserError if less than ``needed`` is free; ``what`` and ``fix`` as
    above."""
    there = place.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(f"{what} take at least {_size(needed)} of disk, and {_size(free)} are free at {place}; {fix}")


def _size(count: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,} bytes"
