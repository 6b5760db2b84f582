"""The model card: what a generator was made from, its gains and its limits, for those who receive it."""

from collections.abc import Mapping
from typing import Any

from ganaug import store
from ganaug.evaluate.contributions import METRICS
from ganaug.report import fidelity_tables, markdown, verdict


def render(summary: Mapping[str, Any]) -> str:
    """``summary`` as summary.json has it -> Markdown, in which no text of the user's is more than text. The headings
    follow Mitchell 2019."""
    dataset, settings, found = summary["dataset"], summary["settings"], summary["fidelity"]
    return store.template("model-card.md.j2", markdown.inert).render(
        summary=summary,
        dataset=dataset,
        gan=settings["gan"],
        licence=settings["data"]["licence"],
        images_per_class=verdict.images_per_class(dataset),
        shape="x".join(str(side) for side in (*dataset["image_shape"][1:], dataset["image_shape"][0])),
        sentences=verdict.sentences(summary),
        gains=markdown.table(("gain", "points", "interval", "p", ""), verdict.gain_rows(summary)),
        metric=METRICS[dataset["primary_metric"]].words,
        confidence=f"{100 * settings['report']['confidence']:g}",
        alarms=sorted({kind for kinds in summary["alarms"].values() for kind in kinds}),
        fidelity=found and fidelity_tables.words(found),
        figures=found
        and markdown.table(("", "generated", "real", "what it says"), fidelity_tables.overall_rows(found)),
    )
