"""Fully connected networks: the original GAN (Goodfellow 2014) and CGAN (Mirza and Osindero 2014)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ganaug.gan.conditioning import Conditioning
from ganaug.gan.nets.conditioning import Latent
from ganaug.gan.nets.discriminator import Body
from ganaug.gan.nets.generator import Generator


class _Joined(nn.Module):
    """The first hidden layer, of a vector (N, ins) and a label (N, labels): of both joined, or a part of it of each.

    ``share`` of the units look at the label alone, as CGAN has it; the others then look at the vector alone.
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
    """``layers`` hidden layers of ``width`` ReLU units, then every pixel through tanh."""

    def __init__(
        self,
        z_dim: int,
        classes: int,
        channels: int,
        image_size: int,
        width: int,
        conditioning: Conditioning,
        layers: int,
        label_share: float,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.shape = (channels, image_size, image_size)
        self.latent = Latent(z_dim, classes, conditioning, table=True)
        first = _Joined(z_dim, self.latent.features - z_dim, width, 0, label_share)
        self.hidden = nn.Sequential(first, *(_units(width, width, 0) for _ in range(layers - 1)))
        self.to_image = nn.Linear(width, channels * image_size**2)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        units = self.hidden(self.latent(latents, labels))
        return torch.tanh(self.to_image(units)).view(-1, *self.shape)


class MlpBody(Body):
    """``layers`` hidden layers of ``width`` units: maxout of ``pieces`` (1: LeakyReLU), then dropout."""

    def __init__(
        self,
        channels: int,
        label_inputs: int,
        image_size: int,
        width: int,
        layers: int,
        pieces: int,
        dropout: float,
        label_share: float,
    ) -> None:
        super().__init__()
        pixels = channels * image_size**2
        hidden: list[nn.Module] = [_Joined(pixels, label_inputs, width, pieces, label_share), nn.Dropout(dropout)]
        for _ in range(layers - 1):
            hidden += [_units(width, width, pieces), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*hidden)
        self.features = width

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        pixels = images.flatten(1)
        features: Tensor = self.layers(pixels if label is None else torch.cat([pixels, label], dim=1))
        return features


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
