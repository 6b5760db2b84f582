"""The page's tables of confusions: of the arm with GAN images, and of its base."""

from collections.abc import Mapping
from typing import Any

_OFTEN = 8  # confusions that the page lists
MOST_CLASSES = 30  # that a table or a plot shows without a click


def tables(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """``often``: the most frequent confusions; ``rows``: the whole table, unless there are too many classes."""
    if len(summary["confusion"]) < 2:
        return None
    (with_gan, made), (base, plain) = summary["confusion"].items()
    classes = summary["dataset"]["classes"]
    whole = [
        (true, list(zip(classes, row, other, strict=True)))
        for true, row, other in zip(classes, plain, made, strict=True)
    ]
    often = [
        (true, said, before, after)
        for true, cells in whole
        for said, before, after in cells
        if true != said and before is not None and (before or after)
    ]
    often.sort(key=lambda one: (-max(one[2], one[3]), one[0], one[1]))
    rows = [(true, [_cell(before, after, true == said) for said, before, after in cells]) for true, cells in whole]
    return {
        "with": with_gan,
        "without": base,
        "often": often[:_OFTEN],
        "rows": rows if len(classes) <= MOST_CLASSES else [],
    }


def _cell(before: float | None, after: float | None, is_right: bool) -> tuple[str, str, str]:
    """Text, tone and strength (0 to 1) of a change in points: good where right answers grow, or wrong ones shrink."""
    if before is None or after is None:
        return "", "", "0"
    change = after - before
    tone = "gain" if (change > 0) == is_right else "loss"
    return (f"{change:+.1f}" if abs(change) >= 0.05 else "0"), tone, f"{min(1.0, abs(change) / 10):.2f}"
