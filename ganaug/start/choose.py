"""Settings for a new set of images, each with its reason."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ganaug import config
from ganaug.config import Settings
from ganaug.data.survey import Survey
from ganaug.start.estimate import Pace

FEWEST_STEPS, MOST_STEPS = 1000, 10_000  # of a GAN; more brought nothing on 200 images
_PASSES, _MOST_CLASSIFIER_STEPS = 30, 10_000  # least passes over the images: a weak classifier flatters augmentation
_LARGE = 2000  # from so many images on, one repeat of cross-validation is enough


@dataclass(frozen=True)
class Chosen:
    """``raw`` is params.yaml as plain values, without some defaults; ``why`` has a reason for each choice."""

    raw: dict[str, Any]
    why: dict[str, str]

    @cached_property
    def settings(self) -> Settings:
        """The checked settings."""
        return config.check(self.raw)


def choose(survey: Survey, source: dict[str, Any], device: str, cores: int) -> Chosen:
    """All settings but the GAN's steps, which ``with_steps`` sets by the machine's pace.

    ``survey`` of the images; ``source`` as params.yaml names it; ``device`` is cpu, mps or cuda; ``cores`` of the CPU.
    """
    found = survey.data.found
    # Images per class outside the official test part, whose proportions say nothing about what is learned.
    counts = np.bincount(found.labels[~found.official_test], minlength=len(found.classes))
    uneven = bool(counts.max() >= 2 * counts.min())
    large = device != "cpu"
    size = survey.data.shape.size
    protocol, protocol_why = _protocol(survey)
    width = 64 if large else (24 if size <= 32 else 16)
    flips = survey.mirrored.flips
    sides = sorted({w for w, _ in survey.sizes} | {h for _, h in survey.sizes})
    spread = f"{sides[0]} to {sides[-1]}" if len(sides) > 1 else f"{sides[0]}"
    raw: dict[str, Any] = {
        "data": {
            "source": source,
            "image_size": size,
            "channels": survey.spec.channels,
            "aspect": survey.spec.aspect,
            "background": survey.spec.background,
        },
        "protocol": protocol,
        "gan": {
            "steps": FEWEST_STEPS,
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
            "arms": ["none", "classical", "gan", "gan+classical", "placebo"]
            + (["placebo+classical", "smote"] if uneven else []),
            "classical": {"kind": "trivial-augment", "flip": flips},
        },
        "report": {"primary_metric": "balanced_accuracy" if uneven else "accuracy"},
        "gate": [
            {"gain": "gan_vs_placebo" if uneven else "gan_vs_none", "above": 0.0},
            {"gain": "gan+classical_vs_placebo+classical" if uneven else "gan+classical_vs_classical", "above": 0.0},
        ],
    }
    why = {
        "data.image_size": f"the images' sides are {spread} pixels"
        + ("; on a CPU no more than 64" if not large and size == 64 < sides[-1] else ""),
        "data.channels": "every image is gray" if survey.spec.channels == "gray" else "some images have colours",
        "data.aspect": "all have one shape, so squeezing distorts all equally; pad | crop | squeeze"
        if survey.spec.aspect == "squeeze"
        else "shapes differ, and bars keep the proportions; pad | crop | squeeze",
        "data.background": "behind transparent pixels, and of bars"
        + ("; on black nothing of some images can be seen" if survey.spec.background != "black" else ""),
        "protocol": protocol_why,
        "gan.width": f"channels at full size; for {'a GPU' if large else f'{cores} CPU cores'} and {size} pixels",
        "gan.flip": f"{'allowed' if flips else 'not allowed'}: {survey.mirrored.reason()}",
        "synth.balance": "classes differ in size: each is topped up to the largest; none | equal | fill"
        if uneven
        else "classes are about equal in size: as many images of each; none | equal | fill",
        "classify.arms": "placebo: real images repeated to the same counts, which GAN images must beat"
        if uneven
        else "placebo, the control: real images instead of the synthetic ones; oversample, smote, ... are available",
        "report.primary_metric": "the rare classes weigh as much as the others"
        if uneven
        else "classes are about equal in size",
    }
    return Chosen(raw, why)


def with_steps(chosen: Chosen, pace: Pace, minutes: float) -> Chosen:
    """As many steps of the GAN as fit in ``minutes``, in whole hundreds; one repeat if that is too few."""
    if chosen.raw["protocol"].get("repeats", 1) > 1 and _fitting(chosen.settings, pace, minutes) < 2 * FEWEST_STEPS:
        chosen = _with(chosen, "protocol", repeats=1)
    fitting = _fitting(chosen.settings, pace, minutes)
    steps = max(FEWEST_STEPS, min(MOST_STEPS, fitting // 100 * 100))
    limit = {FEWEST_STEPS: "the fewest that init sets", MOST_STEPS: "more bring little on a small set"}
    reason = limit.get(steps, f"what fits in {minutes:g} minutes")
    pace_here = f"{1 / pace.gan_step:.1f} per second, {pace.jobs} at a time on this machine's {pace.device}"
    return Chosen(_with(chosen, "gan", steps=steps).raw, {**chosen.why, "gan.steps": f"{reason}: {pace_here}"})


def _fitting(settings: Settings, pace: Pace, minutes: float) -> int:
    left = 60 * minutes - (pace.run_seconds(settings) - pace.gan_seconds(settings, settings.gan.steps))
    return int(max(0.0, left) / pace.gan_seconds(settings, 1))


def _with(chosen: Chosen, group: str, **changes: Any) -> Chosen:
    return Chosen({**chosen.raw, group: {**chosen.raw[group], **changes}}, chosen.why)


def _protocol(survey: Survey) -> tuple[dict[str, Any], str]:
    """Holdout if the source has a test part; else cross-validation with as many folds as the classes allow."""
    items = survey.data.items()
    if items.official_test.any():
        test = int(items.official_test.sum())
        return {"kind": "holdout", "trials": 5, "seed": 0}, f"{test} images are set apart for testing"
    repeats = 1 if len(items.labels) >= _LARGE else 2
    parts = items.parts()
    rarest = min(parts, key=lambda name: parts[name])
    folds = max(2, min(5, parts[rarest]))  # if these cannot be dealt, fewer cannot: they train on less
    unit = "groups" if items.groups else "different images"
    reason = "no test part: every image is tested by networks that never saw it"
    few = f"; class {rarest} has only {folds} {unit}" if folds < 5 else ""
    return {"kind": "cv", "folds": folds, "repeats": repeats, "seed": 0}, reason + few
