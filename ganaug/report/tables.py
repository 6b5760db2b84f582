"""What DVC shows of a summary: ``dvc metrics show``, ``dvc exp show`` and ``dvc plots show``."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganaug import store
from ganaug.report import plots, verdict
from ganaug.report.answer import answer

History = list[dict[str, float | None]]  # rows of history.csv


def metrics(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a ``summary``; the gain that decides and its confidence interval, in points; the scores of its two
    arms, in %: as many columns as a terminal has room for. Without an arm of GAN images the first gain, if there is
    one."""
    metric, found = summary["dataset"]["primary_metric"], answer(summary)
    gain = found.gain if found else next(iter(summary["gains"]), None)
    arms = gain.split("_vs_") if gain else list(summary["arms"])[:1]
    figure = summary["gains"][gain][metric] if gain else {}
    points = {name: figure.get(key) for name, key in (("gain", "mean"), ("low", "ci_low"), ("high", "ci_high"))}
    scores = {name: summary["arms"][arm][metric]["mean"] for name, arm in zip(("arm", "base"), arms, strict=False)}
    return {
        **({"answer": found.word} if found else {}),
        **{name: round(value, 2) for name, value in {**points, **scores}.items() if value is not None},
    }


def write_plots(
    folder: Path, summary: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], histories: Mapping[str, History]
) -> None:
    """Write what ``dvc plots show`` shows into ``folder``: images, since for what it draws itself its page loads
    scripts from the network.

    ``summary`` and ``trials`` as their JSON files have them; ``histories``: {split: rows of history.csv}.
    """
    metric, classes = summary["dataset"]["primary_metric"], summary["dataset"]["classes"]
    recall = {arm: [of_arm[name] for name in classes] for arm, of_arm in summary["recall"].items()}
    scores = {arm: [trial["arms"][arm][metric] for trial in trials] for arm in summary["arms"]}
    drawn = {
        "gains": plots.all_gains({name: figures[metric] for name, figures in summary["gains"].items()}),
        "arms": plots.arms(scores, verdict.metric_words(summary, metric)),
        "recall": plots.recall(classes, recall, None),
        "history": plots.history(histories),
    }
    for name, svg in drawn.items():
        store.write_text(folder / f"{name}.svg", _standalone(svg))


def _standalone(svg: str) -> str:
    """The <svg> element of a page as an image of its own: of a size, on white."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box
    size = f'width="{box[1]}pt" height="{box[2]}pt" style="background: white"'
    return svg.replace("<svg", f"<svg {size}", 1)
