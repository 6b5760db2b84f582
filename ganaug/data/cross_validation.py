"""Protocol ``cv``: repeated stratified k-fold on a user's own images; and what ``cells`` shares with it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.data.splits import RELEASE, Items, Protocol, Split
from ganaug.errors import UserError
from ganaug.settings import Seed

_TRIES = 50  # deals that may fail (a fold is empty, or too few images of a class are left) before it gives up
LEAST = 2  # images per class to train on


@dataclass(frozen=True)
class Folds(Protocol):
    """Repeated folds: what ``cv`` and ``cells`` have in common.

    Images of one group, and images of the same pixels, stay together. Trial t is fold t mod ``folds`` of repeat t div
    ``folds``. A class needs a group or image per fold.
    """

    kind: str
    folds: Annotated[int, Ge(2), Le(100)] = 5
    """Parts that the images are dealt into; each is tested once by networks that learned from the others."""
    repeats: Annotated[int, Ge(1), Le(100)] = 2
    """How often all images are dealt again; there are folds times repeats trials."""
    seed: Seed = 0
    """Seed of all random draws of the project."""
    shared_test: ClassVar[bool] = False  # the train parts of the trials overlap, and their test parts differ
    _asked: ClassVar[str] = f"leaves {LEAST} images of every class to train on"  # of every fold of a deal

    @property
    def trials(self) -> int:
        return self.folds * self.repeats

    def _check_official(self, items: Items) -> None:
        if items.official_test.any():
            raise UserError(
                f"protocol.kind: {self.kind} would train on the {int(items.official_test.sum())} images that the "
                "source sets apart for testing; use holdout"
            )

    def _deals(self, items: Items) -> list[NDArray[np.int64]] | None:
        """For each repeat the fold that tests each image, (N,); None if the images do not allow it."""
        raise NotImplementedError

    def _deal(
        self, items: Items, strata: NDArray[np.int64], is_usable: Callable[[int, NDArray[np.int64]], bool]
    ) -> list[NDArray[np.int64]] | None:
        """The deals of ``items`` whose folds have equal shares of the ``strata`` (N,), as far as possible. One that
        ``is_usable(repeat, deal)`` refuses is dealt again."""
        if min(items.parts().values()) < self.folds:
            return None
        bound, strata = items.bound(), np.unique(strata, return_inverse=True)[1]
        part_counts = np.zeros((bound.max() + 1, strata.max() + 1))
        np.add.at(part_counts, (bound, strata), 1)
        deals = []
        for repeat in range(self.repeats):
            for attempt in range(_TRIES):
                deal = _fold_of_parts(part_counts, self.folds, seeds.numpy_rng(self.seed, "folds", repeat, attempt))[
                    bound
                ]
                if is_usable(repeat, deal):
                    deals.append(deal)
                    break
            else:
                return None
        return deals

    def _refusal(self, items: Items) -> str:
        """What is wrong, and the fix: the nearest number of folds that works, if there is one."""
        parts, images = items.parts(), np.bincount(items.labels)
        name = min(parts, key=lambda name: (parts[name], images[items.classes.index(name)]))
        wrong = (
            f"but folds is {self.folds}"
            if parts[name] < self.folds
            else f"and of {_TRIES} deals into {self.folds} folds none {self._asked}"
        )
        fitting = self._fitting(items, parts[name])
        hint = f"set protocol.folds to {fitting}" if fitting else f"add {items.unit} of the class, or remove it"
        return f'protocol.folds: class "{name}" has {parts[name]} {items.unit}, {wrong}; {hint}'

    def _fitting(self, items: Items, most: int) -> int | None:
        """The number of folds up to ``most`` that works and is nearest."""
        nearest = sorted(range(2, most + 1), key=lambda folds: abs(folds - self.folds))
        return next((folds for folds in nearest if replace(self, folds=folds)._deals(items) is not None), None)


@dataclass(frozen=True)
class CrossValidation(Folds):
    """Every image is tested once per repeat, by networks trained on the other folds; ``release`` holds all images.

    Folds have the same share of each class, as far as possible.
    """

    kind: Literal["cv"] = "cv"

    def describe(self) -> str:
        times = "once" if self.repeats == 1 else f"{self.repeats} times over"
        return (
            f"{self.folds}-fold cross-validation, {times}: every image is tested once per repeat, by a classifier and "
            "a GAN that never saw it, nor any image of its group or of the same pixels; the released generator has "
            "learned from all images"
        )

    def splits(self, items: Items) -> dict[str, Split]:
        self._check_official(items)
        deals = self._deals(items)
        if deals is None:
            raise UserError(self._refusal(items))
        everything = np.arange(len(items.labels))
        splits = {RELEASE: Split(everything.tolist(), [])}
        for repeat, deal in enumerate(deals):
            for fold in range(self.folds):
                train, test = everything[deal != fold], everything[deal == fold]
                splits[str(repeat * self.folds + fold)] = Split(train.tolist(), test.tolist())
        return splits

    def _deals(self, items: Items) -> list[NDArray[np.int64]] | None:
        return self._deal(items, items.labels, lambda repeat, deal: self._is_usable(deal, items))

    def _is_usable(self, deal: NDArray[np.int64], items: Items) -> bool:
        """Whether no fold is empty and the others hold enough images of every class."""
        return all(
            (deal == fold).any()
            and np.bincount(items.labels[deal != fold], minlength=len(items.classes)).min() >= LEAST
            for fold in range(self.folds)
        )


def _fold_of_parts(part_counts: NDArray[np.float64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Images of each class in each part, (P, classes) -> the fold of each part, (P,).

    Large parts go first, each to the fold that has least of its classes. Scikit-learn's StratifiedGroupKFold does the
    same, but shuffles only groups of equal counts: where groups differ in size, all its repeats are the same deal.
    """
    sizes = part_counts.sum(axis=1)
    shares = part_counts / part_counts.sum(axis=0)
    dealt = np.zeros((folds, shares.shape[1]))  # share of each class in each fold
    images = np.zeros(folds)
    fold_of = np.zeros(len(sizes), np.int64)
    order = np.lexsort((rng.random(len(sizes)), -np.floor(np.log2(sizes))))  # by size, but only up to a factor of two
    for part in order:
        cost = np.round(dealt @ shares[part], 12)  # of the sum of squared shares; rounded, so that equal ones are equal
        fold = np.lexsort((rng.random(folds), images, cost))[0]
        dealt[fold] += shares[part]
        images[fold] += sizes[part]
        fold_of[part] = fold
    return fold_of
