"""Architectures: the two networks of a GAN, from one description of the images. The networks themselves are in nets/.

All take squares of 8 to 128 pixels, gray or RGB. A width is the number of channels at the full image size (of units, in
``mlp``); each network decides what it has at smaller sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Le, Lt
from pydantic import Field

from ganaug.settings import Later, Spec

if TYPE_CHECKING:
    from ganaug.gan.nets.discriminator import Body, BodyShape
    from ganaug.gan.nets.generator import Generator, GeneratorShape

    Networks = tuple[Callable[[GeneratorShape], Generator], Callable[[BodyShape], Body]]


@dataclass(frozen=True)
class ArchitectureSpec(Spec):
    """What every architecture has. A member adds ``kind`` and its networks."""

    zero_weights: ClassVar[bool] = False  # some of D's weights start at 0, so that they have no norm to be divided by

    @property
    def mixes_batch(self) -> str | None:
        """What makes D's logits depend on the whole batch, and what to do against it; None: nothing does."""
        return None

    def networks(self) -> Networks:
        """The constructors of its generator and of its discriminator's body."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Compact(ArchitectureSpec):
    """Few layers for few pixels: the fastest step on a CPU. Conditional batch normalisation, D ends in dense layers."""

    kind: Literal["compact"] = "compact"
    last_stride: Annotated[Literal[1, 2] | None, Later] = None
    """Stride of the discriminator's last convolution. 2 saves half of its work at 8 pixels. Left out: 1."""

    def networks(self) -> Networks:
        from ganaug.gan.nets.compact import CompactBody, CompactGenerator

        return CompactGenerator, partial(CompactBody, last_stride=self.last_stride or 1)


@dataclass(frozen=True, kw_only=True)
class Mlp(ArchitectureSpec):
    """The original GAN: dense layers; in the discriminator maxout units and dropout (Goodfellow 2014)."""

    kind: Literal["mlp"] = "mlp"
    layers: Annotated[int, Ge(1), Le(64)] = 2
    """Hidden layers of each network."""
    pieces: Annotated[int, Ge(1), Le(64)] = 5
    """Pieces of a maxout unit of the discriminator; 1: LeakyReLU."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.5
    """Share of units that the discriminator drops."""
    label_share: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of the generator's first layer for the label alone, in the discriminator the rest (CGAN, Mirza 2014: 5/6).
    0: the label is joined to the input."""

    def networks(self) -> Networks:
        from ganaug.gan.nets.mlp import MlpBody, MlpGenerator

        rest = 1 - self.label_share if self.label_share else 0.0
        return (
            partial(MlpGenerator, layers=self.layers, label_share=self.label_share),
            partial(MlpBody, layers=self.layers, pieces=self.pieces, dropout=self.dropout, label_share=rest),
        )


@dataclass(frozen=True, kw_only=True)
class Dcgan(ArchitectureSpec):
    """Radford 2016: strided convolutions and batch normalisation in both networks, as published."""

    kind: Literal["dcgan"] = "dcgan"
    batch_norm: bool = True
    """Batch normalisation in the discriminator; its logits then depend on the batch, which gradient penalties
    forbid."""

    @property
    def mixes_batch(self) -> str | None:
        mixed = "batch normalisation in dcgan's D mixes them, got batch_norm: true; set it to false"
        return mixed if self.batch_norm else None

    def networks(self) -> Networks:
        from ganaug.gan.nets.dcgan import DcganBody, DcganGenerator

        return DcganGenerator, partial(DcganBody, batch_norm=self.batch_norm)


@dataclass(frozen=True, kw_only=True)
class Resnet(ArchitectureSpec):
    """Residual blocks of SNGAN (Miyato 2018), with which the projection discriminator was published."""

    kind: Literal["resnet"] = "resnet"

    def networks(self) -> Networks:
        from ganaug.gan.nets.resnet import ResnetBody, ResnetGenerator

        return ResnetGenerator, ResnetBody


@dataclass(frozen=True, kw_only=True)
class R3gan(ArchitectureSpec):
    """Grouped inverted bottlenecks without normalisation (Huang 2024)."""

    kind: Literal["r3gan"] = "r3gan"
    zero_weights: ClassVar[bool] = True

    def networks(self) -> Networks:
        from ganaug.gan.nets.r3gan import R3ganBody, R3ganGenerator

        return R3ganGenerator, R3ganBody


Architecture = Annotated[Compact | Mlp | Dcgan | Resnet | R3gan, Field(discriminator="kind")]
