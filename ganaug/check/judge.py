"""Which images are odd: classifiers that did not learn an image say how unlike the others it is, and whether its label
looks wrong.

Unlike is what is far from all that a classifier learned, in what it sees of them, and of no class that it is sure of.
Distances are in units of what is usual for the class, so that classifiers and classes compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganaug.classify.mislabelled import Doubts, doubts
from ganaug.classify.neighbours import SHARE, distances
from ganaug.data.splits import Items
from ganaug.stages.cross_fit import cross_fitted

if TYPE_CHECKING:
    import torch
    from torch import nn

_COMPARED = 5000  # learned images that others are compared with, at most
_LEAST = 1e-3  # of a probability, so that images that classifiers are sure of still differ by their distances


@dataclass(frozen=True)
class Judged:
    """N images."""

    probabilities: NDArray[np.float64]  # (N, classes)
    distance: NDArray[np.float64]  # (N,), 1: what is usual for the class
    unlike: NDArray[np.float64]  # (N,); above 1: more than 99 of 100 images that they are compared with
    doubts: Doubts | None  # None without labels

    @property
    def likeliest(self) -> NDArray[np.int64]:
        """(N,), the class that they look like."""
        return np.asarray(self.probabilities.argmax(axis=1))


def judge(
    images: NDArray[np.uint8],
    items: Items,
    fitted: Callable[[NDArray[np.int64], int], nn.Module],
    device: torch.device,
    others: NDArray[np.uint8] | None = None,
    labels: NDArray[np.int64] | None = None,
) -> Judged:
    """Each of ``images`` (N, H, W, C), of which ``items`` knows labels and groups, by classifiers that learned others.

    With ``others`` (M, H, W, C), those are judged, by all classifiers; ``labels`` (M,) are theirs, if they have any.
    ``fitted``: rows of ``images`` and a seed -> a classifier that learned them, on the ``device``. Raises UserError if
    a class has too few images, or without cleanlab.
    """
    from ganaug.classify.features import look

    count, classes = len(images), len(items.classes)
    more = images[:0] if others is None else others
    said, far, unsure, votes = np.zeros((count + len(more), classes)), *np.zeros((3, count + len(more)))
    for model, learned, held in cross_fitted(items, fitted, 0, "check"):
        known = look(model, images[learned[:: -(-len(learned) // _COMPARED)]], device).features
        usual = np.zeros(0)
        for rows, some in ((held, images[held]), (np.arange(count, len(votes)), more)):
            if len(some):
                seen = look(model, some, device)
                apart = distances(seen.features, known)
                usual = usual if len(usual) else _usual(apart, seen.predicted, classes)
                said[rows] += seen.probabilities
                # Means of logarithms, since fewer classifiers judge the images than those that are compared with them.
                far[rows] += np.log(np.maximum(apart / usual[seen.predicted], 1e-12))  # of a copy: nothing
                unsure[rows] += np.log(1 - seen.probabilities.max(axis=1) + _LEAST)
                votes[rows] += 1
    said /= votes[:, None]
    unlike = np.exp((far + unsure) / votes)
    unlike /= np.quantile(unlike[:count], 1 - SHARE)
    mine = slice(0 if others is None else count, None)
    found = None
    if others is None or labels is not None:  # by what is usual of all images together
        every = doubts(said, items.labels if labels is None else np.concatenate([items.labels, labels]))
        found = Doubts(every.score[mine], every.flagged[mine], every.suggested[mine])
    return Judged(said[mine], np.exp(far / votes)[mine], unlike[mine], found)


def _usual(apart: NDArray[np.float64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """The median distance of the images of each class, as they are predicted; of all, where a class has none."""
    usual = np.full(classes, np.median(apart))
    for label in np.unique(predicted).tolist():
        usual[label] = np.median(apart[predicted == label])
    return np.maximum(usual, 1e-12)
