"""The networks of a translator: small and convolutional.

The translator itself is blind to the class, so that what it learned from some classes it does to all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Shape = tuple[int, int, int]  # (channels, height, width), square


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Of 3 x 3, in an image that goes on as its mirror image: a ground of any tone has no edge there."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")


class Block(nn.Module):
    """A residual block (He 2016) with group normalisation: (N, ``width``, H, W) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        groups = math.gcd(4, width)
        self.layers = nn.Sequential(
            _conv(width, width),
            nn.GroupNorm(groups, width),
            nn.ReLU(),
            _conv(width, width),
            nn.GroupNorm(groups, width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(maps + cast(Tensor, self.layers(maps)))


class Translator(nn.Module):
    """Images (N, C, H, W) in [-1, 1], noise (N, ``noise_size``) and conditions (N,) -> the images under these.

    ``shape`` of the images; ``width``: channels at half the side, where its ``blocks`` are; ``noise``: maps of it, each
    of half the side of the one before; ``goals``: the conditions that it can go to. It starts near the identity, since
    most of an image stays, and its last layers see the image itself and the finest noise.
    """

    def __init__(self, shape: Shape, width: int, blocks: int, noise: int, goals: Sequence[int]) -> None:
        super().__init__()
        channels, self.side, _ = shape
        self.noise_sides = [-(-self.side // 2**level) for level in range(noise)]
        self.noise_size = sum(side**2 for side in self.noise_sides)
        self.goals = list(goals)
        asked = len(self.goals) if len(self.goals) > 1 else 0  # with one goal there is nothing to ask for
        fine = channels + min(noise, 1)
        shuffled, full = max(1, width // 3), max(1, 2 * width // 3)
        self.stem = _conv(4 * fine + max(0, noise - 1) + asked, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.up = _conv(width, 4 * shuffled)
        self.full = _conv(shuffled + fine, full)
        self.out = _conv(full, channels)
        with torch.no_grad():
            for parameter in self.out.parameters():
                parameter.mul_(0.1)

    def features(self, images: Tensor, noise: Tensor, conditions: Tensor) -> list[Tensor]:
        """What the first layer and each block make of them, (N, width, H/2, W/2) each."""
        fine, *coarse = self._maps(images, noise)
        odd = self.side % 2
        inputs = [F.pixel_unshuffle(F.pad(fine, (0, odd, 0, odd), mode="replicate"), 2)]
        half = inputs[0].shape[2:]
        inputs += [F.interpolate(one, size=half, mode="bilinear") for one in coarse]
        if len(self.goals) > 1:
            goals = torch.stack([conditions == goal for goal in self.goals], dim=1).to(images.dtype)
            inputs.append(goals[:, :, None, None].expand(-1, -1, *half))
        found = [F.relu(self.stem(torch.cat(inputs, dim=1)))]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def _maps(self, images: Tensor, noise: Tensor) -> list[Tensor]:
        """The images with the finest noise, (N, C + 1, H, W), and each coarser map of it, (N, 1, side, side)."""
        parts = noise.split([side**2 for side in self.noise_sides], dim=1)
        maps = [part.view(-1, 1, side, side) for part, side in zip(parts, self.noise_sides, strict=True)]
        return [torch.cat([images, *maps[:1]], dim=1), *maps[1:]]

    def forward(self, images: Tensor, noise: Tensor, conditions: Tensor) -> Tensor:
        whole = F.pixel_shuffle(self.up(self.features(images, noise, conditions)[-1]), 2)
        whole = whole[:, :, : self.side, : self.side]
        change = self.out(F.relu(self.full(torch.cat([F.relu(whole), self._maps(images, noise)[0]], dim=1))))
        return images + 2 * torch.tanh(change)


class PatchDiscriminator(nn.Module):
    """Images (N, ``channels``, H, W) and which output judges each (N,) -> logits (N, patches), higher for "real".

    A patch has 12, 22, 42 or 82 pixels per side for 1 to 4 ``strides`` (PatchGAN: Isola 2017, section 3.2.2). There are
    so many ``outputs``, one for each condition, or for each class under each; its first layer has ``width`` channels.
    ``scales``: also on images of half the side, a quarter and so on.
    """

    mixes_batch = False
    class_strength = 0.0  # it says no class

    def __init__(self, channels: int, outputs: int, width: int, scales: int, strides: int) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(_patches(channels, width, strides) for _ in range(scales))
        self.heads = nn.ModuleList(nn.Conv2d(2 * width, outputs, 3, padding=1) for _ in range(scales))

    def forward(self, images: Tensor, which: Tensor) -> tuple[Tensor, None]:
        """The logits; no class."""
        logits = []
        for level, (body, head) in enumerate(zip(self.bodies, self.heads, strict=True)):
            seen = F.avg_pool2d(images, 2**level) if level else images
            maps = cast(Tensor, head(body(seen))).flatten(2)  # (N, outputs, patches)
            logits.append(maps.gather(1, which[:, None, None].expand(-1, 1, maps.shape[2]))[:, 0])
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

    def forward(self, images: Tensor, which: Tensor) -> tuple[Tensor, None]:
        """Logits (N, patches)."""
        (first, second), (to, home) = images.chunk(2), which.chunk(2)
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
