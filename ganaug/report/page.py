"""The report as one HTML page, opened from disk without a network."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ganaug import store
from ganaug.report import (
    answer,
    confusions,
    equivalents,
    fidelity_tables,
    filling,
    groups,
    interval,
    missing,
    plots,
    verdict,
)
from ganaug.report.grids import grid
from ganaug.report.interval import Axis

if TYPE_CHECKING:
    from jinja2 import Environment

_SHOWN_CLASSES, _SHOWN = 4, 3  # in the card: classes, and images of each


@dataclass(frozen=True)
class Pair:
    """An image of ``trial`` that was generated as one class above the training image nearest to it, of another
    perhaps."""

    sheet: NDArray[np.uint8]
    generated_as: str
    training_class: str
    trial: str
    distance: str
    is_copy: bool


@dataclass(frozen=True)
class Neighbours:
    """``nearest``: pairs. ``first``: (class, its first images of ``trial`` above their nearest training images, the
    classes of these)."""

    nearest: Sequence[Pair]
    first: Sequence[tuple[str, NDArray[np.uint8], Sequence[str]]]
    trial: str


@dataclass(frozen=True)
class Example:
    """Images (N, H, W, C) of a class that the released generator learned from, and those it ``made``: none, maybe.

    Of a translator, ``made`` are translations of ``real``, image by image, and ``there`` are real images of the class
    under the ``condition`` that they were moved to: none where the cell is missing.
    """

    name: str
    real: NDArray[np.uint8]
    made: NDArray[np.uint8]
    condition: str = ""
    there: NDArray[np.uint8] | None = None

    @property
    def title(self) -> str:
        """``bolt``, or ``bolt to new``"""
        return f"{self.name} to {self.condition}" if self.condition else self.name


def render(
    summary: Mapping[str, Any],
    trials: Sequence[Mapping[str, Any]],
    histories: Mapping[str, Sequence[Mapping[str, float | None]]],
    health: Mapping[str, Mapping[str, Any]],
    examples: Sequence[Example],
    faithful: fidelity_tables.Trials,
    neighbours: Neighbours | None,
    settings: str,
    directions: bytes | None = None,
) -> str:
    """The page from ``summary`` and, keyed by split, GAN ``histories`` and ``health``.

    ``trials``, ``health`` and ``faithful`` (reports/fidelity) are the contents of their JSON files. ``examples``: a
    few images per class; ``neighbours``: None if fidelity was not measured; ``settings``: YAML; ``directions``:
    a PNG of what the generator's first directions do.
    """
    metric = summary["dataset"]["primary_metric"]
    metric_name = verdict.metric_words(summary, metric)
    gains = {name: figures[metric] for name, figures in summary["gains"].items()}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            card_id="card",
            when=Markup('<span id="when"></span>'),  # timings.js knows it
            summary=summary,
            stamp=stamp(summary),
            dataset=summary["dataset"],
            metric_name=metric_name,
            verdict=verdict,
            confidence=f"{100 * summary['settings']['report']['confidence']:g}",
            smallest=f"{summary['settings']['report']['smallest_gain']:g}",
            card=_card(summary, examples),
            sentences=verdict.sentences(summary),
            metric_words=lambda key: verdict.metric_words(summary, key),
            terms=groups.TERMS,
            groups=_groups(summary, gains),
            curve_plot=_curve_plot(summary, metric, metric_name),
            worth=equivalents.rows(summary),
            worth_methods=sorted({worth["method"] for worth in summary["worth"].values() if worth["more_images"]}),
            arms_plot=plots.arms(
                {arm: [trial["arms"][arm][metric] for trial in trials] for arm in summary["arms"]}, metric_name
            ),
            history_plot=plots.history(histories),
            health=health,
            alarms=_alarms(health),
            recall_plot=_recall_plot(summary),
            most_classes=confusions.MOST_CLASSES,
            confusion=confusions.tables(summary),
            examples=[_shown(one) for one in examples],
            directions=_png_uri(directions) if directions else None,
            translated=any(one.there is not None for one in examples),
            cells=_cells(summary) if "cells" in summary else None,
            acceptance=_acceptance(summary),
            fidelity=_fidelity(summary["fidelity"], faithful, neighbours) if neighbours else None,
            method=next((figure["method"] for figure in gains.values()), "none"),
            settings=settings,
        )
    )


def card(summary: Mapping[str, Any], examples: Sequence[Example], day: str) -> str:
    """The page's first part alone, of a ``summary``, for a notebook: with its styles, which reach nothing else.

    ``examples``: a few images per class; ``day`` of the run, where it is known.
    """
    return (
        environment()
        .get_template("notebook.html.j2")
        .render(
            card_id=f"ganaug-{stamp(summary)}",
            when=f" · {day}" if day else "",
            dataset=summary["dataset"],
            verdict=verdict,
            card=_card(summary, examples),
            cells="cells" in summary,
            metric_name=verdict.metric_words(summary, summary["dataset"]["primary_metric"]),
            translated=any(one.there is not None for one in examples),
        )
    )


def environment() -> Environment:
    """Of the package's pages: whatever they are given is text."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    escape = select_autoescape(["html", "j2"])
    return Environment(loader=PackageLoader("ganaug"), autoescape=escape, trim_blocks=True, lstrip_blocks=True)


