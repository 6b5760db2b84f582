"""Settings for a set with missing cells, which are classes without images under a condition that other classes show."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganaug.classify import moves
from ganaug.data.cells import hidden_sets, targets
from ganaug.data.splits import Items
from ganaug.data.survey import Survey
from ganaug.errors import one_line

_FEWEST, _HIDE = 3, 0.5  # images of a cell that can be hidden, as the protocol has it; the share that is hidden
_PARTED = 0.5  # least share of a class's images whose object can be cut from its ground, to paste it elsewhere
_LOOKED_AT = 100  # images of each class
_TRANSLATED = "translate+classical+masked"


def missing(items: Items) -> list[tuple[str, str]]:
    """(class, condition) of the missing cells."""
    empty = np.argwhere(items.cells().T == 0).tolist()
    return [(items.classes[label], items.condition_names[condition]) for condition, label in empty]


def why_not_filled(items: Items) -> str:
    """Why a run is not about the missing cells that there are; empty if it is."""
    if items.official_test.any():
        return "the source sets a test part apart"
    counts, enough = items.cells(), items.cell_parts() >= _FEWEST
    if not next(hidden_sets(counts, enough, _HIDE, [np.random.default_rng(0)])):
        names = _listed(items, targets(counts))
        return (
            f"to measure what fills them takes two classes or more under {names}, with {_FEWEST} {items.unit} or more "
            "both there and under another condition"
        )
    return ""


def are_filled(items: Items) -> bool:
    """Whether a run is about what fills missing cells."""
    return bool(missing(items)) and not why_not_filled(items)


def protocol(items: Items, folds: int, repeats: int) -> tuple[dict[str, Any], str]:
    """Cells that have images are hidden in turn, as many as can be; ``folds`` times ``repeats`` trials, about."""
    parts, under = items.cell_parts(), targets(items.cells())

    def can_be_hidden(number: int) -> int:
        enough = parts >= max(number, _FEWEST)
        return int((enough & (enough.sum(axis=1, keepdims=True) > 1))[:, under].sum())

    dealt = max(range(2, folds + 1), key=lambda number: (can_be_hidden(number), number))
    count = can_be_hidden(dealt)
    reason = (
        f"no image to test on shows a missing cell, so {count} cells under {_listed(items, under)} that have images "
        "are hidden by turns"
    )
    few = f"; some of them have only {dealt} {items.unit}" if dealt < folds else ""
    again = max(repeats, -(-folds * repeats // dealt))
    return {"kind": "cells", "folds": dealt, "repeats": again, "hide": _HIDE, "seed": 0}, reason + few


def _listed(items: Items, conditions: Sequence[int]) -> str:
    return one_line(", ".join(items.condition_names[condition] for condition in conditions), 80)


def arms(survey: Survey, controls: bool) -> tuple[list[str], str]:
    """Translation, and what may do as well without a GAN; ``controls``: all of it."""
    found = ["classical", "classical+masked", _TRANSLATED, "histogram+classical+masked"]
    if controls:
        found += ["paste+classical+masked"] * _can_paste(survey) + ["strong+masked"]
    return [*found, "oracle+classical"], (
        "translation, and what may do as well without a GAN; oracle: real images of the hidden cells, to say what "
        "photographing them would bring"
    )


def _can_paste(survey: Survey) -> bool:
    """Whether objects can be cut from their grounds in every class."""
    labels = survey.data.found.labels
    of_classes = (np.flatnonzero(labels == label)[:_LOOKED_AT] for label in np.unique(labels))
    return all(moves.parted(survey.images[rows]).mean() >= _PARTED for rows in of_classes)


def gate() -> tuple[list[dict[str, Any]], str]:
    """What must be shown for the translated images to be worth it."""
    return [{"gain": f"{_TRANSLATED}_vs_classical", "above": 0.0}], (
        "that translated images help under the conditions that lack classes; whether another way does as well, the "
        "answer says"
    )
