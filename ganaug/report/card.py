"""What is handed on as Markdown: the answer, for a comment, and the model card: what a generator was made from, its
gains and its limits, for those who receive it."""

import sys
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ganaug import store
from ganaug.report import answer, fidelity_tables, filling, groups, interval, markdown, missing, verdict
from ganaug.report.answer import Answer
from ganaug.report.interval import Axis


def answer_card(found: Answer, summary: Mapping[str, Any], day: str) -> str:
    """The answer ``found`` of a ``summary``, and the ``day`` of the run if known, to be printed: its picture is of
    ASCII, as the terminal's is, where no more can be."""
    unicode = (sys.stdout.encoding or "utf").lower().startswith("utf")
    return _card(found, summary, day, "###", plain=not unicode)


def _card(found: Answer, summary: Mapping[str, Any], day: str, level: str, plain: bool) -> str:
    axis = Axis.of([found.figure], summary["settings"]["report"]["smallest_gain"])
    picture, below = interval.lines(found.figure, axis, 60, plain)
    return store.template("answer.md.j2", markdown.inert).render(
        level=Markup(level),
        found=found,
        gain=Markup(verdict.arms_of(found.gain)),
        metric=verdict.metric_words(summary, found.metric),
        picture=Markup(f"{picture}  {interval.in_words(found.figure)}"),
        below=Markup(below),
        code=lambda command: Markup(f"`{command}`"),
        dataset=summary["dataset"]["name"],
        images_per_class=verdict.images_per_class(summary["dataset"]),
        trials=found.figure["trials"],
        day=day,
    )


def answer_section(summary: Mapping[str, Any]) -> str:
    """The answer of a ``summary`` as a section of a card in Markdown."""
    found = answer.answer(summary)
    return _card(found, summary, "", "##", plain=False).strip() if found else "No arm with GAN images was run."


def render(summary: Mapping[str, Any]) -> str:
    """``summary`` as summary.json has it -> Markdown, in which no text of the user's is more than text. The headings
    follow Mitchell 2019."""
    dataset, settings, found = summary["dataset"], summary["settings"], summary["fidelity"]
    found_answer = answer.answer(summary)
    rows = dict(zip(summary["gains"], verdict.gain_rows(summary), strict=True))
    return store.template("model-card.md.j2", markdown.inert).render(
        summary=summary,
        dataset=dataset,
        gan=settings["gan"],
        licence=settings["data"]["licence"],
        images_per_class=verdict.images_per_class(dataset),
        shape="x".join(str(side) for side in (*dataset["image_shape"][1:], dataset["image_shape"][0])),
        card=Markup(answer_section(summary)),
        sentences=verdict.sentences(summary)[1:],
        cells={
            "which": missing.which(summary),
            "targets": summary["cells"]["targets"],
            "counts": markdown.table(*missing.count_rows(summary)),
            "gains": markdown.table(*filling.gain_rows(summary, list(rows))),
        }
        if "cells" in summary
        else None,
        terms=groups.TERMS,
        arms=[(name, groups.about(name, groups.classical_of(summary))) for name in summary["arms"]],
        gains=[
            (group, markdown.table(("gain", "points", "interval", "p", "answer"), [rows[gain] for gain in group.gains]))
            for group in groups.grouped(list(rows), found_answer.gain if found_answer else None)
        ],
        metric=verdict.metric_words(summary, dataset["primary_metric"]),
        confidence=f"{100 * settings['report']['confidence']:g}",
        alarms=sorted({kind for kinds in summary["alarms"].values() for kind in kinds}),
        fidelity=found and fidelity_tables.words(found),
        figures=found
        and markdown.table(("", "generated", "real", "what it says"), fidelity_tables.overall_rows(found)),
    )
