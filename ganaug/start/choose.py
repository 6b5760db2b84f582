"""Settings for a new set of images, each with its reason."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ganaug import config
from ganaug.config import ReportSpec, Settings
from ganaug.data.survey import Survey
from ganaug.gan.presets import PRESETS
from ganaug.start import cells
from ganaug.start.power import ASSUMED, power

ENOUGH = 0.8  # power from which on a gate may ask that a gain be shown (Cohen's convention)
_PASSES, _MOST_CLASSIFIER_STEPS = 30, 10_000  # least passes over the images: a weak classifier flatters augmentation
_LARGE = 2000  # from so many images on, one repeat of cross-validation is enough


@dataclass(frozen=True)
class Limits:
    """What init sets for a network: the fewest and the most steps, how many are enough; ``smallest``: pixels per side
    that images are made smaller to, at least."""

    fewest: int
    enough: int
    most: int
    smallest: int


GAN = Limits(1000, 2000, 10_000, 16)  # more brought nothing on 200 images
TRANSLATOR = Limits(700, PRESETS["translate"].values["steps"], 3000, 20)
_UNLABELLED = "pseudo: what the images without labels bring without a GAN"
# Arms of many steps, without a GAN: the best that images without labels are known to bring, and that more steps bring.
SLOW = ("pseudo+fixmatch+classical", "longer+classical")
_ENLARGED = 28  # pixels per side of images too small to be translated: a patch that D judges would be the whole image


@dataclass(frozen=True)
class Scope:
    """How much a run takes on: all that is worth knowing, or less where time is short."""

    size: int  # pixels per side
    steps: int = GAN.enough  # of the GAN, at least
    repeats: int = 2  # of cross-validation, at most
    trials: int = 5  # folds of cross-validation, at most, or trials on an official test part
    curve: bool = True  # what is a gain worth in labels?
    slow: bool = True  # do more steps bring as much, without a GAN?
    controls: bool = True  # arms that only show that other images would not do the same
    alone: bool = True  # arms without classical augmentation


@dataclass(frozen=True)
class Chosen:
    """``raw`` is params.yaml as plain values, without some defaults; ``why`` has a reason for each choice."""

    raw: dict[str, Any]
    why: dict[str, str]

    @cached_property
    def settings(self) -> Settings:
        """The checked settings."""
        return config.check(self.raw)


def limits_of(survey: Survey) -> Limits:
    """Those of the network that suits the ``survey``."""
    return TRANSLATOR if cells.are_filled(survey.data.items()) else GAN


def full_size(survey: Survey) -> int:
    """Pixels per side of the images where time does not matter: their own, unless they are too small to be
    translated."""
    own = survey.data.shape.size
    return _ENLARGED if limits_of(survey) is TRANSLATOR and own < TRANSLATOR.smallest else own


def choose(
    survey: Survey,
    source: dict[str, Any],
    device: str,
    cores: int,
    scope: Scope | None = None,
    unlabelled: str | None = None,
) -> Chosen:
    """All settings, for a run that takes on what ``scope`` says (left out: everything).

    ``survey`` of the images; ``source`` as params.yaml names it, and the folder of images ``unlabelled``, if there is
    one; ``device`` is cpu, mps or cuda; ``cores`` of the CPU.
    """
    found, largest = survey.data.found, full_size(survey)
    scope = scope or Scope(largest)
    # Images per class outside the official test part, whose proportions say nothing about what is learned.
    counts = np.bincount(found.labels[~found.official_test], minlength=len(found.classes))
    filled = cells.are_filled(survey.data.items())
    uneven = bool(counts.max() >= 2 * counts.min()) and not filled  # a class with missing cells has fewer images
    large = device != "cpu"
    size = scope.size
    protocol, protocol_why = _protocol(survey, scope)
    width = 64 if large else (24 if size <= 32 else 16)
    flips = survey.mirrored.flips
    sides = sorted({w for w, _ in survey.sizes} | {h for _, h in survey.sizes})
    spread = f"{sides[0]} to {sides[-1]}" if len(sides) > 1 else f"{sides[0]}"
    arms, arms_why = cells.arms(survey, scope.controls) if filled else _arms(scope, uneven)
    if unlabelled:
        arms, arms_why = [*arms, "pseudo+classical"], f"{arms_why}; {_UNLABELLED}"
    if scope.slow and not filled:
        arms, arms_why = [*arms, *SLOW[not unlabelled :]], f"{arms_why}; longer: what more steps bring without a GAN"
    raw: dict[str, Any] = {
        "data": {
            "source": source,
            "image_size": size,
            "channels": survey.spec.channels,
            "aspect": survey.spec.aspect,
            "background": survey.spec.background,
            "unlabelled": unlabelled,
        },
        "protocol": protocol,
        "gan": {"preset": "translate", "steps": scope.steps}
        if filled
        else {
            "preset": "default",
            "steps": scope.steps,
            "generator_width": width,
            "discriminator_width": width,
            "augment": {"shift": 0.1, "brightness": 0.2, "contrast": 0.5, "flip": flips},
        },
        "synth": {"balance": "fill" if uneven else "equal"},
        "classifier": {
            "width": 32 if size <= 16 else 16,
            "steps": max(300 if size <= 16 else 500, min(_MOST_CLASSIFIER_STEPS, _PASSES * int(counts.sum()) // 64)),
        },
        "classify": {
            "arms": arms,
            "curve": [1.5, 2.0] if scope.curve and not filled else [],
            "classical": {"kind": "trivial-augment", "flip": flips},
        },
        "report": {"primary_metric": "condition_accuracy" if filled else "balanced_accuracy" if uneven else "accuracy"},
    }
    raw["gate"], gate_why = cells.gate() if filled else _gate(survey, raw)
    why = {
        "data.image_size": f"the images' sides are {spread} pixels"
        + (f"; enlarged, since translation needs {TRANSLATOR.smallest}" if largest > survey.data.shape.size else "")
        + ("; on a CPU no more than 64" if not large and largest == 64 < sides[-1] else "")
        + (f"; made smaller than {largest} to save time" if size < largest else ""),
        "data.channels": "every image is gray" if survey.spec.channels == "gray" else "some images have colours",
        "data.aspect": "all have one shape, so squeezing distorts all equally; pad | crop | squeeze"
        if survey.spec.aspect == "squeeze"
        else "shapes differ, and bars keep the proportions; pad | crop | squeeze",
        "data.background": "behind transparent pixels, and of bars"
        + ("; on black nothing of some images can be seen" if survey.spec.background != "black" else ""),
        "protocol": protocol_why,
        "gan.width": f"channels at full size; for {'a GPU' if large else f'{cores} CPU cores'} and {size} pixels",
        "gan.flip": f"{'allowed' if flips else 'not allowed'}: {survey.mirrored.reason()}",
        "synth.balance": "images of all classes, not of missing cells alone, which would give the class away"
        if filled
        else "classes differ in size: each is topped up to the largest; none | equal | fill"
        if uneven
        else "classes are about equal in size: as many images of each; none | equal | fill",
        "classify.arms": arms_why,
        "gate": gate_why,
        "report.primary_metric": "all classes under the conditions that lack some, hidden ones and others"
        if filled
        else "the rare classes weigh as much as the others"
        if uneven
        else "classes are about equal in size",
    }
    return Chosen(raw, why)


def _arms(scope: Scope, uneven: bool) -> tuple[list[str], str]:
    """Where classes are uneven, the control is part of the question: topping up with real images is what GAN images
    must beat."""
    alone, on_top = ["none", "classical", "gan", "gan+classical"], ["classical", "gan+classical"]
    arms = alone if scope.alone else on_top
    if uneven:
        arms = arms + ["placebo"] * scope.alone + ["placebo+classical"]
    arms = arms + (["smote" if uneven else "placebo"] if scope.controls and scope.alone else [])
    if not any(name.startswith("placebo") for name in arms):
        return arms, "oversample, placebo, smote, ... are available"
    if uneven:
        return arms, "placebo: real images repeated to the same counts, which GAN images must beat"
    return arms, "placebo, the control: real images instead of the synthetic ones; oversample, smote, ... are available"


def _gate(survey: Survey, raw: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Rules that suit the set: that a gain be shown where the run has the power to show one, else that no harm be."""
    control = "placebo" if raw["synth"]["balance"] == "fill" else None
    arms = raw["classify"]["arms"]
    gains = [
        f"{arm}_vs_{'+'.join(filter(None, (control, policy))) or 'none'}"
        for arm, policy in (("gan", None), ("gan+classical", "classical"))
        if arm in arms
    ]
    likely, points = chance(survey, config.check(raw)) or 0.0, ReportSpec().smallest_gain
    bound = "above" if likely >= ENOUGH else "not_below"
    shown = f"this run shows a gain of {points:g} points with a probability of about {likely:.0%}, {ASSUMED}"
    asks = "gains must be shown" if likely >= ENOUGH else "fails where harm is shown"
    return [{"gain": gain, bound: 0.0} for gain in gains], f"{asks}: {shown}"


