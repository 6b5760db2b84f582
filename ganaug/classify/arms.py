"""The arms: recipes for training the same classifier, which differ in what each batch holds, and in how it learns.

An arm's name says what it is: ``[filler][+way][+policy][+masked]``. The filler takes a share of each batch (``gan``:
synthetic images; the others are in fillers.py). The policy distorts what the classifier sees (``classical``: the one
that ``classify.classical`` sets up; any other by its name, as it comes). ``masked``: the loss of a real image runs over
the classes that were seen under its condition, so that "this condition means one of these classes" is not learned.
The way, of those in ways.py, is how the classifier learns from all that. With none of them, the arm is called ``none``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Len
from pydantic import AfterValidator, Field

from ganaug import seeds
from ganaug.classify.filler import Filler, PseudoLabels, Stock
from ganaug.classify.fillers import FILLERS
from ganaug.classify.policies import POLICIES, Nothing, OnTop, PolicySpec, TrivialAugment
from ganaug.classify.pools import Pool
from ganaug.classify.ways import WAYS, WaySpec
from ganaug.settings import Later, Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Parts(NamedTuple):
    """What an arm's name is made of."""

    filler: str | None
    policy: str | None
    masked: bool
    way: str | None = None

    @property
    def name(self) -> str:
        """The arm's."""
        return "+".join(part for part in (self.filler, self.way, self.policy, MASKED * self.masked) if part) or "none"


MASKED = "masked"
# Every arm there is. Labels that a policy mixed are of several classes, and a mask could hide one of them; a mask is of
# the real images alone.
ARMS: dict[str, Parts] = {
    parts.name: parts
    for masked, filler, policy in itertools.product((False, True), (None, *FILLERS), (None, "classical", *POLICIES))
    if not (masked and policy in POLICIES and POLICIES[policy].mixes)
    if not (masked and filler and FILLERS[filler].replaces)
    for parts in [Parts(filler, policy, masked)]
} | {
    parts.name: parts
    for way, filler, policy in itertools.product(WAYS, (None, *FILLERS), (None, "classical"))
    if not (filler and (FILLERS[filler].cells or FILLERS[filler].replaces))
    for parts in [Parts(filler, policy, False, way)]
}


_NAMES = (
    f"none, a filler ({', '.join(FILLERS)}), a policy (classical, {', '.join(POLICIES)}) or filler+policy; or "
    f"{MASKED}, alone or behind any of them whose policy mixes no images and whose filler leaves the real ones; or a "
    f"way to train ({', '.join(WAYS)}) alone, behind a filler, before classical or between both"
)


def _known(name: str) -> str:
    if name not in ARMS:
        raise ValueError(_NAMES)
    return name


_Name = Annotated[str, AfterValidator(_known), Field(description=_NAMES, json_schema_extra={"enum": [*ARMS]})]


def filler_of(name: str) -> Filler | None:
    """The filler of an arm, by the arm's name."""
    filler = ARMS[name].filler
    return FILLERS[filler] if filler else None


def _fills_cells(name: str) -> bool:
    filler = filler_of(name)
    return filler is not None and filler.cells


def _is_gan(name: str) -> bool:
    filler = filler_of(name)
    return filler is not None and filler.is_gan and not ARMS[name].way


@dataclass(frozen=True)
class Mix(Spec):
    """How a filler's images enter the batches."""

    share: Annotated[float, Gt(0), Le(1)] | None = None
    """Share of each batch that the filler's images take; the rest is real. Left out: 0.5, or 0.25 on top of a policy,
    but 0.5 for pseudo, whose images are real, and a third for images that are moved to another condition; for oracle,
    and where images top classes up, what the counts give. Always 1 for cleaned, dropped and relabelled."""
    augment: bool = False
    """Whether the policy distorts the filler's images too. It always distorts those that fill classes under conditions,
    since they stand for real ones."""


