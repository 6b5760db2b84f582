"""The arms: recipes for training the same classifier, which differ in what each batch holds.

An arm's name says what it is: ``[filler][+policy]``. The filler takes a share of each batch (``gan``: synthetic images;
the others are in fillers.py); the policy distorts what the classifier sees (``classical``: the one that
``classify.classical`` sets up; any other by its name, as it comes). With neither, the arm is called ``none``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Le, Len
from pydantic import AfterValidator

from ganaug import seeds
from ganaug.classify.fillers import FILLERS
from ganaug.classify.policies import POLICIES, Nothing, PolicySpec, TrivialAugment
from ganaug.settings import Spec

if TYPE_CHECKING:
    from torch import Tensor

    from ganaug.classify.fillers import Pool

# Every arm there is: its name -> (filler, policy).
ARMS: dict[str, tuple[str | None, str | None]] = {
    "+".join(filter(None, parts)) or "none": parts
    for parts in itertools.product((None, *FILLERS), (None, "classical", *POLICIES))
}


def _known(name: str) -> str:
    if name not in ARMS:
        raise ValueError(
            f"none, a filler ({', '.join(FILLERS)}), a policy (classical, {', '.join(POLICIES)}) or filler+policy"
        )
    return name


@dataclass(frozen=True)
class Mix(Spec):
    """How a filler's images enter the batches."""

    # Of each batch; the rest is real. Left out: 0.5, or 0.25 on top of a policy; where images top classes up, what the
    # counts give.
    share: Annotated[float, Gt(0), Le(1)] | None = None
    augment: bool = False  # whether the policy distorts them too


ALL_REAL = Mix(share=0)  # of an arm without a filler; no setting can say so


@dataclass(frozen=True)
class ClassifySpec(Spec):
    """The arms to run and what they are made of."""

    arms: Annotated[tuple[Annotated[str, AfterValidator(_known)], ...], Len(1)] = (
        "none",
        "classical",
        "gan",
        "gan+classical",
        "placebo",
    )
    classical: PolicySpec = field(default_factory=TrivialAugment)
    mix: Mix = field(default_factory=Mix)
    mix_with_classical: Mix = field(default_factory=Mix)  # of every filler+policy
    # Multiples of a trial's real images at which the arms that GAN images are added to are trained too, to say how many
    # labels a gain is worth; where there are no more images, parts of the trial's own: 2 is then a half. []: none.
    curve: tuple[Annotated[float, Gt(1), Le(100)], ...] = (1.5, 2.0)

    def __post_init__(self) -> None:
        for name in self.arms:
            _known(name)
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("arms that are named once each")
        if list(self.curve) != sorted(set(self.curve)):
            raise ValueError("a curve of multiples that rise")

    @property
    def curve_arms(self) -> tuple[str, ...]:
        """The arms whose learning curve is measured: what an arm of GAN images is without them."""
        bases = dict.fromkeys(
            policy or "none" for filler, policy in (ARMS[name] for name in self.arms) if filler == "gan"
        )
        return tuple(name for name in bases if name in self.arms) if self.curve else ()


@dataclass(frozen=True)
class Arm:
    """One arm, taken apart. ``base`` is the arm without its filler: what a gain is measured against."""

    name: str
    filler: str | None  # one of FILLERS
    policy: PolicySpec
    mix: Mix  # with its share resolved; None: what the counts give
    base: str


def arm(name: str, spec: ClassifySpec, by_counts: bool = False) -> Arm:
    """``by_counts``: the fillers top classes up, so what they add, and not a fixed share, is the dose."""
    filler, policy = ARMS[_known(name)]
    mix = ALL_REAL
    if filler:
        mix = spec.mix_with_classical if policy else spec.mix
        if mix.share is None and not by_counts and filler != "oversample":
            mix = replace(mix, share=0.25 if policy else 0.5)
    return Arm(
        name=name,
        filler=filler,
        policy=spec.classical if policy == "classical" else POLICIES[policy]() if policy else Nothing(),
        mix=mix,
        base=policy or "none",
    )


def gain_pairs(arms: tuple[str, ...]) -> list[tuple[str, str]]:
    """The (arm, against) pairs that a report compares.

    Each arm with its base and with ``none``, and each arm of GAN images with the other fillers on the same policy.
    """
    pairs: list[tuple[str, str]] = []
    for name in arms:
        filler, policy = ARMS[name]
        rivals = [other for other in arms if ARMS[other][0] and ARMS[other][1] == policy] if filler == "gan" else []
        pairs += [(name, against) for against in (policy or "none", "none", *rivals)]
    return list(dict.fromkeys((name, against) for name, against in pairs if name != against and against in arms))


Batch = Callable[[int], "tuple[Tensor, Tensor]"]


def batches(
    chosen: Arm,
    real: Pool,
    filling: Pool | None,
    classes: int,
    batch_size: int,
    seed: int,
) -> Batch:
    """The batches that an arm trains on: uint8 images (N, H, W, C) and labels (N,) in, step -> batch out.

    ``filling`` is the pool that the filler's share of a batch is drawn from; without images there, batches are all
    real. Every arm has the same batch size; the real images of a step are the same in arms of one share.
    """
    import torch
    from torch.nn import functional as F

    pool = len(filling[0]) if filling is not None else 0
    share = chosen.mix.share if chosen.mix.share is not None else pool / (pool + len(real[0]))
    count = max(1, round(batch_size * share)) if pool and share else 0
    pick_real, pick_filling = seeds.torch_rng(seed, "real"), seeds.torch_rng(seed, "filling")
    policy = chosen.policy.build(real[0].shape[1], classes)
    plain = Nothing().build(real[0].shape[1], classes)
    real_images, real_labels = _tensors(real)
    fill_images, fill_labels = _tensors(filling) if filling is not None else (real_images[:0], real_labels[:0])

    def draw(step: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(real_images), (batch_size - count,), generator=pick_real)
        images, labels = real_images[rows], real_labels[rows]
        with torch.random.fork_rng(devices=[]):  # torchvision draws from the global generator
            torch.manual_seed(seeds.derive(seed, "policy", step))
            if count == 0:
                return policy(images, labels)
            others = torch.randint(len(fill_images), (count,), generator=pick_filling)
            if chosen.mix.augment:
                return policy(torch.cat([images, fill_images[others]]), torch.cat([labels, fill_labels[others]]))
            mixed, targets = policy(images, labels) if len(images) else plain(images, labels)
            clean, clean_targets = plain(fill_images[others], fill_labels[others])
            if targets.ndim == 2:  # the policy mixes labels
                clean_targets = F.one_hot(clean_targets, classes).to(targets.dtype)
            return torch.cat([mixed, clean]), torch.cat([targets, clean_targets])

    return draw


def _tensors(part: Pool) -> tuple[Tensor, Tensor]:
    import numpy as np
    import torch

    images, labels = part
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))), torch.from_numpy(labels)
