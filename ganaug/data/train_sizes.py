"""Train parts of other sizes, each within the next larger one: where a learning curve is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganaug import seeds
from ganaug.data.held_out import inner_fold
from ganaug.data.prepared import Prepared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def nested_parts(
    prepared: Prepared, trial: str, trials: Sequence[str], multiples: Sequence[float], seed: int
) -> dict[float, list[int]]:
    """{multiple: rows} of a trial's train part made larger or smaller, class by class; ``multiples`` rise from above 1.

    Further images are lent by the train parts of the other ``trials``, which can hold no image that anything is tested
    or tuned on; what is in the test or spare part of any trial is left out here once more, so that cross-validation,
    whose train parts are one another's test parts, has none to lend. The larger part holds the trial's own. Where a
    class has too few for a multiple, its reciprocal is taken: a part of the trial's own images, groups and duplicates
    unparted. A size that would be no other than the one before is left out.
    """
    own = sorted(prepared.split(trial).train)
    lent = _lent(prepared, trial, trials, seed)
    counts = prepared.counts(own)
    parts: dict[float, list[int]] = {}
    larger = smaller = own
    divisor = 1.0  # own images over those of ``smaller``
    for multiple in multiples:
        wanted = {name: round(multiple * count) - count for name, count in counts.items()}
        if all(len(lent[name]) >= more for name, more in wanted.items()):
            rows = sorted([*own, *(row for name, more in wanted.items() for row in lent[name][:more])])
            if len(rows) > len(larger):
                parts[multiple] = larger = rows
        else:
            rows, _ = inner_fold(prepared, smaller, 1 - divisor / multiple, seeds.derive(seed, "curve", trial))
            if len(rows) < len(smaller):
                parts[1 / multiple] = smaller = rows
                divisor = multiple
    return parts


def _lent(prepared: Prepared, trial: str, trials: Sequence[str], seed: int) -> dict[str, list[int]]:
    """{class: rows} that the other trials' train parts lend to a trial, in the order in which they are taken."""
    import numpy as np

    splits = {name: prepared.split(name) for name in trials}
    others = {row for name, split in splits.items() if name != trial for row in split.train}
    barred = {row for split in splits.values() for row in (*split.test, *split.spare)}
    rows = np.array(sorted(others - barred - set(splits[trial].train)), np.int64)
    return {
        name: _shuffled(rows[prepared.labels[rows] == label], seeds.numpy_rng(seed, "curve", trial, label))
        for label, name in enumerate(prepared.classes)
    }


def _shuffled(rows: NDArray[np.int64], rng: np.random.Generator) -> list[int]:
    shuffled: list[int] = rng.permutation(rows).tolist()
    return shuffled
