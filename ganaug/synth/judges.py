"""The judges that filters make: networks and tables that score images.

A judge is a module, so that its state travels as tensors; ``about`` are the numbers that an empty one is built from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug import seeds
from ganaug.classify.arms import ALL_REAL, Arm, batches
from ganaug.classify.fitting import train_classifier
from ganaug.classify.networks import SmallCNN
from ganaug.classify.policies import PolicySpec
from ganaug.classify.spec import ClassifierSpec
from ganaug.errors import UserError
from ganaug.gan.build import build_discriminator
from ganaug.gan.nets.discriminator import Discriminator
from ganaug.gan.spec import GanSpec
from ganaug.pixels import to_float

_PROJECTED = 256  # dimensions: distances hold within some 6 % (Johnson and Lindenstrauss)


@dataclass(frozen=True)
class Known:
    """What a filter may learn from: the train part of a split, uint8 (N, H, W, C) and (N,), the images without labels
    beside it, (M, H, W, C), and what came of them."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    unlabelled: NDArray[np.uint8]
    classes: int
    classifier: ClassifierSpec  # of model small-cnn: its judges must be built again where the user's own code is not
    discriminator: Discriminator
    seed: int
    device: torch.device


class Judge(nn.Module):
    """Float images (N, C, H, W) in [-1, 1] and labels (N,) -> scores (N,); more is better."""

    about: dict[str, Any]

    @torch.no_grad()
    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        return cast(Tensor, super().__call__(images, labels))


class Jury(Judge):
    """The mean probability that classifiers give to the image's own class, 0 to 1."""

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__()
        self.about = about
        self.members = nn.ModuleList(_classifier(about) for _ in range(about["members"]))

    @classmethod
    def fit(cls, known: Known, policy: PolicySpec, folds: int, repeats: int) -> Jury:
        parts = [rows for repeat in range(repeats) for rows in _folds(known, folds, repeat)]
        jury = cls({**_about(known), "members": len(parts)})
        jury.members = nn.ModuleList(_learned(known, policy, rows, index) for index, rows in enumerate(parts))
        return jury

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        of_all = torch.stack([member(images).softmax(dim=1) for member in self.members]).mean(dim=0)
        return of_all.gather(1, labels[:, None])[:, 0]


class Realism(Judge):
    """How far inside the real images of its class an image lies, in a classifier's features; 1 is the border."""

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__()
        self.about = about
        self.classifier = _classifier(about)
        self.register_buffer("features", torch.zeros(about["images"], about["features"]))
        self.register_buffer("labels", torch.zeros(about["images"], dtype=torch.int64))
        self.register_buffer("radii", torch.zeros(about["images"]))

    features: Tensor
    labels: Tensor
    radii: Tensor

    @classmethod
    @torch.no_grad()
    def fit(cls, known: Known, policy: PolicySpec, neighbours: int) -> Realism:
        with torch.enable_grad():
            classifier = _learned(known, policy, np.arange(len(known.labels)), 0)
        features = _features(classifier, _floats(known.images))
        judge = cls({**_about(known), "images": len(features), "features": features.shape[1]})
        judge.classifier, judge.features = classifier, features
        judge.labels = torch.from_numpy(known.labels).clone()
        for label in range(known.classes):
            rows = torch.nonzero(judge.labels == label)[:, 0]
            if len(rows) > 1:
                apart = torch.cdist(features[rows], features[rows])
                judge.radii[rows] = apart.sort(dim=1).values[:, min(neighbours, len(rows) - 1)]
        return judge

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        apart = torch.cdist(_features(self.classifier, images), self.features)
        ratios = self.radii / apart.clamp(min=1e-12)
        return ratios.masked_fill(labels[:, None] != self.labels, 0.0).amax(dim=1)


class Critique(Judge):
    """What the GAN's discriminator says."""

    def __init__(self, discriminator: Discriminator, about: dict[str, Any]) -> None:
        super().__init__()
        self.about = about
        self.discriminator = discriminator

    @classmethod
    def fit(cls, known: Known) -> Critique:
        if known.discriminator.mixes_batch:
            raise UserError(
                "synth.filters: critic must judge an image by itself, but this discriminator compares the images of a "
                "batch; leave critic out, or choose a GAN without batch normalisation or minibatch discrimination"
            )
        return cls(known.discriminator, _about(known))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        logits, _ = self.discriminator(images, labels)
        return cast(Tensor, logits)


