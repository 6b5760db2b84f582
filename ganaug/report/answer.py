"""The answer in ten seconds: use the GAN images, do not, or it cannot be told yet; why, and what to do next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ganaug.report import equivalents, verdict
from ganaug.report.fidelity_tables import repeats_training_images

_TITLES: dict[Literal["use", "do not use", "cannot tell"], str] = {
    "use": "Use them",
    "do not use": "Do not use them",
    "cannot tell": "Cannot tell yet",
}
_SEEN = {"gain": "use", "loss": "do not use", "no gain": "do not use", "cannot tell": "cannot tell"}


@dataclass(frozen=True)
class Step:
    """What to do next, and the command for it where there is one."""

    text: str
    command: str | None = None


@dataclass(frozen=True)
class Answer:
    """``gain`` is the one that decides: of GAN images over the best that one would do without them."""

    word: Literal["use", "do not use", "cannot tell"]
    title: str
    gain: str
    metric: str
    figure: Mapping[str, Any]
    reason: str
    cautions: tuple[str, ...]
    steps: tuple[Step, ...]


def answer(summary: Mapping[str, Any]) -> Answer | None:
    """The answer of a ``summary``; None where no arm with GAN images was run."""
    gains = verdict.spoken(summary)
    if not gains:
        return None
    gain, metric = next(iter(gains)), summary["dataset"]["primary_metric"]
    figure = summary["gains"][gain][metric]
    word: Any = _SEEN[figure["answer"]]
    reason = verdict.sentences(summary, what_next=False)[0]
    if word == "use" and (better := list(_rivals(summary, gain, "loss"))):
        word, reason = "do not use", f"{reason[:-1]}; but {' and '.join(better)}, without a GAN, does better."
    return Answer(
        word,
        _TITLES[word],
        gain,
        metric,
        figure,
        reason,
        tuple(_cautions(summary, gain)),
        tuple(_steps(summary, gain, word)),
    )


def _rivals(summary: Mapping[str, Any], gain: str, said: str) -> Iterator[str]:
    """The cheaper fillers that the arm of ``gain`` was compared with, on the same policy, with that answer."""
    arm, base = gain.split("_vs_")
    metric = summary["dataset"]["primary_metric"]
    for other, figures in summary["gains"].items():
        mine, rival = other.split("_vs_")
        if mine == arm and rival not in (base, "none") and figures[metric]["answer"] == said:
            yield rival


def _cautions(summary: Mapping[str, Any], gain: str) -> Iterator[str]:
    metric = summary["dataset"]["primary_metric"]
    if summary["dataset"]["draws"] == "tuning":
        yield "These are tuning draws: settings were chosen on them, so the figures are not to be reported."
    if summary["gains"][gain][metric]["answer"] == "gain":
        for rival in (*_rivals(summary, gain, "no gain"), *_rivals(summary, gain, "cannot tell")):
            yield f"The gain is not shown to be the GAN's: {rival}, which needs none, may do as well."
    for control in ("placebo_vs_none", "placebo+classical_vs_classical"):
        found, filled = summary["gains"].get(control), summary["settings"]["synth"]["balance"] == "fill"
        if found and found[metric]["answer"] == "gain" and not filled:
            yield f"The control gains too ({verdict.arms_of(control)}): something else than the images helps here."
    if summary["fidelity"] and repeats_training_images(summary["fidelity"]):
        yield "Generated images repeat training images: look at the pairs before you share any."
    kinds = {kind for found in summary["alarms"].values() for kind in found}
    if broken := kinds & {"diverged", "mode collapse"}:
        yield f"A training had an alarm ({', '.join(sorted(broken))}), so a better GAN might do better."


def _steps(summary: Mapping[str, Any], gain: str, word: str) -> Iterator[Step]:
    figure = summary["gains"][gain][summary["dataset"]["primary_metric"]]
    smallest = f"{summary['settings']['report']['smallest_gain']:g}"
    arm, base = gain.split("_vs_")
    if word == "use":
        yield Step(f"Take the images, and train as the arm {arm} does.", "ganaug synth --n 500")
        return
    if word == "cannot tell":
        yield from _more_evidence(summary, figure, smallest)
    else:
        yield Step(f"Train as the arm {base} does, without GAN images.")
    labels = equivalents.one_point_words(equivalents.of_gain(summary, gain, summary["dataset"]["primary_metric"]))
    if labels:
        yield Step(f"Label {labels}: that is what 1 point takes.")


def _more_evidence(summary: Mapping[str, Any], figure: Mapping[str, Any], smallest: str) -> Iterator[Step]:
    protocol, needed = summary["settings"]["protocol"], figure["needed"]
    folds = protocol["folds"] if protocol["kind"] == "cv" else None
    if needed is None and figure["ci_low"] is not None:
        yield Step(f"Label more images: no number of trials on these would show a gain of {smallest} points.")
        return
    more = needed["trials"] if needed else 3
    setting = f"protocol.repeats: {-(-more // folds)}" if folds else f"protocol.trials: {more}"
    if needed and "images" in needed:
        whole = "labelled images in all" if folds else "test images"
        yield Step(f"Get about {needed['images']:,} {whole}; on those there are, no number of trials would do.")
        if more <= figure["trials"]:
            return
    because = (
        f"with so many, a gain of {smallest} points would be seen"
        if needed
        else "one trial does not say how sure it is"
    )
    yield Step(f"Run more trials ({setting} in params.yaml): {because}.", "dvc repro")
