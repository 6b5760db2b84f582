"""The class-conditional generator and the projection discriminator.

One description serves every image shape: the side is halved while it is even and above seven (28 -> 14 -> 7,
32 -> 16 -> 8 -> 4), the smallest side is the generator's seed map, and each halving is one level of both networks.
Level 0 is the full image; each level down doubles the channels, up to four times ``width``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


def sides(image_size: int) -> list[int]:
    """The side of the maps at each level, the image's own first: ``sides(28) == [28, 14, 7]``."""
    levels = [image_size]
    while levels[-1] % 2 == 0 and levels[-1] > 7:
        levels.append(levels[-1] // 2)
    return levels


def widths(width: int, levels: int) -> list[int]:
    """The channels at each level, the image's own first: ``widths(24, 3) == [24, 48, 96]``."""
    return [width * min(2**level, 4) for level in range(levels)]


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose scale and shift are learned for each class (de Vries 2017; Miyato 2018)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        scale, shift = self.scale(labels)[:, :, None, None], self.shift(labels)[:, :, None, None]
        return cast(Tensor, self.norm(maps) * scale + shift)


class Generator(nn.Module):
    """Latents (N, z_dim), standard normal, and labels (N,) -> images (N, channels, size, size) in [-1, 1]."""

    def __init__(self, z_dim: int, classes: int, channels: int, image_size: int, width: int) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.side = sides(image_size)[-1]
        maps = list(reversed(widths(width, len(sides(image_size)))))
        self.class_latent = nn.Embedding(classes, z_dim)
        self.seed_map = nn.Linear(2 * z_dim, maps[0] * self.side**2)
        self.norms = nn.ModuleList(ConditionalBatchNorm(size, classes) for size in maps)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(ins, outs, 3, padding=1, bias=False) for ins, outs in pairwise(maps)
        )
        self.to_image = nn.Conv2d(maps[-1], channels, 3, padding=1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        joint = torch.cat([latents, self.class_latent(labels)], dim=1)
        maps = self.seed_map(joint).view(len(latents), self.side, self.side, -1).permute(0, 3, 1, 2)  # channels last
        maps = F.relu(self.norms[0](maps, labels))
        for convolution, norm in zip(self.convolutions, self.norms[1:], strict=True):
            maps = F.interpolate(maps, scale_factor=2.0, mode="nearest")
            maps = F.relu(norm(convolution(maps), labels))
        return torch.tanh(self.to_image(maps))


class Discriminator(nn.Module):
    """Images (N, channels, size, size) in [-1, 1] and labels (N,) -> logits (N,), positive for "real".

    The label enters by projection: logit = w.f(x) + e(y).f(x) (Miyato and Koyama 2018, eq. 3). Every weight is
    spectrally normalised (Miyato 2018). No batch normalisation: it would mix the statistics of real and fake.
    """

    def __init__(self, classes: int, channels: int, image_size: int, width: int) -> None:
        super().__init__()
        maps = [channels, *widths(width, len(sides(image_size)))]
        layers: list[nn.Module] = []
        for ins, outs in pairwise(maps[:-1]):
            layers += [spectral_norm(nn.Conv2d(ins, outs, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        last_stride = 2 if sides(image_size)[-1] > 5 else 1
        layers += [spectral_norm(nn.Conv2d(maps[-2], maps[-1], 3, stride=last_stride, padding=1)), nn.LeakyReLU(0.2)]
        layers += [spectral_norm(nn.Conv2d(maps[-1], maps[-1], 3, padding=1)), nn.LeakyReLU(0.2)]
        side = -(-sides(image_size)[-1] // last_stride)
        layers += [nn.Flatten(), spectral_norm(nn.Linear(maps[-1] * side**2, maps[-1])), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.score = spectral_norm(nn.Linear(maps[-1], 1))
        self.class_direction = spectral_norm(nn.Embedding(classes, maps[-1]))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = self.features(images)
        return cast(Tensor, self.score(features).squeeze(1) + (self.class_direction(labels) * features).sum(dim=1))
