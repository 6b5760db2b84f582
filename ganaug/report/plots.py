"""Plots of the report, as SVG text that is the same on every run."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ParamSpec

from markupsafe import escape

from ganaug.errors import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAIN, LOSS, UNCLEAR, REAL = "#14704e", "#a83a25", "#7a8290", "#3563a8"
COLOURS = {"gain": GAIN, "loss": LOSS, "no gain": "#4f5968", "cannot tell": "#805400"}  # the page's own
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "ganaug",  # fixed identifiers in the file
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), "#444b57"),
    "axes.edgecolor": "#9aa1ad",
    "text.parse_math": False,  # a class may be called $5
}
_Given = ParamSpec("_Given")


def _svg(draw: Callable[_Given, Figure]) -> Callable[_Given, str]:
    """What ``draw`` draws, in the report's style, as an <svg> element without prolog or date. The figure's label is
    read to those who do not see it."""

    @wraps(draw)
    def plot(*args: _Given.args, **kwargs: _Given.kwargs) -> str:
        import matplotlib as mpl

        out = io.StringIO()
        with mpl.rc_context(_STYLE), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of letters its font lacks: text stays text for the browser
            figure = draw(*args, **kwargs)
            figure.savefig(out, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
        text = re.sub(r"<metadata>.*?</metadata>", "", out.getvalue(), flags=re.DOTALL)
        text = text[text.index("<svg") :].replace(
            "<svg", f'<svg role="img" aria-label="{escape(figure.get_label())}"', 1
        )
        return re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[^"]*pt"', r"\1", text, count=2)  # the page sets the size

    return plot


def _axes(width: float, height: float, lines: int = 1, columns: int = 1) -> tuple[Figure, list[Any]]:
    """A figure of this size in inches and its axes, line by line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, list(figure.subplots(lines, columns, squeeze=False).flatten())


@_svg
def arms(by_trial: Mapping[str, Sequence[float]], metric: str) -> Figure:
    """Each arm's metric in every trial; a line joins the arms of one trial."""
    figure, (axis,) = _axes(7.2, 3.2)
    names = list(by_trial)
    for trial in zip(*by_trial.values(), strict=True):
        axis.plot(range(len(names)), trial, color="#c3c8d1", linewidth=0.8)
    for x, name in enumerate(names):
        values = by_trial[name]
        axis.plot([x] * len(values), values, "o", color=REAL, alpha=0.45, markersize=5, markeredgewidth=0)
        axis.plot(x, sum(values) / len(values), "_", color=REAL, markersize=26, markeredgewidth=2.5)
    room = 76 / len(names) - 1.5  # mean number of characters of two neighbours: 76 fill the plot's width
    crowded = any(len(one) + len(other) > 2 * room for one, other in pairwise(names))
    axis.set_xticks(range(len(names)), names, **({"rotation": 20, "ha": "right"} if crowded else {}))
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.set_ylabel(f"{metric}, %")
    means = ", ".join(f"{name} {sum(values) / len(values):.1f}" for name, values in by_trial.items())
    figure.set_label(f"{metric} of every arm in every trial, in %; the means: {means}")
    return figure


@_svg
def curve(
    points: Mapping[str, Sequence[tuple[float, float]]], levels: Mapping[str, tuple[str, float]], metric: str
) -> Figure:
    """Learning curves: each arm's (images per class, score) ``points``; ``levels``: arm of GAN images -> (base, score).

    A GAN arm's level meets the curve of its base at the number of labels that it is worth.
    """
    from matplotlib.ticker import NullLocator

    figure, (axis,) = _axes(7.2, 3.2)
    colours = dict(zip(points, (UNCLEAR, REAL, "#a87b1f", "#6a4c93", "#3f4754"), strict=False))
    for name, curve_points in points.items():
        images, scores = zip(*curve_points, strict=True)
        axis.plot(images, scores, "o-", color=colours.get(name, UNCLEAR), label=name, markersize=5)
    ends = sorted({images for curve_points in points.values() for images, _ in curve_points})
    for position, (name, (base, score)) in enumerate(levels.items()):
        style = {"color": colours.get(base, GAIN), "linestyle": (position, (4, 3)), "linewidth": 1.2}
        axis.axhline(score, label=name, **style)
    axis.set_xscale("log")
    axis.set_xticks(ends, [f"{images:.3g}" for images in ends])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("real labelled images per class")
    axis.set_ylabel(f"{metric}, %")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.set_label(f"{metric} by the number of real labelled images per class; the table below has what it says")
    return figure


