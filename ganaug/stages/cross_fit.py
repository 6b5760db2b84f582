"""Classifiers that each learned a part of some images, and are asked about the others (cross-fitting)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.data.cross_validation import CrossValidation
from ganaug.data.splits import RELEASE, Items
from ganaug.errors import UserError

if TYPE_CHECKING:
    from torch import nn

FOLDS, REPEATS = 5, 2


@dataclass(frozen=True)
class Fold:
    """A classifier that learned the images ``learned``, and none of ``held``, nor a copy or one of their groups."""

    model: nn.Module
    learned: NDArray[np.int64]  # rows, sorted
    held: NDArray[np.int64]


def cross_fitted(
    items: Items, fit: Callable[[NDArray[np.int64], int], nn.Module], seed: int, where: str
) -> Iterator[Fold]:
    """REPEATS times FOLDS folds of ``items``, each image held out once per repeat; fewer where a class has fewer.

    ``fit``: rows and a seed -> a classifier that learned them; ``seed`` deals the folds. Raises UserError, which starts
    with ``where``, if there are too few images of a class.
    """
    folds = min(FOLDS, *items.parts().values())
    try:
        splits = CrossValidation(folds=max(2, folds), repeats=REPEATS, seed=seed).splits(items)
    except UserError:
        raise UserError(
            f"{where}: each class must have {items.unit} enough for classifiers that learn without some of them, at "
            f"least 3, but one has {min(items.parts().values())}; add some, or leave the class out"
        ) from None
    for name, split in splits.items():
        if name != RELEASE:
            learned = np.array(split.train)
            yield Fold(fit(learned, seeds.derive(seed, "fold", name)), learned, np.array(split.test))
