"""Simulated runs of the protocols that hide cells (a class under a condition), for calibration.py.

Real nearest-centroid classifiers learn from Gaussian images. A class has a centre, and a shift of its own under the
second condition, so that a cell that is hidden is recognised by how small its shift is. Two arms see the same images
in features that they share and in others of their own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ganaug.data.cells import hidden_sets
from ganaug.measure.contributions import Cells
from ganaug.measure.gains import Comparison, Tested

_CHUNK = 50  # runs drawn at a time

Values = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Simulated:
    """What both protocols have in common. ``seen`` classes are there under both conditions, ``missing`` under one."""

    title: str
    seen: int
    trials: int
    hide: float = 0.5
    missing: int = 5
    images: int = 20  # of a cell
    shared_features: int = 3
    own_features: int = 4
    apart: float = 1.1  # standard deviation of the centres, in that of the images, in shared features
    own_apart: float = 1.1  # and in an arm's own
    shift: float = 1.5  # length of the shift that all classes have in common under the second condition
    of_class: float = 1.0  # standard deviation of what each class adds to it
    better: float = 0.0  # the share of the shift that arm 0 does without in its own features
    worlds: ClassVar[int]  # sets of classes that the true gain is taken for, each from as many runs

    @property
    def classes(self) -> int:
        return self.seen + self.missing

    def comparisons(self, count: int, rng: np.random.Generator) -> Iterator[Comparison]:
        """``count`` runs by ``rng``, as a report reads them."""
        raise NotImplementedError

    def _cells(self) -> tuple[Rows, Rows]:
        """(class, condition) of each image of one of its sets."""
        cells = [(label, 0) for label in range(self.classes)] + [(label, 1) for label in range(self.seen)]
        labels, conditions = np.repeat(np.array(cells), self.images, axis=0).T
        return labels, conditions

    def _hidden(self, rng: np.random.Generator) -> list[list[tuple[int, int]]]:
        """The cells that each trial hides, as the protocols choose them."""
        images = np.full((self.classes, 2), self.images)
        images[self.seen :, 1] = 0
        images[:, 0] += 1  # so that the second condition is the target, also where no class is missing
        return list(hidden_sets(images, images > 0, self.hide, [rng] * self.trials))

    def _centres(self, runs: int, rng: np.random.Generator) -> list[Values]:
        """Of each cell in the features of each arm: (runs, classes, conditions, features)."""

        def some(many: int, apart: float, shift: float) -> Values:
            centres = apart * rng.normal(size=(runs, self.classes, 1, many))
            moves = self.shift / math.sqrt(many) + self.of_class * rng.normal(size=(runs, self.classes, many))
            return (centres + shift * np.stack([0 * moves, moves], axis=2)).astype(np.float32)

        shared = some(self.shared_features, self.apart, 1.0)
        own = [some(self.own_features, self.own_apart, 1 - better) for better in (self.better, 0.0)]
        return [np.concatenate([shared, one], axis=3) for one in own]

    def _drawn(self, centres: Sequence[Values], cells: tuple[Rows, Rows], rng: np.random.Generator) -> list[Values]:
        """Images of the ``cells`` in the features of each arm, (runs, images, features)."""
        shape = (len(centres[0]), len(cells[0]))

        def noise(many: int) -> Values:
            return rng.standard_normal((*shape, many), np.float32)

        shared = noise(self.shared_features)
        return [one[:, *cells] + np.concatenate([shared, noise(self.own_features)], axis=2) for one in centres]

    def _predicted(self, train: Values, labels: Rows, test: Values) -> Rows:
        """(runs, test images): the class whose train images have the nearest mean."""
        one_hot = np.eye(self.classes, dtype=np.float32)[labels]
        means = np.einsum("nc,rnd->rcd", one_hot / one_hot.sum(axis=0), train)
        return (2 * np.einsum("rnd,rcd->rnc", test, means) - (means**2).sum(axis=2)[:, None]).argmax(axis=2)


@dataclass(frozen=True)
class HiddenCells(Simulated):
    """Protocol ``cells``: stratified folds of one set of images. The classes of each run are a sample too."""

    folds: int = 5
    worlds: ClassVar[int] = 1

    def comparisons(self, count: int, rng: np.random.Generator) -> Iterator[Comparison]:
        labels, conditions = self._cells()
        for first in range(0, count, _CHUNK):
            runs = min(_CHUNK, count - first)
            arms = self._drawn(self._centres(runs, rng), (labels, conditions), rng)
            trials: list[list[Tested]] = [[] for _ in range(runs)]
            for trial, hidden in enumerate(self._hidden(rng)):  # runs may share deals: their images are exchangeable
                if trial % self.folds == 0:
                    fold = self._deal(rng)
                test = fold == trial % self.folds
                train = ~test & ~np.any([(labels == one) & (conditions == other) for one, other in hidden], axis=0)
                first_arm, second_arm = (self._predicted(one[:, train], labels[train], one[:, test]) for one in arms)
                cells = Cells(conditions[test], [1], hidden)
                for run, predicted in enumerate(zip(first_arm, second_arm, strict=True)):
                    by_arm = dict(zip("ab", predicted, strict=True))
                    trials[run].append(Tested(labels[test], by_arm, int(train.sum()), cells=cells))
            for tested in trials:
                yield Comparison(tested, self.classes, False, tests_an_image=self.trials / self.folds)

    def _deal(self, rng: np.random.Generator) -> Rows:
        """The fold of each image; of every cell about as many in each."""
        of_cell = np.arange(self.images) % self.folds
        return np.concatenate([rng.permutation(of_cell) for _ in range(self.classes + self.seen)])


@dataclass(frozen=True)
class CellDraws(Simulated):
    """Protocol ``cell-draws``: trials learn from independent draws and share a test part; the classes are given."""

    test_images: int = 40  # of a cell
    worlds: ClassVar[int] = 10

    def comparisons(self, count: int, rng: np.random.Generator) -> Iterator[Comparison]:
        cells = self._cells()
        tested_cells = tuple(np.repeat(one[:: self.images], self.test_images) for one in cells)
        labels, conditions = tested_cells[0], tested_cells[1]
        centres = self._centres(1, rng)
        for first in range(0, count, _CHUNK):
            runs = min(_CHUNK, count - first)
            same = [np.repeat(one, runs, axis=0) for one in centres]
            tests = self._drawn(same, (labels, conditions), rng)
            trials: list[list[Tested]] = [[] for _ in range(runs)]
            for hidden in self._hidden(rng):
                train = ~np.any([(cells[0] == one) & (cells[1] == other) for one, other in hidden], axis=0)
                of_train = cells[0][train], cells[1][train]
                drawn = self._drawn(same, of_train, rng)
                predicted = [
                    self._predicted(one, of_train[0], test) for one, test in zip(drawn, tests, strict=True)
                ]  # fmt: skip
                for run, both in enumerate(zip(*predicted, strict=True)):
                    by_arm = dict(zip("ab", both, strict=True))
                    of_test = Cells(conditions, [1], hidden)
                    trials[run].append(Tested(labels, by_arm, int(train.sum()), cells=of_test))
            for tested in trials:
                yield Comparison(tested, self.classes, True)
