"""Protocol ``cell-draws``: a benchmark of disjoint draws, of which each hides classes under a condition."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from ganaug import seeds
from ganaug.data.cells import hidden_sets, targets
from ganaug.data.splits import RELEASE, Items, Protocol, Split
from ganaug.errors import UserError, quoted
from ganaug.settings import Seed


@dataclass(frozen=True)
class CellDraws(Protocol):
    """A benchmark: disjoint draws of ``train_per_cell`` images of every cell from a pool, one fixed test set.

    A cell is a class under a condition. A trial hides some of its cells: their images are no part of what it trains on,
    and the test set shows what became of them. Each cell is shuffled once and dealt in this order: test, tuning test,
    tuning draws, release, trial 0, trial 1, ... So one more trial leaves every other split as it was, and what tuning
    sees is never in a reported trial. Of images with the same pixels only the first is dealt.
    """

    kind: Literal["cell-draws"] = "cell-draws"
    trials: Annotated[int, Ge(1), Le(10_000)] = 10
    """Disjoint draws; the gain is a mean over them."""
    train_per_cell: Annotated[int, Ge(2), Le(10**6)] = 20
    """Images of each class under each condition in a draw, the hidden ones included."""
    hide: Annotated[float, Gt(0), Lt(1)] = 0.5
    """The share of the classes seen under each condition that a trial hides there: at least one of them, never all."""
    test_per_cell: Annotated[int, Ge(1), Le(10**6)] = 60
    """Images of each cell that all trials are tested on, from the source's own test part where it has one."""
    tuning_test_per_cell: Annotated[int, Ge(0), Le(10**6)] = 30
    """Images of each cell that settings are tuned on, apart from every reported trial."""
    tuning_per_cell: Annotated[int, Ge(0), Le(10**6)] = 60
    """Images of each cell that tuning draws come from."""
    draws: Literal["report", "tuning"] = "report"
    """The trials that are run: those that are reported, or those that settings are tuned on."""
    seed: Seed = 0
    """Seed of all random draws of the project."""
    shared_test: ClassVar[bool] = True
    hides_cells: ClassVar[bool] = True
    uses_all: ClassVar[bool] = False

    def describe(self) -> str:
        return (
            f"{self.trials} disjoint draws of {self.train_per_cell} images of each class under each condition; each "
            f"hides {self.hide:.0%} of the classes under the conditions that images are moved to, trains everything "
            "without them, and is tested on all classes under all conditions"
        )

    def splits(self, items: Items) -> dict[str, Split]:
        if items.groups is not None:
            raise UserError("protocol.kind: cell-draws cannot keep the source's groups together; use cells")
        if items.conditions is None:
            raise UserError(
                "protocol.kind: cell-draws needs images under conditions, and the source names none; set "
                "data.rendered, name them in data.source, or use subsets"
            )
        self._check_tuning()
        hidden = self._hidden(items)
        drawn: dict[str, list[int]] = {name: [] for name in self.names()}
        out: dict[str, list[int]] = {name: [] for name in self.names()}
        test: list[int] = []
        short: list[tuple[int, int, str]] = []
        fresh, official = items.first_of_each(), items.official_test
        tests = 0 if official.any() else self.test_per_cell  # of the pool
        for label, condition in np.argwhere(items.cells()).tolist():
            rows = np.flatnonzero((items.labels == label) & (items.conditions == condition) & fresh)
            shuffled = seeds.numpy_rng(self.seed, "cell", label, condition).permutation(rows)
            apart, pool = shuffled[official[shuffled]].tolist(), shuffled[~official[shuffled]].tolist()
            shortage = self._shortage(items, label, condition, len(apart), len(pool))
            if shortage:
                short.append(shortage)
                continue
            hand = iter(pool[tests:])
            tuning_test = list(islice(hand, self.tuning_test_per_cell))
            tuning = iter(list(islice(hand, self.tuning_per_cell)))
            test += (pool if tests else apart)[: self.test_per_cell] if self.draws == "report" else tuning_test
            for name, source in self._hands(hand, tuning):
                part = out if (label, condition) in hidden[name] else drawn
                part[name] += islice(source, self.train_per_cell)
        if short:
            raise UserError(min(short)[-1])  # of the scarcest cell, so that its fix serves all
        return {
            name: Split(
                sorted(drawn[name]),
                [] if name == RELEASE else sorted(test),
                hidden=hidden[name],
                truth=sorted(out[name]),
            )
            for name in self.names()
        }

    def _hands(self, hand: Iterator[int], tuning: Iterator[int]) -> Iterator[tuple[str, Iterator[int]]]:
        """(split, what its images of a cell are taken from), in the order in which they are dealt."""
        yield RELEASE, hand
        for trial in self.trial_names():
            yield trial, hand if self.draws == "report" else tuning

    def _hidden(self, items: Items) -> dict[str, list[tuple[int, int]]]:
        """{split: the cells that it hides}."""
        counts = items.cells()
        seed = seeds.numpy_rng
        of_release = hidden_sets(counts, counts > 0, self.hide, [seed(self.seed, "hidden", self.draws, RELEASE)])
        rngs = (seed(self.seed, "hidden", self.draws, trial) for trial in range(self.trials))
        hidden = dict(zip(self.names(), [*of_release, *hidden_sets(counts, counts > 0, self.hide, rngs)], strict=True))
        if not hidden[RELEASE]:
            names = ", ".join(quoted(items.condition_names[target], 40) for target in targets(counts))
            raise UserError(
                f"protocol.kind: cell-draws hides one of at least two classes under {names} that are under another "
                "condition, too, but there is none such; add images of classes there, or use subsets"
            )
        return hidden

    def _check_tuning(self) -> None:
        possible = self.tuning_per_cell // self.train_per_cell
        if self.draws == "tuning" and self.trials > possible:
            raise UserError(
                f"protocol.trials: at most {possible} tuning draws of {self.train_per_cell} fit in tuning_per_cell "
                f"{self.tuning_per_cell}, asked for {self.trials}; lower trials or raise tuning_per_cell"
            )
        if self.draws == "tuning" and self.tuning_test_per_cell == 0:
            raise UserError("protocol.tuning_test_per_cell: must be at least 1 to use tuning draws, got 0; raise it")

    def _shortage(
        self, items: Items, label: int, condition: int, official: int, pool: int
    ) -> tuple[int, int, str] | None:
        """If a cell has too few images: how many trials would fit, how many images it has, and the message."""
        cell = f"class {quoted(items.classes[label], 40)} under {quoted(items.condition_names[condition], 40)}"
        has_test = bool(items.official_test.any())
        if has_test and official < self.test_per_cell:
            hint = f"lower it to {official} or less" if official else "add some, or remove the class"
            message = (
                f"protocol.test_per_cell: {cell} has {official} different images in the source's test part, asked for "
                f"{self.test_per_cell}; {hint}"
            )
            return -1, official, message
        tests = 0 if has_test else self.test_per_cell
        set_apart = tests + self.tuning_test_per_cell + self.tuning_per_cell
        trials = self.trials if self.draws == "report" else 0
        needed = set_apart + self.train_per_cell * (trials + 1)
        if pool >= needed:
            return None
        fitting = max(0, (pool - set_apart) // self.train_per_cell - 1)
        hint = (
            f"lower protocol.trials to {fitting}"
            if fitting
            else "add images, or lower protocol.train_per_cell, test_per_cell, tuning_per_cell or tuning_test_per_cell"
        )
        message = (
            f"protocol: {cell} has {pool} different images, but {needed} are asked for ({tests} test, "
            f"{self.tuning_test_per_cell} tuning test, {self.tuning_per_cell} tuning, {trials} trials and the release "
            f"of {self.train_per_cell}); {hint}"
        )
        return fitting, pool, message
