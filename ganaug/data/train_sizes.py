"""Train parts of other sizes, each contained in the next larger one: the points of a learning curve."""

from collections.abc import Mapping, Sequence

import numpy as np

from ganaug import seeds
from ganaug.data.held_out import inner_fold
from ganaug.data.prepared import Prepared
from ganaug.errors import UserError, quoted


def nested_parts(
    prepared: Prepared, trial: str, trials: Sequence[str], multiples: Sequence[float], seed: int
) -> dict[float, list[int]]:
    """{multiple: rows} of the train part of ``trial`` made larger or smaller; ``multiples`` rise from above 1.

    Further images come from the train parts of the other ``trials`` of ``prepared``, never from any test or spare part
    nor from a cell that the trial hides: so cross-validation, whose train parts are one another's test parts, has none.
    The larger part holds the trial's own. If a class has too few images for a multiple, its reciprocal is used: a part
    of the trial's own images, groups and duplicates kept together, drawn by ``seed``. A size equal to the one before is
    left out.
    Raises UserError if a class would have no image left.
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
            _check_no_class_is_lost(counts, prepared.counts(rows), trial, multiple)
            if len(rows) < len(smaller):
                parts[1 / multiple] = smaller = rows
                divisor = multiple
    return parts


def _check_no_class_is_lost(own: Mapping[str, int], left: Mapping[str, int], trial: str, multiple: float) -> None:
    lost = [name for name, count in own.items() if count and not left[name]]
    if lost:
        raise UserError(
            f"classify.curve: 1/{multiple:g} of a train part must leave an image of every class, but leaves none of "
            f"the {own[lost[0]]} of class {quoted(lost[0], 40)} in trial {trial}; lower it, or set curve to []"
        )


def _lent(prepared: Prepared, trial: str, trials: Sequence[str], seed: int) -> dict[str, list[int]]:
    """{class: rows} from the other trials' train parts that a trial may add, in the order in which they are added."""
    trained, measured = prepared.uses(trials)
    elsewhere = trained.copy()
    elsewhere[prepared.split(trial).train] = 0
    elsewhere[prepared.in_cells(prepared.split(trial).hidden)] = 0
    rows = np.flatnonzero((elsewhere > 0) & ~measured)
    return {
        name: seeds.numpy_rng(seed, "curve", trial, label).permutation(rows[prepared.labels[rows] == label]).tolist()
        for label, name in enumerate(prepared.classes)
    }