_BETA = 0.1  # of classify.amplitude_beta
ALL_REAL = Mix(share=0.0)  # of an arm without a filler; no setting can say so


@dataclass(frozen=True)
class ClassifySpec(Spec):
    """The arms to run and what they are made of."""

    arms: Annotated[tuple[_Name, ...], Len(1)] = ("none", "classical", "gan", "gan+classical", "placebo")
    """The arms to run: none, a filler, a policy, or filler+policy; with +masked, the loss of a real image runs over the
    classes that were seen under its condition. A way to train comes before the policy, as in fixmatch+classical."""
    classical: PolicySpec = field(default_factory=TrivialAugment)
    """The policy that the arms named classical use: the best that is known for these images."""
    mix: Mix = field(default_factory=Mix)
    """How a filler's images enter the batches."""
    mix_with_classical: Mix = field(default_factory=Mix)
    """How they enter on top of a policy."""
    mixes: Mapping[str, Mix] = field(default_factory=dict)
    """How they enter in one arm, by the arm's name, instead of the two above."""
    pseudo: PseudoLabels = field(default_factory=PseudoLabels)
    """How images without labels get theirs."""
    ways: Annotated[Annotated[tuple[WaySpec, ...], Len(1)] | None, Later] = None
    """Settings of ways to train that are not the defaults: a list."""
    amplitude_beta: Annotated[Annotated[float, Ge(0), Le(0.5)] | None, Later] = None
    """Of amplitude: the largest frequency whose amplitude is swapped, in cycles per image, as a share of the image's
    side; 0: the mean alone. Left out: 0.1."""
    repeats: Annotated[int, Ge(1), Le(100)] = 1
    """Classifiers of each arm in a trial, which differ in initial weights and order; the trial's score is their mean.
    More of them narrow confidence intervals where there cannot be more trials."""
    curve: Annotated[tuple[Annotated[float, Gt(1), Le(100)], ...], Len(0, 10)] = (1.5, 2.0)
    """Multiples of a trial's real images at which the arms that GAN images are added to are trained too, to say how
    many labels a gain is worth; where there are no more images, parts of the trial's own: 2 is then a half. []:
    none."""

    def __post_init__(self) -> None:
        for name in self.arms:
            _known(name)
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("arms that are named once each")
        if self.classical.mixes:
            for name in (name for name in self.arms if ARMS[name].policy == "classical" and ARMS[name].masked):
                raise ValueError(f"arms without {name} where classical is {self.classical.kind}, which mixes images")
            for name in (name for name in self.arms if (way := ARMS[name].way) and WAYS[way].distorts):
                raise ValueError(f"arms without {name} where classical is {self.classical.kind}, which mixes images")
        if len({one.kind for one in self.ways or ()}) < len(self.ways or ()):
            raise ValueError("ways that are set once each")
        for name in self.mixes:
            if not ARMS[_known(name)].filler:
                raise ValueError(f"mixes of arms with a filler, but {name} has none")
            if (filler := filler_of(name)) and filler.replaces:
                raise ValueError(f"mixes of arms whose filler takes a share, but {name} has no other images")
        if list(self.curve) != sorted(set(self.curve)):
            raise ValueError("a curve of multiples that rise")

    @property
    def curve_arms(self) -> tuple[str, ...]:
        """The arms whose learning curve is measured: what an arm of GAN images is without them."""
        bases = dict.fromkeys(ARMS[name].policy or "none" for name in self.arms if _is_gan(name))
        return tuple(name for name in bases if name in self.arms) if self.curve else ()


