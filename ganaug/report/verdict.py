"""The verdict in words and as a table: what a manager understands and a statistician accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganaug.evaluate.contributions import METRICS
from ganaug.report import equivalent_labels

# The gains that the verdict speaks of, and what it calls them.
_SPOKEN = {
    "gan+classical_vs_classical": "on top of classical augmentation",
    "gan_vs_none": "without any other augmentation",
}
# Where there are images without labels, which those two gains give to one arm alone.
_SPOKEN_OF_PSEUDO = {
    "gan+classical_vs_pseudo+classical": "beyond pseudo-labels on the same images without labels, both on top of "
    "classical augmentation",
    "gan_vs_pseudo": "beyond pseudo-labels on the same images without labels",
}
_REPEATED = "beyond real images repeated to the same counts"
# Where synthetic images top classes up, all fillers gain by that alone: the GAN is then judged by what it adds to it.
_SPOKEN_WHERE_FILLED = {
    "gan+classical_vs_placebo+classical": f"on top of classical augmentation and {_REPEATED}",
    "gan_vs_placebo": f"without any other augmentation, {_REPEATED}",
}


def interval(figure: Mapping[str, Any]) -> str:
    if figure["ci_low"] is None:
        return "unknown with one trial"
    if figure["ci_low"] == figure["ci_high"]:
        return "the same in every trial"
    return f"{figure['ci_low']:+.1f} to {figure['ci_high']:+.1f}"


def p_value(value: float | None) -> str:
    if value is None:
        return "unknown"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def power(figure: Mapping[str, Any]) -> str:
    """The chance to see a true gain of one point."""
    return "unknown" if figure["power"] is None else f"{100 * figure['power']:.0f} %"


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
    metrics = [dataset["primary_metric"]]
    if rare_classes(summary):
        metrics += [name for name, metric in METRICS.items() if metric.is_mean_of_classes and name not in metrics]
    told = [
        _sentence(
            summary["gains"][gain][metric],
            where,
            METRICS[metric].words,
            equivalent_labels.of_gain(summary, gain, metric),
        )
        for metric in metrics
        for gain, where in spoken(summary).items()
    ]
    tuning = "Tuning draws, not to be reported. " if dataset["draws"] == "tuning" else ""
    start = f"{tuning}With {images_a_class(dataset)}: "
    return [start + told[0], *(line[0].upper() + line[1:] for line in told[1:])] if told else []


def spoken(summary: Mapping[str, Any]) -> dict[str, str]:
    """The gains that the verdict speaks of, the first one first, and what it calls them."""
    if summary["settings"]["synth"]["balance"] == "fill":
        filled = {gain: where for gain, where in _SPOKEN_WHERE_FILLED.items() if gain in summary["gains"]}
        counted_in = {gain: f"{where}, with what evening out the classes brings" for gain, where in _SPOKEN.items()}
        return filled or {gain: where for gain, where in counted_in.items() if gain in summary["gains"]}
    return {gain: where for gain, where in {**_SPOKEN, **_SPOKEN_OF_PSEUDO}.items() if gain in summary["gains"]}


def images_a_class(dataset: Mapping[str, Any]) -> str:
    """The images that a trial learns from: ``5 images a class``, ``4 to 40 images a class and 900 without labels``."""
    counts = dataset["train_images"].values()
    each = dataset["train_per_class"] or f"{min(counts):.0f} to {max(counts):.0f}"
    unlabelled = dataset.get("unlabelled_images", 0)  # unsaid in summaries of older releases
    return f"{each} images a class" + (f" and {unlabelled:,} without labels" if unlabelled else "")


def rare_classes(summary: Mapping[str, Any]) -> list[str]:
    """Classes with at most half as many images to learn from as the largest has, the rarest first."""
    counts = summary["dataset"]["train_images"]
    largest = max(counts.values())
    return sorted((name for name in counts if 2 * counts[name] <= largest), key=lambda name: counts[name])


def rare_rows(summary: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row for each rare class, and for all together: images, and the gain in recall with its interval."""
    gains = [gain for gain in spoken(summary) if gain in summary["recall_gains"]]
    header = ("rare class", "images", *(f"recall, {gain.replace('_vs_', ' over ')}" for gain in gains))
    rows = [
        (
            name,
            f"{summary['dataset']['train_images'][name]:.0f}",
            *(_recall(summary["recall_gains"][gain][name]) for gain in gains),
        )
        for name in rare_classes(summary)
    ]
    if len(rows) > 1 and (together := summary.get("rare_recall_gains")):  # unsaid in summaries of older releases
        rows.append(("all of them", "", *(_recall(together[gain]) for gain in gains)))
    return header, rows


def _recall(figure: Mapping[str, Any]) -> str:
    return "not tested" if figure["mean"] is None else f"{figure['mean']:+.1f} ({interval(figure)})"


def _sentence(figure: Mapping[str, Any], where: str, metric: str, worth: Mapping[str, Any] | None) -> str:
    trials = f"{figure['trials']} trial{'s' * (figure['trials'] > 1)}"
    is_interval = figure["ci_low"] != figure["ci_high"]
    evidence = f"{100 * figure['confidence']:g}% interval " * is_interval + f"{interval(figure)}, {trials}"
    size = f"{abs(figure['mean']):.1f} points of {metric}"
    no_gain = f"show no gain ({figure['mean']:+.1f} points of {metric}; {evidence})"
    return {
        "gain": f"{where}, GAN images add {size} ({evidence}){equivalent_labels.worth_words(worth)}.",
        "loss": f"{where}, GAN images cost {size} ({evidence}): do not use them so.",
        "no gain shown": f"{where}, GAN images {no_gain}{equivalent_labels.instead_words(worth)}.",
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
