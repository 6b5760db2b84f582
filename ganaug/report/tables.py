"""From a summary to the tables and figures that DVC shows: ``dvc metrics show`` and ``dvc plots show``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganaug import store

History = list[dict[str, float | None]]  # rows of history.csv


def metrics(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The few figures of a ``summary`` that ``dvc metrics show`` compares."""
    metric = summary["dataset"]["primary_metric"]
    return {
        metric: {name: figures[metric]["mean"] for name, figures in summary["arms"].items()},
        "gain": {
            name: {key: figures[metric][key] for key in ("mean", "ci_low", "ci_high", "p_value")}
            for name, figures in summary["gains"].items()
        },
    }


def write_plot_tables(
    folder: Path, summary: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], histories: Mapping[str, History]
) -> None:
    """Write what ``dvc plots show`` draws into ``folder``.

    ``summary`` and ``trials`` as their JSON files have them; ``histories``: {split: rows of history.csv}.
    """
    metric, classes = summary["dataset"]["primary_metric"], summary["dataset"]["classes"]
    arms = list(summary["arms"])
    store.write_csv(
        folder / "arms.csv",
        ["trial", "arm", "score"],
        [[trial["trial"], name, trial["arms"][name][metric]] for trial in trials for name in arms],
    )
    store.write_csv(
        folder / "gains.csv",
        ["gain", "points", "ci_low", "ci_high"],
        [
            [name, *(figures[metric][key] for key in ("mean", "ci_low", "ci_high"))]
            for name, figures in summary["gains"].items()
        ],
    )
    store.write_csv(
        folder / "recall.csv",
        ["class", "arm", "recall"],
        [[one, name, summary["recall"][name][one]["mean"]] for one in classes for name in arms],
    )
    rows = [
        [split, *("" if value is None else value for value in row.values())]
        for split, history in histories.items()
        for row in history
    ]
    columns = next((list(history[0]) for history in histories.values() if history), ["step"])
    store.write_csv(folder / "history.csv", ["split", *columns], rows)
