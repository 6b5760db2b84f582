"""Fully connected networks: the original GAN (Goodfellow 2014) and CGAN (Mirza and Osindero 2014)."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from ganaug.gan.nets.class_inputs import Latent
from ganaug.gan.nets.discriminator import Body, BodyShape
from ganaug.gan.nets.generator import Generator, GeneratorShape


class _Joined(nn.Module):
    """The first hidden layer, of a vector (N, ins) and a label (N, labels): of both joined, or a part of it of each.

    ``share`` of the units look at the label alone, as in CGAN; the others then look at the vector alone.
    """

    def __init__(self, ins: int, labels: int, outs: int, pieces: int, share: float) -> None:
        super().__init__()
        of_label = min(max(1, round(outs * share)), outs - 1) if labels and share else 0  # each has a unit at least
        self.ins = ins
        self.joined = _units(ins + (0 if of_label else labels), outs - of_label, pieces)
        self.of_label = _units(labels, of_label, pieces) if of_label else None

    def forward(self, joined: Tensor) -> Tensor:
        if self.of_label is None:
            return cast(Tensor, self.joined(joined))
        return torch.cat([self.joined(joined[:, : self.ins]), self.of_label(joined[:, self.ins :])], dim=1)


class MlpGenerator(Generator):
    """``layers`` hidden layers of ReLU units, ``label_share`` of the first for the label; every pixel through tanh."""

    def __init__(self, shape: GeneratorShape, layers: int, label_share: float) -> None:
        super().__init__(shape.z_dim)
        z_dim, width = shape.z_dim, shape.width
        self.shape = (shape.channels, shape.image_size, shape.image_size)
        self.latent = Latent(z_dim, shape.classes, shape.conditioning, table=True)
        first = _Joined(z_dim, self.latent.features - z_dim, width, 0, label_share)
        self.hidden = nn.Sequential(first, *(_units(width, width, 0) for _ in range(layers - 1)))
        self.to_image = nn.Linear(width, math.prod(self.shape))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        units = self.hidden(self.latent(latents, labels))
        return torch.tanh(self.to_image(units)).view(-1, *self.shape)


class MlpBody(Body):
    """``layers`` hidden layers of units: maxout of ``pieces`` (1: LeakyReLU), then ``dropout``, a share in [0, 1).

    ``shape`` says how many units; ``label_share``, in [0, 1), how many of the first layer look at the label alone.
    """

    def __init__(self, shape: BodyShape, layers: int, pieces: int, dropout: float, label_share: float) -> None:
        super().__init__()
        pixels, width = shape.channels * shape.image_size**2, shape.width
        first = _Joined(pixels, shape.label_inputs, width, pieces, label_share)
        hidden: list[nn.Module] = [first, nn.Dropout(dropout)]
        for _ in range(layers - 1):
            hidden += [_units(width, width, pieces), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*hidden)
        self.features = width

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        pixels = images.flatten(1)
        return cast(Tensor, self.layers(pixels if label is None else torch.cat([pixels, label], dim=1)))


def _units(ins: int, outs: int, pieces: int) -> nn.Module:
    """A dense layer of ``outs`` units: maxout of ``pieces``; 1: LeakyReLU; 0: ReLU."""
    if pieces > 1:
        return _Maxout(ins, outs, pieces)
    return nn.Sequential(nn.Linear(ins, outs), nn.LeakyReLU(0.2) if pieces else nn.ReLU())


class _Maxout(nn.Module):
    """The largest of ``pieces`` linear maps, unit by unit (Goodfellow 2013)."""

    def __init__(self, ins: int, outs: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.maps = nn.Linear(ins, outs * pieces)

    def forward(self, units: Tensor) -> Tensor:
        pieces: Tensor = self.maps(units).view(len(units), -1, self.pieces)
        return pieces.amax(dim=2)
