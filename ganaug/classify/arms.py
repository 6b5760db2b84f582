"""The arms: recipes for training the same classifier, which differ in what each batch holds.

An arm's name says what it is: ``[filler][+policy]``. The filler takes a share of each batch (``gan``: synthetic images;
the others are in fillers.py); the policy distorts what the classifier sees (``classical``: the one that
``classify.classical`` sets up; any other by its name, as it comes). With neither, the arm is called ``none``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Len
from pydantic import AfterValidator

from ganaug import seeds
from ganaug.classify.fillers import FILLERS, PseudoLabels
from ganaug.classify.policies import POLICIES, Nothing, PolicySpec, TrivialAugment
from ganaug.classify.targets import Hard, TargetSpec
from ganaug.settings import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ganaug.classify.fillers import Pool
    from ganaug.classify.targets import Filling

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

    # Of each batch; the rest is real. Left out: 0.5, or 0.25 on top of a policy, but 0.5 for pseudo, whose images are
    # real; where images top classes up, what the counts give. auto: chosen for each trial inside its train part, by the
    # images that gan.held_out keeps from the GAN (see shares.py).
    share: Annotated[float, Gt(0), Le(1)] | Literal["auto"] | None = None
    augment: bool = False  # whether the policy distorts them too
    # first: as many in all, but alone, in the first steps; then real images alone.
    order: Literal["together", "first"] = "together"
    weight: Annotated[float, Gt(0), Le(1)] = 1.0  # of their loss; that of a real image counts 1
    # Of batch normalisation, in training. separate: their own, and the classifier is tested with those of real images
    # (Xie 2020, AdvProp).
    statistics: Literal["shared", "separate"] = "shared"
    mixup: Annotated[float, Ge(0)] = 0.0  # each blended with a real image of the batch, by Beta(mixup, mixup); 0: not
    targets: TargetSpec = field(default_factory=Hard)

    def __post_init__(self) -> None:
        if self.order == "first" and (self.weight != 1 or self.mixup):
            raise ValueError("order together for weight or mixup: alone, they have no real images beside them")


ALL_REAL = Mix(share=0.0)  # of an arm without a filler; no setting can say so


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
    mixes: Mapping[str, Mix] = field(default_factory=dict)  # of an arm by its name, instead of the two above
    pseudo: PseudoLabels = field(default_factory=PseudoLabels)
    # Classifiers of each arm in a trial, of unlike initial weights and order; a trial's score is their mean. More of
    # them narrow the intervals where more trials cannot be had.
    repeats: Annotated[int, Ge(1), Le(100)] = 1
    # Multiples of a trial's real images at which the arms that GAN images are added to are trained too, to say how many
    # labels a gain is worth; where there are no more images, parts of the trial's own: 2 is then a half. []: none.
    curve: tuple[Annotated[float, Gt(1), Le(100)], ...] = (1.5, 2.0)

    def __post_init__(self) -> None:
        for name in self.arms:
            _known(name)
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("arms that are named once each")
        for name in self.mixes:
            if not ARMS[_known(name)][0]:
                raise ValueError(f"mixes of arms with a filler, but {name} has none")
        if list(self.curve) != sorted(set(self.curve)):
            raise ValueError("a curve of multiples that rise")

    @property
    def chooses_share(self) -> bool:
        """Whether an arm's share is auto."""
        return any(mix.share == "auto" for mix in (self.mix, self.mix_with_classical, *self.mixes.values()))

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
    pseudo: PseudoLabels = field(default_factory=PseudoLabels)

    def with_share(self, share: float) -> Arm:
        """The same, with so much of each batch from the filler; with none of it, its base."""
        return replace(self, mix=replace(self.mix, share=share)) if share else replace(self, filler=None, mix=ALL_REAL)