def stamp(summary: Mapping[str, Any]) -> str:
    """What tells a page whether timings.js is of its own run."""
    return store.digest(store.canonical(summary))[:16]


def _shown(one: Example) -> tuple[str, str, str | None]:
    """Its title, and two pictures: real images, and what was made; of a translator, sources above their translations,
    and real images under the target. The second is None where there are none."""
    first, second = ([one.real], one.made) if one.there is None else ([one.real, one.made], one.there)
    return one.title, data_uri(grid(first)), data_uri(grid([second])) if len(second) else None


def _cells(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of classes under conditions: how many images, what is recognised, and what fills them."""
    gain, found = next(iter(verdict.spoken(summary)), None), answer.answer(summary)
    compared = [*(gain.split("_vs_")[::-1] if gain else summary["arms"]), found.arm if found else None]
    arms = list(dict.fromkeys(filter(None, compared)))
    over = [one for one in summary["gains"] if one.partition("_vs_")[2] == arms[0]]
    return {
        "which": missing.which(summary),
        "counts": missing.count_rows(summary),
        "gains": filling.gain_rows(summary, over),
        "base": arms[0],
        "recall": filling.recall_rows(summary, arms),
    }


def _card(summary: Mapping[str, Any], examples: Sequence[Example]) -> dict[str, Any] | None:
    """The answer, its picture, and images of a few classes: real ones above generated ones."""
    found = answer.answer(summary)
    if found is None:
        return None
    axis = Axis.of([found.figure], summary["settings"]["report"]["smallest_gain"])
    words, name = verdict.metric_words(summary, found.metric), verdict.arms_of(found.gain)
    there = [one for one in examples if len(one.made) and len(one.real)]
    chosen = [there[round(place)] for place in np.linspace(0, len(there) - 1, min(_SHOWN_CLASSES, len(there)))]
    return {
        "answer": found,
        "tone": found.tone.replace(" ", "-"),
        "name": name,
        "picture": interval.svg(found.figure, axis, interval.title(name, found.figure, axis, words)),
        "strip": [
            (one.title, *(data_uri(grid([images[:_SHOWN]])) for images in (one.real, one.made))) for one in chosen
        ],
    }


def _groups(summary: Mapping[str, Any], gains: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The gains by question; each row with its picture, on one axis for all, and with what its new arms are."""
    decides = found.gain if (found := answer.answer(summary)) else None
    axis = Axis.of(gains.values(), summary["settings"]["report"]["smallest_gain"])
    by_question = groups.grouped(list(gains), decides)
    new = groups.first_met([gain for group in by_question for gain in group.gains], summary)
    texts = dict(zip(gains, verdict.gain_rows(summary), strict=True))
    return [
        {
            "title": group.title,
            "about": group.about,
            "rows": [
                {
                    "texts": texts[gain],
                    "decides": gain == decides,
                    "new": new[gain],
                    "picture": interval.row_svg(gains[gain], axis),
                    "power": verdict.power(gains[gain]),
                }
                for gain in group.gains
            ],
        }
        for group in by_question
    ]


def _recall_plot(summary: Mapping[str, Any]) -> str:
    """Of the first gain that the verdict reports, and its two arms; without one, of all arms."""
    classes, recall = summary["dataset"]["classes"], summary["recall"]
    gain = next((gain for gain in verdict.spoken(summary) if gain in summary["recall_gains"]), None)
    arms, shown = list(recall), None
    if gain:
        arms = gain.split("_vs_")[::-1]
        figures = [summary["recall_gains"][gain][name] for name in classes]
        shown = verdict.arms_of(gain), [(figure, figure["answer"]) for figure in figures]
    return plots.recall(classes, {arm: [recall[arm][name] for name in classes] for arm in arms}, shown)


def _acceptance(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row per class: the share of its images that passed the filters, over trials and of the release."""

    def percent(share: float | None) -> str:
        return "none needed" if share is None else f"{100 * share:.0f}"

    rows: list[tuple[str, ...]] = []
    for name, found in summary["acceptance"].items():
        shares = [share for share in found["trials"] if share is not None]
        mean = sum(shares) / len(shares) if shares else None
        spread = f"{percent(min(shares))} to {percent(max(shares))}" if shares else ""
        rows.append((name, percent(mean), spread, percent(found["release"])))
    return rows


def _curve_plot(summary: Mapping[str, Any], metric: str, metric_name: str) -> str | None:
    """The learning curves, and what the arms with GAN images reach; None where no curve has two points."""
    points = {
        arm: [(point["images_per_class"], point[metric]["mean"]) for point in curve]
        for arm, curve in summary["curve"].items()
    }
    if all(len(curve) < 2 for curve in points.values()):
        return None
    pairs = (gain.split("_vs_") for gain in summary["worth"])
    levels = {name: (base, summary["arms"][name][metric]["mean"]) for name, base in pairs}
    return plots.curve(points, levels, metric_name)


def _fidelity(found: Mapping[str, Any], trials: fidelity_tables.Trials, neighbours: Neighbours) -> dict[str, Any]:
    """What the page says of the generated images themselves."""
    header, rows = fidelity_tables.class_rows(trials)
    of_figure = {name: _of(name, found["warnings"]) for name, *_ in fidelity_tables.overall_rows(found)}
    told = [text for texts in of_figure.values() for text in texts]
    return {
        **fidelity_tables.words(found),
        "class_header": header,
        "class_rows": rows,
        "pairs": [(data_uri(pair.sheet), pair) for pair in neighbours.nearest],
        "copies": found["near_copies"],
        "first": [(name, data_uri(sheet), _counted(nearest)) for name, sheet, nearest in neighbours.first],
        "of_figure": of_figure,
        "of_all": [one for one in found["warnings"] if not any(one.endswith(f": {text}") for text in told)],
        "trial": neighbours.trial,
    }


def _of(figure: str, warnings: Sequence[str]) -> list[str]:
    """Those ``warnings`` that are of this figure alone: they begin with its name."""
    parted = [warning.partition(": ") for warning in warnings]
    return [text for names, _, text in parted if text and figure.removesuffix(", %") in names.split(", ")]


def _counted(names: Sequence[str]) -> str:
    """``brick (3), gravel (1)``"""
    return ", ".join(f"{name} ({count})" for name, count in Counter(names).most_common())


def _alarms(health: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each kind of alarm once: its splits, and what the last of them says."""
    kinds: dict[str, dict[str, Any]] = {}
    for split, found in health.items():
        for alarm in found["alarms"]:
            kinds[alarm["kind"]] = {**alarm, "splits": [*kinds.get(alarm["kind"], {}).get("splits", []), split]}
    return list(kinds.values())


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """An image (H, W, C) as part of a page."""
    return _png_uri(store.png_bytes(pixels))


def _png_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
