"""The judge of the filter ``agreement``: classifiers that each learned from a part of the real images."""

from __future__ import annotations

from collections.abc import Iterator
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
from ganaug.errors import UserError
from ganaug.synth.filters import Known
from ganaug.synth.fitted_filters import Judge


class Jury(Judge):
    """The mean probability that classifiers give to the image's own class, 0 to 1."""

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__(about)
        channels, size, _ = about["image_shape"]
        self.members = nn.ModuleList(
            SmallCNN(channels, about["classes"], size, about["width"], about["depth"]) for _ in range(about["members"])
        )

    @classmethod
    def fit(cls, known: Known, policy: PolicySpec, folds: int, repeats: int) -> Jury:
        """``repeats`` times the train part of ``known`` is dealt into ``folds``; a member learns from each fold alone
        under ``policy``."""
        parts = [rows for repeat in range(repeats) for rows in _folds(known, folds, repeat)]
        _, size, _, channels = known.images.shape
        built = {"width": known.classifier.width, "depth": known.classifier.depth, "members": len(parts)}
        jury = cls({"classes": known.classes, "image_shape": [channels, size, size], **built})
        jury.members = nn.ModuleList(_learned(known, policy, rows, index) for index, rows in enumerate(parts))
        return jury

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        of_all = torch.stack([member(images).softmax(dim=1) for member in self.members]).mean(dim=0)
        return of_all.gather(1, labels[:, None])[:, 0]


def _learned(known: Known, policy: PolicySpec, rows: NDArray[np.int64], index: int) -> SmallCNN:
    """A classifier that learned from these rows of the train part alone."""
    spec, seed = known.classifier, seeds.derive(known.seed, "filter", index)
    _, size, _, channels = known.images.shape
    arm = Arm("classical", None, policy, ALL_REAL, "classical")
    part = (known.images[rows], known.labels[rows])
    draw = batches(arm, part, None, known.classes, spec.batch_size, seed)
    trained = train_classifier(draw, spec, channels, known.classes, size, seed, known.device)
    return cast(SmallCNN, trained.cpu().to(memory_format=torch.contiguous_format))


def _folds(known: Known, folds: int, repeat: int) -> Iterator[NDArray[np.int64]]:
    """The rows of each fold, with each class spread as evenly as possible."""
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
