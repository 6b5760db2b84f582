"""Every gain with an interval that the documentation quotes is one of a committed run, rounded once."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from documented import REPOSITORY

PAGES = (
    "README.md", "docs/index.md", "docs/explanation/how-a-gain-is-measured.md", "docs/explanation/when-gans-help.md",
    "docs/how-to/conditions.md", "docs/how-to/imbalanced.md", "docs/how-to/unlabelled.md", "docs/how-to/ways.md",
)  # fmt: skip
RUNS = ("docs/figures/*.json", "reports/summary.json", "examples/*/reports/summary.json")
_QUOTED = re.compile(r"([+-]?\d+\.\d)\*{0,2} \(([+-]?\d+\.\d) to ([+-]?\d+\.\d)\)")


def shown(value: float) -> str:
    """To a tenth, with its sign; zero has none."""
    return re.sub(r"^[+-](0\.0)$", r"\1", f"{value:+.1f}")


def figures(found: Any) -> Iterator[tuple[str, ...]]:
    """(mean, low, high) of all gains in a JSON file."""
    if isinstance(found, dict):
        ends = [found.get(end) for end in ("mean", "ci_low", "ci_high")]
        if all(isinstance(end, int | float) for end in ends):
            yield tuple(map(shown, ends))
    if isinstance(found, dict | list):
        for one in found.values() if isinstance(found, dict) else found:
            yield from figures(one)
    elif isinstance(found, str):
        yield from quoted(found)


def quoted(text: str) -> Iterator[tuple[str, ...]]:
    return (tuple(shown(float(one)) for one in found) for found in _QUOTED.findall(text))


@cache
def committed() -> set[tuple[str, ...]]:
    paths = [path for run in RUNS for path in REPOSITORY.glob(run)]
    return {one for path in paths for one in figures(json.loads(path.read_text(encoding="utf-8")))}


@pytest.mark.parametrize("page", PAGES)
def test_every_gain_quoted_is_of_a_committed_run(page: str) -> None:
    assert [one for one in quoted((REPOSITORY / page).read_text(encoding="utf-8")) if one not in committed()] == []


def test_gains_are_found() -> None:
    assert ("+3.4", "+2.4", "+4.4") in set(quoted("adds **+3.4** (+2.4 to +4.4)")) & committed()
    assert len(set(quoted((REPOSITORY / "README.md").read_text(encoding="utf-8")))) > 5
