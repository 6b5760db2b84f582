"""How a training is doing: is the generator varied, does it copy, has one network won; and what to do about it.

Distances are Euclidean, between pixels in [-1, 1]. From so few images they serve for alarms, not for comparisons.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaug import seeds
from ganaug.gan.steps import Training
from ganaug.near_copies import Yardstick, nearest
from ganaug.pixels import to_float

Row = Mapping[str, float | None]
Found = tuple[str, str]  # a kind of alarm, and what it says

_LAST = 0.2  # of the history's rows: what the training ended with
_WON = 0.95  # D's accuracy, on real and on fake images, from which it has won
_FOOLED = 0.05  # ... and below which G has
_COLLAPSED = 0.4  # of the real images' variety
_MOST_REAL = 500  # images per class whose distances are taken
_COPIES = 0.1  # of the generated images
_OVERFITTING = 0.7  # of the gap from train images to generated ones
_GROWN = 5.0  # times its size at the middle of the training: a gradient that explodes
_REPEATS = 8  # of the train images, each varied again, for their spread

# Each kind of alarm, and what to do about it.
WHAT_HELPS = {
    "diverged": "lower gan.generator_lr and gan.discriminator_lr",
    "discriminator has won": (
        "augment what it sees more (gan.augment, gan.ada), lower gan.discriminator_lr, or add a regulariser"
    ),
    "generator has won": "raise gan.discriminator_lr, gan.discriminator_width or gan.discriminator_steps",
    "discriminator overfits": "augment what it sees more (gan.augment, gan.ada), or train for fewer steps",
    "gradients grow": "lower both learning rates, or raise R1's gamma",
    "no diversity": "raise gan.translate.diversity, or give it more target images",
    "classes lost": "raise gan.translate.recognition and gan.translate.cycle, or lower gan.generator_lr",
    "mode collapse": "lower both learning rates, raise gan.batch_size, or set gan.ramp",
    "copies": (
        "drop them with synth.drop_copies, train for fewer steps, augment more, or give it more images; do not treat "
        "its images as private"
    ),
}


@dataclass(frozen=True)
class Alarm:
    """One thing that is wrong. The names are keys of health.json."""

    kind: str  # of WHAT_HELPS
    says: str
    mend: str


def real_spread(training: Training) -> Tensor:
    """Variance within each class, summed over pixels, of the train images as the generator is shown them; (classes,).

    NaN for a class of one image, whose spread is unknown.
    """
    rng = torch.Generator(training.device).manual_seed(seeds.derive(training.seed, "spread"))
    spreads = []
    for label in range(training.classes):
        rows = (training.labels == label).nonzero().flatten()[:_MOST_REAL]
        if len(rows) < 2:
            spreads.append(math.nan)
            continue
        images = to_float(training.images[rows.repeat(_REPEATS)])
        varied = training.spec.vary(images, rng).flatten(1).var(dim=0, correction=0).sum()
        # Of n images only n - 1 are free; the repeats add nothing to that.
        spreads.append(float(varied) * len(rows) / (len(rows) - 1))
    return torch.tensor(spreads)


def diversity(images: Tensor, spread: Tensor) -> float | None:
    """Spread within a class, generated over real, as a ratio of distances: 1 is as varied, 0 is one image per class.

    ``images`` (classes, n, C, H, W) and the real ``spread`` (classes,). None: no class has a known spread.
    """
    made = images.flatten(2).var(dim=1, correction=1).sum(dim=1).cpu()
    known = (spread > 0) & spread.isfinite()
    return math.sqrt(float(made[known].sum() / spread[known].sum())) if bool(known.any()) else None


@dataclass(frozen=True)
class Measured:
    """Figures of the finished generator's images. None where there are too few real images to tell."""

    diversity: float | None  # as above, of the averaged weights
    copies: float | None  # share of near-copies (see near_copies.py)


