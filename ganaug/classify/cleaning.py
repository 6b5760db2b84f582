"""The fillers that take the place of the real images: without those whose labels look wrong, or under other labels.

``dropped`` is the control of both: training on fewer images costs, whichever they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.filler import Filler, FillerSettings, Keys, PseudoLabels, Stock
from ganaug.classify.mislabelled import CLASSIFIERS, Doubts, check_installed
from ganaug.classify.pools import Pool
from ganaug.errors import UserError


class Cleaning(Filler):
    """What they have in common: classifiers that learned other folds of the train part doubt its labels."""

    replaces = True
    augment = True  # they are real images

    def doubts(self, stock: Stock) -> Doubts:
        """Of the real images' labels. Raises UserError if there are none."""
        if stock.doubts is None:
            raise UserError(f"classify.arms: {self.name} needs classifiers, but there are none; leave the arm out")
        return stock.doubts()

    def check(
        self, real: Pool, names: Sequence[str], conditions: NDArray[np.int64] | None, targets: Sequence[int]
    ) -> None:
        check_installed()

    def depends_on(self, keys: Keys, settings: FillerSettings) -> Any:
        return {"classifiers": CLASSIFIERS, "base": settings.base, "groups": keys.groups_digest}

    def teachers(self, pseudo: PseudoLabels) -> int:
        return CLASSIFIERS


class Cleaned(Cleaning):
    """The real images without those that are flagged."""

    name = "cleaned"
    about = "the trial's own real images, without those whose label looks wrong"
    control = "dropped"

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        kept = np.flatnonzero(~self.doubts(stock).flagged)
        return stock.real[0][kept], stock.real[1][kept]


class Dropped(Cleaning):
    """The real images without as many of each class as are flagged, drawn at random."""

    name = "dropped"
    about = "the trial's own real images, without as many of each class at random as look mislabelled: a control"

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        (images, labels), flagged = stock.real, self.doubts(stock).flagged
        kept = np.ones(len(labels), bool)
        for label in np.unique(labels[flagged]).tolist():
            own = seeds.numpy_rng(stock.seed, self.name, label).permutation(np.flatnonzero(labels == label))
            kept[own[: np.count_nonzero(flagged & (labels == label))]] = False
        rows = np.flatnonzero(kept)
        return images[rows], labels[rows]


class Relabelled(Cleaning):
    """The real images, those that are flagged under the label that the classifiers would give them."""

    name = "relabelled"
    about = "the trial's own real images, under other labels where theirs look wrong"
    control = "dropped"

    def pool(self, stock: Stock, settings: FillerSettings) -> Pool:
        found = self.doubts(stock)
        return stock.real[0], np.where(found.flagged, found.suggested, stock.real[1])


CLEANING = (Cleaned(), Dropped(), Relabelled())
