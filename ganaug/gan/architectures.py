"""Architectures: the two networks of a GAN, from one description of the images. The networks themselves are in nets/.

All take squares of 8 to 128 pixels, gray or RGB. A width is the number of channels at the full image size (of units, in
``mlp``); what the networks do with it at smaller sizes is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Lt
from pydantic import Field

from ganaug.settings import Spec

if TYPE_CHECKING:
    from ganaug.gan.nets.parts import Body, Generator

# How labels enter (see nets/parts.py): not at all; joined to both inputs (CGAN); by class-conditional norms and a
# projection discriminator; joined to the latent, with a discriminator that also says the class (ACGAN).
Conditioning = Literal["none", "concat", "projection", "auxiliary"]


@dataclass(frozen=True)
class ArchitectureSpec(Spec):
    """What every architecture has. ``label_inputs``: the numbers that a label enters D's body with, or 0."""

    def generator(
        self, z_dim: int, classes: int, channels: int, image_size: int, width: int, conditioning: Conditioning
    ) -> Generator:
        raise NotImplementedError

    def body(self, channels: int, label_inputs: int, image_size: int, width: int) -> Body:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Compact(ArchitectureSpec):
    """Few layers for few pixels: the fastest step on a CPU. Conditional batch normalisation, dense end of D."""

    kind: Literal["compact"] = "compact"

    def generator(
        self, z_dim: int, classes: int, channels: int, image_size: int, width: int, conditioning: Conditioning
    ) -> Generator:
        from ganaug.gan.nets.compact import CompactGenerator

        return CompactGenerator(z_dim, classes, channels, image_size, width, conditioning)

    def body(self, channels: int, label_inputs: int, image_size: int, width: int) -> Body:
        from ganaug.gan.nets.compact import CompactBody

        return CompactBody(channels, label_inputs, image_size, width)


@dataclass(frozen=True, kw_only=True)
class Mlp(ArchitectureSpec):
    """The original GAN: dense layers; in the discriminator maxout units and dropout (Goodfellow 2014)."""

    kind: Literal["mlp"] = "mlp"
    layers: Annotated[int, Ge(1)] = 2  # hidden, of each network
    pieces: Annotated[int, Ge(1)] = 5  # of a maxout unit of D; 1: LeakyReLU
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.5  # in D
    label_share: Annotated[float, Ge(0), Lt(1)] = (
        0.0  # of G's first layer for the label alone, in D the rest (CGAN: 5/6); 0: joined
    )

    def generator(
        self, z_dim: int, classes: int, channels: int, image_size: int, width: int, conditioning: Conditioning
    ) -> Generator:
        from ganaug.gan.nets.mlp import MlpGenerator

        return MlpGenerator(z_dim, classes, channels, image_size, width, conditioning, self.layers, self.label_share)

    def body(self, channels: int, label_inputs: int, image_size: int, width: int) -> Body:
        from ganaug.gan.nets.mlp import MlpBody

        return MlpBody(
            channels,
            label_inputs,
            image_size,
            width,
            self.layers,
            self.pieces,
            self.dropout,
            1 - self.label_share if self.label_share else 0.0,
        )


@dataclass(frozen=True, kw_only=True)
class Dcgan(ArchitectureSpec):
    """Radford 2016: strided convolutions and batch normalisation in both networks, as published."""

    kind: Literal["dcgan"] = "dcgan"
    batch_norm: bool = True  # in D; its logits then depend on the batch, which a gradient penalty forbids

    def generator(
        self, z_dim: int, classes: int, channels: int, image_size: int, width: int, conditioning: Conditioning
    ) -> Generator:
        from ganaug.gan.nets.dcgan import DcganGenerator

        return DcganGenerator(z_dim, classes, channels, image_size, width, conditioning)

    def body(self, channels: int, label_inputs: int, image_size: int, width: int) -> Body:
        from ganaug.gan.nets.dcgan import DcganBody

        return DcganBody(channels, label_inputs, image_size, width, self.batch_norm)


@dataclass(frozen=True, kw_only=True)
class Resnet(ArchitectureSpec):
    """Residual blocks of SNGAN (Miyato 2018), with which the projection discriminator was published."""

    kind: Literal["resnet"] = "resnet"

    def generator(
        self, z_dim: int, classes: int, channels: int, image_size: int, width: int, conditioning: Conditioning
    ) -> Generator:
        from ganaug.gan.nets.resnet import ResnetGenerator

        return ResnetGenerator(z_dim, classes, channels, image_size, width, conditioning)

    def body(self, channels: int, label_inputs: int, image_size: int, width: int) -> Body:
        from ganaug.gan.nets.resnet import ResnetBody

        return ResnetBody(channels, label_inputs, image_size, width)


@dataclass(frozen=True, kw_only=True)
class R3gan(ArchitectureSpec):
    """Grouped inverted bottlenecks without normalisation (Huang 2024)."""

    kind: Literal["r3gan"] = "r3gan"

    def generator(
        self, z_dim: int, classes: int, channels: int, image_size: int, width: int, conditioning: Conditioning
    ) -> Generator:
        from ganaug.gan.nets.r3gan import R3ganGenerator

        return R3ganGenerator(z_dim, classes, channels, image_size, width, conditioning)

    def body(self, channels: int, label_inputs: int, image_size: int, width: int) -> Body:
        from ganaug.gan.nets.r3gan import R3ganBody

        return R3ganBody(channels, label_inputs, image_size, width)


Architecture = Annotated[Compact | Mlp | Dcgan | Resnet | R3gan, Field(discriminator="kind")]
