"""DCGAN (Radford 2016) with its guidelines: strided convolutions, batch normalisation in both networks but for G's last
and D's first layer, no hidden dense layers, ReLU in G, LeakyReLU in D, weights from N(0, 0.02)."""

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

_MOST = 8  # times the width: of images of 64 pixels, 64 channels at 32 pixels and 512 at 4
_STD = 0.02


def _published_weights(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, _STD)
        elif isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, _STD)


class DcganGenerator(Generator):
    """The latent as a 1x1 map, enlarged by transposed convolutions: to the seed map, then by 2 at each level.

    The last one gives the image; ``width`` is the channels at half the image's size.
    """

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__(shape.z_dim)
        classes, conditioning = shape.classes, shape.conditioning
        levels = sides(shape.image_size)
        maps = list(reversed(widths(shape.width, max(1, len(levels) - 1), _MOST)))
        self.latent = Latent(shape.z_dim, classes, conditioning, table=False)
        first = nn.ConvTranspose2d(self.latent.features, maps[0], levels[-1], bias=False)
        others = [nn.ConvTranspose2d(ins, outs, 4, stride=2, padding=1, bias=False) for ins, outs in pairwise(maps)]
        self.convolutions = nn.ModuleList([first, *others])
        self.norms = nn.ModuleList(Norm(size, classes, conditioning) for size in maps)
        enlarges = len(levels) > 1  # an image of one level, such as 9x9, is as large as its seed map
        last = nn.ConvTranspose2d(maps[-1], shape.channels, 4, stride=2, padding=1)
        self.to_image = last if enlarges else nn.Conv2d(maps[-1], shape.channels, 3, padding=1)
        _published_weights(self)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        maps = self.latent(latents, labels)[:, :, None, None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = F.relu(norm(convolution(maps), labels))
        return torch.tanh(self.to_image(maps))


class DcganBody(Body):
    """4x4 convolutions of stride 2 down to the smallest map. ``batch_norm`` as published; gradient penalties, which
    are about single images, need it off."""

    head_std = _STD

    def __init__(self, shape: BodyShape, batch_norm: bool) -> None:
        super().__init__()
        levels = sides(shape.image_size)
        # An image of one level, such as 9x9, still gets a convolution.
        maps = [shape.channels + shape.label_inputs, *widths(shape.width, max(1, len(levels) - 1), _MOST)]
        stride = 2 if len(levels) > 1 else 1
        layers: list[nn.Module] = []
        for position, (ins, outs) in enumerate(pairwise(maps)):
            normed = batch_norm and position > 0
            layers.append(nn.Conv2d(ins, outs, 4 if stride == 2 else 3, stride, padding=1, bias=not normed))
            layers += [nn.BatchNorm2d(outs)] if normed else []
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, Flatten())
        self.features = maps[-1] * levels[-1] ** 2
        self.mixes_batch = batch_norm and len(maps) > 2
        _published_weights(self)

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        return cast(Tensor, self.layers(with_label_maps(images, label)))
