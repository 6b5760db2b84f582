"""The filters of one generator, fitted: which of its images pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug.errors import quoted
from ganaug.synth.filter import Judge, Known
from ganaug.synth.filters import FILTERS, Filter

CANDIDATES = 500  # images per class that thresholds are fitted on

# label, count -> uint8 images (count, H, W, C) of the class
Candidates = Callable[[int, int], NDArray[np.uint8]]


@dataclass(frozen=True)
class FittedFilters:
    """Judges by the ``kinds`` of their filters, and of each the score that an image of each class must reach."""

    kinds: list[str]
    judges: list[Judge]
    least: NDArray[np.float32]  # (judges, classes)

    @classmethod
    def fit(cls, filters: Sequence[Filter], known: Known, candidates: Candidates) -> tuple[FittedFilters, list[float]]:
        """The filters, fitted on what is ``known``, and the share of each class's ``candidates`` that pass them.

        Each filter is fitted on what the ones before it let through, so their order matters where they rank.
        """
        judges: list[Judge] = [one.fit(known) for one in filters]
        least = np.zeros((len(filters), known.classes), np.float32)
        passed = []
        for label in range(known.classes):
            images = candidates(label, CANDIDATES)
            left = np.arange(len(images))
            for row, (one, judge) in enumerate(zip(filters, judges, strict=True)):
                scores = judge.scores(images[left], label) if len(left) else np.zeros(0, np.float32)
                least[row, label] = one.least(scores) if len(scores) else np.inf
                left = left[scores >= least[row, label]]
            passed.append(len(left) / len(images))
        return cls([one.kind for one in filters], judges, least), passed

    @property
    def about(self) -> list[dict[str, Any]]:
        """What they are restored from, besides the tensors."""
        return [{"kind": kind, **judge.about} for kind, judge in zip(self.kinds, self.judges, strict=True)]

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """By name."""
        named = {
            f"judges.{number}.{name}": tensor
            for number, judge in enumerate(self.judges)
            for name, tensor in judge.tensors.items()
        }
        return {"least": torch.from_numpy(self.least), **named}

    @classmethod
    def restore(
        cls,
        about: Sequence[Mapping[str, Any]],
        tensors: Mapping[str, torch.Tensor],
        classes: int,
        image_shape: tuple[int, int, int],
    ) -> FittedFilters:
        """From what ``about`` and ``tensors`` gave, for a generator of so many ``classes`` and of this ``image_shape``.

        Raises ValueError if it is of another generator, or damaged.
        """
        judges, kinds = [], [one.get("kind") for one in about]
        if unknown := [kind for kind in kinds if not isinstance(kind, str) or kind not in FILTERS]:
            raise ValueError(f"filters must be of kind {' or '.join(FILTERS)}, got {quoted(unknown[0])}")
        for number, one in enumerate(about):
            prefix = f"judges.{number}."
            own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            judges.append(FILTERS[one["kind"]].judge({key: one[key] for key in one if key != "kind"}, own))
            judges[-1].check(classes, image_shape)
        found = cls([one["kind"] for one in about], judges, tensors["least"].numpy())
        if found.least.shape != (len(about), classes) or found.least.dtype != np.float32:
            raise ValueError("there must be a threshold for every filter and class")
        return found

    def passes(self, images: NDArray[np.uint8], label: int) -> NDArray[np.bool_]:
        """Which images (N, H, W, C) of one class pass them all, (N,)."""
        good = np.ones(len(images), np.bool_)
        for judge, least in zip(self.judges, self.least[:, label], strict=True):
            good &= judge.scores(images, label) >= least
        return good
