"""How long a run takes on this machine: a few steps of each network are timed, the rest is computed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import joblib
import numpy as np
from numpy.typing import NDArray

from ganaug import device
from ganaug.classify.arms import Arm, batches
from ganaug.config import Settings
from ganaug.stages.runs import arms_of

_CROWDED = 1.4  # factor by which a job is slower while all cores work, measured on two
_FIXED_SECONDS = 45.0  # five commands, each with its imports and those of its workers
_STEPS = 4  # timed together: a lazy penalty of the GAN is due in one of them
_SAMPLE = 256  # images for the timed steps


@dataclass(frozen=True)
class Pace:
    """Seconds per step on this machine, for one job alone; ``jobs`` run at a time."""

    device: str
    jobs: int
    gan_step: float
    classifier_steps: dict[str, float]  # arm -> seconds

    def gan_seconds(self, settings: Settings, steps: int) -> float:
        """All GANs of the protocol, each of ``steps``."""
        rounds = math.ceil(len(settings.protocol.names()) / self.jobs)
        return rounds * steps * self.gan_step * self.slower

    def run_seconds(self, settings: Settings) -> float:
        """The whole pipeline."""
        steps, classify = self.classifier_steps, settings.classify
        teachers = {one.name: one.filler.teachers(one.pseudo) if one.filler else 0 for one in arms_of(settings)}
        a_step = sum(steps[name] * (1 + count) for name, count in teachers.items())
        a_step += len(classify.curve) * sum(steps[name] for name in classify.curve_arms)
        if settings.fidelity.enabled:  # one more classifier, which learns from generated images alone
            a_step += min(steps.values())
        trained = a_step * settings.protocol.trials * classify.repeats
        if settings.gan_has_teachers:
            trained += max(steps.values()) * classify.pseudo.teachers * len(settings.protocol.names())
        classifiers = trained * settings.classifier.steps
        return _FIXED_SECONDS + self.gan_seconds(settings, settings.gan.steps) + classifiers * self.slower / self.jobs

    @property
    def slower(self) -> float:
        """The factor by which a job is slower next to others."""
        return _CROWDED if self.jobs > 1 else 1.0


def measure(settings: Settings, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int) -> Pace:
    """Time the networks of ``settings`` on ``images`` (N, H, W, C) uint8 with ``labels`` (N,) in 0..``classes``-1."""
    from ganaug.classify.fitting import train_classifier
    from ganaug.gan.steps import Training
    from ganaug.gan.watching import read_measures

    where = device.resolve(settings.device)
    device.prepare(where)
    rows = np.sort(np.random.default_rng(0).permutation(len(images))[:_SAMPLE])
    part = (np.ascontiguousarray(images[rows]), labels[rows])
    gan = Training(part[0], part[1], classes, settings.gan, 0, where)
    spec, (_, size, _, channels) = settings.classifier, part[0].shape

    def classifier(chosen: Arm) -> Callable[[], object]:
        draw = batches(chosen, part, part if chosen.filler else None, classes, spec.batch_size, 0)
        return lambda: train_classifier(draw, replace(spec, steps=_STEPS), channels, classes, size, 0, where)

    def gan_steps() -> None:
        for step in range(1, _STEPS + 1):
            gan.step(step)
        read_measures(gan)  # waits for the device

    return Pace(
        device=where.type,
        jobs=(settings.jobs or joblib.cpu_count()) if where.type == "cpu" else settings.jobs or 1,
        gan_step=_best(gan_steps) / _STEPS,
        classifier_steps={one.name: _best(classifier(one)) / _STEPS for one in arms_of(settings)},
    )


def _best(work: Callable[[], object], at_least: int = 3, seconds: float = 1.0) -> float:
    """The shortest of several runs, without the first, which warms up."""
    work()
    began, best, runs = time.perf_counter(), math.inf, 0
    while runs < at_least or time.perf_counter() - began < seconds:
        since = time.perf_counter()
        work()
        best, runs = min(best, time.perf_counter() - since), runs + 1
    return best
