"""What the architectures share: the sides of their maps, how labels enter, and the discriminator's head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ganaug.gan.architectures import Conditioning
from ganaug.gan.nets.codes import CodeBook


def sides(image_size: int) -> list[int]:
    """The side of the maps at each level, the image's own first: ``sides(28) == [28, 14, 7]``.

    The side is halved while it is even and above seven: the smallest is the generator's seed map.
    """
    levels = [image_size]
    while levels[-1] % 2 == 0 and levels[-1] > 7:
        levels.append(levels[-1] // 2)
    return levels


def widths(width: int, levels: int, most: int = 4) -> list[int]:
    """The channels at each level, the image's own first, doubled up to ``most``: ``widths(24, 3) == [24, 48, 96]``."""
    return [width * min(2**level, most) for level in range(levels)]


class Labelled(nn.Module):
    """A part that labels enter. ``strength`` 0: as if every image were of all classes at once; 1: of its own.

    The ramp from 0 to 1 is Transitional-cGAN's (Shahbazi 2022): conditioning collapses small sets, so it comes later.
    """

    strength: float = 1.0

    def ramped(self, rows: Tensor, everyone: Tensor) -> Tensor:
        """``rows`` (N, F), one for each image's label (N,); ``everyone`` (F,), the mean over classes."""
        return rows if self.strength >= 1 else torch.lerp(everyone.expand_as(rows), rows, self.strength)


def set_label_strength(net: nn.Module, strength: float) -> None:
    """Of all the net's labelled parts; ``strength`` in 0..1."""
    for module in net.modules():
        if isinstance(module, Labelled):
            module.strength = strength


class ClassTable(Labelled):
    """A learned row for each class: labels (N,) -> (N, features)."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(classes, features)

    def forward(self, labels: Tensor) -> Tensor:
        return self.ramped(self.rows(labels), self.rows.weight.mean(dim=0))


class OneHot(Labelled):
    """Labels (N,) -> (N, classes), as CGAN gives them to both networks (Mirza and Osindero 2014)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, labels: Tensor) -> Tensor:
        rows = F.one_hot(labels, self.classes).float()
        return self.ramped(rows, rows.new_full((self.classes,), 1 / self.classes))


class ClassLogits(Labelled):
    """Features (N, F) -> logits of the classes (N, classes)."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features, classes)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.layer(features))


class Latent(nn.Module):
    """What a generator starts from: latents (N, z_dim) and labels (N,) -> (N, features).

    ``concat`` and ``auxiliary`` join the label to the latent; ``projection`` joins a learned row of it where ``table``
    says so (the label also enters the norms there); ``none`` is the latent alone.
    """

    def __init__(self, z_dim: int, classes: int, conditioning: Conditioning, table: bool) -> None:
        super().__init__()
        self.label: nn.Module | None = None
        self.features = z_dim
        if conditioning in ("concat", "auxiliary"):
            self.label, self.features = OneHot(classes), z_dim + classes
        elif conditioning == "projection" and table:
            self.label, self.features = ClassTable(classes, z_dim), 2 * z_dim

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return latents if self.label is None else torch.cat([latents, self.label(labels)], dim=1)


class Norm(nn.Module):
    """Batch normalisation of maps (N, C, H, W); under ``projection`` its scale and shift are learned for each class
    (de Vries 2017; Miyato and Koyama 2018)."""

    def __init__(self, channels: int, classes: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.by_class = conditioning == "projection"
        self.norm = nn.BatchNorm2d(channels, affine=not self.by_class)
        if self.by_class:
            self.scale, self.shift = ClassTable(classes, channels), ClassTable(classes, channels)
            nn.init.ones_(self.scale.rows.weight)
            nn.init.zeros_(self.shift.rows.weight)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        maps = self.norm(maps)
        if self.by_class:
            scale, shift = (table(labels)[:, :, None, None].to(maps.dtype) for table in (self.scale, self.shift))
            maps = torch.addcmul(shift, maps, scale)  # one pass, in the maps' own precision
        return maps


class Generator(nn.Module):
    """Latents (N, z_dim), standard normal, and labels (N,) -> images (N, channels, size, size) in [-1, 1].

    With ``codes`` the latents first choose a place between two of those.
    """

    z_dim: int

    def __init__(self) -> None:
        super().__init__()
        self.codes: CodeBook | None = None

    def __call__(self, latents: Tensor, labels: Tensor) -> Tensor:
        if self.codes is not None:
            latents = self.codes(latents, labels)
        return cast(Tensor, super().__call__(latents, labels))

    def recall(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Images from the codes of these rows themselves, (N,)."""
        assert self.codes is not None
        return cast(Tensor, super().__call__(self.codes.of(rows), labels))


