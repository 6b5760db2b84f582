"""What might make a GAN's step or its sampling faster, each beside the step as it is, by turns in one process.

    python benchmarks/candidates.py [--sizes 8 28] [--only NAME ...] [--rounds 9]

The settings are those of the digits (8 pixels) and of examples/fashion-mnist (28). Time is CPU time of one thread, the
median over rounds; ratios are what to read, since a machine's speed drifts. ``start``: seconds until a candidate has
made its first step, compilation for example. A candidate that changes what is computed says so; whether its images are
as good is for operations.py to find.
"""

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from ganaug import config, device
from ganaug.gan import adversarial, steps
from ganaug.gan.adversarial import Adversarial
from ganaug.gan.augment import DiffAugment
from ganaug.gan.regularisers import R1, Judged
from ganaug.gan.steps import Training
from ganaug.report.verdict import markdown_table
from ganaug.synth.generator import CHUNK

ROOT = Path(__file__).parents[1]
SETS = {8: ROOT / "params.yaml", 28: ROOT / "examples" / "fashion-mnist" / "params.yaml"}  # pixels -> settings
CLASSES, PER_CLASS = 10, 20
Patches = Callable[[], contextlib.AbstractContextManager[Any]]


def finite_differences(r1: R1, judged: Judged) -> Tensor:
    """R1 without a gradient of a gradient: the squared slope of D along a random direction, times the numbers of an
    image, whose mean over directions is the squared gradient."""
    step = 0.01
    direction = torch.randn(judged.real.shape, generator=judged.rng)
    direction = direction / direction.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    moved = judged.discriminate(judged.real.detach() + step * direction).float()
    slope = (moved - judged.real_logits) / step
    return r1.every * r1.gamma / 2 * direction[0].numel() * (slope**2).mean()


@contextlib.contextmanager
def by_differences() -> Iterator[None]:
    """No gradient with regard to images either: real and fake go through D together."""
    with mock.patch.object(R1, "gradient_norm", None), mock.patch.object(R1, "penalty", finite_differences):
        yield


def rarely(every: int | None) -> Patches:
    """R1 every so many steps; None: never, which is what it costs."""
    due = (lambda one, step: False) if every is None else (lambda one, step: step % every == 0)
    return lambda: mock.patch.object(R1, "is_due", due)


@contextlib.contextmanager
def without_history() -> Iterator[None]:
    """Nothing that only the history shows: means of losses and logits, norms of gradients."""
    nothing = mock.Mock(return_value=None)
    with contextlib.ExitStack() as stack:
        for owner, name in (
            (Adversarial, "measure"),
            (Adversarial, "_follow"),
            (adversarial, "gradient_norm"),
            (steps, "gradient_norm"),
        ):
            stack.enter_context(mock.patch.object(owner, name, nothing))
        yield


def usual_layout() -> contextlib.AbstractContextManager[Any]:
    return mock.patch.object(device, "place", lambda module, where: module.to(where))


@contextlib.contextmanager
def one_product() -> Iterator[None]:
    """Where the pixels of a distorted image come from: one product for all images, not one for each."""

    def grid(rows: Tensor, shape: list[int], align_corners: bool) -> Tensor:
        count, _, height, width = shape
        y, x = ((2 * torch.arange(side) + 1) / side - 1 for side in (height, width))
        base = torch.stack([x.repeat(height), y.repeat_interleave(width), torch.ones(height * width)])
        return (rows.reshape(-1, 3) @ base).view(count, 2, height, width).permute(0, 2, 3, 1)

    with mock.patch.object(torch.nn.functional, "affine_grid", grid):
        yield


def compiled(training: Training) -> None:
    training.generator.compile()
    training.discriminator.compile()


def plain(training: Training) -> None:
    """As it is."""


STEPS: dict[str, tuple[Patches, Callable[[Training], None]]] = {
    "as it is": (contextlib.nullcontext, plain),
    "R1 half as often": (rarely(8), plain),
    "no R1": (rarely(None), plain),
    "R1 by finite differences": (by_differences, plain),
    "nothing for the history": (without_history, plain),
    "the usual layout of maps": (usual_layout, plain),
    "an augmentation's grid as one product": (one_product, plain),
    "no augmentation": (lambda: mock.patch.object(DiffAugment, "__call__", lambda one, images, *rest: images), plain),
    "no R1, torch.compile": (rarely(None), compiled),  # it knows no gradient of a gradient
}


@torch.no_grad()
def forward(training: Training, latents: Tensor, labels: Tensor) -> Tensor:
    return training.average(latents, labels)


@torch.inference_mode()
def inferred(training: Training, latents: Tensor, labels: Tensor) -> Tensor:
    return training.average(latents, labels)


def in_bfloat16(training: Training, latents: Tensor, labels: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return forward(training, latents, labels)


SAMPLING: dict[str, Callable[[Training, Tensor, Tensor], Tensor]] = {
    "as it is": forward,
    "inference mode": inferred,
    "bfloat16": in_bfloat16,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", choices=SETS, default=list(SETS), help="pixels per side")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    where = device.resolve("cpu")
    device.prepare(where)
    names = ["as it is", *(name for name in options.only if name != "as it is")]
    for size in options.sizes:
        print(f"\n{size} pixels\n\n{steps_table(size, names, options.rounds, where)}")
        print(f"\n{sampling_table(size, options.rounds, where)}", flush=True)


def training_of(size: int, where: torch.device) -> Training:
    images = np.random.default_rng(0).integers(0, 256, (CLASSES * PER_CLASS, size, size, 1), np.uint8)
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    return Training(images, labels, CLASSES, config.load(SETS[size]).gan, 0, where)


def steps_table(size: int, names: list[str], rounds: int, where: torch.device) -> str:
    """Of whole cycles of lazy penalties, so that each round has as many of them."""
    works, starts = {}, {}
    for name in names:
        patches, change = STEPS[name]
        with patches():
            training = training_of(size, where)
            change(training)
            began = time.perf_counter()
            for number in range(1, 9):
                training.step(number)
            starts[name] = time.perf_counter() - began

        def cycle(training: Training = training, patches: Patches = patches) -> None:
            with patches():
                for number in range(1, 9):
                    training.step(number)

        works[name] = cycle
    found = by_turns(works, rounds)
    first = found["as it is"]
    rows = [(name, f"{found[name] / 8:.1f}", f"{found[name] / first:.2f}", f"{starts[name]:.0f}") for name in names]
    return markdown_table(("a step", "CPU ms", "of the time as it is", "start, s"), rows)


def sampling_table(size: int, rounds: int, where: torch.device) -> str:
    training = training_of(size, where)
    training.average.eval()
    latents, labels = torch.randn(CHUNK, training.spec.z_dim), torch.arange(CHUNK) % CLASSES
    works = {
        name: lambda made=made: [made(training, latents, labels) for _ in range(8)] for name, made in SAMPLING.items()
    }
    found = by_turns(works, rounds)
    rows = [(name, f"{took / 8:.1f}", f"{took / found['as it is']:.2f}") for name, took in found.items()]
    return markdown_table((f"{CHUNK} images", "CPU ms", "of the time as it is"), rows)


def by_turns(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """{name: CPU milliseconds of a call, the median over the rounds}"""
    turns: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.process_time()
            work()
            turns[name].append(1e3 * (time.process_time() - began))
    return {name: statistics.median(found) for name, found in turns.items()}


if __name__ == "__main__":
    main()
