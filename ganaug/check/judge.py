"""What is odd: classifiers that did not learn an image say whether its label looks wrong, and how unlike the others it
is.

Unlike: far from the images that a classifier learned, in what it sees of them, and of no class that it is sure of. Both
in units of what is usual, so that the folds' classifiers, and images of classes that differ more or less, compare.
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

    from ganaug.classify.features import Seen

_COMPARED = 5000  # learned images that others are compared with, at most
_SURE = 1e-3  # probability of another class than the likeliest, which counts as none


@dataclass(frozen=True)
class Judged:
    """N images."""

    unlike: NDArray[np.float64]  # (N,), 1: as unlike the others as one in a hundred of the set; more is more
    likeliest: NDArray[np.int64]  # (N,), the class that they look like
    doubts: Doubts | None  # None without labels

    @property
    def is_unlike(self) -> NDArray[np.bool_]:
        """(N,)"""
        return np.asarray(self.unlike > 1)


class _Votes:
    """What the classifiers of the folds say of N images, added up."""

    def __init__(self, count: int, classes: int) -> None:
        self.probabilities = np.zeros((count, classes))
        self.far = np.zeros(count)  # logarithms
        self.votes = np.zeros(count)

    def add(self, rows: NDArray[np.int64] | slice, seen: Seen, far: NDArray[np.float64]) -> None:
        self.probabilities[rows] += seen.probabilities
        self.far[rows] += np.log(np.maximum(far, 1e-12))  # of a copy: 0
        self.votes[rows] += 1

    def said(self) -> NDArray[np.float64]:
        return self.probabilities / self.votes[:, None]

    def unlike(self) -> NDArray[np.float64]:
        return np.asarray(np.exp(self.far / self.votes) * (1 - self.said().max(axis=1) + _SURE))


def judge(
    images: NDArray[np.uint8],
    items: Items,
    fitted: Callable[[NDArray[np.int64], int], nn.Module],
    device: torch.device,
    others: NDArray[np.uint8] | None = None,
    labels: NDArray[np.int64] | None = None,
) -> Judged:
    """Each of ``images`` (N, H, W, C), of which ``items`` knows labels and groups, by classifiers that learned others.

    With ``others`` (M, H, W, C) those are judged, by all classifiers; ``labels`` (M,) are theirs, if they have any.
    ``fitted``: rows of ``images`` and a seed -> a classifier that learned them, on the ``device``. Raises UserError if
    a class has too few images, or without cleanlab.
    """
    from ganaug.classify.features import look

    own = _Votes(len(images), len(items.classes))
    theirs = _Votes(0 if others is None else len(others), len(items.classes))
    for fold in cross_fitted(items, fitted, 0, "check"):
        known = fold.learned[:: -(-len(fold.learned) // _COMPARED)]
        learned, held = (look(fold.model, images[rows], device) for rows in (known, fold.held))
        far = distances(held.features, learned.features)
        usual = _usual(far, held.predicted, len(items.classes))
        own.add(fold.held, held, far / usual[held.predicted])
        if others is not None:
            seen = look(fold.model, others, device)
            theirs.add(slice(None), seen, distances(seen.features, learned.features) / usual[seen.predicted])
    limit = np.quantile(own.unlike(), 1 - SHARE)
    if others is None:
        return Judged(own.unlike() / limit, own.said().argmax(axis=1), doubts(own.said(), items.labels))
    found = None
    if labels is not None:  # by the thresholds of all images together
        both = doubts(np.concatenate([theirs.said(), own.said()]), np.concatenate([labels, items.labels]))
        found = Doubts(*(values[: len(labels)] for values in vars(both).values()))
    return Judged(theirs.unlike() / limit, theirs.said().argmax(axis=1), found)


def _usual(far: NDArray[np.float64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """The median distance of the images of each class, as they are predicted; of all, where a class has none."""
    usual = np.full(classes, np.median(far))
    for label in np.unique(predicted).tolist():
        usual[label] = np.median(far[predicted == label])
    return np.maximum(usual, 1e-12)
