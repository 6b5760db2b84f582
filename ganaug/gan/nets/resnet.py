"""Residual networks of SNGAN and of the projection discriminator (Miyato 2018, table 3; Miyato and Koyama 2018)."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.gan.conditioning import Conditioning
from ganaug.gan.nets.class_inputs import Latent, Norm
from ganaug.gan.nets.discriminator import Body, BodyShape, with_label_maps
from ganaug.gan.nets.generator import Generator, GeneratorShape
from ganaug.gan.nets.levels import sides


def _kernel(ins: int, outs: int, size: int = 3) -> nn.Conv2d:
    convolution = nn.Conv2d(ins, outs, size, padding=size // 2)
    nn.init.xavier_uniform_(convolution.weight, gain=1.0 if size == 1 else 2**0.5)
    return convolution


class _Up(nn.Module):
    """Norm, ReLU, upsampling, convolution, norm, ReLU, convolution; parallel to it upsampling and a 1x1 convolution."""

    def __init__(self, width: int, classes: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(width, classes, conditioning) for _ in range(2))
        self.convolutions = nn.ModuleList(_kernel(width, width) for _ in range(2))
        self.beside = _kernel(width, width, 1)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        inner = F.interpolate(F.relu(self.norms[0](maps, labels)), scale_factor=2.0, mode="nearest")
        inner = self.convolutions[1](F.relu(self.norms[1](self.convolutions[0](inner), labels)))
        # A 1x1 convolution before the upsampling gives what it would give after it, at a quarter of the work.
        return cast(Tensor, inner + F.interpolate(self.beside(maps), scale_factor=2.0, mode="nearest"))


class ResnetGenerator(Generator):
    """A dense layer to the seed map, a residual block at each level, norm, ReLU, convolution; one width throughout."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__(shape.z_dim)
        width, levels = shape.width, sides(shape.image_size)
        self.side = levels[-1]
        # As published, the label enters the blocks' norms alone; an image of one level, such as 9x9, has no block.
        self.latent = Latent(shape.z_dim, shape.classes, shape.conditioning, table=len(levels) == 1)
        self.seed_map = nn.Linear(self.latent.features, width * self.side**2)
        nn.init.xavier_uniform_(self.seed_map.weight)
        self.blocks = nn.ModuleList(_Up(width, shape.classes, shape.conditioning) for _ in levels[1:])
        self.norm = nn.BatchNorm2d(width)
        self.to_image = _kernel(width, shape.channels)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        seed = self.seed_map(self.latent(latents, labels))
        maps = seed.view(latents.shape[0], self.side, self.side, -1).permute(0, 3, 1, 2)  # channels last
        for block in self.blocks:
            maps = block(maps, labels)
        return torch.tanh(self.to_image(F.relu(self.norm(maps))))


class _Block(nn.Module):
    """Two convolutions parallel to a shortcut, then a mean over 2x2 if ``down``. A network's first block has no ReLU
    before its first convolution: it would clip the image at 0."""

    def __init__(self, ins: int, outs: int, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.convolutions = nn.ModuleList([_kernel(ins, outs), _kernel(outs, outs)])
        self.beside = _kernel(ins, outs, 1) if ins != outs or down else None

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.convolutions[0](maps if self.first else F.relu(maps))
        inner = self.convolutions[1](F.relu(inner))
        shortcut = maps
        if self.down:
            inner, shortcut = F.avg_pool2d(inner, 2), F.avg_pool2d(maps, 2)
        return cast(Tensor, inner + (self.beside(shortcut) if self.beside is not None else shortcut))


class ResnetBody(Body):
    """A block for each level, two more on the smallest map, ReLU and a sum over it."""

    def __init__(self, shape: BodyShape) -> None:
        super().__init__()
        width, halvings = shape.width, len(sides(shape.image_size)) - 1
        maps = [shape.channels + shape.label_inputs, *[width] * (halvings + 2)]
        self.blocks = nn.Sequential(
            *(_Block(ins, outs, at < halvings, first=at == 0) for at, (ins, outs) in enumerate(pairwise(maps)))
        )
        self.features = width

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        return F.relu(self.blocks(with_label_maps(images, label))).sum(dim=(2, 3))
