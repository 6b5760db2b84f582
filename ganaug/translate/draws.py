"""What the batches of a translator's training are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.int64]


class Kind(NamedTuple):
    """Images that are drawn together: rows of ``reals`` under the condition ``target``, and of ``sources`` to be moved
    there. ``label``: of both; None: they are of any class."""

    target: int
    label: int | None
    reals: Numbers
    sources: Numbers


def kinds(labels: Numbers, conditions: Numbers, targets: Sequence[int], by_class: bool) -> list[Kind]:
    """What is moved to ``targets``, by the ``labels`` and ``conditions`` of all images, (N,): for each, one kind.

    ``by_class``: one for each class that is under the target and elsewhere, too; if there is none, all images of any
    class, as without it.
    """
    found = []
    for target in targets:
        there = conditions == target
        shared = np.intersect1d(labels[there], labels[~there]).tolist() if by_class else []
        for label in shared or [None]:
            of_class = np.ones(len(labels), bool) if label is None else labels == label
            found.append(Kind(target, label, np.flatnonzero(of_class & there), np.flatnonzero(of_class & ~there)))
    return found


class Rows:
    """Lists of rows, on the ``device``, which nothing that is drawn from them has to wait for."""

    def __init__(self, lists: Sequence[Numbers], device: torch.device) -> None:
        filled = np.zeros((len(lists), max(map(len, lists))), np.int64)
        for place, one in enumerate(lists):
            filled[place, : len(one)] = one
        self._filled = torch.from_numpy(filled).to(device)
        self._counts = torch.tensor([len(one) for one in lists], device=device)

    def draw(self, which: Tensor, rng: torch.Generator) -> Tensor:
        """A row of each list in ``which`` (N,), all of its rows as likely; (N,)."""
        share = torch.rand(len(which), generator=rng, device=which.device)
        counts = self._counts[which]
        place = torch.minimum((share * counts).long(), counts - 1)  # a share may round up to 1
        return self._filled[which, place]
