"""The fillers that take the place of the real images: without those whose labels look wrong, or under other labels.

``dropped`` is the control of both: fewer images cost, whichever they are.
"""

from typing import Any

import numpy as np

from ganaug import seeds
from ganaug.classify.filler import Filler, FillerSettings, Keys, PseudoLabels, Stock
from ganaug.classify.mislabelled import CLASSIFIERS, Doubts
from ganaug.classify.pools import Pool


class Cleaned(Filler):
    """The real images without those that are flagged, by classifiers that learned other folds of the train part."""

    name = "cleaned"
    about = "the trial's own real images, without those whose label looks wrong"
    control = "dropped"
    cross_fits = replaces = augment = True  # they are real images

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        assert stock.doubts
        rows, labels = self.clean(stock.real[1], stock.doubts(), stock.seed)
        return stock.real[0][rows], labels[rows]

    def clean(self, labels: Any, doubts: Doubts, seed: int) -> Any:
        """(the rows that stay, labels (N,)) of images with ``labels``."""
        return np.flatnonzero(~doubts.flagged), labels

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return {"classifiers": CLASSIFIERS, "base": settings.base, "groups": keys.groups_digest}

    def teachers(self, pseudo: PseudoLabels) -> int:
        return CLASSIFIERS


class Relabelled(Cleaned):
    """All, those that are flagged under the label that the classifiers would give them."""

    name = "relabelled"
    about = "the trial's own real images, under other labels where theirs look wrong"

    def clean(self, labels: Any, doubts: Doubts, seed: int) -> Any:
        return np.arange(len(labels)), np.where(doubts.flagged, doubts.suggested, labels)


class Dropped(Cleaned):
    """Without as many of each class as are flagged, drawn at random."""

    name = "dropped"
    about = "the trial's own real images, without as many of each class at random as look mislabelled: a control"
    control = ""

    def clean(self, labels: Any, doubts: Doubts, seed: int) -> Any:
        kept = np.ones(len(labels), bool)
        for label in np.unique(labels).tolist():
            own = seeds.numpy_rng(seed, self.name, label).permutation(np.flatnonzero(labels == label))
            kept[own[: doubts.flagged[own].sum()]] = False
        return np.flatnonzero(kept), labels


CLEANING = (Cleaned(), Relabelled(), Dropped())
