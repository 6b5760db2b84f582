"""Training a GAN of classes from first step to last: what it looks at on the way, and the checkpoint that is kept."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ganaug import device as devices
from ganaug.gan import health, watching
from ganaug.gan.nets.generator import Generator
from ganaug.gan.resume import Keeper
from ganaug.gan.run import OnLog, Outcome, Row, Run, is_finite
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.transfer import Start
from ganaug.pixels import to_pixels

_CANDIDATES = 6  # checkpoints that gan.select compares, over the last half of the steps

Judge = Callable[[Generator], float]  # a generator in evaluation mode -> higher is better
Part = tuple[NDArray[np.uint8], NDArray[np.int64]]  # images (N, H, W, C), labels (N,)


@dataclass(kw_only=True)
class Trained(Outcome):
    """``generator`` has the averaged weights, on the CPU, in evaluation mode."""

    generator: Generator
    real_spread: torch.Tensor = field(default_factory=lambda: torch.empty(0))  # as health.py has it


def train_gan(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    spec: GanSpec,
    seed: int,
    device: torch.device,
    on_log: OnLog = lambda step, row: None,
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
    candidates = _candidates(spec.steps) if spec.select == "gan-train" and judge else set()
    run = _Run(Training(images, labels, classes, spec, seed, device), held_out, judge, candidates)
    if start is not None:
        start.give(run.training)
    run.go(on_log, snapshots, log_rows, keeper)
    run.finish()
    run.out.generator = run.settled()
    return run.out


def _candidates(steps: int) -> set[int]:
    """Steps from the half to the end, evenly."""
    shares = [0.5 + 0.5 * number / (_CANDIDATES - 1) for number in range(_CANDIDATES)]
    return {max(1, round(steps * share)) for share in shares}


class _Run(Run):
    training: Training
    out: Trained

    def __init__(self, training: Training, held_out: Part | None, judge: Judge | None, candidates: set[int]) -> None:
        spread = health.real_spread(training)
        super().__init__(training, Trained(generator=training.average, real_spread=spread))
        self.judge, self.candidates = judge, candidates
        self.held_out = training.on_device(*held_out) if held_out is not None and len(held_out[0]) else None

    def row(self) -> Row:
        return watching.history_row(self.training, self.step, self.held_out, self.out.real_spread)

    def snapshot(self) -> NDArray[np.uint8]:
        return watching.snapshot(self.training)

    def consider(self) -> None:
        """A candidate: its weights are kept if the judge has liked none better."""
        if self.step not in self.candidates or self.judge is None or not is_finite(self.training):
            return
        score = self.judge(self.settled())
        if not self.out.scores or score > max(one for _, one in self.out.scores):
            self.best = self.training.state()["average"]
            self.out.step = self.step
        self.out.scores.append((self.step, score))

    def settled(self) -> Generator:
        """The generator as it will be used."""
        return devices.place(watching.settled_average(self.training), torch.device("cpu"))


def pictures(generator: Generator, classes: int, per_class: int, seed: int) -> NDArray[np.uint8]:
    """Images of a finished ``generator`` on the CPU, (``classes``, ``per_class``, H, W, C), drawn by ``seed``."""
    labels = torch.arange(classes).repeat_interleave(per_class)
    latents = torch.randn((len(labels), generator.z_dim), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        made = [to_pixels(generator(z, y)) for z, y in zip(latents.split(256), labels.split(256), strict=True)]
    joined = np.concatenate(made)
    return joined.reshape(classes, per_class, *joined.shape[1:])
