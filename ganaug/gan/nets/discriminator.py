"""The discriminator: an architecture's body, and what all of them do with its features and the labels."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ganaug.gan.conditioning import Conditioning
from ganaug.gan.nets.class_inputs import ClassLogits, ClassTable, OneHot


@dataclass(frozen=True)
class BodyShape:
    """What a discriminator's body is built for."""

    channels: int  # of the images
    label_inputs: int  # numbers per image that its label enters with, or 0
    image_size: int  # side in pixels
    width: int  # channels at the full image size


class Body(nn.Module):
    """The part of a discriminator that its architecture provides.

    Images (N, C, H, W) and, where labels are an input, their vectors (N, ``label_inputs``) -> (N, ``features``).
    """

    features: int
    mixes_batch: bool = False  # batch normalisation: real and fake images then pass separately
    head_std: float | None = None  # of the head's weights at the start, normal; None: torch's own start

    def __call__(self, images: Tensor, label: Tensor | None) -> Tensor:
        return cast(Tensor, super().__call__(images, label))

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        """The architecture's own part."""
        raise NotImplementedError


def with_label_maps(images: Tensor, label: Tensor | None) -> Tensor:
    """The label's numbers (N, K) as constant maps after the image's channels: how convolutions take a CGAN's label."""
    if label is None:
        return images
    maps = label[:, :, None, None].expand(-1, -1, *images.shape[2:])
    return torch.cat([images, maps.to(images.dtype)], dim=1)


class MinibatchFeatures(nn.Module):
    """How close an image's features (N, ``features``) are to the others' (Salimans 2016, section 3.2).

    Each kernel is a linear map to ``dims`` numbers; its output is the sum over the other images of exp(-L1 distance).
    """

    def __init__(self, features: int, kernels: int, dims: int) -> None:
        super().__init__()
        self.kernels, self.dims = kernels, dims
        self.map = nn.Linear(features, kernels * dims, bias=False)
        self.features = features + kernels

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) -> (N, F + ``kernels``)."""
        mapped = self.map(features).float().view(-1, self.kernels, self.dims)
        near = torch.exp(-(mapped[:, None] - mapped[None]).abs().sum(dim=3)).sum(dim=1) - 1  # but itself
        return torch.cat([features, near.to(features.dtype)], dim=1)


class Discriminator(nn.Module):
    """Images (N, channels, size, size) in [-1, 1] and labels (N,) -> logits (N,), higher for "real".

    ``body`` turns images into features. ``conditioning`` decides how the label, one of ``classes``, enters: ``concat``,
    as an input of the body (CGAN); ``projection``, logit = w.f + e(y).f (Miyato and Koyama 2018, eq. 3); ``auxiliary``,
    not at all: D says the class itself (ACGAN, Odena 2017). ``minibatch``: kernels and dims of MinibatchFeatures, or
    None to have none.
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
        """The weight, in the losses, of the classes that D says."""
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


class Features(nn.Module):
    """What a ``discriminator`` sees in images (N, C, H, W), whatever their class: (N, ``features``)."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.body = discriminator.body
        self.features = discriminator.body.features
        self.classes = discriminator.label.classes if isinstance(discriminator.label, OneHot) else 0

    def forward(self, images: Tensor) -> Tensor:
        """Where labels are an input, an image is of all classes at once."""
        everyone = images.new_full((len(images), self.classes), 1 / self.classes) if self.classes else None
        return self.body(images, everyone)
