"""The lean pair for few pixels and few images: the default, and the fastest step of a CPU."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.gan.architectures import Conditioning
from ganaug.gan.nets.parts import Body, Generator, Latent, Norm, sides, widths, with_label_maps


class CompactGenerator(Generator):
    """A dense layer to the seed map; at each level nearest-neighbour upsampling, one convolution, a norm, ReLU."""

    def __init__(
        self, z_dim: int, classes: int, channels: int, image_size: int, width: int, conditioning: Conditioning
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.side = sides(image_size)[-1]
        maps = list(reversed(widths(width, len(sides(image_size)))))
        self.latent = Latent(z_dim, classes, conditioning, table=True)
        self.seed_map = nn.Linear(self.latent.features, maps[0] * self.side**2)
        self.norms = nn.ModuleList(Norm(size, classes, conditioning) for size in maps)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(ins, outs, 3, padding=1, bias=False) for ins, outs in pairwise(maps)
        )
        self.to_image = nn.Conv2d(maps[-1], channels, 3, padding=1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        seed = self.seed_map(self.latent(latents, labels))
        maps = seed.view(len(latents), self.side, self.side, -1).permute(0, 3, 1, 2)  # channels last
        maps = F.relu(self.norms[0](maps, labels))
        for convolution, norm in zip(self.convolutions, self.norms[1:], strict=True):
            maps = F.interpolate(maps, scale_factor=2.0, mode="nearest")
            maps = F.relu(norm(convolution(maps), labels))
        return torch.tanh(self.to_image(maps))


class CompactBody(Body):
    """4x4 convolutions of stride 2, two of 3x3 on the smallest map, and a dense layer on the whole of it.

    The dense layer, and no mean over the map: that forgets where a stroke is. No batch normalisation: it would mix the
    statistics of real and fake.
    """

    def __init__(self, channels: int, label_inputs: int, image_size: int, width: int) -> None:
        super().__init__()
        maps = [channels + label_inputs, *widths(width, len(sides(image_size)))]
        layers: list[nn.Module] = []
        for ins, outs in pairwise(maps[:-1]):
            layers += [nn.Conv2d(ins, outs, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        last_stride = 2 if sides(image_size)[-1] > 5 else 1
        layers += [nn.Conv2d(maps[-2], maps[-1], 3, stride=last_stride, padding=1), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(maps[-1], maps[-1], 3, padding=1), nn.LeakyReLU(0.2)]
        side = -(-sides(image_size)[-1] // last_stride)
        layers += [nn.Flatten(), nn.Linear(maps[-1] * side**2, maps[-1]), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.features = maps[-1]

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        images = with_label_maps(images, label)
        features: Tensor = self.layers(images)
        return features
