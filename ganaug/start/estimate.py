"""How long a run takes on this machine: a few steps of each network are timed, the rest is computed.

They are timed in the processes that a run starts, side by side as there, since a job is slower next to others.
"""

from __future__ import annotations

import copy
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganaug import device, workers
from ganaug.classify.arms import Arm, arm, batches, filler_of
from ganaug.config import Settings
from ganaug.stages.needs import Sizes, classifiers
from ganaug.stages.runs import arms_of
from ganaug.stages.tasks import at_once
from ganaug.stages.train import looked_at

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ganaug.gan.adversarial import Adversarial
    from ganaug.gan.nets.generator import Generator
    from ganaug.gan.spec import GanSpec

_Part = tuple[NDArray[np.uint8], NDArray[np.int64]]
_STEPS = 4  # timed together: a lazy penalty of the GAN is due in one of them
_SAMPLE = 256  # images for the timed steps
_LEAST_SECONDS = 0.5  # of each network, besides a first run
_ROWS, _SETTLED = 50, 2  # of a training: its history, its pictures
_STARTS = 5.5  # the workers of three stages start; all five commands and DVC itself take as long as 2.5 times that
_START_SECONDS = 2.0  # at least, of a worker
_DISTANCES = 1.5  # seconds for the distances between the images of a trial, besides those of all pairs in pixels
_NEAR = 500  # training images of a class, at most, that a finished generator's images are compared with


