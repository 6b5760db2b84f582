"""Settings for a new set of images, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ganaug import config
from ganaug.classify.arms import ClassifySpec
from ganaug.config import Settings
from ganaug.data.survey import Survey
from ganaug.start.estimate import Pace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST_STEPS, MOST_STEPS = 1000, 10_000  # of a GAN; more brought nothing on 200 images
_PASSES, _MOST_CLASSIFIER_STEPS = 30, 10_000  # over the images, at least: a weak classifier flatters any augmentation
_LARGE = 2000  # images from which one repeat of cross-validation is enough


@dataclass(frozen=True)
class Chosen:
    """``raw`` is params.yaml as plain values; ``why`` has a reason for keys such as ``protocol.folds``."""

    raw: dict[str, Any]
    why: dict[str, str]

    @cached_property
    def settings(self) -> Settings:
        return config.check(self.raw)


def choose(survey: Survey, source: dict[str, Any], device: str, cores: int) -> Chosen:
    """All but the GAN's steps, for which ``with_steps`` must know the machine's pace."""
    counts = _train_counts(survey)
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
            "background": "black",
            "on_broken": "refuse",
            "licence": "not stated",
        },
        "protocol": protocol,
        "gan": {
            "steps": FEWEST_STEPS,
            "batch_size": 64,
            "generator_width": width,
            "discriminator_width": width,
            "augment": {"shift": 0.1, "brightness": 0.2, "contrast": 0.5, "flip": flips},
        },
        "synth": {"per_class": 500, "balance": "fill" if uneven else "equal", "seed": 0},
        "classifier": {
            "model": "small-cnn",
            "width": 32 if size <= 16 else 16,
            "steps": max(300 if size <= 16 else 500, min(_MOST_CLASSIFIER_STEPS, _PASSES * int(counts.sum()) // 64)),
        },
        "classify": {
            "arms": ["none", "classical", "gan", "gan+classical", "placebo"]
            + (["placebo+classical", "smote"] if uneven else []),
            "classical": {"kind": "trivial-augment", "flip": flips},
            "curve": list(ClassifySpec().curve),
        },
        "fidelity": {"enabled": True, "encoder": {"kind": "own"}},
        "report": {"primary_metric": "balanced_accuracy" if uneven else "accuracy", "confidence": 0.95},
        "gate": [
            {"gain": "gan_vs_placebo" if uneven else "gan_vs_none", "above": 0.0},
            {"gain": "gan+classical_vs_placebo+classical" if uneven else "gan+classical_vs_classical", "above": 0.0},
        ],
        "device": "auto",
        "jobs": 0,
    }
    why = {
        "data.image_size": f"the images' sides are {spread} pixels"
        + ("; on a CPU no more than 64" if not large and size == 64 < sides[-1] else ""),
        "data.channels": "every image is gray" if survey.spec.channels == "gray" else "there are colours",
        "data.aspect": "one shape of image: squeezing deforms all alike; pad | crop | squeeze"
        if survey.spec.aspect == "squeeze"
        else "shapes differ: bars keep the proportions; pad | crop | squeeze",
        "protocol": protocol_why,
        "gan.width": f"channels at full size; for {'a GPU' if large else f'{cores} CPU cores'} and {size} pixels",
        "gan.flip": f"{'allowed' if flips else 'not allowed'}: {survey.mirrored.reason()}",
        "synth.balance": "classes differ in size: each is topped up to the largest; none | equal | fill"
        if uneven
        else "classes are about as large: as many of each; none | equal | fill",
        "classify.arms": "placebo: real images repeated to the same counts; what GAN images must beat"
        if uneven
        else "placebo, the control: real images again for the synthetic ones; oversample, smote, ... are there too",
        "classify.curve": "none and classical also with so many times fewer labels: what is a gain worth in labels?",
        "classify.classical": "the policy that needs no tuning; the GAN must beat it",
        "report.primary_metric": "the rare classes weigh as much as the others"
        if uneven
        else "classes are about as large",
    }
    return Chosen(raw, why)


def with_steps(chosen: Chosen, pace: Pace, minutes: float) -> Chosen:
    """As many steps of the GAN as ``minutes`` leave time for, in whole hundreds; fewer repeats if that is too few."""
    fixed = chosen
    if chosen.raw["protocol"].get("repeats", 1) > 1 and _fitting(fixed.settings, pace, minutes) < 2 * FEWEST_STEPS:
        fixed = _with(fixed, "protocol", repeats=1)
    fitting = _fitting(fixed.settings, pace, minutes)
    steps = max(FEWEST_STEPS, min(MOST_STEPS, fitting // 100 * 100))
    done = _with(fixed, "gan", steps=steps)
    rate = 1 / pace.gan_step
    limit = {FEWEST_STEPS: "the fewest that are set here", MOST_STEPS: "more bring little on a small set"}
    reason = limit.get(steps, f"what {minutes:g} minutes leave time for")
    where = f"{pace.jobs} at a time on this machine's {pace.device}"
    return Chosen(done.raw, {**done.why, "gan.steps": f"{reason}: {rate:.1f} a second, {where}"})


def _fitting(settings: Settings, pace: Pace, minutes: float) -> int:
    left = 60 * minutes - (pace.run_seconds(settings) - pace.gan_seconds(settings, settings.gan.steps))
    return int(max(0.0, left) / pace.gan_seconds(settings, 1))


def _with(chosen: Chosen, group: str, **changes: Any) -> Chosen:
    return Chosen({**chosen.raw, group: {**chosen.raw[group], **changes}}, chosen.why)


def _train_counts(survey: Survey) -> NDArray[np.int64]:
    """Images of each class outside the official test part, whose proportions say nothing of what is learned."""
    import numpy as np

    found = survey.data.found
    return np.bincount(found.labels[~found.official_test], minlength=len(found.classes))


def _protocol(survey: Survey) -> tuple[dict[str, Any], str]:
    """Holdout where the source sets a test part apart; else cross-validation in as many folds as the classes allow."""
    items = survey.data.items()
    if items.official_test.any():
        test = int(items.official_test.sum())
        return {"kind": "holdout", "trials": 5, "seed": 0}, f"{test} images are set apart for testing"
    repeats = 1 if len(items.labels) >= _LARGE else 2
    parts = items.parts()
    rarest = min(parts, key=lambda name: parts[name])
    folds = max(2, min(5, parts[rarest]))  # where more folds cannot be dealt, fewer cannot either: they train on less
    unit = "groups" if items.groups else "different images"
    reason = "no test part: every image is tested on by networks that never saw it"
    few = f"; class {rarest} has only {folds} {unit}" if folds < 5 else ""
    return {"kind": "cv", "folds": folds, "repeats": repeats, "seed": 0}, reason + few
