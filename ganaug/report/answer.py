"""The answer in ten seconds: use the GAN images, do not, or it cannot be told yet; why, and what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ganaug.data.splits import RELEASE
from ganaug.evaluate import stats
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
    figure, smallest = summary["gains"][gain][metric], summary["settings"]["report"]["smallest_gain"]
    better = _rivals(summary, gain, "loss")
    word: Any = _SEEN[figure["answer"]]
    reason = verdict.sentences(summary, what_next=False)[0]
    if word == "use" and figure["ci_high"] < smallest:
        word, reason = "do not use", f"{reason[:-1]}: less than the {smallest:g} points that are worth having."
    if better:
        word, reason = "do not use", f"{reason[:-1]}; but {' and '.join(better)}, without a GAN, does better."
    return Answer(
        word,
        _TITLES[word],
        gain,
        metric,
        figure,
        reason,
        tuple(_cautions(summary, gain, word)),
        tuple(_steps(summary, gain, word, better)),
    )


def _rivals(summary: Mapping[str, Any], gain: str, *answers: str) -> list[str]:
    """The cheaper fillers that the arm of ``gain`` was compared with, on the same policy, with one of ``answers``."""
    arm, _, base = gain.partition("_vs_")
    metric, found = summary["dataset"]["primary_metric"], []
    for other, figures in summary["gains"].items():
        mine, _, rival = other.partition("_vs_")
        if mine == arm and rival not in (base, "none") and figures[metric]["answer"] in answers:
            found.append(rival)
    return found


def _cautions(summary: Mapping[str, Any], gain: str, word: str) -> Iterator[str]:
    dataset, filled = summary["dataset"], summary["settings"]["synth"]["balance"] == "fill"
    metric, arm = dataset["primary_metric"], gain.partition("_vs_")[0]
    if dataset["draws"] == "tuning":
        yield "These are tuning draws: settings were chosen on them, so the figures are not to be reported."
    if word == "use":
        for rival in _rivals(summary, gain, "no gain", "cannot tell"):
            yield f"The gain is not shown to be the GAN's: {rival}, which needs none, may do as well."
        if not _rivals(summary, gain, "gain", "loss", "no gain", "cannot tell"):
            rest = arm.partition("+")[1:]
            yield f"No arm with another filler was run (such as placebo{''.join(rest)}): other images may do as well."
        if dataset.get("unlabelled_images") and not any("pseudo" in other for other in summary["gains"]):
            yield "No arm with pseudo-labels was run: images without labels may do as much without a GAN."
    for control in ("placebo_vs_none", "placebo+classical_vs_classical"):
        found = summary["gains"].get(control)
        if found and found[metric]["answer"] == "gain" and not filled:
            yield f"The control gains too ({verdict.arms_of(control)}): something else than the images helps here."
    if summary["fidelity"] and repeats_training_images(summary["fidelity"]):
        yield "Generated images repeat training images: look at the pairs before you share any."
    alarms = {split: set(kinds) & {"diverged", "mode collapse"} for split, kinds in summary["alarms"].items()}
    if released := alarms.pop(RELEASE, None):
        alarm = f"The released generator's training had an alarm ({', '.join(sorted(released))})"
        yield f"{alarm}, and no figure is about its images: look at them."
    if others := set().union(*alarms.values()):
        yield f"A trial's training had an alarm ({', '.join(sorted(others))}), so a better GAN might do better."


def _steps(summary: Mapping[str, Any], gain: str, word: str, better: Sequence[str]) -> Iterator[Step]:
    dataset, synth = summary["dataset"], summary["settings"]["synth"]
    arm, _, base = gain.partition("_vs_")
    if dataset["draws"] == "tuning":
        yield Step("Measure on draws that may be reported: protocol.draws: report in params.yaml.", "dvc repro")
        return
    if word == "use":
        amount = "--balance fill" if synth["balance"] == "fill" else f"-n {synth.get('per_class', 500)}"
        yield Step(f"Take the images, and train as the arm {arm} does.", f"ganaug synth {amount}")
        return
    if word == "cannot tell":
        yield from _more_evidence(summary, summary["gains"][gain][dataset["primary_metric"]])
    else:
        yield Step(f"Train as the arm {better[0] if better else base} does, without GAN images.")
    labels = equivalents.one_point_words(equivalents.of_gain(summary, gain, dataset["primary_metric"]))
    if labels:
        yield Step(f"{'Or label' if word == 'cannot tell' else 'Label'} {labels}: that is what 1 point takes.")


def _more_evidence(summary: Mapping[str, Any], figure: Mapping[str, Any]) -> Iterator[Step]:
    """What would settle a gain that cannot be told yet, as far as it can be done."""
    dataset, protocol, needed = summary["dataset"], summary["settings"]["protocol"], figure["needed"]
    folds, most = protocol.get("folds") if protocol["kind"] == "cv" else None, dataset.get("most_trials")
    size = f"a gain of {summary['settings']['report']['smallest_gain']:g} points"
    limit = stats.most_trials(figure["trials"])
    if figure["ci_low"] is None:
        trials, because = 3, "one does not say how much trials differ"
    elif needed is None:
        yield Step(f"Not even {limit} trials with {stats.MOST_TIMES:g} times the images would show {size}.")
        return
    else:
        trials, because = needed["trials"], f"{size} is then seen with a probability of about 80 %"
        if "images" in needed:
            kind = "labelled images in all" if folds else "test images"
            few = f"on those there are, {limit} trials would not show {size}"
            yield Step(f"Get about {needed['images']:,} {kind}: {few}.")
            if trials <= figure["trials"]:
                return
    if most is not None and trials > most:
        yield Step(f"Take a larger set: there are images for {most} trials, and {trials} are needed to see {size}.")
        return
    setting = f"protocol.repeats: {-(-trials // folds)}" if folds else f"protocol.trials: {trials}"
    run = "On these, run" if needed and "images" in needed else "Run"
    yield Step(f"{run} about {trials} trials ({setting} in params.yaml): {because}.", "dvc repro")
