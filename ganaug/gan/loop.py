"""Training a GAN from first step to last: history, snapshots, the checkpoint that is kept, and resuming."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug import device as devices
from ganaug.errors import UserError
from ganaug.gan import health, watching
from ganaug.gan.nets.generator import Generator
from ganaug.gan.resume import Keeper
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.transfer import Start
from ganaug.gan.watching import Row
from ganaug.pixels import to_pixels

_CANDIDATES = 6  # checkpoints that gan.select compares, over the last half of the steps
_GATHERED = ("history", "speed", "scores", "step", "diverged_at")  # of Trained, as a saved state has it

Judge = Callable[[Generator], float]  # a generator in evaluation mode -> higher is better
Part = tuple[NDArray[np.uint8], NDArray[np.int64]]  # images (N, H, W, C), labels (N,)


@dataclass
class Trained:
    """``generator`` has the averaged weights, on the CPU, in evaluation mode. ``history``: a row per logged step."""

    generator: Generator
    checkpoint: dict[str, torch.Tensor]  # all three networks, to start another training from
    history: list[Row] = field(default_factory=list)
    speed: list[tuple[int, float]] = field(default_factory=list)  # (step, images of the train part per second)
    # (step, an image per class), of the same latents as training goes on
    progress: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)  # (step, the judge's score) of each candidate
    step: int = 0  # of the weights that were kept
    diverged_at: int | None = None  # the step by which losses or weights were no longer finite
    seconds: float = 0.0  # of training, over all runs that it took
    boundary: float | None = 0.0  # of D's logits, between fake and real; None: only comparisons mean something
    real_spread: torch.Tensor = field(default_factory=lambda: torch.empty(0))  # as health.py has it


def train_gan(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    spec: GanSpec,
    seed: int,
    device: torch.device,
    on_log: Callable[[int, Row], None] = lambda step, row: None,
    snapshots: int = 5,
    log_rows: int = 50,
    held_out: Part | None = None,
    judge: Judge | None = None,
    start: Start | None = None,
    keeper: Keeper | None = None,
) -> Trained:
    """Train on ``images`` (N, H, W, C), ``labels`` (N,) in 0..``classes``-1. The same arguments give the same bytes.

    ``spec``: the settings; ``seed`` of all random draws; ``device`` to compute on. ``on_log`` is called with the step
    and each new row of the history, about ``log_rows`` of them; ``snapshots``: how many images of the progress.
    ``held_out``: real images that only measure how far D overfits. ``judge`` compares checkpoints where ``spec.select``
    asks for it. ``start``: the weights to begin with. ``keeper`` saves the state now and then, and brings it back.
    Raises UserError if losses or weights are no longer finite before the first row.
    """
    run = _Run(Training(images, labels, classes, spec, seed, device), held_out, judge)
    if start is not None:
        start.give(run.training)
    log_every, snapshot_every = max(1, spec.steps // log_rows), max(1, spec.steps // snapshots)
    candidates = _candidates(spec.steps) if spec.select == "gan-train" and judge else set()
    run.step = run.go_on_from(keeper.load()) if keeper else 0
    while run.step < spec.steps and not run.has_diverged:
        run.step += 1
        run.training.step(run.step)
        if run.step % log_every == 0 or run.step == spec.steps:
            run.log(on_log)
        if run.step % snapshot_every == 0 and not run.has_diverged:
            run.out.progress.append((run.step, watching.snapshot(run.training)))
        if run.step in candidates and not run.has_diverged:
            run.consider()
        if keeper:
            keeper.keep(run.step, run.state)
    return run.finish()


def _candidates(steps: int) -> set[int]:
    """Steps from the half to the end, evenly."""
    shares = [0.5 + 0.5 * number / (_CANDIDATES - 1) for number in range(_CANDIDATES)]
    return {max(1, round(steps * share)) for share in shares}


class _Run:
    """A training and all that is gathered on its way."""

    def __init__(self, training: Training, held_out: Part | None, judge: Judge | None) -> None:
        self.training, self.judge = training, judge
        self.held_out = training.on_device(*held_out) if held_out is not None and len(held_out[0]) else None
        spread = health.real_spread(training)
        self.step = 0
        self.good: dict[str, Any] | None = None  # the training's state at the last row that was finite
        self.best: dict[str, Any] | None = None  # the averaged weights of the best candidate
        self.out = Trained(training.average, {}, boundary=training.spec.objective.boundary, real_spread=spread)
        self.since, self.since_step = time.perf_counter(), 0

    @property
    def has_diverged(self) -> bool:
        return self.out.diverged_at is not None

    def log(self, on_log: Callable[[int, Row], None]) -> None:
        """A row of the history; where it is not finite, the training ends with the last state that was."""
        row = watching.history_row(self.training, self.step, self.held_out, self.out.real_spread)
        finite = all(value is None or math.isfinite(value) for value in row.values())
        if not (finite and watching.is_finite(self.training)):
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

    def consider(self) -> None:
        """A candidate: its weights are kept if the judge has liked none better."""
        if not watching.is_finite(self.training):
            return
        assert self.judge is not None
        score = self.judge(self._settled())
        if not self.out.scores or score > max(one for _, one in self.out.scores):
            self.best = self.training.state()["average"]
            self.out.step = self.step
        self.out.scores.append((self.step, score))

    def finish(self) -> Trained:
        """The outcome: the best candidate, or the weights as they are now."""
        training, out = self.training, self.out
        nets = {"generator": training.generator, "discriminator": training.discriminator, "average": training.average}
        out.checkpoint = {
            f"{net}.{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for net, module in nets.items()
            for name, tensor in module.state_dict().items()
        }
        if self.best is None:
            out.step = self.step
        else:
            training.average.load_state_dict(self.best)
        out.generator = self._settled()
        return out

    def _settled(self) -> Generator:
        return devices.place(watching.settled_average(self.training), torch.device("cpu"))

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


def pictures(generator: Generator, classes: int, per_class: int, seed: int) -> NDArray[np.uint8]:
    """Images of a finished ``generator`` on the CPU, (``classes``, ``per_class``, H, W, C), drawn by ``seed``."""
    labels = torch.arange(classes).repeat_interleave(per_class)
    latents = torch.randn((len(labels), generator.z_dim), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        made = [to_pixels(generator(z, y)) for z, y in zip(latents.split(256), labels.split(256), strict=True)]
    joined = np.concatenate(made)
    return joined.reshape(classes, per_class, *joined.shape[1:])
