"""The settings of a GAN, as ``gan:`` in params.yaml has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from ganaug.gan.augment import DiffAugment
from ganaug.gan.objectives import Hinge, Objective
from ganaug.settings import Spec


@dataclass(frozen=True)
class GanSpec(Spec):
    """Settings of the networks and of their training. Defaults: measured on tuning draws of the digits."""

    steps: Annotated[int, Ge(1)] = 2000
    batch_size: Annotated[int, Ge(2)] = 64  # real images a step, and as many fakes
    z_dim: Annotated[int, Ge(1)] = 64
    generator_width: Annotated[int, Ge(1)] = 32  # channels at the full image size
    discriminator_width: Annotated[int, Ge(1)] = 32
    objective: Objective = field(default_factory=Hinge)
    augment: DiffAugment = field(default_factory=DiffAugment)  # what D sees, of real and of fake
    vary: DiffAugment = field(default_factory=lambda: DiffAugment(shift=0.0))  # real images only: G learns it
    generator_lr: Annotated[float, Gt(0)] = 3e-4
    discriminator_lr: Annotated[float, Gt(0)] = 6e-4
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.0
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.99
    rate: Literal["cosine", "constant"] = "constant"
    ema_half_life_images: Annotated[float, Gt(0)] = 20_000.0
    precision: Literal["auto", "float32"] = "auto"  # auto: bfloat16 where the device computes it natively