def chance(survey: Survey, settings: Settings) -> float | None:
    """The probability that a run with ``settings`` shows the smallest gain worth having, if there is one.

    None where trials hide cells: how much gains differ there depends on what the conditions change.
    """
    if settings.protocol.hides_cells:
        return None
    balanced = settings.report.primary_metric != "accuracy"
    return power(settings.protocol, survey.data.items(), balanced, settings.report.smallest_gain)


def _protocol(survey: Survey, scope: Scope) -> tuple[dict[str, Any], str]:
    """Holdout if the source has a test part; else cross-validation with as many folds as the classes allow."""
    items = survey.data.items()
    if items.official_test.any():
        test = int(items.official_test.sum())
        return {"kind": "holdout", "trials": scope.trials, "seed": 0}, f"{test} images are set apart for testing"
    if cells.are_filled(items):
        return cells.protocol(items, scope.trials, scope.repeats)
    repeats = 1 if len(items.labels) >= _LARGE else scope.repeats
    parts = items.parts()
    rarest = min(parts, key=lambda name: parts[name])
    folds = max(2, min(scope.trials, parts[rarest]))  # if these cannot be dealt, fewer cannot: they train on less
    unit = "groups" if items.groups else "different images"
    reason = "no test part: every image is tested by networks that never saw it"
    few = f"; class {rarest} has only {folds} {unit}" if folds < scope.trials else ""
    return {"kind": "cv", "folds": folds, "repeats": repeats, "seed": 0}, reason + few
