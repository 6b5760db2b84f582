"""Protocol ``holdout``: an official test part."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ganaug.data.splits import RELEASE, Items, Protocol, Split
from ganaug.errors import UserError, one_line
from ganaug.settings import Seed


@dataclass(frozen=True)
class Holdout(Protocol):
    """Every trial trains again on all images outside the official test part: other initial weights, another order.

    So the verdict is about this one train set. ``release`` has the same images. A train image with the pixels of a test
    image is left out, with all of its group.
    """

    kind: Literal["holdout"] = "holdout"
    trials: Annotated[int, Ge(1), Le(10_000)] = 5
    """How often everything is trained again, from other initial weights and in another order."""
    seed: Seed = 0
    """Seed of all random draws of the project."""
    shared_test: ClassVar[bool] = True

    def describe(self) -> str:
        return (
            f"the source's own test part; {self.trials} trials train again on all other images, with other initial "
            "weights and another order. The verdict is about this one train set, not about others like it"
        )

    def splits(self, items: Items) -> dict[str, Split]:
        test = np.flatnonzero(items.official_test)
        if not len(test):
            raise UserError(
                "protocol.kind: holdout needs images that the source sets apart for testing, and there are none; use cv"
            )
        self._check_groups(items)
        bound = items.bound()
        train = np.flatnonzero(~np.isin(bound, bound[test]))
        for rows, least, part in ((train, 2, "train on"), (test, 1, "test on")):
            self._check_counts(items, rows, least, part)
        return {name: Split(train.tolist(), [] if name == RELEASE else test.tolist()) for name in self.names()}

    def _check_groups(self, items: Items) -> None:
        if items.groups is None:
            return
        sides = set(zip(items.groups, items.official_test.tolist(), strict=True))
        both = sorted(group for group, test in sides if test and (group, False) in sides)
        if both:
            raise UserError(
                f'data.source: a group must be on one side of the split, but "{one_line(both[0], 40)}" has images in '
                f"the train and in the test part ({len(both)} such groups); move them to one side"
            )

    def _check_counts(self, items: Items, rows: NDArray[np.int64], least: int, part: str) -> None:
        counts = np.bincount(items.labels[rows], minlength=len(items.classes))
        if counts.min() < least:
            raise UserError(
                f"protocol.kind: holdout needs {least} images of each class to {part}, but class "
                f'"{items.classes[int(counts.argmin())]}" has {counts.min()}; move images there, or use cv without the '
                "official parts"
            )
