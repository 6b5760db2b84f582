"""The settings of a GAN: ``gan:`` in params.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from ganaug.gan.architectures import Architecture, Compact
from ganaug.gan.augment import Ada, DiffAugment
from ganaug.gan.conditioning import Conditioning
from ganaug.gan.latents import Latents, Normal
from ganaug.gan.objectives import NonSaturating, Objective
from ganaug.gan.presets import PRESETS
from ganaug.gan.regularisers import R1, Regulariser
from ganaug.gan.translation import TranslateSpec
from ganaug.settings import Later, Spec


@dataclass(frozen=True)
class Ramp(Spec):
    """From unconditional to conditional (Transitional-cGAN, Shahbazi 2022), as shares of the steps."""

    begin: Annotated[float, Ge(0), Lt(1)] = 0.2
    """Share of the steps until which labels do not count."""
    end: Annotated[float, Gt(0), Le(1)] = 0.5
    """Share of the steps from which on labels count fully."""

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

    preset: Annotated[str, Field(json_schema_extra={"enum": [*PRESETS]})] = "default"
    """A published GAN, whose values the keys that are left out take; "ganaug presets" lists them."""
    architecture: Architecture = field(default_factory=Compact)
    """The kind of the two networks."""
    conditioning: Conditioning = "projection"
    """How labels enter: not at all; joined to both inputs (CGAN, Mirza 2014); by class-conditional norms and a
    projection discriminator (Miyato 2018); joined to the latent, with a discriminator that also says the class (ACGAN,
    Odena 2017)."""
    objective: Objective = field(default_factory=NonSaturating)
    """What the two networks minimise."""
    regularisers: tuple[Regulariser, ...] = (R1(gamma=1.0, every=4),)
    """What else restrains the discriminator: a list."""
    steps: Annotated[int, Ge(1), Le(10**8)] = 2000
    """Steps of the generator."""
    discriminator_steps: Annotated[int, Ge(1), Le(100)] = 1
    """Steps of the discriminator for each step of the generator."""
    batch_size: Annotated[int, Ge(2), Le(65_536)] = 64
    """Real images per step, and as many generated ones."""
    z_dim: Annotated[int, Ge(1), Le(4096)] = 64
    """Numbers that an image is made from."""
    latents: Latents = field(default_factory=Normal)
    """What a generator makes an image from."""
    generator_width: Annotated[int, Ge(1), Le(8192)] = 32
    """Channels of the generator at the full image size; units per layer in mlp."""
    discriminator_width: Annotated[int, Ge(1), Le(8192)] = 32
    """Channels of the discriminator at the full image size; units per layer in mlp."""
    augment: DiffAugment = field(default_factory=DiffAugment)
    """How images are distorted before the discriminator sees them, real and generated ones alike."""
    ada: Ada | None = None
    """Distort with a probability that follows the discriminator's overfitting. Left out: always."""
    vary: DiffAugment = field(default_factory=lambda: DiffAugment(shift=0.0))
    """How real images alone are distorted, so that the generator learns it: what leaves an image of its class."""
    ramp: Ramp | None = None
    """Labels that come in late. Left out: conditional from the first step."""
    unlabelled: bool = True
    """Learn from images without labels too, as of the class that classifiers are sure of."""
    optimizer: Literal["adam", "rmsprop"] = "adam"
    """Adam (Kingma 2015) or RMSprop, as WGAN was published with (Arjovsky 2017)."""
    generator_lr: Annotated[float, Gt(0), Le(10)] = 3e-4
    """Learning rate of the generator."""
    discriminator_lr: Annotated[float, Gt(0), Le(10)] = 3e-4
    """Learning rate of the discriminator."""
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Decay of Adam's average of gradients, per step."""
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.99
    """Decay of Adam's average of squared gradients, per step; of RMSprop's too."""
    rate: Literal["cosine", "linear", "late-linear", "constant"] = "constant"
    """How learning rates fall until the last step: along half a cosine, along a line, along a line in the second half
    only, or not at all."""
    ema_half_life_images: Annotated[float, Ge(0), Le(1e12)] = 20_000.0
    """Half-life of the generator's averaged weights (Yazici 2019), in real images seen. 0: its last weights."""
    precision: Literal["auto", "float32"] = "auto"
    """Arithmetic of the networks. auto: bfloat16 where the device computes it natively."""
    translate: Annotated[TranslateSpec | None, Later] = None
    """Translate images from one condition to another instead of making them of a class. Left out: no translator."""
    init_from: Path | None = None
    """A generator or checkpoint of ganaug to start from."""
    held_out: Annotated[float, Ge(0), Le(0.5)] = 0.0
    """Share of each class of the train part that is kept from the GAN, to judge it by."""
    select: Literal["last", "gan-train"] = "last"
    """The checkpoint to keep: the last, or the one whose images teach a classifier best (GAN-train, Shmelkov 2018)."""
    save_seconds: Annotated[float, Gt(0), Le(86_400)] = 30.0
    """Seconds between two saved states of a training."""

    def lasting(self) -> GanSpec:
        """What results depend on: how often a run saves its state is set to the default."""
        return replace(self, save_seconds=30.0)