@dataclass(frozen=True)
class Pace:
    """Seconds on this machine, of one of ``jobs`` processes while the others are at work too."""

    device: str
    jobs: int
    gan_step: float
    classifier_steps: dict[str, float]  # arm -> of a step
    gan_rest: float = 0.0  # of a GAN's training, besides its steps
    look: float = 0.0  # at an image, by the classifier
    make: float = 0.0  # of an image, by the generator
    pair: float = 0.0  # of two images, for their distance in pixels
    start: float = _START_SECONDS  # of a process, until it has imported everything

    def gan_seconds(self, settings: Settings, steps: int) -> float:
        """All GANs of the protocol, each of ``steps``."""
        return self._rounds(len(settings.protocol.names())) * steps * self.gan_step

    def run_seconds(self, settings: Settings, sizes: Sizes) -> float:
        """The whole pipeline."""
        names, trials = settings.protocol.names(), settings.protocol.trials
        made = sizes.made(settings)
        rounds = self._rounds(len(names))
        if any(one.name == "unadversarial" for one in map(filler_of, settings.classify.arms) if one):
            rounds += self._rounds(trials)  # the control is trained and used as the generator is
        gans = rounds * (settings.gan.steps * self.gan_step + self.gan_rest + self._health(settings, sizes))
        images = rounds * made * self.make
        of_trial = self._classifiers(settings) + classifiers(settings) * sizes.tested * self.look
        seconds = _STARTS * self.start + gans + images + trials * of_trial / self.jobs
        if settings.gan_has_teachers:
            teachers = (
                max(self.classifier_steps.values()) * settings.classifier.steps * settings.classify.pseudo.teachers
            )
            seconds += self._rounds(len(names)) * teachers
        if settings.gan.translate and settings.gan.translate.recognises:
            seconds += rounds * max(self.classifier_steps.values()) * settings.classifier.steps
        if settings.fidelity.enabled:  # one more classifier, which learns from generated images alone
            pupil = min(self.classifier_steps.values()) * settings.classifier.steps
            looks = (made + 2 * sizes.tested) * self.look
            seconds += self._rounds(trials) * (pupil + looks + _DISTANCES + self._near_copies(sizes, made))
        return seconds

    def _health(self, settings: Settings, sizes: Sizes) -> float:
        """Of a finished generator of classes: each image that is looked at, and training images, with these."""
        if settings.gan.translate:
            return 0.0
        classes = len(sizes.learned)
        near = sum(min(_NEAR, count) for count in sizes.learned.values())
        return near * (near + looked_at(classes) * classes) * self.pair

    def _near_copies(self, sizes: Sizes, made: int) -> float:
        """Of a trial's images: all that are made or tested, and the training images, with these; where enough are
        tested, those that are made with as many unseen ones, up to ten times."""
        train, draws = sizes.train, min(10, sizes.tested // sizes.train)
        return train * (train + (1 + bool(draws) + draws) * made + sizes.tested) * self.pair

    def _classifiers(self, settings: Settings) -> float:
        """The training of a trial's classifiers, one after the other."""
        steps, classify = self.classifier_steps, settings.classify
        of_step = 0.0
        for one in arms_of(settings):
            teachers = one.filler.teachers(one.pseudo) if one.filler else 0
            of_step += steps[one.name] * ((one.way.effort if one.way else 1) + teachers)
        of_step += len(classify.curve) * sum(steps[name] for name in classify.curve_arms)
        return of_step * classify.repeats * settings.classifier.steps

    def _rounds(self, tasks: int) -> int:
        return math.ceil(tasks / self.jobs)


def measure_for(settings: Settings, sizes: Sizes) -> Pace:
    """The same on random images of these ``sizes``: what they show changes no time."""
    rng, (channels, *size) = np.random.default_rng(0), sizes.shape
    images = rng.integers(0, 256, (_SAMPLE, *size, channels), np.uint8)
    return measure(settings, images, np.arange(_SAMPLE) % len(sizes.learned), len(sizes.learned))


def measure(settings: Settings, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int) -> Pace:
    """Time the networks of ``settings`` on ``images`` (N, H, W, C) uint8 with ``labels`` (N,) in 0..``classes``-1.

    Images of another size than the settings' are made theirs, roughly.
    """
    kind, jobs = device.kind(settings.device), at_once(settings)
    rows = np.sort(np.random.default_rng(0).permutation(len(images))[:_SAMPLE])
    size = settings.data.image_size
    pixels = np.arange(size or images.shape[1]) * images.shape[1] // (size or images.shape[1])
    part = np.ascontiguousarray(images[rows][:, pixels][:, :, pixels]), labels[rows]
    side_by_side = min(jobs, len(settings.protocol.names()))
    with tempfile.TemporaryDirectory(prefix="ganaug-") as locks:
        calls = [(settings, part, classes, Path(locks))] * side_by_side
        found = list(workers.run(side_by_side, _measure, calls))
    return Pace(
        kind,
        jobs,
        classifier_steps={
            name: float(np.mean([one.classifier_steps[name] for one in found])) for name in found[0].classifier_steps
        },
        **{
            name: float(np.mean([getattr(one, name) for one in found]))
            for name in ("gan_step", "gan_rest", "look", "make", "pair", "start")
        },
    )


def _measure(settings: Settings, part: _Part, classes: int, locks: Path) -> Pace:
    """The pace of this process, on a device that ``locks`` keeps to it."""
    with device.least_busy(settings.device, locks) as where:
        return _measured(settings, part, classes, where)


def _measured(settings: Settings, part: _Part, classes: int, where: torch.device) -> Pace:
    began = time.process_time()
    import sklearn.metrics  # noqa: F401, what a stage's workers import too

    from ganaug.classify.fitting import predict, train_classifier
    from ganaug.near_copies import nearest

    start = max(_START_SECONDS, time.process_time() - began)
    device.prepare(where)
    spec, (_, size, _, channels) = settings.classifier, part[0].shape
    conditions = np.arange(len(part[1])) % 2  # any two: they change no time

    def classifier(chosen: Arm) -> torch.nn.Module:
        draw = batches(chosen, part, part if chosen.filler else None, classes, spec.batch_size, 0, conditions)
        few = replace(spec, steps=_STEPS)
        return train_classifier(draw, few, channels, classes, size, 0, where, chosen.policy.attach)

    model, flat = classifier(arm("none", settings.classify)), part[0].reshape(len(part[0]), -1)
    if settings.gan.translate is None:
        step, rest, make = _pace_of_generator(settings.gan, part, classes, where)
    else:
        step, rest, make = _pace_of_translator(settings.gan, part, conditions, classes, where, model)
    return Pace(
        where.type,
        1,
        gan_step=step,
        gan_rest=rest,
        classifier_steps={one.name: _mean(partial(classifier, one), where) / _STEPS for one in arms_of(settings)},
        look=_mean(lambda: predict(model, part[0], where), where) / len(part[0]),
        make=make,
        pair=_mean(lambda: nearest(flat, flat), where, once=True) / len(flat) ** 2,
        start=start,
    )


def _pace_of_generator(spec: GanSpec, part: _Part, classes: int, where: torch.device) -> tuple[float, float, float]:
    """Seconds of a step, of a training besides its steps, and of an image."""
    from ganaug.gan import health, watching
    from ganaug.gan.loop import pictures
    from ganaug.gan.steps import Training

    gan = Training(*part, classes, spec, 0, where)
    spread, step = health.real_spread(gan), _mean(partial(_steps, gan), where) / _STEPS
    row = _mean(lambda: watching.history_row(gan, 1, None, spread), where, once=True)
    generators: list[Generator] = []
    settle = _mean(lambda: generators.append(watching.settled_average(gan)), where, once=True)
    generator = device.place(generators[0], device.resolve("cpu"))
    per_class = max(1, _SAMPLE // classes)
    make = _mean(lambda: pictures(generator, classes, per_class, 0), where, once=True) / (per_class * classes)
    return step, _ROWS * row + _SETTLED * settle + looked_at(classes) * classes * make, make


def _pace_of_translator(
    spec: GanSpec, part: _Part, conditions: NDArray[np.int64], classes: int, where: torch.device, model: nn.Module
) -> tuple[float, float, float]:
    """The same; ``model``: a classifier as the one that must recognise what comes back."""
    from ganaug.synth.translator import Translator
    from ganaug.translate import watching
    from ganaug.translate.steps import Training

    images, (_, size, _, channels) = part[0], part[0].shape
    gan = Training(*part, conditions, 2, [1], spec, 0, where, model)
    step, sources = _mean(partial(_steps, gan), where) / _STEPS, watching.some_sources(gan)
    row = _mean(lambda: watching.history_row(gan, 1, *sources), where, once=True)
    names = [str(label) for label in range(classes)]
    translator = Translator(copy.deepcopy(gan.average), names, ["from", "to"], [1], (channels, size, size), {})
    make = _mean(lambda: translator.translation(images, ["one"] * len(images), 1, 0, 0, where), where, once=True)
    return step, _ROWS * row, make / len(images)


def _steps(gan: Adversarial) -> None:
    for step in range(1, _STEPS + 1):
        gan.step(step)


def _mean(work: Callable[[], object], where: torch.device, once: bool = False) -> float:
    """The mean seconds of several runs after a first one; on a CPU those of the processor, whoever else uses it."""
    import torch

    def now() -> float:
        if where.type == "cpu":
            return time.process_time()
        getattr(torch, where.type).synchronize()
        return time.perf_counter()

    if not once:
        work()
    began, runs = now(), 0
    while runs == 0 or (not once and now() - began < _LEAST_SECONDS):
        work()
        runs += 1
    return (now() - began) / runs
