"""Cross-fitting: classifiers that each learned a part of some images, and are asked about the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.arms import arm
from ganaug.classify.mislabelled import FOLDS, REPEATS, Doubts, check_installed, doubts
from ganaug.data.cross_validation import CrossValidation
from ganaug.data.splits import RELEASE, Items, Split
from ganaug.errors import UserError
from ganaug.stages.classifiers import fit
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Fold:
    """A classifier that learned the images ``learned``, and none of ``held``, nor a copy or one of their groups."""

    model: nn.Module
    learned: NDArray[np.int64]  # rows, sorted
    held: NDArray[np.int64]


def folds_of(items: Items, seed: int, where: str) -> dict[str, Split]:
    """REPEATS times FOLDS folds of ``items``, by name; each image is tested once per repeat. Fewer folds where a class
    has fewer images. Raises UserError, which starts with ``where``, if one has too few."""
    fewest = min(items.parts().values())
    try:
        splits = CrossValidation(folds=max(2, min(FOLDS, fewest)), repeats=REPEATS, seed=seed % 2**32).splits(items)
    except UserError:
        raise UserError(
            f"{where}: every class must have at least 3 {items.unit}, for classifiers that learn without some of them, "
            f"but one has {fewest}; add some, or leave it out"
        ) from None
    return {name: split for name, split in splits.items() if name != RELEASE}


def cross_fitted(
    items: Items, fitted: Callable[[NDArray[np.int64], int], nn.Module], seed: int, where: str
) -> Iterator[Fold]:
    """The classifiers of all folds of ``items``, one after the other. ``fitted``: rows and a seed -> one that learned
    them; ``seed`` deals the folds. Raises UserError as ``folds_of`` does, which is told ``where``."""
    for name, split in folds_of(items, seed, where).items():
        learned = np.array(split.train)
        yield Fold(fitted(learned, seeds.derive(seed, "fold", name)), learned, np.array(split.test))


def doubts_of(split: SplitOf, base: str, rows: list[int], seed: int, where: torch.device) -> Doubts:
    """What classifiers that learned other ``rows`` of a ``split``, as the arm ``base``, say of the labels of these, in
    their order; ``seed`` of the folds and the classifiers, ``where`` the device. Raises UserError if there are too few
    images, or without cleanlab."""
    from ganaug.classify.fitting import probabilities

    check_installed()
    part, chosen = split.prepared.part(rows), arm(base, split.settings.classify)
    said = np.zeros((len(rows), len(split.prepared.classes)))
    for fold in cross_fitted(
        split.prepared.items(rows),
        lambda own, seed: fit(split, chosen, (part.images[own], part.labels[own]), None, seed, where),
        seed,
        "classify.arms",
    ):
        said[fold.held] += probabilities(fold.model, part.images[fold.held], where) / REPEATS
    return doubts(said, part.labels)
