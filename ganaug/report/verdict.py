"""The verdict in words and as a table: what a manager understands and a statistician accepts."""

from collections.abc import Mapping, Sequence
from typing import Any

from ganaug.classify.arms import ARMS, MASKED
from ganaug.classify.fillers import FILLERS
from ganaug.classify.ways import WAYS
from ganaug.errors import one_line
from ganaug.measure.contributions import METRICS
from ganaug.report import equivalents, missing

_BEYOND_PSEUDO = "beyond pseudo-labels on the same images without labels"
# Where synthetic images top classes up, all fillers gain from that alone: the GAN is judged by what it adds to it.
_REPEATED = "beyond real images repeated to the same counts"
_EVENING = "including what evening out the classes brings"


def sentences(summary: Mapping[str, Any], what_next: bool = True) -> list[str]:
    """The verdict: what GAN images do on top of classical augmentation, and on their own; ``what_next`` to do."""
    dataset = summary["dataset"]
    metrics = [dataset["primary_metric"]]
    if rare_classes(summary):
        metrics += [name for name, metric in METRICS.items() if metric.is_mean_of_classes and name not in metrics]
    lines = [
        _sentence(summary, gain, where, name, what_next) for name in metrics for gain, where in spoken(summary).items()
    ]
    tuning = "Tuning draws, not to be reported. " if dataset["draws"] == "tuning" else ""
    start = f"{tuning}With {images_per_class(dataset)}: "
    if lines and "cells" in summary:
        start, lines[0] = f"{tuning}{missing.which(summary)} ", lines[0][0].upper() + lines[0][1:]
    return [start + lines[0], *(line[0].upper() + line[1:] for line in lines[1:])] if lines else []


def _sentence(summary: Mapping[str, Any], gain: str, where: str, metric: str, what_next: bool) -> str:
    figure, worth = summary["gains"][gain][metric], equivalents.of_gain(summary, gain, metric)
    confidence = f"{100 * figure['confidence']:g}% confidence interval " * (figure["ci_low"] != figure["ci_high"])
    evidence = f"{confidence}{interval(figure)}, {figure['trials']} trial{'s' * (figure['trials'] > 1)}"
    unit = f"points of {metric_words(summary, metric)}"
    size, found = f"{abs(figure['mean']):.1f} {unit} ({evidence})", f"{figure['mean']:+.1f} {unit}; {evidence}"
    smallest = f"{summary['settings']['report']['smallest_gain']:g}"
    images = "translated images" if gain.startswith("translate") else "GAN images"
    if figure["ci_low"] is None:
        says, then = f"one trial gives {figure['mean']:+.1f} {unit}: too few to tell", _needed_words(figure, smallest)
    else:
        says, then = {
            "gain": (f"{images} add {size}{equivalents.worth_words(worth)}", ""),
            "loss": (f"{images} cost {size}", ": do not use them this way"),
            "no gain": (
                f"{images} bring no gain of {smallest} points or more ({found})",
                equivalents.instead_words(worth),
            ),
            "cannot tell": (
                f"it cannot be told yet whether {images} help ({found})",
                _needed_words(figure, smallest),
            ),
        }[figure["answer"]]
    return f"{where}, {says}{then if what_next else ''}."


def _needed_words(figure: Mapping[str, Any], smallest: str) -> str:
    """What would settle it: ``: about 14 trials would show a gain of 2 points``; empty where nothing is known."""
    needed = figure["needed"]
    if needed is None:
        return "" if figure["ci_low"] is not None else ": three or more show how much trials differ"
    images = f" with about {needed['images']:,} tested images" if "images" in needed else ""
    return (
        f": about {needed['trials']} trials{images} would show a gain of {smallest} points with a probability of 80 %"
    )


def spoken(summary: Mapping[str, Any]) -> dict[str, str]:
    """The gains that the verdict reports, the one that decides first, and what it calls them: on top of the classical
    policies, in their place, without any, and beyond pseudo-labels where there are images without labels."""
    gains, filled = summary["gains"], summary["settings"]["synth"]["balance"] == "fill"
    if "cells" in summary or any(gain.startswith("translate") for gain in gains):
        return _spoken_of_cells(gains)
    policies = dict.fromkeys(
        gain.removeprefix("gan+").partition("_vs_")[0] for gain in gains if gain.startswith("gan+")
    )
    found: dict[str, str] = {}
    for policy in policies:
        arm, where = f"gan+{policy}", f"on top of {_augmentation(policy)}"
        found |= _over(arm, policy, f"placebo+{policy}", where, f"{where} and {_REPEATED}", gains, filled)
        if not filled:
            found[f"{arm}_vs_pseudo+{policy}"] = f"{_BEYOND_PSEUDO}, both on top of {_augmentation(policy)}"
    for gain in gains:
        arm, _, base = gain.partition("_vs_")
        if arm == "gan" and base in ARMS and ARMS[base].filler is None and ARMS[base].policy:
            found[gain] = f"in place of {_augmentation(base)}" + f", {_EVENING}" * filled
    alone = "without any other augmentation"
    found |= _over("gan", "none", "placebo", alone, f"{alone}, {_REPEATED}", gains, filled)
    if not filled:
        found["gan_vs_pseudo"] = _BEYOND_PSEUDO
    ordered = sorted(found, key=lambda gain: (any(way in gain for way in WAYS), "pseudo" in gain))
    return {gain: found[gain] for gain in ordered if gain in gains}


