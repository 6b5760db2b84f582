"""Missing cells: classes without images under a condition that others show."""

from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN = 6  # classes that a sentence names


def which(summary: Mapping[str, Any]) -> str:
    """``5 of 10 classes have no images under new.``; without missing cells, what the trials hide."""
    cells, classes = summary["cells"], len(summary["dataset"]["classes"])
    by_condition = _by_condition(cells["missing"])
    if not by_condition:
        return f"No cell is missing: trials hide cells under {listed(cells['targets'])}."
    first, *others = [(len(names), condition) for condition, names in by_condition.items()]
    verb = "have" if first[0] > 1 else "has"
    parts = [f"{first[0]} of {classes} classes {verb} no images under {first[1]}"]
    return f"{listed([*parts, *(f'{count} under {condition}' for count, condition in others)])}."


def missing_words(missing: Sequence[Sequence[str]]) -> str:
    """``cat, dog and 3 more under new; cat under dim``: (class, condition) pairs."""
    return "; ".join(
        f"{listed(names if len(names) <= _SHOWN else [*names[:_SHOWN], f'{len(names) - _SHOWN} more'])} under {one}"
        for one, names in _by_condition(missing).items()
    )


def _by_condition(missing: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, condition in missing:
        found.setdefault(condition, []).append(name)
    return found


def listed(words: Sequence[str]) -> str:
    """``cat, dog and pin``"""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def count_rows(summary: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row per class: its images under each condition, or ``missing``."""
    cells = summary["cells"]
    rows = [
        (name, *(str(cells["counts"][name][condition] or "missing") for condition in cells["conditions"]))
        for name in summary["dataset"]["classes"]
    ]
    return ("class", *cells["conditions"]), rows
