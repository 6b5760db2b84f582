"""R3GAN's networks (Huang 2024, section 3 and figure 6): grouped inverted bottlenecks, no normalisation at all.

What normalisation would do is done by the start: the last convolution of each block is zero, the others are scaled down
with the number of blocks (Zhang 2019, Fixup).
"""

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.gan.nets.class_inputs import Latent
from ganaug.gan.nets.discriminator import Body, BodyShape, with_label_maps
from ganaug.gan.nets.generator import Generator, GeneratorShape
from ganaug.gan.nets.levels import sides, widths

_EXPANSION = 2  # of channels inside a block
_GROUP = 16  # channels of a group, or all where there are fewer
_BLOCKS = 2  # at each level


def _scaled(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Conv2d | nn.Linear:
    """Weights of variance gain^2 / inputs, however many outputs there are."""
    inputs = layer.weight[0].numel()
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(inputs))
    return layer


class _BiasedReLU(nn.Module):
    """A learned shift per channel, then LeakyReLU at unit gain: the convolutions themselves have no bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        return F.leaky_relu(maps + self.bias[:, None, None], 0.2)


class _Block(nn.Module):
    """1x1 to twice the channels, 3x3 in groups, 1x1 back, added to what came in."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        inner = channels * _EXPANSION
        group = math.gcd(inner, _GROUP)
        # LeakyReLU(0.2) keeps (1 + 0.2^2) / 2 of the variance; Fixup: blocks^(-1 / (2m - 2)), m = 3 layers in a block.
        gain = math.sqrt(2 / (1 + 0.2**2)) * blocks ** (-1 / 4)
        self.wide = _scaled(nn.Conv2d(channels, inner, 1, bias=False), gain)
        self.grouped = _scaled(nn.Conv2d(inner, inner, 3, padding=1, groups=inner // group, bias=False), gain)
        self.narrow = nn.Conv2d(inner, channels, 1, bias=False)
        nn.init.zeros_(self.narrow.weight)
        self.first, self.second = _BiasedReLU(inner), _BiasedReLU(inner)

    def forward(self, maps: Tensor) -> Tensor:
        return cast(Tensor, maps + self.narrow(self.second(self.grouped(self.first(self.wide(maps))))))


class R3ganGenerator(Generator):
    """A learned map per channel, weighted by the latent; two blocks per level, bilinear upsampling between levels.

    The last layer has no tanh: values outside [-1, 1] are clipped when they become pixels.
    """

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__(shape.z_dim)
        levels = sides(shape.image_size)
        maps = list(reversed(widths(shape.width, len(levels))))
        blocks = _BLOCKS * len(levels)
        self.latent = Latent(shape.z_dim, shape.classes, shape.conditioning, table=True)
        self.basis = nn.Parameter(torch.randn(maps[0], levels[-1], levels[-1]))
        self.weigh = _scaled(nn.Linear(self.latent.features, maps[0], bias=False))
        self.blocks = nn.ModuleList(nn.Sequential(*(_Block(size, blocks) for _ in range(_BLOCKS))) for size in maps)
        self.change = nn.ModuleList(_scaled(nn.Conv2d(ins, outs, 1, bias=False)) for ins, outs in pairwise(maps))
        self.to_image = _scaled(nn.Conv2d(maps[-1], shape.channels, 1, bias=False))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        maps = self.basis * self.weigh(self.latent(latents, labels))[:, :, None, None]
        maps = self.blocks[0](maps)
        for change, blocks in zip(self.change, self.blocks[1:], strict=True):
            maps = F.interpolate(change(maps), scale_factor=2.0, mode="bilinear", align_corners=False)
            maps = blocks(maps)
        return cast(Tensor, self.to_image(maps))


class R3ganBody(Body):
    """The generator's mirror image; at the end a learned weight per place and channel of the smallest map."""

    def __init__(self, shape: BodyShape) -> None:
        super().__init__()
        levels = sides(shape.image_size)
        maps = widths(shape.width, len(levels))
        blocks = _BLOCKS * len(levels)
        self.from_image = _scaled(nn.Conv2d(shape.channels + shape.label_inputs, maps[0], 1, bias=False))
        self.blocks = nn.ModuleList(nn.Sequential(*(_Block(size, blocks) for _ in range(_BLOCKS))) for size in maps)
        self.change = nn.ModuleList(_scaled(nn.Conv2d(ins, outs, 1, bias=False)) for ins, outs in pairwise(maps))
        self.basis = _scaled(nn.Conv2d(maps[-1], maps[-1], levels[-1], groups=maps[-1], bias=False))
        self.features = maps[-1]

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        maps = self.blocks[0](self.from_image(with_label_maps(images, label)))
        for change, blocks in zip(self.change, self.blocks[1:], strict=True):
            maps = blocks(change(F.avg_pool2d(maps, 2)))
        return cast(Tensor, self.basis(maps).flatten(1))
