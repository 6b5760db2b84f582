"""Which device runs the networks, and how."""

from __future__ import annotations

import os
import platform
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator, WithJsonSchema

from ganaug.errors import UserError, quoted

if TYPE_CHECKING:
    import torch
    from torch import nn

    Module = TypeVar("Module", bound=nn.Module)

_NAMES, _GPU = ("auto", "cuda", "mps", "cpu"), "^cuda:(0|[1-9][0-9]{0,2})$"


def _known(name: str) -> str:
    if name not in _NAMES and not re.match(_GPU, name):
        raise ValueError(f"{', '.join(map(repr, _NAMES))} or one GPU, such as 'cuda:1'")
    return name


DeviceName = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"anyOf": [{"enum": list(_NAMES), "type": "string"}, {"pattern": _GPU, "type": "string"}]}),
]


def resolve(name: DeviceName) -> torch.device:
    """The device asked for; ``auto`` takes CUDA, then MPS, then the CPU. Raises UserError if it is missing here."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = [*(f"cuda:{number}" for number in range(gpus)), *["mps"] * torch.backends.mps.is_available(), "cpu"]
    if name == "auto":
        name = there[0].partition(":")[0]
    if name not in there and not (name == "cuda" and gpus):
        raise UserError(
            f'device: must be present on this machine, got {quoted(name)}; here: {", ".join(there)} (or use "auto")'
        )
    return torch.device(name)


def kind(name: DeviceName) -> str:
    """``cuda``, ``mps`` or ``cpu``: the type of the device that ``resolve`` gives, for those who run nothing on it.

    Where the operating system shows no GPU, torch is not asked: its import takes seconds and 300 MB.
    """
    drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's, AMD's, and Windows' for Linux below it
    if name == "auto" and sys.platform == "linux" and not any(map(os.path.exists, drivers)):
        return "cpu"
    return resolve(name).type


def count(name: DeviceName) -> int:
    """How many devices the name stands for: ``cuda`` and ``auto`` for all GPUs that this process may use."""
    if kind(name) != "cuda" or ":" in name:
        return 1
    import torch

    return torch.cuda.device_count()


@contextmanager
def least_busy(name: DeviceName, locks: Path) -> Iterator[torch.device]:
    """The device for a task, for as long as the block lasts: of several GPUs one with the fewest tasks.

    Each task holds a lock in the folder ``locks``: so the tasks of all processes that use the folder count, and those
    of a process that was killed no longer do.
    """
    from filelock import FileLock

    gpus = count(name)
    if gpus == 1:
        yield resolve(name)
        return
    import torch

    locks.mkdir(parents=True, exist_ok=True)
    here = platform.node()  # several machines may share the folder
    with FileLock(locks / f"{here}.lock"):  # one chooses at a time
        tasks = [sum(map(_is_held, locks.glob(f"{here}-{_of_machine(number)}-*.lock"))) for number in range(gpus)]
        number = tasks.index(min(tasks))
        own = FileLock(locks / f"{here}-{_of_machine(number)}-{uuid.uuid4().hex}.lock")
        own.acquire()
    try:
        yield torch.device("cuda", number)
    finally:
        own.release()
        Path(own.lock_file).unlink(missing_ok=True)


def _is_held(path: Path) -> bool:
    """Whether a task holds the lock; what a killed one left is removed."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=0):
            path.unlink(missing_ok=True)
    except Timeout:
        return True
    return False


def _of_machine(number: int) -> str:
    """What stands for the GPU among all of the machine, where this process may use some of them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return re.sub(r"[^\w-]", "-", visible.split(",")[number].strip()) if visible else str(number)


def title(device: torch.device) -> str:
    """What a reader calls it: the name of the GPU, or ``cpu``."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def prepare(device: torch.device) -> None:
    """Settings of the whole process: TF32 on CUDA; one thread on a CPU, so that results do not depend on its cores."""
    import torch

    if device.type == "cuda":
        if device.index is not None:
            torch.cuda.set_device(device)  # for calls that name none
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    else:
        torch.set_num_threads(1)


@contextmanager
def lent(device: torch.device) -> Iterator[None]:
    """As ``prepare``, for as long as the block lasts: in a process of the user's, who has settings of their own."""
    import torch

    threads, matmul, cudnn = torch.get_num_threads(), torch.backends.cuda.matmul, torch.backends.cudnn
    were = [(matmul, "allow_tf32"), (cudnn, "allow_tf32"), (cudnn, "benchmark")] if device.type == "cuda" else []
    settings = [(place, name, getattr(place, name)) for place, name in were]
    try:
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            prepare(device)
            yield
    finally:
        torch.set_num_threads(threads)
        for place, name, value in settings:
            setattr(place, name, value)


@contextmanager
def enough_memory(device: torch.device, setting: str) -> Iterator[None]:
    """Around work on ``device``. Raises UserError, which names the ``setting`` to lower, if its memory is too small."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        import torch

        said = " ".join(str(error).split())
        on_host = isinstance(error, MemoryError) or "DefaultCPUAllocator" in said
        if not on_host and not isinstance(error, torch.OutOfMemoryError):
            raise
        asked = re.search(r"allocate ([\d.]+ ?(?:[KMGT]iB|bytes))", said)
        raise UserError(
            f"{setting} must fit the memory of {title(device)}, but {asked[1] if asked else 'more'} could not be had; "
            "lower it, the width of the network, or jobs, or use a device with more memory"
        ) from None


def place(module: Module, device: torch.device) -> Module:
    """The module on the device, with channels last: 1.3 to 1.6 times as fast at 28 pixels on a CPU, more on CUDA."""
    import torch

    return module.to(device).to(memory_format=torch.channels_last)


def autocast(device: torch.device, enabled: bool = True) -> torch.autocast:
    """bfloat16 where the device computes it natively (CUDA from Ampere on; CPUs with AVX-512 BF16), else float32.

    bfloat16 keeps float32's exponent, so no loss scaling is needed.
    """
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled and computes_bfloat16(device))


def computes_bfloat16(device: torch.device) -> bool:
    """Whether it does so natively."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
