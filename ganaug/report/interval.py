"""A gain with its confidence interval as a small picture: SVG for the page, a line of characters for a terminal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from ganaug.report import verdict

_WIDTH = 340  # of the SVG's own units: about the pixels of a phone
_LETTER, _BOLD = 6.2, 8.0  # of those, at most, per letter of its text


@dataclass(frozen=True)
class Axis:
    """Percentage points from ``low`` to ``high``, with 0 and ``smallest``, the smallest gain worth having, in it."""

    low: float
    high: float
    smallest: float

    @classmethod
    def of(cls, figures: Iterable[Mapping[str, Any]], smallest: float) -> "Axis":
        """Of a size at which all means and 0 can be told apart: wider intervals leave it, and are clipped."""
        found = list(figures)
        most = max([6 * smallest, *(1.25 * abs(one["mean"]) for one in found)])
        low = min([-1.5 * smallest, *(one["mean"] if one["ci_low"] is None else one["ci_low"] for one in found)])
        high = max([2 * smallest, *(one["mean"] if one["ci_high"] is None else one["ci_high"] for one in found)])
        low, high = max(low, -most), min(high, most)
        room = 0.05 * (high - low)
        return cls(max(low - room, -100.0), min(high + room, 100.0), smallest)

    def at(self, points: float, width: float) -> float:
        """Where ``points`` lie on an axis that is ``width`` long; at its end where they lie beyond."""
        return width * min(1.0, max(0.0, (points - self.low) / (self.high - self.low)))

    def cuts(self, figure: Mapping[str, Any]) -> tuple[bool, bool]:
        """Whether the interval of a ``figure`` leaves the axis on the left, and on the right."""
        low, high = figure["ci_low"], figure["ci_high"]
        return (low is not None and low < self.low), (high is not None and high > self.high)


def in_words(figure: Mapping[str, Any]) -> str:
    """``+0.1 (-0.5 to +0.7)``; what is known of the interval in brackets. ``not tested``, where no trial does."""
    return "not tested" if figure["mean"] is None else f"{figure['mean']:+.1f} ({verdict.interval(figure)})"


def title(name: str, figure: Mapping[str, Any], axis: Axis, metric: str) -> str:
    """What a picture of the gain ``name`` on ``axis`` shows, in words: its ``figure``, in points of ``metric``."""
    confidence = f"{100 * figure['confidence']:g} % confidence interval " * (figure["ci_low"] is not None)
    return (
        f"{name}: {figure['mean']:+.1f} points of {metric}, {confidence}{verdict.interval(figure)}. "
        f"A gain worth having begins at {axis.smallest:g} points."
    )


def svg(figure: Mapping[str, Any], axis: Axis, label: str) -> Markup:
    """The picture that decides: its text is ``label``, its colours are the page's."""
    zero, worth, mean = (axis.at(points, _WIDTH) for points in (0.0, axis.smallest, figure["mean"]))
    said, from_here = in_words(figure), f"{axis.smallest:+g}: worth having"
    half = len(said) * _BOLD / 2
    fits = worth + len(from_here) * _LETTER <= _WIDTH
    texts = [
        (_within(mean, half), 13, "middle", "value", said),
        (_within(zero, 4), 66, "middle", "", "0"),
        (max(worth, zero + 14) if fits else _WIDTH, 66 if fits else 79, "start" if fits else "end", "", from_here),
    ]
    if zero > 50:
        texts.append((zero - 10, 66, "end", "", "worse"))
    words = "".join(
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'
        for x, y, anchor, kind, text in texts
    )
    return Markup(
        f'<svg class="interval" viewBox="0 0 {_WIDTH} {68 if fits else 82}" role="img" aria-label="{escape(label)}">'
        f'<rect class="worth" x="{worth:.1f}" y="22" width="{_WIDTH - worth:.1f}" height="30"/>'
        f'<path class="axis" d="M0 52H{_WIDTH}M{zero:.1f} 22V56"/><path class="from" d="M{worth:.1f} 22V56"/>'
        f"{_bar(figure, axis, 37, 6)}{words}</svg>"
    )


def row_svg(figure: Mapping[str, Any], axis: Axis) -> Markup:
    """A line of the table of gains: what it shows stands in the table, so it says nothing itself."""
    zero, worth = axis.at(0.0, _WIDTH), axis.at(axis.smallest, _WIDTH)
    ticks = "".join(f"M{axis.at(points, _WIDTH):.1f} 20V25" for points in figure["by_trial"])
    return Markup(
        f'<svg class="interval" viewBox="0 0 {_WIDTH} 26" aria-hidden="true">'
        f'<rect class="worth" x="{worth:.1f}" y="0" width="{_WIDTH - worth:.1f}" height="26"/>'
        f'<path class="axis" d="M{zero:.1f} 0V26"/><path class="from" d="M{worth:.1f} 0V26"/>'
        f'<path class="trials" d="{ticks}"/>{_bar(figure, axis, 11, 5)}</svg>'
    )


def _bar(figure: Mapping[str, Any], axis: Axis, y: float, size: float) -> str:
    """The interval, an arrowhead at an end that is cut off, and the mean; hollow where nothing can be told."""
    parts, edge = [], 1.6 * size
    if figure["ci_low"] is not None:
        left, right = (axis.at(figure[key], _WIDTH) for key in ("ci_low", "ci_high"))
        to_left, to_right = axis.cuts(figure)
        left, right = left + edge * to_left, right - edge * to_right
        parts.append(f'<path class="bar" stroke-width="{size * 0.6:g}" d="M{left:.1f} {y}H{right:.1f}"/>')
        arrows = (
            f"M0 {y}l{edge} {-size}v{2 * size}z" * to_left + f"M{_WIDTH} {y}l{-edge} {-size}v{2 * size}z" * to_right
        )
        parts += [f'<path class="end" d="{arrows}"/>'] * bool(arrows)
    hollow = " hollow" * (figure["answer"] == "cannot tell")
    mean = _within(axis.at(figure["mean"], _WIDTH), size)
    parts.append(f'<circle class="mean{hollow}" cx="{mean:.1f}" cy="{y}" r="{size}"/>')
    return "".join(parts)


def _within(x: float, half: float) -> float:
    return min(max(x, half), _WIDTH - half)


def lines(figure: Mapping[str, Any], axis: Axis, width: int, plain: bool = False) -> tuple[str, str]:
    """The picture of ``figure`` on ``axis`` in ``width`` characters, of ASCII where it must be ``plain``; and the line
    below it, which says what its marks are."""
    rule, zero, worth, bar, mean, left, right = "-|:=o<>" if plain else "─┼┊━●◀▶"
    cells = [rule] * width
    spot = {points: round(axis.at(points, width - 1)) for points in (0.0, axis.smallest, figure["mean"])}
    cells[spot[0.0]], cells[spot[axis.smallest]] = zero, worth
    if figure["ci_low"] is not None:
        start, end = (round(axis.at(figure[key], width - 1)) for key in ("ci_low", "ci_high"))
        cells[start : end + 1] = bar * (end + 1 - start)
        to_left, to_right = axis.cuts(figure)
        cells[start], cells[end] = left if to_left else cells[start], right if to_right else cells[end]
    cells[spot[figure["mean"]]] = mean
    below = " " * spot[0.0] + "0"
    from_here = f"{axis.smallest:+g} worth having"
    below = below.ljust(max(spot[axis.smallest], len(below) + 1)) + from_here
    return "".join(cells), below if len(below) <= width else " " * spot[0.0] + "0"
