"""A training from its first step to its last: history, snapshots, divergence, saving and resuming.

loop.py runs a GAN of classes so; ganaug/translate/loop.py a translator.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ganaug.errors import UserError
from ganaug.gan.adversarial import Adversarial
from ganaug.gan.resume import Keeper

Row = dict[str, float | None]  # of a history: None where there is nothing to measure it with
OnLog = Callable[[int, Row], None]
_GATHERED = ("history", "speed", "scores", "step", "diverged_at")  # of Outcome, as a saved state has it


@dataclass(kw_only=True)
class Outcome:
    """What a training leaves besides its generator. ``history``: a row per logged step."""

    checkpoint: dict[str, torch.Tensor] = field(default_factory=dict)  # all networks, to start another training from
    history: list[Row] = field(default_factory=list)
    speed: list[tuple[int, float]] = field(default_factory=list)  # (step, images of the train part per second)
    # (step, an image per class), of the same latents as training goes on
    progress: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)  # (step, the judge's score) of each candidate
    step: int = 0  # of the weights that were kept
    diverged_at: int | None = None  # the step by which losses or weights were no longer finite
    seconds: float = 0.0  # of training, over all runs that it took
    boundary: float | None = 0.0  # of D's logits, between fake and real; None: only comparisons mean something


class Run:
    """A ``training`` and all that is gathered on its way, in ``out``. A subclass says how to look at the training."""

    in_checkpoint: ClassVar[tuple[str, ...]] = ("generator", "discriminator", "average")

    def __init__(self, training: Adversarial, out: Outcome) -> None:
        self.training, self.out = training, out
        self.step = 0
        self.good: dict[str, Any] | None = None  # the training's state at the last row that was finite
        self.best: dict[str, Any] | None = None  # the averaged weights of the best candidate
        out.boundary = training.spec.objective.boundary
        self.since, self.since_step = time.perf_counter(), 0

    def row(self) -> Row:
        """The row of the history after the last step."""
        raise NotImplementedError

    def snapshot(self) -> NDArray[np.uint8]:
        """One image per class, (classes, H, W, C), of the same latents at every call."""
        raise NotImplementedError

    def consider(self) -> None:
        """After each step: whether its weights are worth keeping."""

    @property
    def has_diverged(self) -> bool:
        """Whether losses or weights were no longer finite, which ends it."""
        return self.out.diverged_at is not None

    def go(self, on_log: OnLog, snapshots: int, log_rows: int, keeper: Keeper | None) -> None:
        """All steps, or those that are left of a training that ``keeper`` has saved.

        ``on_log`` is called with the step and each new row of the history, about ``log_rows`` of them; ``snapshots``:
        how many images of the progress.
        """
        steps = self.training.spec.steps
        log_every, snapshot_every = max(1, steps // log_rows), max(1, steps // snapshots)
        self.step = self.go_on_from(keeper.load()) if keeper else 0
        while self.step < steps and not self.has_diverged:
            self.step += 1
            self.training.step(self.step)
            if self.step % log_every == 0 or self.step == steps:
                self.log(on_log)
            if self.step % snapshot_every == 0 and not self.has_diverged:
                self.out.progress.append((self.step, self.snapshot()))
            if not self.has_diverged:
                self.consider()
            if keeper:
                keeper.keep(self.step, self.state)

    def log(self, on_log: OnLog) -> None:
        """A row of the history; where it is not finite, the training ends with the last state that was."""
        row = self.row()
        finite = all(value is None or math.isfinite(value) for value in row.values())
        if not (finite and is_finite(self.training)):
            self._return_to_good()
            return
        out, spec = self.out, self.training.spec
        out.history.append(row)
        now = time.perf_counter()
        images = spec.batch_size * spec.discriminator_steps * (self.step - self.since_step)
        out.speed.append((self.step, images / max(now - self.since, 1e-9)))
        out.seconds += now - self.since
        self.since, self.since_step = now, self.step
        self.good = {"step": self.step, "training": self.training.state()}
        on_log(self.step, row)

    def _return_to_good(self) -> None:
        if self.good is None:
            raise UserError(
                f"gan: losses and weights must stay finite, but were not by step {self.step}; lower gan.generator_lr "
                "and gan.discriminator_lr"
            )
        self.out.diverged_at, self.step = self.step, self.good["step"]
        self.training.set_state(self.good["training"])

    def finish(self) -> None:
        """The training's average has the weights to keep: of the best candidate, or as they are now."""
        training, out = self.training, self.out
        out.checkpoint = {
            f"{net}.{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for net in self.in_checkpoint
            for name, tensor in getattr(training, net).state_dict().items()
        }
        if self.best is None:
            out.step = self.step
        else:
            training.average.load_state_dict(self.best)

    def state(self) -> dict[str, Any]:
        """For the keeper: tensors and plain values."""
        return {
            **{name: getattr(self, name) for name in ("step", "good", "best")},
            "training": self.training.state(),
            "out": {name: copy.copy(getattr(self.out, name)) for name in _GATHERED},
            "progress": [(step, torch.from_numpy(images)) for step, images in self.out.progress],
            "seconds": self.out.seconds + time.perf_counter() - self.since,
        }

    def go_on_from(self, state: dict[str, Any] | None) -> int:
        """The step that the state was saved at; 0 without one."""
        if state is None:
            return 0
        self.training.set_state(state["training"])
        self.good, self.best = state["good"], state["best"]
        for name in _GATHERED:
            setattr(self.out, name, state["out"][name])
        self.out.progress = [(step, images.numpy()) for step, images in state["progress"]]
        self.out.seconds = state["seconds"]
        self.since, self.since_step = time.perf_counter(), state["step"]
        return int(state["step"])


def is_finite(training: Adversarial) -> bool:
    """Whether every weight of the networks is a number."""
    nets = (getattr(training, name) for name in training.kept)
    sums = [one.detach().sum() for net in nets if isinstance(net, nn.Module) for one in net.parameters()]
    return bool(torch.stack(sums).isfinite().all())


def read_measures(training: Adversarial) -> dict[str, float | None]:
    """Means since the last call, by the training's names of measures. None: of a network that made no step."""
    steps_d, steps_g = training.measured.tolist()
    totals = dict(zip(training.measure_names, training.measures.tolist(), strict=True))
    training.measures.zero_()
    training.measured.zero_()
    steps = {name: steps_d if name.startswith("d_") else steps_g for name in totals}
    return {name: total / steps[name] if steps[name] else None for name, total in totals.items()}
