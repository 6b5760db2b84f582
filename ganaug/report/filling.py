"""What to fill missing cells with: translated images, what is cheaper, or photographs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ganaug.classify.arms import ARMS
from ganaug.report import interval, missing, verdict
from ganaug.report.groups import REAL, UNADVERSARIAL

_WHEN = ("hidden", "seen")
# Metrics beside the primary one: where it comes from, and what it costs.
ASIDE = {"missing_recall": "the hidden cells", "other_recall": "all other cells"}


@dataclass(frozen=True)
class Choice:
    """What to do with missing cells: train as ``arm`` does; None: nothing that was run is shown to help.

    ``word`` is about the translator alone, ``title`` and ``reason`` about all; ``open_gain``: what is left open.
    """

    word: Literal["use", "do not use", "cannot tell"]
    title: str
    arm: str | None
    reason: str
    open_gain: str = ""


def choose(summary: Mapping[str, Any], gain: str, word: Any, reason: str) -> Choice:
    """The choice from a ``summary``, where the ``gain`` of translated images over their policy alone says ``word``, for
    this ``reason``.

    Translation is chosen only if it is shown to be better than every cheaper way that helps, or may help. Else the best
    of these is, if its own gain is shown at a level divided by their number: several were tried.
    """
    metric, smallest = summary["dataset"]["primary_metric"], summary["settings"]["report"]["smallest_gain"]
    figures = {name: one[metric] for name, one in summary["gains"].items()}
    arm, _, base = gain.partition("_vs_")
    cheaper = rivals(summary, gain)
    own = {one: figures.get(f"{one}_vs_{base}") for one in cheaper}
    shown = [one for one, its in own.items() if its and _is_shown(its, len(cheaper), smallest)]
    unbeaten = {
        one: figures[f"{arm}_vs_{one}"]
        for one, its in own.items()
        if figures[f"{arm}_vs_{one}"]["answer"] != "gain"
        and (its is None or its["answer"] == "gain" or figures[f"{arm}_vs_{one}"]["answer"] == "loss")
    }
    if word == "use" and not unbeaten:
        nearest = min(cheaper, key=lambda one: figures[f"{arm}_vs_{one}"]["mean"], default="")
        over = nearest and interval.in_words(figures[f"{arm}_vs_{nearest}"])
        also = f"; {over} over {nearest}, the best way without a GAN." if nearest else "."
        return Choice("use", "Fill them by translation", arm, reason[:-1] + also)
    candidates = [one for one in shown if one in unbeaten or word != "use"]
    best = max(candidates, key=lambda one: _mean(summary, one), default="")
    if best:
        its, over = own[best], figures[f"{arm}_vs_{best}"]
        assert its
        says = f"{best}, which needs no GAN, adds {its['mean']:.1f} points of {verdict.metric_words(summary, metric)}"
        evidence = f"{100 * its['confidence']:g}% confidence interval {verdict.interval(its)}, {its['trials']} trials"
        said = f"{missing.which(summary)} {says} ({evidence}); translated images add {interval.in_words(over)} to that."
        return Choice("do not use", f"No GAN needed: {_short(best, base)}", best, said)
    if word == "use":
        one, its = min(unbeaten.items(), key=lambda item: item[1]["mean"])
        also = f"; but they are not shown to be better than {one}, which needs no GAN: {interval.in_words(its)}."
        return Choice("cannot tell", "Cannot tell yet", None, reason[:-1] + also, f"{arm}_vs_{one}")
    if word == "cannot tell":
        return Choice("cannot tell", "Cannot tell yet", None, reason, gain)
    return Choice("do not use", "Photograph them" if of_real(summary, base) else "Do not fill them", base, reason)


def _is_shown(figure: Mapping[str, Any], tried: int, smallest: float) -> bool:
    """Whether a gain is above 0, at the level of one out of so many that were ``tried``, and may be worth having."""
    p, level = figure["p_value"], 1 - figure["confidence"]
    return figure["answer"] == "gain" and figure["ci_high"] >= smallest and p is not None and p * tried <= level


def _mean(summary: Mapping[str, Any], arm: str) -> float:
    mean: float = summary["arms"][arm][summary["dataset"]["primary_metric"]]["mean"]
    return mean


def _short(arm: str, base: str) -> str:
    """What an arm does that its ``base`` does not: its filler, its policy or its mask."""
    filler, policy, masked, way = ARMS[arm]
    return filler or way or (policy if policy and policy != base else "") or ("a masked loss" if masked else arm)


def rivals(summary: Mapping[str, Any], gain: str) -> list[str]:
    """The arms without a GAN that the arm of ``gain`` was compared with, but for its base: other fillers, the masked
    loss alone, other policies. Neither real images of the hidden cells nor the control count."""
    arm, _, base = gain.partition("_vs_")
    others = (name.partition("_vs_")[2] for name in summary["gains"] if name.partition("_vs_")[0] == arm)
    return [
        one
        for one in others
        if one not in (base, "none") and one in ARMS and ARMS[one].filler not in (REAL, UNADVERSARIAL)
    ]


def of_real(summary: Mapping[str, Any], base: str) -> tuple[str, Mapping[str, Any]] | None:
    """The gain over ``base`` of real images of the hidden cells, and its figure, if that is shown to be one."""
    metric = summary["dataset"]["primary_metric"]
    for gain, figures in summary["gains"].items():
        arm, _, against = gain.partition("_vs_")
        if against == base and arm in ARMS and ARMS[arm].filler == REAL and figures[metric]["answer"] == "gain":
            return gain, figures[metric]
    return None


def control(summary: Mapping[str, Any], gain: str) -> Mapping[str, Any] | None:
    """The figure of the arm of ``gain`` over the same translator without its adversarial loss, if that was run."""
    arm, metric = gain.partition("_vs_")[0], summary["dataset"]["primary_metric"]
    for other, figures in summary["gains"].items():
        mine, _, against = other.partition("_vs_")
        if mine == arm and against in ARMS and ARMS[against].filler == UNADVERSARIAL:
            found: Mapping[str, Any] = figures[metric]
            return found
    return None


def real_images(summary: Mapping[str, Any]) -> int:
    """How many real images of each hidden cell the arm of real images learns from, about."""
    protocol, cells = summary["settings"]["protocol"], summary["cells"]
    if "train_per_cell" in protocol:
        return int(protocol["train_per_cell"])
    counts: list[int] = [
        of_class[name] for of_class in cells["counts"].values() for name in cells["targets"] if of_class[name]
    ]
    return max(1, round(sum(counts) / len(counts) * (1 - 1 / int(protocol["folds"]))))


def asides(summary: Mapping[str, Any], arm: str, base: str) -> str:
    """What an ``arm`` does to the hidden cells, and to all others: what it costs. Empty if not measured."""
    figures = summary["gains"].get(f"{arm}_vs_{base}", {})
    said = [f"{words} {interval.in_words(figures[name])}" for name, words in ASIDE.items() if name in figures]
    return f"Recall of {', of '.join(said)}." if said else ""


def recall_rows(summary: Mapping[str, Any], arms: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row per cell: its images, and what each of the ``arms`` recognises when the cell is hidden, and when
    it is seen."""
    cells = summary["cells"]
    rows: list[tuple[str, ...]] = []
    for name in summary["dataset"]["classes"]:
        for condition in cells["conditions"]:
            recalls = (cells["recall"][arm][name][condition] for arm in arms)
            said = (", ".join(f"{one[key]:.0f} % {key}" for key in _WHEN if one[key] is not None) for one in recalls)
            images = str(cells["counts"][name][condition] or "missing")
            rows.append((f"{name} under {condition}", images, *(one or "not tested" for one in said)))
    return ("cell", "images", *arms), rows


def gain_rows(summary: Mapping[str, Any], gains: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and a row per gain: all tested classes under the targets, the hidden cells, all other cells, and each
    target alone."""
    metrics = (summary["dataset"]["primary_metric"], *ASIDE)
    cells = summary["cells"]
    alone = cells["targets"] if len(cells["targets"]) > 1 else []
    header = (
        "gain in points",
        *(verdict.metric_words(summary, name) for name in metrics),
        *(f"{name} alone" for name in alone),
    )
    rows = []
    for gain in gains:
        figures = [summary["gains"][gain][name] for name in metrics]
        figures += [cells["gains"][gain][name] for name in alone]
        rows.append((verdict.arms_of(gain), *(interval.in_words(one) for one in figures)))
    return header, rows