@dataclass(frozen=True)
class Arm:
    """One arm, taken apart. ``base`` is its policy alone, without filler, way and mask: what gains are over."""

    name: str
    filler: Filler | None
    policy: PolicySpec | OnTop
    mix: Mix  # with its share resolved; None: what the counts give
    base: str
    masked: bool = False
    pseudo: PseudoLabels = field(default_factory=PseudoLabels)
    beta: float = _BETA  # as classify.amplitude_beta says
    way: WaySpec | None = None

    @property
    def needs_conditions(self) -> bool:
        """Whether it cannot be trained on images without conditions."""
        return self.masked or (self.filler is not None and self.filler.cells)

    def pool(self, stock: Stock) -> Pool | None:
        """Its filler's images, made of ``stock``; None without a filler. Raises UserError as the filler does."""
        return self.filler.pool(stock, self) if self.filler else None


def arm(name: str, spec: ClassifySpec, by_counts: bool = False) -> Arm:
    """The arm of that name under the settings ``spec``. ``by_counts``: synthetic images top classes up, so their
    numbers, and not a fixed share, are the dose."""
    parts, filler, mix = ARMS[_known(name)], filler_of(name), ALL_REAL
    if filler:
        mix = spec.mixes.get(name, spec.mix_with_classical if parts.policy else spec.mix)
        share = filler.share(mix.share, parts.policy is not None, by_counts)
        mix = Mix(share, mix.augment or filler.augment)
    return Arm(
        name=name,
        filler=filler,
        policy=_policy(parts.policy, spec.classical),
        mix=mix,
        base=parts.policy or "none",
        masked=parts.masked,
        pseudo=spec.pseudo,
        beta=_BETA if spec.amplitude_beta is None else spec.amplitude_beta,
        way=_way(parts.way, spec.ways or ()),
    )


def _way(name: str | None, told: tuple[WaySpec, ...]) -> WaySpec | None:
    way: WaySpec | None = next((one for one in told if one.kind == name), WAYS[name]() if name else None)
    return way


def _policy(name: str | None, classical: PolicySpec) -> PolicySpec | OnTop:
    if name is None or name == "classical":
        return classical if name else Nothing()
    policy: PolicySpec = POLICIES[name]()
    return OnTop(classical, policy) if policy.on_classical else policy


def gain_pairs(arms: tuple[str, ...]) -> list[tuple[str, str]]:
    """The (arm, against) pairs that a report compares.

    Each arm with its base, with the classical policy that its own is on top of, and with ``none``. Each arm of GAN
    images also with what one would use instead: the other fillers and the mask on the same policy, and policies that no
    arm of these images joins: any, where it has no policy itself; those on top of classical augmentation, where it has
    that. Where cells are filled, other fillers on such a policy are compared with it, too. A way to train is compared
    with its rivals, and with GAN images; with a filler, with each of both alone, and GAN images with other fillers too.
    A filler with a control is compared with that.
    """
    pairs: list[tuple[str, str]] = []
    for name in arms:
        filler, policy, masked, way = ARMS[name]
        rivals, instead = [], []
        if way:
            rivals = [Parts(filler, policy, masked).name, Parts(None, policy, masked, way).name]
            if not filler:
                rivals += [Parts(one, policy, masked).name for one in WAYS[way].rivals]
            elif FILLERS[filler].is_gan:
                rivals += [other for other in arms if ARMS[other].filler and ARMS[other][1:] == (policy, masked, way)]
        if _is_gan(name):
            # Of two arms that differ in the mask alone, the masked one is compared with the other.
            same = Parts(filler, policy, not masked).name
            rivals = [
                other
                for other in arms
                if ARMS[other].policy == policy
                and (ARMS[other].filler or ARMS[other].masked or ARMS[other].way)
                and not (ARMS[other].filler and ARMS[other].way)
                and (masked or other != same)
            ]
            joined = {ARMS[other].policy for other in arms if ARMS[other].filler == filler}
            instead = [
                other
                for other in arms
                if (not ARMS[other].filler or (_fills_cells(name) and _fills_cells(other)))
                and ARMS[other].policy not in joined
                and _may_replace(ARMS[other].policy, policy)
            ]
        if (own := filler_of(name)) and own.control:
            rivals = [Parts(own.control, policy, masked).name]
        under = ["classical"] if policy in POLICIES and POLICIES[policy].on_classical else []
        pairs += [(name, against) for against in (policy or "none", *under, "none", *rivals, *instead)]
    return list(dict.fromkeys((name, against) for name, against in pairs if name != against and against in arms))