def measure(made: NDArray[np.uint8], real: NDArray[np.uint8], labels: NDArray[np.int64], spread: Tensor) -> Measured:
    """Images of every class, ``made`` (classes, n, H, W, C), compared with the train images ``real`` (N, H, W, C) of
    ``labels`` (N,), whose ``spread`` is (classes,)."""
    classes, count = made.shape[:2]
    images = made.reshape(classes, count, -1, 1, 1).astype(np.float32)
    images /= 127.5  # in place: large images fill the memory
    images -= 1
    rows = np.sort(np.concatenate([np.flatnonzero(labels == label)[:_MOST_REAL] for label in range(classes)]))
    some = real if len(rows) == len(real) else real[rows]  # not copied where it is all
    train = some.reshape(len(some), -1)
    yardstick = Yardstick.of(train, labels[rows], classes)
    distance = nearest(made.reshape(classes * count, -1), train).distance
    copies = yardstick.is_copy(distance, np.repeat(np.arange(classes), count))
    share = None if yardstick.bound is None else float(copies.mean())
    return Measured(diversity(torch.from_numpy(images), spread), share)


def alarms(
    history: Sequence[Row], measured: Measured | None, diverged_at: int | None, kept: int = 0, compares: bool = False
) -> list[Alarm]:
    """What is wrong, in plain words, each with what to do.

    ``history``: its rows; ``measured`` None: of a generator that was not looked at. ``diverged_at``: the step by which
    the training had diverged, if it had; ``kept``: the step of its weights. ``compares``: D's logits have no zero, and
    a critic that tells all apart is as it should be (Arjovsky 2017).
    """
    found = [*of_history(history, diverged_at, kept, compares), *(_of_images(measured) if measured else ())]
    return [Alarm(kind, says, WHAT_HELPS[kind]) for kind, says in found]


def of_history(history: Sequence[Row], diverged_at: int | None, kept: int, compares: bool) -> Iterator[Found]:
    """What the rows of ``history`` show to be wrong; ``diverged_at``, ``kept``, ``compares`` as in ``alarms``."""
    if diverged_at is not None:
        says = f"losses or weights were no longer finite by step {diverged_at}; the weights of step {kept} were kept"
        yield "diverged", says
    last = last_rows(history)
    real, fake = mean(last, "d_accuracy_real"), mean(last, "d_accuracy_fake")
    if real is not None and fake is not None:
        right = f"{real:.0%} of real and {fake:.0%} of generated images right"
        if min(real, fake) >= _WON and not compares:
            yield "discriminator has won", f"it gets {right}, so the generator learns little"
        if max(real, fake) <= _FOOLED:
            yield "generator has won", f"the discriminator gets only {right}"
    held_out, generated = mean(last, "d_gap_held_out"), mean(last, "d_gap_fake")
    if held_out is not None and generated is not None and generated > 0 and held_out / generated >= _OVERFITTING:
        says = f"it scores unseen real images {held_out / generated:.0%} of the way from training to generated images"
        yield "discriminator overfits", says
    middle = history[len(history) // 4 : len(history) // 2]
    gradients = [(mean(middle, name), mean(last, name)) for name in ("d_gradient", "g_gradient")]
    if any(before and now and now > _GROWN * before for before, now in gradients):
        yield "gradients grow", "the norm of a network's gradients kept rising"


def _of_images(measured: Measured) -> Iterator[Found]:
    if measured.diversity is not None and measured.diversity < _COLLAPSED:
        yield "mode collapse", f"images of a class differ {measured.diversity:.2f} times as much as real ones do"
    if measured.copies is not None and measured.copies > _COPIES:
        says = f"{measured.copies:.0%} of the images are closer to a training image than nearly any two of these are"
        yield "copies", says


def last_rows(history: Sequence[Row]) -> Sequence[Row]:
    """What the training ended with."""
    return history[-max(1, round(len(history) * _LAST)) :] if history else []


def mean(rows: Sequence[Row], name: str) -> float | None:
    """Of the rows that have a value of this name; None where none has."""
    values = [value for row in rows if (value := row.get(name)) is not None]
    return sum(values) / len(values) if values else None


def as_json(measured: Measured, found: Sequence[Alarm]) -> dict[str, Any]:
    """For health.json."""
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(measured).items()}
    return {**rounded, "alarms": [asdict(alarm) for alarm in found]}
