"""Protocol ``cells``: what a class gains under a condition that it was never seen under, on a user's own images."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.data.cells import hidden_sets, targets
from ganaug.data.cross_validation import LEAST, Folds
from ganaug.data.splits import RELEASE, Items, Split
from ganaug.errors import UserError, quoted

_FEWEST = LEAST + 1  # units of a cell that can be hidden, or that its class is learned from then: one may be tested


@dataclass(frozen=True)
class HiddenCells(Folds):
    """Cross-validation in which each trial hides cells (a class under a condition) and is tested on them as well.

    There are no test images of a missing cell, so it is measured on cells that are there: a trial trains without the
    images of some classes under each condition that lacks classes, and is tested on all cells of its fold. Folds have
    the same share of each cell, as far as possible. ``release`` holds all images.

    A cell can be hidden if it has an image or group per fold, and at least three, and its class has as many under
    another condition, as has another class under this one.
    """

    kind: Literal["cells"] = "cells"
    hide: Annotated[float, Gt(0), Lt(1)] = 0.5
    """The share of the classes seen under each condition that a trial hides there: at least one of them, never all."""
    hides_cells: ClassVar[bool] = True
    _asked: ClassVar[str] = f"{Folds._asked}, and images of every hidden cell to test on"

    def describe(self) -> str:
        times = "once" if self.repeats == 1 else f"{self.repeats} times over"
        return (
            f"{self.folds}-fold cross-validation, {times}, with hidden cells: under each condition that lacks classes, "
            f"a trial hides {self.hide:.0%} of the classes that are there, by turns, trains everything without their "
            "images, and is tested on all classes under all conditions, in images that nothing was trained on; the "
            "released generator has learned from all images"
        )

    def splits(self, items: Items) -> dict[str, Split]:
        self._check_official(items)
        if items.conditions is None:
            raise UserError(
                "protocol.kind: cells needs the conditions that images were taken under, and the source names none; "
                "name them in data.source, or use cv"
            )
        deals = self._deals(items)
        if deals is None:
            raise UserError(self._refusal(items) if self._hidden(items)[0] else self._none_to_hide(items))
        rows = np.arange(len(items.labels))
        splits = {RELEASE: Split(rows.tolist(), [])}
        for trial, hidden in enumerate(self._hidden(items)):
            tested = deals[trial // self.folds] == trial % self.folds
            out = items.in_cells(hidden)
            parts = (~tested & ~out, tested, ~tested & out)
            train, test, truth = (rows[part].tolist() for part in parts)
            splits[str(trial)] = Split(train, test, hidden=hidden, truth=truth)
        return splits

    def _hidden(self, items: Items) -> list[list[tuple[int, int]]]:
        """The cells that each trial hides."""
        enough = items.cell_parts() >= max(self.folds, _FEWEST)
        rngs = (seeds.numpy_rng(self.seed, "hidden", trial) for trial in range(self.trials))
        return list(hidden_sets(items.cells(), enough, self.hide, rngs))

    def _deals(self, items: Items) -> list[NDArray[np.int64]] | None:
        hidden = self._hidden(items)
        if not hidden[0] or items.conditions is None:
            return None
        strata = items.labels * len(items.condition_names) + items.conditions
        return self._deal(items, strata, lambda repeat, deal: self._is_usable(items, hidden, repeat, deal))

    def _is_usable(
        self, items: Items, hidden: list[list[tuple[int, int]]], repeat: int, deal: NDArray[np.int64]
    ) -> bool:
        """Whether every trial has images of its hidden cells to test on, and enough of every class to train on."""
        for fold in range(self.folds):
            cells = hidden[repeat * self.folds + fold]
            train = items.cells((deal != fold) & ~items.in_cells(cells))
            tested = items.cells(deal == fold)
            is_shown = all(tested[cell] and train[:, cell[1]].any() for cell in cells)
            if train.sum(axis=1).min() < LEAST or not is_shown:
                return False
        return True

    def _none_to_hide(self, items: Items) -> str:
        """Why no cell can be hidden, and the fix."""
        counts = items.cells()
        names = ", ".join(quoted(items.condition_names[target], 40) for target in targets(counts))
        fitting = self._fitting(items, self.folds - 1)
        if fitting:
            return (
                f"protocol.folds: must be {fitting} for a class to be hidden under {names}: two classes must have as "
                f"many {items.unit} there, and one of them under another condition, too; got {self.folds}; set it to "
                f"{fitting}"
            )
        return (
            f"protocol.kind: cells hides a class under {names}, so two classes must have {_FEWEST} or more "
            f"{items.unit} there, and one of them under another condition, too, but they have fewer; add images "
            "there, or use cv"
        )
