"""The settings of a GAN: ``gan:`` in params.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from ganaug.gan.architectures import Architecture, Compact
from ganaug.gan.augment import Ada, DiffAugment
from ganaug.gan.conditioning import Conditioning
from ganaug.gan.latents import Latents, Normal
from ganaug.gan.objectives import NonSaturating, Objective
from ganaug.gan.regularisers import R1, Regulariser
from ganaug.settings import Spec


@dataclass(frozen=True)
class Ramp(Spec):
    """From unconditional to conditional (Transitional-cGAN, Shahbazi 2022), as shares of the steps."""

    begin: Annotated[float, Ge(0), Lt(1)] = 0.2  # until here, labels do not count
    end: Annotated[float, Gt(0), Le(1)] = 0.5  # from here on, they count fully

    def __post_init__(self) -> None:
        if self.end < self.begin:
            raise ValueError("an end that is not before the begin")

    def strength(self, done: float) -> float:
        """How much labels count, 0 to 1, when a share of ``done`` of the steps is over."""
        if done >= self.end:
            return 1.0
        return (done - self.begin) / (self.end - self.begin) if done > self.begin else 0.0


@dataclass(frozen=True)
class GanSpec(Spec):
    """Settings of the networks and of their training. Defaults: measured on tuning draws (the preset ``default``)."""

    preset: str = "default"  # the source of the values that params.yaml leaves out (see presets.py)
    architecture: Architecture = field(default_factory=Compact)
    conditioning: Conditioning = "projection"
    objective: Objective = field(default_factory=NonSaturating)
    regularisers: tuple[Regulariser, ...] = (R1(gamma=1.0, every=4),)
    steps: Annotated[int, Ge(1), Le(10**8)] = 2000  # of the generator
    discriminator_steps: Annotated[int, Ge(1), Le(100)] = 1  # for each of them
    batch_size: Annotated[int, Ge(2), Le(65_536)] = 64  # real images per step, and as many fakes
    z_dim: Annotated[int, Ge(1), Le(4096)] = 64
    latents: Latents = field(default_factory=Normal)
    generator_width: Annotated[int, Ge(1), Le(8192)] = 32  # channels at the full image size
    discriminator_width: Annotated[int, Ge(1), Le(8192)] = 32
    augment: DiffAugment = field(default_factory=DiffAugment)  # what D sees, of real and of fake
    ada: Ada | None = None  # augment with a probability that follows D's overfitting; unset: always
    vary: DiffAugment = field(default_factory=lambda: DiffAugment(shift=0.0))  # real images only: G learns it
    ramp: Ramp | None = None  # unset: conditional from the first step
    unlabelled: bool = True  # learn from images without labels too, as of the class that classifiers are sure of
    optimizer: Literal["adam", "rmsprop"] = "adam"
    generator_lr: Annotated[float, Gt(0), Le(10)] = 3e-4
    discriminator_lr: Annotated[float, Gt(0), Le(10)] = 3e-4
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.0  # of Adam
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.99  # of Adam; RMSprop's decay
    rate: Literal["cosine", "linear", "constant"] = "constant"
    ema_half_life_images: Annotated[float, Ge(0), Le(1e12)] = 20_000.0  # of the averaged weights; 0: the last ones
    precision: Literal["auto", "float32"] = "auto"  # auto: bfloat16 where the device computes it natively
    init_from: Path | None = None  # a generator or checkpoint of ganaug to start from
    held_out: Annotated[float, Ge(0), Le(0.5)] = 0.0  # of each class of the train part: kept from the GAN, to judge it
    select: Literal["last", "gan-train"] = "last"  # the checkpoint to keep; gan-train: the one whose images teach best
    save_seconds: Annotated[float, Gt(0), Le(86_400)] = 30.0  # between two saved states of a training

    def lasting(self) -> GanSpec:
        """What results depend on: how often a run saves its state is set to the default."""
        return replace(self, save_seconds=30.0)