@_svg
def all_gains(by_name: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Every gain, in points, with its confidence interval where there is one."""
    figure, (axis,) = _axes(7.2, 0.7 + 0.4 * len(by_name))
    from_below = list(by_name.items())[::-1]
    for y, (_, gain) in enumerate(from_below):
        _whisker(axis, y, gain, COLOURS[gain["answer"]], None, hollow=gain["answer"] == "cannot tell")
    axis.axvline(0, color="#9aa1ad", linewidth=1)
    axis.set_yticks(range(len(by_name)), [name.replace("_vs_", " vs ") for name, _ in from_below])
    axis.set_ylim(-0.6, max(len(by_name), 1) - 0.4)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("gain in percentage points, with its confidence interval")
    figure.set_label("Every gain with its confidence interval")
    return figure


# Panels of the training history: title, and (column, colour, name) of each line.
_HISTORY: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    ("Losses", (("d_loss", REAL, "discriminator"), ("g_loss", LOSS, "generator"))),
    (
        "Discriminator's accuracy (0.5 is ideal)",
        (("d_accuracy_real", REAL, "on real images"), ("d_accuracy_fake", LOSS, "on generated images")),
    ),
    (
        "Its score of train images, above that of",
        (("d_gap_held_out", REAL, "real images it never saw"), ("d_gap_fake", LOSS, "generated images")),
    ),
    ("Norm of the gradients", (("d_gradient", REAL, "discriminator"), ("g_gradient", LOSS, "generator"))),
    ("Variety within a class, over that of real images", (("diversity", GAIN, "generated images"),)),
    ("Probability of augmentation", (("augment_probability", UNCLEAR, "what the discriminator sees"),)),
)


@_svg
def history(rows: Mapping[str, Sequence[Mapping[str, float | None]]]) -> Figure:
    """How every split's GAN trained; the last split is drawn on top. Panels without a figure are left out."""
    there = {column for split in rows.values() for row in split for column, value in row.items() if value is not None}
    panels = [panel for panel in _HISTORY if any(column in there for column, *_ in panel[1])]
    lines = max(1, -(-len(panels) // 3))
    figure, grid = _axes(11.5, 2.9 * lines, lines, columns=3)
    for axis, (title, curves) in zip(grid, panels, strict=False):
        for position, (split, history_rows) in enumerate(rows.items()):
            last = position == len(rows) - 1
            look = {"alpha": 1.0 if last else 0.18, "linewidth": 1.6 if last else 0.9}
            for column, colour, name in curves:
                known = [row for row in history_rows if row.get(column) is not None]
                steps, values = ([row[key] for row in known] for key in ("step", column))
                axis.plot(steps, values, color=colour, label=f"{name} ({split})" if last and known else None, **look)
        axis.set_title(title, fontsize=10)
        if title.startswith("Discriminator's"):
            axis.set_ylim(0, 1.02)
            axis.axhline(0.5, color="#9aa1ad", linewidth=1, linestyle=":")
        axis.set_xlabel("step")
        axis.legend(frameon=False, fontsize=8)
    for axis in grid[len(panels) :]:
        axis.remove()
    figure.tight_layout()
    figure.set_label(f"How the GANs trained, step by step: {', '.join(title for title, _ in panels)}")
    return figure


@_svg
def recall(
    classes: Sequence[str],
    by_arm: Mapping[str, Sequence[Mapping[str, float | None]]],
    gain: tuple[str, Sequence[tuple[Mapping[str, Any], str]]] | None,
) -> Figure:
    """A line per class: its recall under each arm, and next to it the ``gain`` (name, a figure and answer per class).

    Figures have ``mean``, ``ci_low`` and ``ci_high``, None where unknown.
    """
    shades = [UNCLEAR, REAL, "#a87b1f", "#6a4c93", GAIN, "#3f4754", "#7fb7a0", "#d9b26a", "#b7a0cf", "#8fb8de"]
    lines = range(len(classes), 0, -1)  # the first class on top
    figure, axes = _axes(7.6, 1.0 + 0.36 * len(classes), 1, 2 if gain else 1)
    for position, (name, figures) in enumerate(by_arm.items()):
        offset = min(0.13, 0.8 / len(by_arm)) * (position - (len(by_arm) - 1) / 2)
        colour = shades[position % len(shades)]
        for line, one in zip(lines, figures, strict=True):
            _whisker(axes[0], line - offset, one, colour, name if line == len(classes) else None)
    axes[0].set_xlabel("recall, %")
    axes[0].legend(ncols=len(by_arm), loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, fontsize=8)
    if gain:
        for line, (one, answer) in zip(lines, gain[1], strict=True):
            _whisker(axes[1], line, one, COLOURS[answer], None, hollow=answer == "cannot tell")
        axes[1].axvline(0, color="#9aa1ad", linewidth=1)
        axes[1].set_xlabel(f"{gain[0]}, points")
    for axis in axes:
        axis.set_ylim(0.4, len(classes) + 0.6)
        axis.grid(axis="x", color="#dfe3e9", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(axis="y", length=0)
        axis.set_yticks(lines, [one_line(name, 30) for name in classes] if axis is axes[0] else [])
    figure.tight_layout()
    figure.set_label("Recall of each class under each arm; the table below has the figures")
    return figure


def _whisker(
    axis: Any, y: float, figure: Mapping[str, Any], colour: str, label: str | None, hollow: bool = False
) -> None:
    """A mean and its interval along x."""
    if figure["mean"] is None:
        return
    if figure["ci_low"] is not None:
        axis.plot([figure["ci_low"], figure["ci_high"]], [y, y], color=colour, linewidth=1.5)
    face = {"markerfacecolor": "white"} if hollow else {}
    axis.plot(figure["mean"], y, "o", color=colour, markersize=5, label=label, **face)