def _may_replace(other: str | None, policy: str | None) -> bool:
    return policy is None or (policy == "classical" and other in POLICIES and POLICIES[other].on_classical)


def batches(
    chosen: Arm,
    real: Pool,
    filling: Pool | None,
    classes: int,
    batch_size: int,
    seed: int,
    conditions: NDArray[np.int64] | None = None,
) -> Callable[[int], tuple[Tensor, ...]]:
    """The batches that the arm ``chosen`` trains on: step -> float images (N, C, H, W) in [-1, 1], and targets (N,), or
    (N, ``classes``) where a policy mixes images; of a masked arm, also which classes each image's loss runs over,
    (N, ``classes``): those that ``real`` has under its condition, of ``conditions`` (N,); all for the filler's images.
    Steps are asked for in order.

    ``real`` and ``filling``: uint8 images (N, H, W, C) and labels (N,); the filler's share of the ``batch_size`` images
    is drawn from ``filling``, and without images there, batches are all real. Every arm has the same batch size; with
    one ``seed``, the real images of a step are the same in arms of one share. Rows are read as they are drawn, so pools
    may be memory-mapped.
    """
    import torch
    from torch.nn import functional as F

    pool = len(filling[1]) if filling is not None else 0
    mix = chosen.mix
    share = mix.share if mix.share is not None else pool / (pool + len(real[1]))
    count = max(1, round(batch_size * share)) if pool and share else 0
    pick_real, pick_filling = seeds.torch_rng(seed, "real"), seeds.torch_rng(seed, "filling")
    seen = seen_under(real[1], conditions, classes) if chosen.masked and conditions is not None else None
    policy = chosen.policy.build(real[0].shape[1], classes)
    plain = Nothing().build(real[0].shape[1], classes)

    def draw(step: int) -> tuple[Tensor, ...]:
        rows = torch.randint(len(real[1]), (batch_size - count,), generator=pick_real)
        batch = mixed(rows, step)
        if seen is None:
            return batch
        return *batch, torch.cat([torch.from_numpy(seen[rows.numpy()]), torch.ones(count, classes, dtype=torch.bool)])

    def mixed(rows: Tensor, step: int) -> tuple[Tensor, Tensor]:
        images, targets = _rows(real, rows)
        with torch.random.fork_rng(devices=[]):  # torchvision draws from the global generator
            seeds.seed_cpu(seeds.derive(seed, "policy", step))
            if filling is None or count == 0:
                return policy(images, targets)
            more, theirs = _rows(filling, torch.randint(pool, (count,), generator=pick_filling))
            if mix.augment:
                return policy(torch.cat([images, more]), torch.cat([targets, theirs]))
            images, targets = policy(images, targets) if len(images) else plain(images, targets)
            clean, theirs = plain(more, theirs)
            if targets.ndim == 2:  # soft
                theirs = F.one_hot(theirs, classes).to(torch.float32)
            return torch.cat([images, clean]), torch.cat([targets, theirs])

    return draw


def seen_under(labels: NDArray[np.int64], conditions: NDArray[np.int64], classes: int) -> NDArray[np.bool_]:
    """(N, ``classes``): whether a class has images under the condition of image i, of ``labels`` and ``conditions``
    (N,)."""
    seen = np.zeros((conditions.max(initial=-1) + 1, classes), bool)
    seen[conditions, labels] = True
    return seen[conditions]


def _rows(pool: Pool, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of a pool: uint8 images (N, C, H, W), contiguous, and labels (N,)."""
    import torch

    images, labels = pool
    index = rows.numpy()
    return torch.from_numpy(np.ascontiguousarray(images[index].transpose(0, 3, 1, 2))), torch.from_numpy(labels[index])
