"""The filters of one generator, fitted: which of its images are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.pixels import to_float
from ganaug.synth.filters import Known
from ganaug.synth.spec import FILTERS, Filter

CANDIDATES = 500  # images per class that thresholds are fitted on

# label, count -> uint8 images (count, H, W, C) of the class
Candidates = Callable[[int, int], NDArray[np.uint8]]


class Judge(nn.Module):
    """Float images (N, C, H, W) in [-1, 1] and labels (N,) -> scores (N,); more is better.

    A module, so that its state is saved as tensors. ``about``: the JSON values that an empty one is built from.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__()
        self.about = about

    @torch.no_grad()
    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """The scores, without gradients."""
        return cast(Tensor, super().__call__(images, labels))


class FittedFilters(nn.Module):
    """A judge of each kind, and the score that it asks of an image of each class."""

    least: Tensor  # (judges, classes)

    def __init__(self, kinds: Sequence[str], judges: Sequence[Judge], classes: int) -> None:
        super().__init__()
        self.kinds = list(kinds)
        self.judges = nn.ModuleList(judges)
        self.register_buffer("least", torch.zeros(len(kinds), classes))

    @classmethod
    def fit(cls, filters: Sequence[Filter], known: Known, candidates: Candidates) -> tuple[FittedFilters, list[float]]:
        """The fitted filters, and the share of each class's candidates that pass them.

        Each filter is fitted on what the ones before it let through, so their order matters where they rank.
        """
        fitted = cls([one.kind for one in filters], [one.fit(known) for one in filters], known.classes).eval()
        passed = []
        for label in range(known.classes):
            images = candidates(label, CANDIDATES)
            left = np.arange(len(images))
            for row, one in enumerate(filters):
                scores = fitted._scores(row, images[left], label)
                least = one.least(scores) if len(scores) else float("inf")
                fitted.least[row, label] = least
                left = left[scores >= np.float32(least)]
            passed.append(len(left) / len(images))
        return fitted, passed

    @property
    def about(self) -> list[dict[str, Any]]:
        """What ``build`` needs, as JSON."""
        judges = cast(Sequence[Judge], self.judges)
        return [{"kind": kind, **judge.about} for kind, judge in zip(self.kinds, judges, strict=True)]

    @classmethod
    def build(cls, about: Sequence[Mapping[str, Any]], classes: int) -> FittedFilters:
        """Empty ones like those that had this ``about``, to load their tensors into."""
        judges = [FILTERS[one["kind"]].empty({key: one[key] for key in one if key != "kind"}) for one in about]
        return cls([one["kind"] for one in about], judges, classes)

    def passes(self, images: NDArray[np.uint8], label: int) -> NDArray[np.bool_]:
        """Whether each of the images (N, H, W, C) of one class passes, (N,)."""
        good = np.ones(len(images), np.bool_)
        for row, least in enumerate(self.least[:, label].tolist()):
            good &= self._scores(row, images, label) >= np.float32(least)
        return good

    def _scores(self, judge: int, images: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
        if not len(images):
            return np.zeros(0, np.float32)
        scores: Tensor = self.judges[judge](floats(images), torch.full((len(images),), label))
        return scores.float().numpy()


def floats(images: NDArray[np.uint8]) -> Tensor:
    """uint8 images (N, H, W, C) -> float images (N, C, H, W) in [-1, 1]."""
    return to_float(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