def arm(name: str, spec: ClassifySpec, by_counts: bool = False) -> Arm:
    """``by_counts``: the fillers top classes up, so what they add, and not a fixed share, is the dose."""
    filler, policy = ARMS[_known(name)]
    mix = ALL_REAL
    if filler:
        mix = spec.mixes.get(name, spec.mix_with_classical if policy else spec.mix)
        if filler == "pseudo":
            mix = replace(mix, share=mix.share or 0.5)
        elif mix.share is None and not by_counts and filler != "oversample":
            mix = replace(mix, share=0.25 if policy else 0.5)
    return Arm(
        name=name,
        filler=filler,
        policy=spec.classical if policy == "classical" else POLICIES[policy]() if policy else Nothing(),
        mix=mix,
        base=policy or "none",
        pseudo=spec.pseudo,
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


class Batch(NamedTuple):
    """What the classifier learns from in one step; the last ``filling`` rows are the filler's."""

    images: Tensor  # float (N, C, H, W) in [-1, 1]
    targets: Tensor  # (N,), or (N, classes) where they are soft
    filling: int


def batches(
    chosen: Arm,
    real: Pool,
    filling: Filling | None,
    classes: int,
    batch_size: int,
    steps: int,
    seed: int,
) -> Callable[[int], Batch]:
    """The batches that an arm trains on: uint8 images (N, H, W, C) and labels (N,) in, step -> batch out.

    ``filling`` is the pool that the filler's share of a batch is drawn from, with labels (N,) or soft targets
    (N, classes); without images there, batches are all real. Every arm has the same batch size and steps; the real
    images of a step are the same in arms of one share.
    """
    import torch

    pool = len(filling[0]) if filling is not None else 0
    mix = chosen.mix
    assert mix.share != "auto"
    share = mix.share if mix.share is not None else pool / (pool + len(real[0]))
    usual = max(1, round(batch_size * share)) if pool and share else 0
    pick_real, pick_filling = seeds.torch_rng(seed, "real"), seeds.torch_rng(seed, "filling")
    blend = seeds.numpy_rng(seed, "mixup")
    policy = chosen.policy.build(real[0].shape[1], classes)
    plain = Nothing().build(real[0].shape[1], classes)
    real_images, real_labels = _tensors(real)
    fill_images, fill_targets = _tensors(filling) if filling is not None else (real_images[:0], real_labels[:0])

    def draw(step: int) -> Batch:
        count = usual
        if mix.order == "first" and usual:
            count = batch_size if step < round(share * steps) else 0
        rows = torch.randint(len(real_images), (batch_size - count,), generator=pick_real)
        images, targets = real_images[rows], real_labels[rows]
        with torch.random.fork_rng(devices=[]):  # torchvision draws from the global generator
            torch.manual_seed(seeds.derive(seed, "policy", step))
            if count == 0:
                return Batch(*policy(images, targets), 0)
            others = torch.randint(len(fill_images), (count,), generator=pick_filling)
            more, theirs = fill_images[others], fill_targets[others]
            if mix.augment:
                together = torch.cat([images, more]), torch.cat(_alike(targets, theirs, classes))
                images, targets = policy(*together)
            else:
                images, targets = policy(images, targets) if len(images) else plain(images, targets)
                clean, theirs = plain(more, theirs)
                images, targets = torch.cat([images, clean]), torch.cat(_alike(targets, theirs, classes))
        if mix.mixup and count < batch_size:
            images, targets = _blended(images, _soft(targets, classes), count, blend.beta(mix.mixup, mix.mixup, count))
        return Batch(images, targets, count)

    return draw


def _alike(first: Tensor, second: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Two batches of targets, both soft where one is."""
    if first.ndim == second.ndim:
        return first, second
    return _soft(first, classes), _soft(second, classes)


def _soft(targets: Tensor, classes: int) -> Tensor:
    import torch
    from torch.nn import functional as F

    return targets if targets.ndim == 2 else F.one_hot(targets, classes).to(torch.float32)


def _blended(images: Tensor, targets: Tensor, count: int, shares: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """The last ``count`` images, each with a real one in its share (Zhang 2018), and their targets."""
    import torch

    real = torch.arange(count) % (len(images) - count)
    own = torch.from_numpy(shares).to(images.dtype)
    mixed = torch.lerp(images[real], images[-count:], own[:, None, None, None])
    mixed_targets = torch.lerp(targets[real], targets[-count:], own[:, None])
    return torch.cat([images[:-count], mixed]), torch.cat([targets[:-count], mixed_targets])


def _tensors(part: Filling) -> tuple[Tensor, Tensor]:
    import numpy as np
    import torch

    images, targets = part
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))), torch.from_numpy(targets)
