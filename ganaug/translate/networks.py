"""The networks of a translator: small, convolutional, and blind to the class.

A network of patches alone cannot tell which class it looks at; one of whole images would turn the classes that a
target lacks into those that it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Shape = tuple[int, int, int]  # (channels, height, width), square


class Block(nn.Module):
    """A residual block (He 2016, pre-activation) with group normalisation: (N, ``width``, H, W) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        groups = math.gcd(4, width)
        self.layers = nn.Sequential(
            nn.GroupNorm(groups, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(groups, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return maps + cast(Tensor, self.layers(maps))


class Translator(nn.Module):
    """Images (N, C, H, W) in [-1, 1], noise (N, ``noise_size``) and conditions (N,) -> the images under these.

    ``shape`` of the images; ``width``: channels at half the side, where its ``blocks`` are; ``noise``: maps of it, each
    of half the side of the one before; ``goals``: the conditions that it can go to. It starts near the identity, since
    most of an image stays.
    """

    def __init__(self, shape: Shape, width: int, blocks: int, noise: int, goals: Sequence[int]) -> None:
        super().__init__()
        channels, self.side, _ = shape
        self.noise_sides = [-(-self.side // 2**level) for level in range(noise)]
        self.noise_size = sum(side**2 for side in self.noise_sides)
        self.goals = list(goals)
        asked = len(self.goals) if len(self.goals) > 1 else 0  # with one goal there is nothing to ask for
        shuffled, full = max(1, width // 3), max(1, 2 * width // 3)
        self.stem = nn.Conv2d(4 * (channels + noise + asked), width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.up = nn.Conv2d(width, 4 * shuffled, 3, padding=1)
        self.full = nn.Conv2d(shuffled, full, 3, padding=1)
        self.out = nn.Conv2d(full, channels, 3, padding=1)
        with torch.no_grad():
            for parameter in self.out.parameters():
                parameter.mul_(0.1)

    def features(self, images: Tensor, noise: Tensor, conditions: Tensor) -> list[Tensor]:
        """What the first layer and each block make of them, (N, width, H/2, W/2) each."""
        inputs = [images, *self._noise_maps(noise)]
        if len(self.goals) > 1:
            goals = torch.stack([conditions == goal for goal in self.goals], dim=1).to(images.dtype)
            inputs.append(goals[:, :, None, None].expand(-1, -1, self.side, self.side))
        odd = self.side % 2
        maps = F.pad(torch.cat(inputs, dim=1), (0, odd, 0, odd), mode="replicate")
        found = [self.stem(F.pixel_unshuffle(maps, 2))]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def _noise_maps(self, noise: Tensor) -> list[Tensor]:
        """(N, ``noise_size``) -> a map (N, 1, H, W) of each side."""
        parts = noise.split([side**2 for side in self.noise_sides], dim=1)
        maps = [part.view(-1, 1, side, side) for part, side in zip(parts, self.noise_sides, strict=True)]
        return [F.interpolate(one, size=(self.side, self.side), mode="nearest") for one in maps]

    def forward(self, images: Tensor, noise: Tensor, conditions: Tensor) -> Tensor:
        maps = self.features(images, noise, conditions)[-1]
        whole = F.pixel_shuffle(self.up(F.relu(maps)), 2)
        change = self.out(F.relu(self.full(F.relu(whole))))[:, :, : self.side, : self.side]
        return images + 2 * torch.tanh(change)


class PatchDiscriminator(nn.Module):
    """Images (N, ``channels``, H, W) and conditions (N,) -> logits (N, patches), higher for "real".

    A patch has 12, 22, 42 or 82 pixels per side for 1 to 4 ``strides`` (PatchGAN: Isola 2017, section 3.2.2). It has an
    output of its own for each of ``conditions``; its first layer has ``width`` channels. ``scales``: also on images of
    half the side, a quarter and so on.
    """

    mixes_batch = False
    class_strength = 0.0  # it says no class

    def __init__(self, channels: int, conditions: int, width: int, scales: int, strides: int) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(_patches(channels, width, strides) for _ in range(scales))
        self.heads = nn.ModuleList(nn.Conv2d(2 * width, conditions, 3, padding=1) for _ in range(scales))

    def forward(self, images: Tensor, conditions: Tensor) -> tuple[Tensor, None]:
        """The logits; no class."""
        logits = []
        for level, (body, head) in enumerate(zip(self.bodies, self.heads, strict=True)):
            seen = F.avg_pool2d(images, 2**level) if level else images
            maps = cast(Tensor, head(body(seen))).flatten(2)  # (N, conditions, patches)
            logits.append(maps.gather(1, conditions[:, None, None].expand(-1, 1, maps.shape[2]))[:, 0])
        return torch.cat(logits, dim=1), None


def _patches(channels: int, width: int, strides: int) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.LeakyReLU(0.2),
    ]
    for _ in range(strides - 1):
        layers += [nn.Conv2d(2 * width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


class BothWays(nn.Module):
    """Two discriminators of their own, ``there`` and ``back`` (CycleGAN): each judges its half of the batch."""

    mixes_batch = True  # so that real and generated images come in batches of their own
    class_strength = 0.0

    def __init__(self, there: PatchDiscriminator, back: PatchDiscriminator) -> None:
        super().__init__()
        self.there, self.back = there, back

    def forward(self, images: Tensor, conditions: Tensor) -> tuple[Tensor, None]:
        """Logits (N, patches)."""
        (first, second), (to, home) = images.chunk(2), conditions.chunk(2)
        return torch.cat([self.there(first, to)[0], self.back(second, home)[0]]), None


class Projections(nn.Module):
    """From features of patches to unit vectors: for each of ``maps`` maps of ``width`` channels two layers (CUT: Park
    2020, section 3.2; 64 units here instead of 256)."""

    def __init__(self, maps: int, width: int) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64)) for _ in range(maps)
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features (N, patches, width) of each map -> (N, patches, 64)."""
        return [F.normalize(net(one).float(), dim=2) for net, one in zip(self.nets, features, strict=True)]


class Helpers(nn.Module):
    """The networks that a translator trains with, besides D; None where its settings have no use for one."""

    def __init__(self, back: Translator | None, projections: Projections | None) -> None:
        super().__init__()
        self.back, self.projections = back, projections
