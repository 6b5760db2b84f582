"""The fillers that take the place of the real images: without those whose labels look wrong, or under other labels.

``dropped`` is the control of both: fewer images cost, whichever they are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.filler import Filler, FillerSettings, Keys, PseudoLabels, Stock
from ganaug.classify.mislabelled import CLASSIFIERS, Doubts, check_installed
from ganaug.classify.pools import Pool


class _Cleaning(Filler):
    """By classifiers that learned other folds of the train part."""

    replaces = True
    augment = True  # they are real images

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        assert stock.doubts
        (images, labels), doubts = stock.real, stock.doubts()
        kept, labels = self.cleaned(labels, doubts, stock.seed)
        return images[kept], labels[kept]

    def cleaned(
        self, labels: NDArray[np.int64], doubts: Doubts, seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of ``labels`` (N,) the rows that stay, and what all labels are then."""
        raise NotImplementedError

    def check(self, real: Pool, names: Sequence[str], conditions: Any, targets: Sequence[int]) -> None:
        check_installed()

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return {"classifiers": CLASSIFIERS, "base": settings.base, "groups": keys.groups_digest}

    def teachers(self, pseudo: PseudoLabels) -> int:
        return CLASSIFIERS


class Cleaned(_Cleaning):
    """Without those that are flagged."""

    name = "cleaned"
    about = "the trial's own real images, without those whose label looks wrong"
    control = "dropped"

    def cleaned(self, labels: Any, doubts: Doubts, seed: int) -> Any:
        return np.flatnonzero(~doubts.flagged), labels


class Dropped(_Cleaning):
    """Without as many of each class as are flagged, drawn at random."""

    name = "dropped"
    about = "the trial's own real images, without as many of each class at random as look mislabelled: a control"

    def cleaned(self, labels: Any, doubts: Doubts, seed: int) -> Any:
        kept = np.ones(len(labels), bool)
        for label in np.unique(labels).tolist():
            own = seeds.numpy_rng(seed, self.name, label).permutation(np.flatnonzero(labels == label))
            kept[own[: np.count_nonzero(doubts.flagged[labels == label])]] = False
        return np.flatnonzero(kept), labels


class Relabelled(_Cleaning):
    """All, those that are flagged under the label that the classifiers would give them."""

    name = "relabelled"
    about = "the trial's own real images, under other labels where theirs look wrong"
    control = "dropped"

    def cleaned(self, labels: Any, doubts: Doubts, seed: int) -> Any:
        return np.arange(len(labels)), np.where(doubts.flagged, doubts.suggested, labels)


CLEANING = (Cleaned(), Dropped(), Relabelled())
