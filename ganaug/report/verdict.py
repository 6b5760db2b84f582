"""The verdict in words and as a table: what a manager understands and a statistician accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

METRIC_NAMES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro-F1"}


def interval(figure: Mapping[str, Any]) -> str:
    if figure["ci_low"] is None:
        return "unknown with one trial"
    return f"{figure['ci_low']:+.1f} to {figure['ci_high']:+.1f}"


def p_value(value: float | None) -> str:
    if value is None:
        return "unknown"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def answer(figure: Mapping[str, Any]) -> str:
    """One of: gain, loss, no gain shown, unknown."""
    if figure["ci_low"] is None:
        return "unknown"
    if figure["ci_low"] > 0:
        return "gain"
    return "loss" if figure["ci_high"] < 0 else "no gain shown"


def sentences(summary: Mapping[str, Any]) -> list[str]:
    """The verdict: what GAN images do on top of classical augmentation, and on their own."""
    dataset = summary["dataset"]
    metric = dataset["primary_metric"]
    told = []
    for gain, where in (
        ("gan+classical_vs_classical", "on top of classical augmentation"),
        ("gan_vs_none", "without any other augmentation"),
    ):
        if gain in summary["gains"]:
            told.append(_sentence(summary["gains"][gain][metric], where, METRIC_NAMES[metric]))
    tuning = "Tuning draws, not to be reported. " if dataset["draws"] == "tuning" else ""
    start = f"{tuning}With {dataset['train_per_class']} images a class: "
    return [start + told[0], *(line[0].upper() + line[1:] for line in told[1:])] if told else []


def _sentence(figure: Mapping[str, Any], where: str, metric: str) -> str:
    trials = f"{figure['trials']} trial{'s' * (figure['trials'] > 1)}"
    evidence = f"{100 * figure['confidence']:g}% interval {interval(figure)}, {trials}"
    size = f"{abs(figure['mean']):.1f} points of {metric}"
    return {
        "gain": f"{where}, GAN images add {size} ({evidence}).",
        "loss": f"{where}, GAN images cost {size} ({evidence}): do not use them so.",
        "no gain shown": f"{where}, GAN images show no gain ({figure['mean']:+.1f} points of {metric}; {evidence}).",
        "unknown": f"{where}, one trial says {figure['mean']:+.1f} points of {metric}: too few to say.",
    }[answer(figure)]


def arm_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    metric = summary["dataset"]["primary_metric"]
    rows = []
    for name, figures in summary["arms"].items():
        sd = figures[metric]["sd"]
        rows.append((name, f"{figures[metric]['mean']:.1f}" + (f" ± {sd:.1f}" if sd is not None else "")))
    return rows


def gain_rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Name, points, interval, p-value and answer of each gain."""
    metric = summary["dataset"]["primary_metric"]
    return [
        (
            name.replace("_vs_", " over "),
            f"{figures[metric]['mean']:+.2f}",
            interval(figures[metric]),
            p_value(figures[metric]["p_value"]),
            answer(figures[metric]),
        )
        for name, figures in summary["gains"].items()
    ]


def markdown_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns aligned with spaces; the same on a terminal and in a log."""
    widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]
    lines = [header, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
