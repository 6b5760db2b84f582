"""What every protocol is: one class in a file of its own, entered in the union in protocols.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganaug.data.splits import RELEASE, Items, Split
from ganaug.settings import Spec


@dataclass(frozen=True)
class Protocol(Spec):
    """Which images each trial learns from and is tested on. A member adds ``kind``, ``seed`` and its settings.

    Equal settings and items give equal splits: all randomness comes from ``seed``.
    """

    shared_test: ClassVar[bool]  # whether all trials are tested on the same images
    uses_all: ClassVar[bool] = True  # whether an image is in no split only if it or its group has a test image's pixels

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
