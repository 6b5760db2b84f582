"""The answer in ten seconds: use the GAN images, do not, or it cannot be told yet; why, and what to do next."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ganaug.classify.arms import ARMS, filler_of
from ganaug.data.splits import RELEASE
from ganaug.measure import stats
from ganaug.report import equivalents, filling, interval, missing, verdict
from ganaug.report.fidelity_tables import repeats_training_images

_TITLES: dict[Literal["use", "do not use", "cannot tell"], str] = {
    "use": "Use them",
    "do not use": "Do not use them",
    "cannot tell": "Cannot tell yet",
}
_SEEN = {"gain": "use", "loss": "do not use", "no gain": "do not use", "cannot tell": "cannot tell"}
_FEW = 10  # trials that hide cells: with fewer, say to run more


@dataclass(frozen=True)
class Step:
    """What to do next, and the command for it where there is one."""

    text: str
    command: str | None = None


@dataclass(frozen=True)
class Answer:
    """``gain`` is the one that decides: of GAN images over the best that one would do without them; where missing cells
    are filled without a GAN, what that brings. ``arm``: the one to train as; None where that cannot be told.
    ``is_filled``: whether that fills missing cells."""

    word: Literal["use", "do not use", "cannot tell"]
    title: str
    gain: str
    metric: str
    figure: Mapping[str, Any]
    reason: str
    cautions: tuple[str, ...]
    steps: tuple[Step, ...]
    arm: str | None = None
    is_filled: bool = False

    @property
    def tone(self) -> Literal["use", "do not use", "cannot tell"]:
        """How the answer looks: what says how to fill missing cells is good news, GAN or not."""
        return "use" if self.is_filled else self.word


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
    if "cells" in summary:
        return _of_cells(summary, gain, filling.choose(summary, gain, word, reason))
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
        {"use": gain.partition("_vs_")[0], "do not use": [*better, gain.partition("_vs_")[2]][0]}.get(word),
    )


def _of_cells(summary: Mapping[str, Any], gain: str, choice: filling.Choice) -> Answer:
    """The answer where cells are missing: ``choice``, of translation, whose ``gain`` it is, and of all that was run."""
    metric, (arm, _, base) = summary["dataset"]["primary_metric"], gain.partition("_vs_")
    trained = choice.arm if choice.arm not in (None, base) else arm
    return Answer(
        choice.word,
        choice.title,
        f"{trained}_vs_{base}",
        metric,
        summary["gains"][f"{trained}_vs_{base}"][metric],
        f"{choice.reason} {filling.asides(summary, trained, base)}".strip(),
        tuple(_cautions_of_cells(summary, gain, choice)),
        tuple(_steps_of_cells(summary, gain, choice)),
        choice.arm,
        is_filled=choice.arm not in (None, base),
    )


def _rivals(summary: Mapping[str, Any], gain: str, *answers: str) -> list[str]:
    """The cheaper fillers that the arm of ``gain`` was compared with, on the same policy, with one of ``answers``."""
    arm, _, base = gain.partition("_vs_")
    metric, found = summary["dataset"]["primary_metric"], []
    for other, figures in summary["gains"].items():
        mine, _, rival = other.partition("_vs_")
        filler = filler_of(rival) if rival in ARMS else None
        needs_none = not (filler and filler.is_gan)
        if mine == arm and rival not in (base, "none") and needs_none and figures[metric]["answer"] in answers:
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
    yield from _of_the_images(summary)


def _of_the_images(summary: Mapping[str, Any]) -> Iterator[str]:
    """What speaks against the generators and their images themselves."""
    if summary["fidelity"] and repeats_training_images(summary["fidelity"]):
        yield "Generated images repeat training images: look at the pairs before you share any."
    alarms = {split: set(kinds) & {"diverged", "mode collapse"} for split, kinds in summary["alarms"].items()}
    if released := alarms.pop(RELEASE, None):
        alarm = f"The released generator's training had an alarm ({', '.join(sorted(released))})"
        yield f"{alarm}, and no figure is about its images: look at them."
    if others := set().union(*alarms.values()):
        yield f"A trial's training had an alarm ({', '.join(sorted(others))}), so a better GAN might do better."


def _cautions_of_cells(summary: Mapping[str, Any], gain: str, choice: filling.Choice) -> Iterator[str]:
    metric, (arm, _, base) = summary["dataset"]["primary_metric"], gain.partition("_vs_")
    if summary["dataset"]["draws"] == "tuning":
        yield "These are tuning draws: settings were chosen on them, so the figures are not to be reported."
    costs = summary["gains"].get(f"{choice.arm}_vs_{base}", {}).get("other_recall")
    if costs and costs["answer"] == "loss":
        yield "It costs recall on all other cells."
    if choice.word == "use":
        figures = summary["gains"]
        cheaper = filling.rivals(summary, gain)
        for one in cheaper:
            if figures[f"{arm}_vs_{one}"][metric]["answer"] != "gain":
                yield f"The gain is not shown to be the GAN's: {one}, which needs none, may do as well."
        if not cheaper:
            yield "No arm that fills cells without a GAN was run (such as histogram): it may do as well."
        control = filling.control(summary, gain)
        if control and control["answer"] != "gain":
            said = f"the same translator without its adversarial loss may do as well ({interval.in_words(control)})"
            yield f"The gain is not shown to be the GAN's: {said}."
        yield from _of_the_images(summary)


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


def _steps_of_cells(summary: Mapping[str, Any], gain: str, choice: filling.Choice) -> Iterator[Step]:
    dataset, cells = summary["dataset"], summary["cells"]
    base = gain.partition("_vs_")[2]
    if dataset["draws"] == "tuning":
        yield Step("Measure on draws that may be reported: protocol.draws: report in params.yaml.", "dvc repro")
        return
    targets = cells["targets"]
    if choice.word == "use":
        for name in targets:
            per_class = -(-summary["settings"]["synth"].get("per_class", 500) // len(targets))  # as measured
            yield Step(
                f"Take translations of every class to {name}, and train as the arm {choice.arm} does.",
                f"ganaug synth --condition {shlex.quote(name)} -n {per_class}",
            )
    elif choice.arm:
        yield Step(f"Train as the arm {choice.arm} does; it needs no GAN.")
    real = filling.of_real(summary, base)
    if choice.word == "cannot tell":
        figure = summary["gains"][choice.open_gain][dataset["primary_metric"]]
        if figure["needed"] or figure["ci_low"] is None:
            yield from _more_evidence(summary, figure)
        else:
            if figure["trials"] < _FEW:
                folds = summary["settings"]["protocol"].get("folds")  # none where trials are draws
                setting = f"protocol.repeats: {-(-_FEW // folds)}" if folds else f"protocol.trials: {_FEW}"
                yield Step(f"Run {_FEW} trials ({setting} in params.yaml).", "dvc repro")
            if not real:
                yield Step(
                    f"Photograph more classes under {missing.listed(targets)}: gains differ from class to class."
                )
    if real:
        them = missing.missing_words(cells["missing"])
        cell = f"missing cell ({them})" if them else "missing cell"
        verb = "Or photograph" if choice.arm not in (None, base) else "Photograph"
        bring = f"real images of the hidden cells bring {interval.in_words(real[1])} points"
        yield Step(f"{verb} about {filling.real_images(summary)} of each {cell}: {bring}.")


def _more_evidence(summary: Mapping[str, Any], figure: Mapping[str, Any]) -> Iterator[Step]:
    """What would settle a gain that cannot be told yet, as far as it can be done."""
    dataset, protocol, needed = summary["dataset"], summary["settings"]["protocol"], figure["needed"]
    folds, most = protocol.get("folds"), dataset.get("most_trials")  # no folds where trials are draws
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
