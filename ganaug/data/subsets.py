"""Protocol ``subsets``: a benchmark of disjoint draws from a large pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.data.protocol import Protocol
from ganaug.data.splits import RELEASE, Items, Split
from ganaug.errors import UserError


@dataclass(frozen=True)
class Subsets(Protocol):
    """A benchmark: disjoint, class-stratified draws of ``train_per_class`` images from a pool, one fixed test set.

    Each class is shuffled once and dealt in this order: test, tuning test, tuning draws, release, trial 0, trial 1, ...
    So one more trial leaves every other split as it was, and what tuning sees is never in a reported trial, whatever
    ``trials`` and ``train_per_class`` are. With another seed or other sizes of the parts, settings must be tuned again.
    Of images with the same pixels only the first is dealt. Images to learn from without their labels are dealt from the
    end, separately for reported and tuning draws; all trials share them. They are balanced, which a user's own seldom
    are.

    With an ``imbalance`` of r the first class has r times as many train images as the last, and the others lie on an
    exponential between them (the long tail of Cui 2019, arXiv 1901.05555); test parts stay balanced.
    """

    kind: Literal["subsets"] = "subsets"
    trials: Annotated[int, Ge(1)] = 10
    train_per_class: Annotated[int, Ge(2)] = 5  # of the first class, where there is an imbalance
    imbalance: Annotated[float, Ge(1)] = 1.0
    test_per_class: Annotated[int, Ge(1)] = 60  # from the source's own test part, where it has one
    tuning_test_per_class: Annotated[int, Ge(0)] = 30
    tuning_per_class: Annotated[int, Ge(0)] = 25  # the pool of the tuning draws
    unlabelled_per_class: Annotated[int, Ge(0)] = 0  # further images, whose labels nothing learns
    draws: Literal["report", "tuning"] = "report"
    seed: int = 0
    shared_test: ClassVar[bool] = True
    uses_all: ClassVar[bool] = False

    def describe(self) -> str:
        tail = " per class"
        if self.imbalance > 1:
            tail = f" of the first class, {self.imbalance:g} times as many as of the last (of each at least two)"
        return (
            f"{self.trials} disjoint, class-stratified draws of {self.train_per_class} images{tail}; a GAN is "
            "trained on each"
        )

    def train_counts(self, classes: int) -> list[int]:
        """[label]: the images of a draw, at least two."""
        fall = self.imbalance ** (-1 / max(1, classes - 1))
        return [max(2, round(self.train_per_class * fall**label)) for label in range(classes)]

    def splits(self, items: Items) -> dict[str, Split]:
        labels, official_test = items.labels, items.official_test
        if items.groups is not None:
            raise UserError("protocol.kind: subsets cannot keep the source's groups together; use cv, or holdout")
        self._check_tuning()
        train: dict[str, list[int]] = {name: [] for name in self.names()}
        test: list[int] = []
        spare: list[int] = []
        unlabelled: list[int] = []
        fresh = _first_of_each(items.pixels, official_test)
        short: list[tuple[bool, int, int, str]] = []
        for label, (name, count) in enumerate(zip(items.classes, self.train_counts(len(items.classes)), strict=True)):
            shuffled = seeds.numpy_rng(self.seed, "split", label).permutation(np.flatnonzero((labels == label) & fresh))
            official = shuffled[official_test[shuffled]]
            pool = shuffled[~official_test[shuffled]]
            separate = bool(official_test.any())
            dealt_test = official if separate else pool
            if separate and len(official) < self.test_per_class:
                short.append((False, 0, len(official), self._too_few_tests(name, len(official))))
                continue
            hand = _Hand(pool[0 if separate else self.test_per_class :].tolist())
            without_labels = {draws: hand.deal_last(self.unlabelled_per_class) for draws in ("report", "tuning")}
            tuning_test = hand.deal(self.tuning_test_per_class)
            tuning = _Hand(hand.deal(self.tuning_per_class))
            needed = count * (len(train) if self.draws == "report" else 1)
            if hand.short or len(hand.rows) < needed:
                fitting, said = self._too_few(name, len(pool), 0 if separate else self.test_per_class, count)
                short.append((True, fitting, len(pool), said))
                continue
            train[RELEASE] += hand.deal(count)
            for trial in self.trial_names():
                train[trial] += (hand if self.draws == "report" else tuning).deal(count)
            test += dealt_test[: self.test_per_class].tolist() if self.draws == "report" else tuning_test
            spare += tuning_test if self.draws == "report" else []
            unlabelled += without_labels[self.draws]
        if short:
            raise UserError(min(short)[-1])  # of the scarcest class, so that its fix serves all
        return {
            name: Split(sorted(rows), [] if name == RELEASE else sorted(test), sorted(spare), sorted(unlabelled))
            for name, rows in train.items()
        }

    def _check_tuning(self) -> None:
        possible = self.tuning_per_class // self.train_per_class
        if self.draws == "tuning" and self.trials > possible:
            raise UserError(
                f"protocol.trials: at most {possible} tuning draws of {self.train_per_class} fit in tuning_per_class "
                f"{self.tuning_per_class}, asked for {self.trials}; lower trials or raise tuning_per_class"
            )
        if self.draws == "tuning" and self.tuning_test_per_class == 0:
            raise UserError("protocol.tuning_test_per_class: must be at least 1 to use tuning draws, got 0; raise it")

    def _too_few_tests(self, name: str, images: int) -> str:
        hint = f"lower it to {images} or less" if images else "add some, or remove the class"
        return (
            f'protocol.test_per_class: class "{name}" has {images} different images in the source\'s test part, asked '
            f"for {self.test_per_class}; {hint}"
        )

    def _too_few(self, name: str, images: int, test: int, count: int) -> tuple[int, str]:
        """How many trials of ``count`` images of the class would fit, and the message."""
        set_apart = test + self.tuning_test_per_class + self.tuning_per_class + 2 * self.unlabelled_per_class
        trials = self.trials if self.draws == "report" else 0
        needed = set_apart + count * (trials + 1)
        fitting = max(0, (images - set_apart) // count - 1)
        hint = (
            f"lower protocol.trials to {fitting}"
            if fitting > 0
            else "add images, or lower protocol.train_per_class, test_per_class, tuning_per_class, "
            "tuning_test_per_class or unlabelled_per_class"
        )
        unlabelled = f"{2 * self.unlabelled_per_class} unlabelled, " if self.unlabelled_per_class else ""
        return fitting, (
            f'protocol: class "{name}" has {images} different images, but {needed} are asked for ({test} test, '
            f"{self.tuning_test_per_class} tuning test, {self.tuning_per_class} tuning, {unlabelled}{trials} trials "
            f"and the release of {count}); {hint}"
        )


class _Hand:
    """Rows that are dealt once each, in order; ``short`` is true once more were asked for than were left."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.short = False

    def deal(self, count: int) -> list[int]:
        self.short = self.short or count > len(self.rows)
        dealt, self.rows = self.rows[:count], self.rows[count:]
        return dealt

    def deal_last(self, count: int) -> list[int]:
        self.short = self.short or count > len(self.rows)
        at = max(0, len(self.rows) - count)
        self.rows, dealt = self.rows[:at], self.rows[at:]
        return dealt


def _first_of_each(pixels: Sequence[str], official_test: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True for one image of each set of exact duplicates, from the official test part if one is there."""
    first = np.zeros(len(pixels), bool)
    order = np.argsort(~official_test, kind="stable")
    _, index = np.unique(np.asarray(pixels)[order], return_index=True)
    first[order[index]] = True
    return first