class Body(nn.Module):
    """The part of a discriminator that an architecture gives.

    Images (N, C, H, W) and, where labels are an input, their vectors (N, ``label_inputs``) -> (N, ``features``).
    """

    features: int
    mixes_batch: bool = False  # batch normalisation: real and fake images then go through apart
    head_std: float | None = None  # of the head's weights at the start, normal; None: torch's own start

    def __call__(self, images: Tensor, label: Tensor | None) -> Tensor:
        return cast(Tensor, super().__call__(images, label))


def with_label_maps(images: Tensor, label: Tensor | None) -> Tensor:
    """The label's numbers (N, K) as constant maps beside the image's channels: how convolutions take a CGAN's label."""
    if label is None:
        return images
    maps = label[:, :, None, None].expand(-1, -1, *images.shape[2:])
    return torch.cat([images, maps.to(images.dtype)], dim=1)


class MinibatchFeatures(nn.Module):
    """Features (N, F) -> (N, F + kernels): how near an image's features are to the others' (Salimans 2016, eq. 3.2).

    Each kernel is a linear map to ``dims`` numbers; its output is the sum over the other images of exp(-L1 distance).
    """

    def __init__(self, features: int, kernels: int, dims: int) -> None:
        super().__init__()
        self.kernels, self.dims = kernels, dims
        self.map = nn.Linear(features, kernels * dims, bias=False)
        self.features = features + kernels

    def forward(self, features: Tensor) -> Tensor:
        mapped = self.map(features).float().view(-1, self.kernels, self.dims)
        near = torch.exp(-(mapped[:, None] - mapped[None]).abs().sum(dim=3)).sum(dim=1) - 1  # but itself
        return torch.cat([features, near.to(features.dtype)], dim=1)


class Discriminator(nn.Module):
    """Images (N, channels, size, size) in [-1, 1] and labels (N,) -> logits (N,), higher for "real".

    The label enters: by ``concat``, as an input of the body (CGAN); by ``projection``, logit = w.f + e(y).f (Miyato and
    Koyama 2018, eq. 3); under ``auxiliary`` not at all: D says the class itself (ACGAN, Odena 2017).
    """

    def __init__(
        self, body: Body, classes: int, conditioning: Conditioning, minibatch: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.conditioning = conditioning
        self.nearness = MinibatchFeatures(body.features, *minibatch) if minibatch else None
        features = self.nearness.features if self.nearness else body.features
        self.score = nn.Linear(features, 1)
        self.label: OneHot | ClassTable | None = None
        if conditioning == "concat":
            self.label = OneHot(classes)
        elif conditioning == "projection":
            self.label = ClassTable(classes, features)
        self.say_class = ClassLogits(features, classes) if conditioning == "auxiliary" else None
        for head in (self.score, self.say_class.layer if self.say_class is not None else None):
            if head is not None and body.head_std is not None:
                nn.init.normal_(head.weight, 0.0, body.head_std)

    @property
    def class_strength(self) -> float:
        """Of the classes that D says, in the losses."""
        return self.say_class.strength if self.say_class is not None else 0.0

    @property
    def mixes_batch(self) -> bool:
        """Whether a logit depends on the other images of the batch."""
        return self.body.mixes_batch or self.nearness is not None

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (N,), and logits of the classes (N, classes) where the conditioning is auxiliary."""
        label = self.label(labels) if self.label is not None else None
        features = self.body(images, label if self.conditioning == "concat" else None)
        if self.nearness is not None:
            features = self.nearness(features)
        logits = self.score(features).squeeze(1)
        if self.conditioning == "projection" and label is not None:
            logits = logits + (label * features).sum(dim=1)
        return logits, self.say_class(features) if self.say_class is not None else None


def normalise_spectrally(net: nn.Module) -> None:
    """Every weight of the net from now on divided by its largest singular value (Miyato 2018, algorithm 1)."""
    for module in list(_weighted(net)):
        spectral_norm(module)


def _weighted(net: nn.Module) -> Iterator[nn.Module]:
    kinds = (nn.Conv2d, nn.Linear, nn.Embedding)
    yield from (module for module in net.modules() if isinstance(module, kinds))
