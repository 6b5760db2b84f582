"""How long a run takes on this machine: a few steps of each network, timed, and the rest reckoned."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ganaug.classify.arms import Arm
from ganaug.config import Settings
from ganaug.stages.classify import arms_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CROWDED = 1.4  # a job is so much slower while all cores work, measured on two
_FIXED_SECONDS = 45.0  # five commands, each with its imports and those of its workers
_GAN_STEPS = 4  # timed at once: a lazy penalty is due in one of them
_SAMPLE = 256  # images that the timed steps work on


@dataclass(frozen=True)
class Pace:
    """Seconds of one step on this machine, one job alone; ``jobs`` run at a time."""

    device: str
    jobs: int
    gan_step: float
    classifier_steps: dict[str, float]  # arm -> seconds

    def gan_seconds(self, settings: Settings, steps: int) -> float:
        """All GANs of the protocol, ``steps`` long."""
        rounds = math.ceil(len(settings.protocol.names()) / self.jobs)
        return rounds * steps * self.gan_step * self.slower

    def run_seconds(self, settings: Settings) -> float:
        """The whole pipeline."""
        steps, classify = self.classifier_steps, settings.classify
        trainings = {one.name: _trainings(one) for one in arms_of(settings)}
        a_step = sum(step * trainings.get(name, 1) for name, step in steps.items())
        a_step += len(classify.curve) * sum(steps[name] for name in classify.curve_arms)
        if settings.fidelity.enabled:  # one more classifier, which learns from generated images as they are
            a_step += min(steps.values())
        trained = a_step * settings.protocol.trials * classify.repeats
        if settings.gan_has_teachers:
            trained += max(steps.values()) * classify.pseudo.teachers * len(settings.protocol.names())
        classifiers = trained * settings.classifier.steps
        return _FIXED_SECONDS + self.gan_seconds(settings, settings.gan.steps) + classifiers * self.slower / self.jobs

    @property
    def slower(self) -> float:
        return _CROWDED if self.jobs > 1 else 1.0


def _trainings(chosen: Arm) -> int:
    """Classifiers that an arm trains in a trial: its own and its filler's teachers."""
    return 1 + (chosen.filler.teachers(chosen.pseudo) if chosen.filler else 0)


def measure(settings: Settings, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int) -> Pace:
    """Time the networks of ``settings`` on images (N, H, W, C), on the device that they ask for."""
    import joblib
    import numpy as np

    from ganaug import device
    from ganaug.classify.arms import batches
    from ganaug.classify.fitting import train_classifier
    from ganaug.gan.steps import Training

    where = device.resolve(settings.device)
    device.prepare(where)
    rows = np.sort(np.random.default_rng(0).permutation(len(images))[:_SAMPLE])
    part = (np.ascontiguousarray(images[rows]), labels[rows])
    gan = Training(part[0], part[1], classes, settings.gan, 0, where)
    spec, (_, size, _, channels) = settings.classifier, part[0].shape

    def classifier(arm_index: int) -> Callable[[], object]:
        chosen = arms_of(settings)[arm_index]
        draw = batches(chosen, part, part if chosen.filler else None, classes, spec.batch_size, 0)
        short = replace(spec, steps=4)
        return lambda: train_classifier(draw, short, channels, classes, size, 0, where)

    def gan_steps() -> None:
        for step in range(1, _GAN_STEPS + 1):
            gan.step(step)
        gan.read_measures()  # waits for the device

    return Pace(
        device=where.type,
        jobs=(settings.jobs or joblib.cpu_count()) if where.type == "cpu" else settings.jobs or 1,
        gan_step=_best(gan_steps) / _GAN_STEPS,
        classifier_steps={name: _best(classifier(index)) / 4 for index, name in enumerate(settings.classify.arms)},
    )


def _best(work: Callable[[], object], at_least: int = 3, seconds: float = 1.0) -> float:
    """The shortest of several runs, the first one (which warms up) left out."""
    work()
    began, best, runs = time.perf_counter(), math.inf, 0
    while runs < at_least or time.perf_counter() - began < seconds:
        since = time.perf_counter()
        work()
        best, runs = min(best, time.perf_counter() - since), runs + 1
    return best
