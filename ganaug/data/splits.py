"""What a protocol is: labelled items in, the rows of every split out. Each is one class in a file of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ganaug.data.cells import cell_counts, in_cells
from ganaug.settings import Spec

RELEASE = "release"  # the split whose generator users get


@dataclass(frozen=True)
class Split:
    """Row numbers of the prepared images, sorted. Nothing of ``test`` may reach a generator or a setting."""

    train: list[int]
    test: list[int]
    spare: list[int] = field(default_factory=list)  # real images of neither part, to monitor a training with
    unlabelled: list[int] = field(default_factory=list)  # to learn from without their labels
    hidden: list[tuple[int, int]] = field(default_factory=list)  # cells (class, condition) that train was robbed of
    truth: list[int] = field(default_factory=list)  # real images of the hidden cells, for the arm oracle alone


@dataclass(frozen=True)
class Items:
    """All that a protocol knows about the images."""

    labels: NDArray[np.int64]  # (N,), rows of ``classes``
    pixels: Sequence[str]  # a hash of each image's pixels
    official_test: NDArray[np.bool_]  # (N,), set apart for testing by the source
    classes: Sequence[str]
    groups: Sequence[str] | None = None  # a name for each image, where the source has groups
    conditions: NDArray[np.int64] | None = None  # (N,), rows of ``condition_names``, where the source has conditions
    condition_names: Sequence[str] = ()

    def parts(self) -> dict[str, int]:
        """{class: units that its images can be divided into}: groups, or different images."""
        bound = self.bound()
        return {name: len(np.unique(bound[self.labels == label])) for label, name in enumerate(self.classes)}

    @property
    def unit(self) -> str:
        """What its images can be divided into, in the plural."""
        return "separate groups" if self.groups else "different images"

    def cells(self, among: NDArray[np.bool_] | slice = slice(None)) -> NDArray[np.int64]:
        """(classes, conditions): the images of each cell, a class under a condition; only those ``among`` (N,)."""
        conditions = None if self.conditions is None else self.conditions[among]
        return cell_counts(self.labels[among], conditions, len(self.classes), len(self.condition_names))

    def in_cells(self, cells: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
        """(N,): the images in one of the ``cells`` (class, condition)."""
        return in_cells(self.labels, self.conditions, cells)

    def cell_parts(self) -> NDArray[np.int64]:
        """(classes, conditions): the units that the images of each cell can be divided into, as in ``parts``."""
        if self.conditions is None:
            return self.cells()
        of_units = np.unique(np.stack([self.labels, self.conditions, self.bound()]), axis=1)
        return cell_counts(of_units[0], of_units[1], len(self.classes), len(self.condition_names))

    def first_of_each(self) -> NDArray[np.bool_]:
        """(N,): one image of each set of exact duplicates, from the official test part if one is there."""
        first = np.zeros(len(self.pixels), bool)
        order = np.argsort(~self.official_test, kind="stable")
        _, index = np.unique(np.asarray(self.pixels)[order], return_index=True)
        first[order[index]] = True
        return first

    def bound(self) -> NDArray[np.int64]:
        """(N,) numbers, equal for images that must stay together: those of one group or of the same pixels.

        Both rules hold at once: a duplicate in two groups joins the groups.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        count = len(self.labels)
        keys = [np.unique(np.asarray(names), return_inverse=True)[1] for names in (self.pixels, self.groups) if names]
        offsets = np.cumsum([count, *(int(key.max()) + 1 for key in keys)])
        rows = np.tile(np.arange(count), len(keys))  # edges between an image and each of its keys
        ends = np.concatenate([key + offset for key, offset in zip(keys, offsets[:-1], strict=True)])
        edges = coo_array((np.ones(len(rows)), (rows, ends)), shape=(offsets[-1], offsets[-1]))
        return np.asarray(connected_components(edges, directed=False)[1][:count], np.int64)


@dataclass(frozen=True)
class Protocol(Spec):
    """Which images each trial learns from and is tested on. A member adds ``kind``, ``seed`` and its settings.

    Equal settings and items give equal splits: all randomness comes from ``seed``.
    """

    shared_test: ClassVar[bool]  # whether all trials are tested on the same images
    hides_cells: ClassVar[bool] = False  # whether trials hide cells (a class under a condition), and test on them
    uses_all: ClassVar[bool] = True  # every image is in a split, unless it or its group has a test image's pixels

    @property
    def trials(self) -> int:
        """The number of trials; the gain is a mean over them."""
        raise NotImplementedError

    @property
    def draws(self) -> str:
        """``report``, or ``tuning`` for draws to choose settings on, which no reported trial uses."""
        return "report"

    @property
    def unlabelled_per_class(self) -> int:
        """Images per class that the protocol deals to learn from without their labels."""
        return 0

    def trial_names(self) -> list[str]:
        """The splits that have a test part: ``0``, ``1``, ..."""
        return [str(trial) for trial in range(self.trials)]

    def names(self) -> list[str]:
        """All splits, the release first."""
        return [RELEASE, *self.trial_names()]

    def describe(self) -> str:
        """The protocol in a sentence, for the report."""
        raise NotImplementedError

    def splits(self, items: Items) -> dict[str, Split]:
        """{name: split} for all ``names()``. Raises UserError if the images are too few or not of the right kind."""
        raise NotImplementedError
