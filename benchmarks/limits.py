"""How near the machine's own limit a GAN step, a classifier step and sampling come, and where their time goes.

python benchmarks/limits.py                      # 8, 28 and 64 pixels, one thread, a few minutes
python benchmarks/limits.py --sizes 8 --dtype float32

The limit is measured in the same run, not taken from a data sheet: the convolutions and matrix products of a step are
written down as they are called, forwards and backwards, and run again alone, on memory that they own. ``share``: the
time of these alone in that of the whole step; what is left of it is all else, by operator. ``peak``: floating-point
operations per second of a square matrix product, of the same type and number of threads.

Every figure is the median over rounds in which all are timed by turns, since a machine's speed drifts.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ["KINETO_LOG_LEVEL"] = "5"  # torch's profiler says that it found no GPU

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import flop_registry

from ganaug import device
from ganaug.classify.fitting import train_classifier
from ganaug.classify.spec import ClassifierSpec
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.synth.generator import CHUNK

CLASSES, PER_CLASS = 10, 20
HEAVY = ("convolution", "convolution_backward", "mm", "addmm", "bmm", "addbmm")
Call = tuple[Any, tuple[Any, ...], dict[str, Any]]


class Counted(TorchDispatchMode):
    """How many floating-point operations the convolutions and matrix products have that are called, forwards and
    backwards; torch's own FlopCounterMode, which counts by module too, does not go with gradients of gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if counts := flop_registry.get(func.overloadpacket):
            self.operations += counts(*args, **(kwargs or {}), out_val=made)
        return made


class Written(Counted):
    """The heavy operators that are called, too, with stand-ins for what they were called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in HEAVY:
            alike = tree_map(lambda one: torch.randn_like(one) if isinstance(one, torch.Tensor) else one, args)
            self.calls.append((func, alike, kwargs or {}))
        return super().__torch_dispatch__(func, types, args, kwargs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 28, 64], help="pixels per side")
    parser.add_argument("--dtype", choices=("auto", "float32"), default="auto", help="float32: without bfloat16")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    where = device.resolve("cpu")
    device.prepare(where)
    for size in options.sizes:
        gan = GanSpec(precision="float32") if options.dtype == "float32" else GanSpec()
        works = works_of(gan, size, where)
        report(size, works, options.rounds)


def works_of(gan: GanSpec, size: int, where: torch.device) -> dict[str, Callable[[], object]]:
    """{what it is: a call that does it once} for images of ``size`` pixels per side, gray."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (CLASSES * PER_CLASS, size, size, 1), np.uint8)
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    training = Training(images, labels, CLASSES, gan, 0, where)
    steps = iter(range(1, 10**9))
    classifier = ClassifierSpec()
    floats, targets = torch.randn(classifier.batch_size, 1, size, size), torch.zeros(classifier.batch_size).long()
    few = 10  # steps of a training, so that its start does not count

    def classify() -> object:
        spec = ClassifierSpec(steps=few)
        return train_classifier(lambda step: (floats, targets), spec, 1, CLASSES, size, 0, where)

    latents, some = torch.randn(CHUNK, gan.z_dim), torch.zeros(CHUNK).long()

    @torch.no_grad()
    def sample() -> object:
        return training.average(latents, some)

    cycle = max(one.every for one in gan.regularisers)  # from one lazy penalty to the next

    def train() -> object:
        return [training.step(next(steps)) for _ in range(cycle)]

    return {
        f"{cycle} GAN steps": train,
        f"{few} classifier steps": classify,
        f"{CHUNK} images": sample,
    }


def report(size: int, works: dict[str, Callable[[], object]], rounds: int) -> None:
    print(f"\n{size} pixels")
    for name, work in works.items():
        work()  # what is made once
        with Written() as written:
            work()
        calls, operations = written.calls, written.operations
        kinds = sorted({str(one.dtype).removeprefix("torch.") for _, args, _ in calls for one in tensors(args)})
        side, of = (1024, torch.bfloat16) if "bfloat16" in kinds else (1024, torch.float32)
        square = torch.randn(side, side, dtype=of)
        turns: dict[str, list[float]] = {"whole": [], "alone": [], "peak": []}
        for _ in range(rounds):
            turns["whole"].append(seconds(work))
            turns["alone"].append(seconds(lambda calls=calls: again(calls)))
            turns["peak"].append(seconds(lambda square=square: square @ square))
        whole, alone, matrix = (statistics.median(found) for found in turns.values())
        peak = 2 * side**3 / matrix
        print(
            f"{name:20s} {1e3 * whole:8.2f} ms  {operations / 1e9:7.3f} GFLOP  {operations / whole / 1e9:6.1f} GFLOP/s"
            f"  share {alone / whole:4.0%}  alone {operations / alone / 1e9:6.1f} GFLOP/s"
            f"  peak {peak / 1e9:6.1f} ({', '.join(kinds)})"
        )
        print("    " + ", ".join(f"{operator} {share:.0%}" for operator, share in by_operator(work)))


def tensors(args: Any) -> list[torch.Tensor]:
    return [one for one in args if isinstance(one, torch.Tensor)]


@torch.no_grad()
def again(calls: list[Call]) -> None:
    for func, args, kwargs in calls:
        func(*args, **kwargs)


def seconds(work: Callable[[], object], least: float = 0.3) -> float:
    """Of one call, the mean of as many as take ``least`` seconds."""
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < least or not count:
        work()
        count += 1
    return spent / count


def by_operator(work: Callable[[], object], most: int = 8) -> list[tuple[str, float]]:
    """The operators that take most of the time, and their shares of it."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(5):
            work()
    events = found.key_averages()
    total = sum(one.self_cpu_time_total for one in events)
    events = sorted(events, key=lambda one: -one.self_cpu_time_total)[:most]
    return [(one.key.removeprefix("aten::"), one.self_cpu_time_total / total) for one in events]


if __name__ == "__main__":
    main()
