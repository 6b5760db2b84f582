"""Protocol ``subsets``: a benchmark of disjoint draws from a large pool."""

from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from ganaug import seeds
from ganaug.data.splits import RELEASE, Items, Protocol, Split
from ganaug.errors import UserError
from ganaug.settings import Seed


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
    trials: Annotated[int, Ge(1), Le(10_000)] = 10
    """Disjoint draws; the gain is a mean over them."""
    train_per_class: Annotated[int, Ge(2), Le(10**6)] = 5
    """Images of each class that a trial learns from; of the first class, where there is an imbalance."""
    imbalance: Annotated[float, Ge(1), Le(1e6)] = 1.0
    """How many times as many train images the first class has as the last (a long tail: Cui 2019)."""
    test_per_class: Annotated[int, Ge(1), Le(10**6)] = 60
    """Images of each class that all trials are tested on, from the source's own test part where it has one."""
    tuning_test_per_class: Annotated[int, Ge(0), Le(10**6)] = 30
    """Images of each class that settings are tuned on, apart from every reported trial."""
    tuning_per_class: Annotated[int, Ge(0), Le(10**6)] = 25
    """Images of each class that tuning draws come from."""
    unlabelled_per_class: Annotated[int, Ge(0), Le(10**6)] = 0
    """Further images of each class, whose labels nothing learns."""
    draws: Literal["report", "tuning"] = "report"
    """The trials that are run: those that are reported, or those that settings are tuned on."""
    seed: Seed = 0
    """Seed of all random draws of the project."""
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
        if items.groups is not None:
            raise UserError("protocol.kind: subsets cannot keep the source's groups together; use cv, or holdout")
        self._check_tuning()
        train: dict[str, list[int]] = {name: [] for name in self.names()}
        test: list[int] = []
        spare: list[int] = []
        unlabelled: list[int] = []
        short: list[tuple[int, int, str]] = []
        reported, fresh = self.draws == "report", items.first_of_each()
        tests = 0 if items.official_test.any() else self.test_per_class  # of the pool
        for label, (name, count) in enumerate(zip(items.classes, self.train_counts(len(items.classes)), strict=True)):
            rows = np.flatnonzero((items.labels == label) & fresh)
            shuffled = seeds.numpy_rng(self.seed, "split", label).permutation(rows)
            official = shuffled[items.official_test[shuffled]].tolist()
            pool = shuffled[~items.official_test[shuffled]].tolist()
            shortage = self._shortage(name, len(official), len(pool), tests, count)
            if shortage:
                short.append(shortage)
                continue
            hand = iter(pool[tests:])
            tuning_test = list(islice(hand, self.tuning_test_per_class))
            tuning = iter(list(islice(hand, self.tuning_per_class)))
            train[RELEASE] += islice(hand, count)
            for trial in self.trial_names():
                train[trial] += islice(hand if reported else tuning, count)
            test += (pool if tests else official)[: self.test_per_class] if reported else tuning_test
            spare += tuning_test if reported else []
            end = len(pool) - (0 if reported else self.unlabelled_per_class)
            unlabelled += pool[end - self.unlabelled_per_class : end]
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

    def _shortage(self, name: str, official: int, pool: int, tests: int, count: int) -> tuple[int, int, str] | None:
        """If a class has too few images: how many trials would fit, how many images it has, and the message."""
        if not tests and official < self.test_per_class:
            hint = f"lower it to {official} or less" if official else "add some, or remove the class"
            message = (
                f'protocol.test_per_class: class "{name}" has {official} different images in the source\'s test part, '
                f"asked for {self.test_per_class}; {hint}"
            )
            return -1, official, message
        set_apart = tests + self.tuning_test_per_class + self.tuning_per_class + 2 * self.unlabelled_per_class
        trials = self.trials if self.draws == "report" else 0
        needed = set_apart + count * (trials + 1)
        if pool >= needed:
            return None
        fitting = max(0, (pool - set_apart) // count - 1)
        hint = (
            f"lower protocol.trials to {fitting}"
            if fitting > 0
            else "add images, or lower protocol.train_per_class, test_per_class, tuning_per_class, "
            "tuning_test_per_class or unlabelled_per_class"
        )
        unlabelled = f"{2 * self.unlabelled_per_class} unlabelled, " if self.unlabelled_per_class else ""
        message = (
            f'protocol: class "{name}" has {pool} different images, but {needed} are asked for ({tests} test, '
            f"{self.tuning_test_per_class} tuning test, {self.tuning_per_class} tuning, {unlabelled}{trials} trials "
            f"and the release of {count}); {hint}"
        )
        return fitting, pool, message
