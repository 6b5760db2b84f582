"""Gains in equivalent labels, in words and as a table."""

from collections.abc import Mapping
from typing import Any


def of_gain(summary: Mapping[str, Any], gain: str, metric: str) -> Mapping[str, Any] | None:
    """What the gain is worth in labels, if that was measured, and by this metric."""
    worth: Mapping[str, Any] | None = summary.get("worth", {}).get(gain)
    return worth if worth and worth["metric"] == metric and worth["more_images"] else None


def worth_words(worth: Mapping[str, Any] | None) -> str:
    """``, worth about 4 more labelled images per class (2 to 7)``, or nothing."""
    if worth is None:
        return ""
    about = "about " if "images" in worth["more_images"] else ""
    return f", worth {about}{_more(worth, ' labelled')}"


def instead_words(worth: Mapping[str, Any] | None) -> str:
    """What one point takes, to say where GAN images bring no gain; empty if its interval leaves the curve."""
    labels = one_point_words(worth)
    return f": label {labels} for 1 point instead" if labels else ""


def one_point_words(worth: Mapping[str, Any] | None) -> str:
    """``about 3 more images per class (2 to 5)``: what one point takes; empty if its interval leaves the curve."""
    point = worth and worth["one_point"]
    if not point or any("images" not in (point[key] or ()) for key in ("more_images", "ci_low", "ci_high")):
        return ""
    return f"about {_more(point)}"


def _more(worth: Mapping[str, Any], labelled: str = "") -> str:
    more = end(worth["more_images"])
    return f"{more} more{labelled} image{'s' * (more != '1')} per class{_range(worth)}"


def end(bound: Mapping[str, float] | None) -> str:
    """A number of images, or what is known of it: ``4``, ``0.7``, ``more than 5``, ``less than -2.5``."""
    if bound is None:
        return "unknown"
    (kind, images), *_ = bound.items()
    number = f"{images:.0f}" if abs(images) >= 9.95 else f"{images:.1f}".removesuffix(".0")
    return {"images": "", "at_least": "more than ", "at_most": "less than "}[kind] + ("0" if number == "-0" else number)


def _range(worth: Mapping[str, Any]) -> str:
    """`` (2 to 7, extrapolated)``: the interval where it says more than the figure, and how the figure was read."""
    low, high, figure = (worth[key] for key in ("ci_low", "ci_high", "more_images"))
    parts = [] if low is None or low == high == figure else [f"{end(low)} to {end(high)}"]
    parts += ["extrapolated"] * worth["extrapolated"]
    return f" ({', '.join(parts)})" if parts else ""


def rows(summary: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row for each gain of GAN images over the arm without them: its worth and what one point takes."""
    found: list[tuple[str, ...]] = []
    for gain, worth in summary.get("worth", {}).items():
        name = gain.replace("_vs_", " over ")
        if worth["more_images"] is None:
            found.append((name, worth["reason"], ""))
        else:
            found.append((name, *(end(one["more_images"]) + _range(one) for one in (worth, worth["one_point"]))))
    return ("gain", "worth in labelled images per class", "1 point takes"), found