def _spoken_of_cells(gains: Mapping[str, Any]) -> dict[str, str]:
    """Of each arm of translated images, those on a policy first: over the policy, and over the masked loss too."""
    arms = [arm for arm in dict.fromkeys(gain.partition("_vs_")[0] for gain in gains) if arm in ARMS]
    found: dict[str, str] = {}
    for arm in sorted(arms, key=lambda one: ARMS[one].policy is None):
        filler, policy, masked, _ = ARMS[arm]
        if not filler or not FILLERS[filler].is_gan:
            continue
        where = f"on top of {_augmentation(policy)}" if policy else "without any other augmentation"
        found[f"{arm}_vs_{policy or 'none'}"] = where
        if masked:
            found[f"{arm}_vs_{'+'.join(filter(None, (policy, MASKED)))}"] = f"{where}, beyond the masked loss alone"
    return {gain: where for gain, where in found.items() if gain in gains}


def _over(
    arm: str, base: str, repeated: str, where: str, beyond: str, gains: Mapping[str, Any], filled: bool
) -> dict[str, str]:
    """The gain of ``arm``: over ``base`` (``where``), or if classes are ``filled``, over real images ``repeated``."""
    if filled and f"{arm}_vs_{repeated}" in gains:
        return {f"{arm}_vs_{repeated}": beyond}
    return {f"{arm}_vs_{base}": where + f", {_EVENING}" * filled}


def _augmentation(policy: str) -> str:
    return "classical augmentation" if policy == "classical" else policy


def metric_words(summary: Mapping[str, Any], metric: str) -> str:
    """What a ``metric`` is called: under the one condition that lacks classes, where there is one alone."""
    targets = summary["cells"]["targets"] if "cells" in summary else []
    if metric == "condition_accuracy" and len(targets) == 1:
        return f"accuracy under {targets[0]}"
    return METRICS[metric].words


def images_per_class(dataset: Mapping[str, Any]) -> str:
    """A trial's train part: ``5 images per class``, ``4 to 40 images per class and 900 without labels``."""
    counts = dataset["train_images"].values()
    least, most = f"{min(counts):.0f}", f"{max(counts):.0f}"
    each = dataset["train_per_class"] or (least if least == most else f"{least} to {most}")
    unlabelled = dataset.get("unlabelled_images", 0)  # not in summaries of older releases
    return f"{each} images per class" + (f" and {unlabelled:,} without labels" if unlabelled else "")


def rare_classes(summary: Mapping[str, Any]) -> list[str]:
    """Classes with at most half as many images to learn from as the largest, the rarest first. None where cells are
    missing: it is these that make a class small."""
    if "cells" in summary:
        return []
    counts = summary["dataset"]["train_images"]
    largest = max(counts.values())
    return sorted((name for name in counts if 2 * counts[name] <= largest), key=lambda name: counts[name])


def rare_rows(summary: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row for each rare class, and for all together: images, and the gain in recall with its interval."""
    counts, by_class = summary["dataset"]["train_images"], summary["recall_gains"]
    gains = [gain for gain in spoken(summary) if gain in by_class]
    header = ("rare class", "images", *(f"recall, {arms_of(gain)}" for gain in gains))
    rows = [
        (name, f"{counts[name]:.0f}", *(_recall(by_class[gain][name]) for gain in gains))
        for name in rare_classes(summary)
    ]
    if len(rows) > 1 and (together := summary.get("rare_recall_gains")):  # not in summaries of older releases
        rows.append(("all of them", "", *(_recall(together[gain]) for gain in gains)))
    return header, rows


def _recall(figure: Mapping[str, Any]) -> str:
    return "not tested" if figure["mean"] is None else f"{figure['mean']:+.1f} ({interval(figure)})"


def arms_of(gain: str) -> str:
    """``gan over none``, from a summary's ``gan_vs_none``."""
    return gain.replace("_vs_", " over ")


def arm_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and score of each arm."""
    metric = summary["dataset"]["primary_metric"]
    found = ((name, figures[metric]["mean"], figures[metric]["sd"]) for name, figures in summary["arms"].items())
    return [(name, f"{mean:.1f}" + (f" ± {sd:.1f}" if sd is not None else "")) for name, mean, sd in found]


def gain_rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Name, points, interval, p-value and answer of each gain."""
    metric = summary["dataset"]["primary_metric"]
    figures = {arms_of(gain): figures[metric] for gain, figures in summary["gains"].items()}
    return [
        (name, f"{one['mean']:+.2f}", interval(one), p_value(one["p_value"]), one["answer"])
        for name, one in figures.items()
    ]


def interval(figure: Mapping[str, Any]) -> str:
    """The confidence interval of a gain."""
    if figure["ci_low"] is None:
        return "unknown with one trial"
    if figure["ci_low"] == figure["ci_high"]:
        return "the same in every trial"
    return f"{figure['ci_low']:+.1f} to {figure['ci_high']:+.1f}"


def p_value(value: float | None) -> str:
    """To three decimals."""
    if value is None:
        return "unknown"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def power(figure: Mapping[str, Any]) -> str:
    """The probability of detecting a true gain of one point."""
    return "unknown" if figure["power"] is None else f"{100 * figure['power']:.0f} %"


def markdown_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns aligned with spaces; the same on a terminal and in a log."""
    header, rows = tuple(map(one_line, header)), [tuple(map(one_line, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, tuple("-" * width for width in widths), *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
