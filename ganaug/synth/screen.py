"""The filters of one generator, fitted: which of its images are let through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.gan.spec import GanSpec
from ganaug.pixels import to_float
from ganaug.synth.filters import Filter
from ganaug.synth.judges import Judge, Known, empty

CANDIDATES = 500  # images a class that thresholds are fitted on

# label, count -> uint8 images (count, H, W, C) of the class
Candidates = Callable[[int, int], NDArray[np.uint8]]


class Screen(nn.Module):
    """Judges, and of each the score that an image of each class must reach, (judges, classes)."""

    least: Tensor

    def __init__(self, kinds: Sequence[str], judges: Sequence[Judge], classes: int) -> None:
        super().__init__()
        self.kinds = list(kinds)
        self.judges = nn.ModuleList(judges)
        self.register_buffer("least", torch.zeros(len(kinds), classes))

    @classmethod
    def fit(cls, filters: Sequence[Filter], known: Known, candidates: Candidates) -> tuple[Screen, list[float]]:
        """The screen, and the share of each class's candidates that pass it.

        Each filter is fitted on what the ones before it let through, so their order matters where they rank.
        """
        kinds = [one.kind for one in filters]
        screen = cls(kinds, [one.fit(known) for one in filters], known.classes).eval()
        passed = []
        for label in range(known.classes):
            images = candidates(label, CANDIDATES)
            left = np.arange(len(images))
            for row, (one, judge) in enumerate(zip(filters, screen.judges, strict=True)):
                scores = _scores(cast(Judge, judge), images[left], label)
                least = one.least(scores) if len(scores) else float("inf")
                screen.least[row, label] = least
                left = left[scores >= np.float32(least)]
            passed.append(len(left) / len(images))
        return screen, passed

    @property
    def about(self) -> list[dict[str, Any]]:
        """What an empty screen is built from."""
        judges = cast(Sequence[Judge], self.judges)
        return [{"kind": kind, **judge.about} for kind, judge in zip(self.kinds, judges, strict=True)]

    @classmethod
    def build(cls, about: Sequence[Mapping[str, Any]], gan: GanSpec, classes: int) -> Screen:
        judges = [empty(one["kind"], {k: v for k, v in one.items() if k != "kind"}, gan) for one in about]
        return cls([one["kind"] for one in about], judges, classes)

    def passes(self, images: NDArray[np.uint8], label: int) -> NDArray[np.bool_]:
        """Of images (N, H, W, C) of one class, (N,)."""
        good = np.ones(len(images), np.bool_)
        for judge, least in zip(self.judges, self.least[:, label].tolist(), strict=True):
            good &= _scores(cast(Judge, judge), images, label) >= np.float32(least)
        return good


def _scores(judge: Judge, images: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
    if not len(images):
        return np.zeros(0, np.float32)
    pixels = to_float(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
    return judge(pixels, torch.full((len(pixels),), label)).float().numpy()
