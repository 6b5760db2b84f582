"""The downstream classifiers that come with the package."""

import textwrap
from collections.abc import Sequence
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.errors import UserError
from ganaug.layout import Flatten


class SmallCNN(nn.Module):
    """Images (N, ``channels``, ``image_size``, ``image_size``) in [-1, 1] -> logits (N, ``classes``).

    Blocks of ``depth`` times convolution, batch normalisation and ReLU, with 2x2 max pooling between them until the
    side is under eight; channels double with each block, from ``width`` up to four times that; then one linear layer on
    the whole map (a mean over it cost 3 to 5 points on the digits, whose strokes have their places).
    """

    def __init__(self, channels: int, classes: int, image_size: int, width: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side, ins, outs = image_size, channels, width
        while True:
            for _ in range(depth):
                layers += [nn.Conv2d(ins, outs, 3, padding=1, bias=False), nn.BatchNorm2d(outs), nn.ReLU()]
                ins = outs
            if side < 8:
                break
            layers.insert(-1, nn.MaxPool2d(2))  # ReLU after it is the same, on a quarter of the pixels
            side, outs = side // 2, min(outs * 2, 4 * width)
        self.features = nn.Sequential(*layers)
        self.flatten = Flatten()
        self.head = nn.Linear(outs * side**2, classes)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.flatten(self.features(images))))


def resnet18(channels: int, classes: int, image_size: int) -> nn.Module:
    """torchvision's ResNet-18, untrained: images (N, ``channels``, ``image_size``, ``image_size``) -> (N, ``classes``).

    Under 64 pixels it has the stem that He 2016 (section 4.2) gives the networks for CIFAR-10, a 3x3 convolution of
    stride 1 without pooling: the published one (7x7, stride 2, pooling) leaves 2x2 of an 8x8 image to the first block.
    """
    from torchvision.models import resnet18 as published

    net: nn.Module = published(num_classes=classes)
    small = image_size < 64
    if small or channels != 3:
        kernel, stride, padding = (3, 1, 1) if small else (7, 2, 3)
        stem = nn.Conv2d(channels, 64, kernel, stride, padding, bias=False)
        nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")  # as torchvision starts all of them
        net.conv1 = stem
    if small:
        net.maxpool = nn.Identity()
    return net


class Published(nn.Module):
    """The network ``net`` with published weights: images (N, 1 or 3, H, W) in [-1, 1] -> its logits.

    It gets what it was trained on: gray images as three equal channels, its ``mean`` and ``deviation``, (3,) each, and
    ``image_size`` pixels per side (bilinear); None: as many as they have.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, net: nn.Module, mean: list[float], deviation: list[float], image_size: int | None) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).reshape(1, 3, 1, 1))
        self.side = image_size

    def forward(self, images: Tensor) -> Tensor:
        images = ((images.expand(-1, 3, -1, -1) + 1) / 2 - self.mean) / self.deviation
        if self.side is not None:
            size = (self.side, self.side)
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
        return cast(Tensor, self.net(images))


def pretrained_resnet18(classes: int, image_size: int, weights: str) -> Published:
    """torchvision's ResNet-18 with published weights and a new last layer, which is to be trained.

    Images under 64 pixels are enlarged to 64, so that 2x2 are left of them before the mean; more may raise the
    accuracy, but twice the side is four times the cost.
    """
    from torchvision.models import resnet18 as published

    chosen = _weights_named(weights)
    net = published()
    _load(net, chosen, weights)
    net.fc = nn.Linear(net.fc.in_features, classes)
    expected = chosen.transforms()
    return Published(net, expected.mean, expected.std, 64 if image_size < 64 else None)


def _weights_named(name: str) -> Any:
    from torchvision.models import ResNet18_Weights

    known = ResNet18_Weights.__members__  # DEFAULT, an alias, among them
    if name not in known:
        raise UserError(f'classifier.weights: must be one of {", ".join(known)}, got "{name}"; correct it')
    return known[name]


def _load(net: nn.Module, weights: Any, name: str) -> None:
    """The weights from torch hub's cache, or from the network into it: whole and with the right hash, or not at all."""
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        net.load_state_dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, HTTPException, RuntimeError, EOFError, UnpicklingError, TypeError) as error:
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 300)
        hint = f"remove {cached}" if cached.exists() else f"connect to the network, or put {weights.url} at {cached}"
        raise UserError(
            f"classifier.weights: must be in torch hub's cache or on the network, "
            f'got "{name}": {reason}; {hint}, or leave classifier.weights out'
        ) from None


class UsualLayout(nn.Module):
    """``net`` (N, C, H, W) -> (N, classes), a user's own, which sees images in PyTorch's usual memory layout.

    Channels last is for the networks above: much published code calls view(), which refuses it. The images are copied,
    because the strides of gray ones fit both layouts, and a convolution then chooses channels last.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.net(images.clone(memory_format=torch.contiguous_format)))


def early_blocks(model: nn.Module) -> Sequence[nn.Module]:
    """The first two blocks of one of these networks, whose outputs (N, C, H, W) are not yet about classes; [] where
    the network has no such blocks, or is another."""
    from torchvision.models import ResNet

    net = model.net if isinstance(model, Published | UsualLayout) else model
    if isinstance(net, SmallCNN):
        return [after for layer, after in pairwise(net.features) if isinstance(layer, nn.MaxPool2d)][:2]
    return [net.layer1, net.layer2] if isinstance(net, ResNet) else []
