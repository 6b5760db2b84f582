"""The lean pair for few pixels and few images: the default, and the fastest step on a CPU."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.gan.nets.class_inputs import Latent, Norm
from ganaug.gan.nets.discriminator import Body, BodyShape, with_label_maps
from ganaug.gan.nets.generator import Generator, GeneratorShape
from ganaug.gan.nets.levels import sides, widths
from ganaug.layout import Flatten


class CompactGenerator(Generator):
    """A dense layer to the seed map; at each level upsampling, one convolution, a norm, ReLU.

    With three or more levels (from 28 pixels on) the image comes straight from half its size: maps of the full size
    took half of a step's time, and twice the steps in the same time gave better images (docs/experiments.md). Smaller
    images need that level, and nearest-neighbour upsampling with 3x3 kernels.
    """

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__(shape.z_dim)
        classes, conditioning = shape.classes, shape.conditioning
        levels = sides(shape.image_size)
        self.side = levels[-1]
        maps = list(reversed(widths(shape.width, len(levels))))
        large = len(levels) > 2
        if large:
            maps.pop()
        self.latent = Latent(shape.z_dim, classes, conditioning, table=True)
        self.seed_map = nn.Linear(self.latent.features, maps[0] * self.side**2)
        self.norms = nn.ModuleList(Norm(size, classes, conditioning) for size in maps)
        self.upsample = nn.ModuleList(
            _enlarging(ins, outs) if large else _Enlarged(ins, outs) for ins, outs in pairwise(maps)
        )
        last, channels = maps[-1], shape.channels
        self.to_image = _enlarging(last, channels, True) if large else nn.Conv2d(last, channels, 3, padding=1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        seed = self.seed_map(self.latent(latents, labels))
        maps = seed.view(latents.shape[0], self.side, self.side, -1).permute(0, 3, 1, 2)  # channels last
        maps = F.relu(self.norms[0](maps, labels))
        for upsample, norm in zip(self.upsample, self.norms[1:], strict=True):
            maps = F.relu(norm(upsample(maps), labels))
        return torch.tanh(self.to_image(maps))


def _enlarging(ins: int, outs: int, bias: bool = False) -> nn.Module:
    """Twice the side, each pixel from four: less than half the work of a 3x3 kernel on the enlarged map."""
    return nn.ConvTranspose2d(ins, outs, 4, stride=2, padding=1, bias=bias)


class _Enlarged(nn.Module):
    """Twice the side, each pixel repeated, then a 3x3 kernel; computed as one transposed convolution.

    A kernel of 3x3 sees at most 2x2 different pixels of the map before it was enlarged. The transposed convolution with
    the sums of its weights over each of those gives the same numbers, from less than half of the work.
    """

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(ins, outs, 3, padding=1, bias=False)  # holds the weights, as kept files have them
        # How much of each of 3x3 weights each of 4x4 has.
        spread = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
        self.register_buffer("spread", torch.kron(spread, spread), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        weight = self.convolution.weight
        outs, ins = weight.shape[:2]
        sums = weight.reshape(outs, ins, 9) @ cast(Tensor, self.spread).T
        return F.conv_transpose2d(maps, sums.view(outs, ins, 4, 4).transpose(0, 1), stride=2, padding=1)


class CompactBody(Body):
    """4x4 convolutions of stride 2, two of 3x3 on the smallest map, and a dense layer on the whole of it.

    A mean over the map would forget where a stroke is; batch normalisation would mix the statistics of real and fake.
    ``last_stride``: of the last convolution.
    """

    def __init__(self, shape: BodyShape, last_stride: int = 1) -> None:
        super().__init__()
        levels = sides(shape.image_size)
        maps = [shape.channels + shape.label_inputs, *widths(shape.width, len(levels))]
        layers: list[nn.Module] = []
        for ins, outs in pairwise(maps[:-1]):
            layers += [nn.Conv2d(ins, outs, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        side = levels[-1]
        for ins, stride in ((maps[-2], 2 if side > 5 else 1), (maps[-1], last_stride)):
            layers += [nn.Conv2d(ins, maps[-1], 3, stride=stride, padding=1), nn.LeakyReLU(0.2)]
            side = -(-side // stride)
        layers += [Flatten(), nn.Linear(maps[-1] * side**2, maps[-1]), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.features = maps[-1]

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        return cast(Tensor, self.layers(with_label_maps(images, label)))
