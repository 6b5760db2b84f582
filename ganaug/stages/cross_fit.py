"""Cross-fitting: classifiers that each learned a part of some images, and are asked about the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.arms import arm, batches
from ganaug.classify.mislabelled import FOLDS, REPEATS, Doubts, doubts
from ganaug.config import Settings
from ganaug.data.cross_validation import CrossValidation
from ganaug.data.splits import RELEASE, Items, Split
from ganaug.errors import UserError
from ganaug.stages.classifiers import fit
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    import torch
    from torch import nn


def folds_of(items: Items, seed: int, where: str, repeats: int = REPEATS) -> dict[str, Split]:
    """FOLDS folds of ``items``, or fewer where a class has fewer images, dealt by ``seed``, ``repeats`` times.

    Raises UserError, which starts with ``where``, if one has too few.
    """
    fewest = min(items.parts().values())
    try:
        splits = CrossValidation(folds=max(2, min(FOLDS, fewest)), repeats=repeats, seed=seed % 2**32).splits(items)
    except UserError:
        raise UserError(
            f"{where}: every class must have at least 3 {items.unit}, for classifiers that learn without some of them, "
            f"but one has {fewest}; add some, or leave it out"
        ) from None
    return {name: split for name, split in splits.items() if name != RELEASE}


def learner(
    images: NDArray[np.uint8], labels: NDArray[np.int64], settings: Settings, where: torch.device
) -> Callable[[NDArray[np.int64], int], nn.Module]:
    """What trains classifiers of ``settings``, as the arm ``classical``, on the device ``where``: rows of ``images``
    (N, H, W, C) with ``labels`` (N,), and a seed -> a classifier that learned them."""
    from ganaug.classify.fitting import train_classifier

    chosen, spec = arm("classical", settings.classify), settings.classifier
    classes, (size, _, channels) = int(labels.max()) + 1, images.shape[1:]

    def fitted(rows: NDArray[np.int64], seed: int) -> nn.Module:
        draw = batches(chosen, (images[rows], labels[rows]), None, classes, spec.batch_size, seed)
        return train_classifier(draw, spec, channels, classes, size, seed, where, chosen.policy.attach)

    return fitted


def cross_fitted(
    items: Items, fitted: Callable[[NDArray[np.int64], int], nn.Module], seed: int, where: str, repeats: int = REPEATS
) -> Iterator[tuple[nn.Module, NDArray[np.int64], NDArray[np.int64]]]:
    """(a classifier, rows of ``items`` that it learned, those that it did not), of each fold. ``fitted``: rows and a
    seed -> a classifier; ``seed`` deals the folds, ``repeats`` times. Raises UserError as ``folds_of`` does, which is
    told ``where``."""
    for name, split in folds_of(items, seed, where, repeats).items():
        learned = np.array(split.train)
        yield fitted(learned, seeds.derive(seed, "fold", name)), learned, np.array(split.test)


def judges(
    split: SplitOf, base: str, rows: list[int], seed: int, where: torch.device, repeats: int = REPEATS
) -> Iterator[tuple[Callable[[NDArray[np.uint8]], NDArray[np.float32]], NDArray[np.int64]]]:
    """(what says the probabilities of images, places in ``rows`` that it did not learn), of each fold of these rows of
    a ``split``, dealt by ``seed``, ``repeats`` times: classifiers that learned as the arm ``base``. ``where`` is the
    device. Raises UserError as ``folds_of`` does."""
    from ganaug.classify.fitting import probabilities

    part, chosen = split.prepared.part(rows), arm(base, split.settings.classify)

    def fitted(own: NDArray[np.int64], seed: int) -> nn.Module:
        return fit(split, chosen, (part.images[own], part.labels[own]), None, seed, where)

    for model, _, held in cross_fitted(split.prepared.items(rows), fitted, seed, "classify.arms", repeats):
        yield partial(probabilities, model, device=where), held


def doubts_of(split: SplitOf, base: str, rows: list[int], seed: int, where: torch.device) -> Doubts:
    """What classifiers that learned other ``rows`` of a ``split``, as the arm ``base``, say of the labels of these;
    ``seed`` of them, ``where`` the device. Raises UserError if there are too few images, or without cleanlab."""
    part = split.prepared.part(rows)
    said = np.zeros((len(rows), len(split.prepared.classes)))
    for judge, held in judges(split, base, rows, seed, where):
        said[held] += judge(part.images[held]) / REPEATS
    return doubts(said, part.labels)
