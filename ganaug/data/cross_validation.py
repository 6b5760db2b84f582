"""Protocol ``cv``: repeated stratified k-fold on a user's own set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge

from ganaug import seeds
from ganaug.data.splits import RELEASE, Items, Split
from ganaug.errors import UserError
from ganaug.settings import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRIES = 50  # deals of grouped images that may leave a train part without a class before giving up


@dataclass(frozen=True)
class CrossValidation(Spec):
    """Every image is tested on once a repeat, by networks trained on the other folds; ``release`` holds all images.

    Folds have the same share of each class as far as its images can be parted: images of one group, and images of the
    same pixels, stay together. Trial t is fold t mod ``folds`` of repeat t div ``folds``.
    """

    kind: Literal["cv"] = "cv"
    folds: Annotated[int, Ge(2)] = 5
    repeats: Annotated[int, Ge(1)] = 2
    seed: int = 0
    draws: ClassVar[str] = "report"
    shared_test: ClassVar[bool] = False  # the train parts of the trials overlap, and their test parts differ

    @property
    def trials(self) -> int:
        return self.folds * self.repeats

    def trial_names(self) -> list[str]:
        return [str(trial) for trial in range(self.trials)]

    def names(self) -> list[str]:
        return [RELEASE, *self.trial_names()]

    def describe(self) -> str:
        times = "once" if self.repeats == 1 else f"{self.repeats} times over"
        return (
            f"{self.folds}-fold cross-validation, {times}: every image is tested on once a repeat, by a classifier and "
            "a GAN that never saw it, nor any image of its group or of the same pixels; the released generator has "
            "learned from all images"
        )

    def splits(self, items: Items) -> dict[str, Split]:
        import numpy as np

        if items.official_test.any():
            raise UserError(
                f"protocol.kind: cv would train on the {int(items.official_test.sum())} images that the source sets "
                "apart for testing; use holdout"
            )
        self._check_counts(items)
        bound = items.bound()
        everything = np.arange(len(items.labels))
        splits = {RELEASE: Split(everything.tolist(), [])}
        for repeat in range(self.repeats):
            for fold, test in enumerate(self._deal(items, bound, repeat)):
                train = np.setdiff1d(everything, test)
                splits[str(repeat * self.folds + fold)] = Split(train.tolist(), np.sort(test).tolist())
        return splits

    def _deal(self, items: Items, bound: NDArray[np.int64], repeat: int) -> list[NDArray[np.int64]]:
        """The test rows of each fold."""
        import numpy as np
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        labels, rows = items.labels, np.zeros((len(items.labels), 1))
        if len(np.unique(bound)) == len(bound):
            seed = seeds.derive(self.seed, "folds", repeat) % 2**32
            return [
                test for _, test in StratifiedKFold(self.folds, shuffle=True, random_state=seed).split(rows, labels)
            ]
        for attempt in range(_TRIES):
            seed = seeds.derive(self.seed, "folds", repeat, attempt) % 2**32
            dealer = StratifiedGroupKFold(self.folds, shuffle=True, random_state=seed)
            folds = [test for _, test in dealer.split(rows, labels, bound)]
            trained = [np.bincount(np.delete(labels, test), minlength=len(items.classes)) for test in folds]
            if all(len(test) for test in folds) and min(counts.min() for counts in trained) > 1:
                return folds
        raise UserError(
            f"protocol.folds: no deal of the groups into {self.folds} folds leaves 2 images of every class to train "
            "on; set another number, or add groups of the rarest class"
        )

    def _check_counts(self, items: Items) -> None:
        """Each class needs as many parts as there are folds; the error says how many folds would fit."""
        parts = items.parts()
        name = min(parts, key=lambda name: parts[name])
        if parts[name] >= self.folds:
            return
        unit = "groups" if items.groups else "different images"
        mend = (
            f"lower protocol.folds to {parts[name]}"
            if parts[name] >= 2
            else "add some from elsewhere, or remove the class: it cannot be on both sides of a split"
        )
        raise UserError(f'protocol.folds: class "{name}" has {parts[name]} {unit}, but folds is {self.folds}; {mend}')