class Distance(Judge):
    """How far the nearest real image is, in units of a distance that real images have among one another."""

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__()
        self.about = about
        self.register_buffer("real", torch.zeros(about["images"], about["projected"]))
        self.register_buffer("unit", torch.zeros(()))

    real: Tensor
    unit: Tensor

    @classmethod
    @torch.no_grad()
    def fit(cls, known: Known, percentile: float) -> Distance:
        images = _floats(np.concatenate([known.images, known.unlabelled]))
        about = {"images": len(images), "pixels": images[0].numel(), "seed": known.seed}
        judge = cls({**about, "projected": min(_PROJECTED, images[0].numel())})
        judge.real = judge._projected(images)
        apart = torch.cdist(judge.real, judge.real).fill_diagonal_(float("inf")).amin(dim=1)
        judge.unit = torch.quantile(apart, percentile / 100)
        return judge

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return torch.cdist(self._projected(images), self.real).amin(dim=1) / self.unit.clamp(min=1e-12)

    def _projected(self, images: Tensor) -> Tensor:
        pixels, dims = self.about["pixels"], self.about["projected"]
        if dims == pixels:
            return images.flatten(1)
        rng = seeds.torch_rng(self.about["seed"], "projection")
        matrix = torch.randn((pixels, dims), generator=rng) / dims**0.5
        return torch.matmul(images.flatten(1), matrix)


def empty(kind: str, about: dict[str, Any], gan: GanSpec) -> Judge:
    """A judge to load a file's tensors into; ``gan`` are the settings of the generator in that file."""
    if kind == "critic":
        return Critique(build_discriminator(gan, about["classes"], tuple(about["image_shape"])), about)
    return {"agreement": Jury, "support": Realism, "copies": Distance}[kind](about)


def _about(known: Known) -> dict[str, Any]:
    _, size, _, channels = known.images.shape
    built = {"width": known.classifier.width, "depth": known.classifier.depth, "norm": known.classifier.norm}
    return {"classes": known.classes, "image_shape": [channels, size, size], **built}


def _classifier(about: dict[str, Any]) -> SmallCNN:
    channels, size, _ = about["image_shape"]
    return SmallCNN(channels, about["classes"], size, about["width"], about["depth"], about["norm"])


def _learned(known: Known, policy: PolicySpec, rows: NDArray[np.int64], index: int) -> SmallCNN:
    """A classifier that learned from these rows of the train part alone."""
    about, spec = _about(known), known.classifier
    arm = Arm("classical", None, policy, ALL_REAL, "classical")
    seed = seeds.derive(known.seed, "filter", index)
    draw = batches(
        arm, (known.images[rows], known.labels[rows]), None, known.classes, spec.batch_size, spec.steps, seed
    )
    channels, size, _ = about["image_shape"]
    trained = train_classifier(draw, spec, channels, known.classes, size, seed, known.device)
    return cast(SmallCNN, trained.cpu().to(memory_format=torch.contiguous_format))


def _folds(known: Known, folds: int, repeat: int) -> Iterator[NDArray[np.int64]]:
    """The rows of each fold, as many of each class as can be."""
    rng = seeds.numpy_rng(known.seed, "filter", "folds", repeat)
    fold = np.empty(len(known.labels), np.int64)
    for label in range(known.classes):
        rows = np.flatnonzero(known.labels == label)
        if len(rows) < folds:
            raise UserError(
                f"synth.filters: agreement deals {folds} folds, so every class must have {folds} images, got "
                f"{len(rows)} of class {label}; lower its folds, or leave it out"
            )
        fold[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return (np.flatnonzero(fold == one) for one in range(folds))


def _features(classifier: SmallCNN, images: Tensor) -> Tensor:
    """(N, F): what the classifier's last layer is given."""
    return cast(Tensor, classifier.features(images).flatten(1))


def _floats(images: NDArray[np.uint8]) -> Tensor:
    return to_float(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
