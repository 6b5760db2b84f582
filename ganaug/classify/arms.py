"""The arms: recipes for training the same classifier, which differ in what each batch holds.

An arm's name says what it is: a filler that takes a share of each batch (``gan``: synthetic images; ``placebo``: the
trial's own real images again, which must show no gain), with or without ``+classical``, the classical policy. Without a
filler the arms are called ``none`` and ``classical``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt, Le, Len

from ganaug import seeds
from ganaug.classify.policies import Nothing, PolicySpec, TrivialAugment
from ganaug.settings import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

ArmName = Literal["none", "classical", "gan", "gan+classical", "placebo", "placebo+classical"]


@dataclass(frozen=True)
class Mix(Spec):
    """How a filler's images enter the batches."""

    share: Annotated[float, Gt(0), Le(1)] = 0.5  # of each batch; the rest is real
    augment: bool = False  # whether the classical policy distorts them too


@dataclass(frozen=True)
class ClassifySpec(Spec):
    """The arms to run and what they are made of."""

    arms: Annotated[tuple[ArmName, ...], Len(1)] = ("none", "classical", "gan", "gan+classical")
    classical: PolicySpec = field(default_factory=TrivialAugment)
    mix: Mix = field(default_factory=Mix)
    mix_with_classical: Mix = field(default_factory=lambda: Mix(share=0.25))

    def __post_init__(self) -> None:
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("arms that are named once each")


@dataclass(frozen=True)
class Arm:
    """One arm, taken apart. ``base`` is the arm without its filler: what a gain is measured against."""

    name: ArmName
    filler: Literal["gan", "placebo"] | None
    policy: PolicySpec
    mix: Mix
    base: ArmName


def arm(name: ArmName, spec: ClassifySpec) -> Arm:
    filler_name, _, classical = name.partition("+")
    with_classical = name == "classical" or classical == "classical"
    filler: Literal["gan", "placebo"] | None = None
    if filler_name in ("gan", "placebo"):
        filler = "gan" if filler_name == "gan" else "placebo"
    return Arm(
        name=name,
        filler=filler,
        policy=spec.classical if with_classical else Nothing(),
        mix=(spec.mix_with_classical if with_classical else spec.mix) if filler else Mix(share=0),
        base="classical" if with_classical else "none",
    )


def gain_pairs(arms: tuple[ArmName, ...]) -> list[tuple[ArmName, ArmName]]:
    """The (arm, against) pairs that a report compares: each arm with its base, and with ``none``."""
    spec = ClassifySpec()
    pairs: list[tuple[ArmName, ArmName]] = []
    for name in arms:
        pairs += [(name, arm(name, spec).base), (name, "none")]
    return list(dict.fromkeys((name, base) for name, base in pairs if name != base and base in arms))


Batch = Callable[[int], "tuple[Tensor, Tensor]"]


def batches(
    chosen: Arm,
    real: tuple[NDArray[np.uint8], NDArray[np.int64]],
    synthetic: tuple[NDArray[np.uint8], NDArray[np.int64]] | None,
    classes: int,
    batch_size: int,
    seed: int,
) -> Batch:
    """The batches that an arm trains on: uint8 images (N, H, W, C) and labels (N,) in, step -> batch out.

    Every arm has the same batch size; the real images of a step are the same in arms of one share.
    """
    import torch
    from torch.nn import functional as F

    filling = {"gan": synthetic, "placebo": real, None: None}[chosen.filler]
    count = max(1, round(batch_size * chosen.mix.share)) if filling is not None else 0
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


def _tensors(part: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    import numpy as np
    import torch

    images, labels = part
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))), torch.from_numpy(labels)
