"""Training a translator from first step to last: what it looks at on the way. gan/run.py has the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ganaug import device as devices
from ganaug.errors import UserError, quoted
from ganaug.gan.resume import Keeper
from ganaug.gan.run import OnLog, Outcome, Row, Run
from ganaug.gan.spec import GanSpec
from ganaug.translate import watching
from ganaug.translate.networks import Translator
from ganaug.translate.steps import Training


@dataclass(kw_only=True)
class TrainedTranslator(Outcome):
    """``translator`` has the averaged weights, on the CPU, in evaluation mode. ``progress`` begins with the sources, as
    step 0."""

    translator: Translator


def train_translator(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    conditions: NDArray[np.int64],
    classes: int,
    names: Sequence[str],
    targets: Sequence[int],
    spec: GanSpec,
    seed: int,
    device: torch.device,
    on_log: OnLog = lambda step, row: None,
    snapshots: int = 5,
    log_rows: int = 50,
    recognise: nn.Module | None = None,
    keeper: Keeper | None = None,
) -> TrainedTranslator:
    """Train on ``images`` (N, H, W, C), ``labels`` (N,) in 0..``classes``-1 and ``conditions`` (N,) of these ``names``.

    The translator moves images of any other condition to ``targets``. ``spec``: the settings, with ``translate``;
    ``seed`` of all random draws; ``device`` to compute on. ``on_log`` is called with the step and each new row of the
    history, about ``log_rows`` of them; ``snapshots``: how many images of the progress. ``recognise``: a classifier of
    the images, (N, C, H, W) in [-1, 1] -> logits (N, ``classes``). ``keeper`` saves the state now and then, and brings
    it back. The same arguments give the same bytes.
    Raises UserError if a target or all other conditions have no images, or weights are not finite before the first row.
    """
    assert spec.translate is not None
    for target in targets:
        under = int((conditions == target).sum())
        others = under if spec.translate.pairs else len(images) - under
        if not (under and others):
            raise UserError(
                f"gan.translate: a target must have images, and another condition too, got {under} under "
                f"{quoted(names[target])} and {len(images) - under} under all others; add images of both"
            )
    training = Training(images, labels, conditions, len(names), targets, spec, seed, device, recognise)
    run = _Run(training, classes)
    run.go(on_log, snapshots, log_rows, keeper)
    run.finish()
    run.out.translator = devices.place(training.average, torch.device("cpu")).eval()
    return run.out


class _Run(Run):
    in_checkpoint = (*Run.in_checkpoint, "helpers")
    training: Training
    out: TrainedTranslator

    def __init__(self, training: Training, classes: int) -> None:
        super().__init__(training, TrainedTranslator(translator=training.average))
        self.looked_at = watching.some_sources(training)
        self.shown = watching.one_of_each_class(training, classes)
        self.out.progress.append((0, watching.shown_sources(training, self.shown[0])))

    def row(self) -> Row:
        return watching.history_row(self.training, self.step, *self.looked_at)

    def snapshot(self) -> NDArray[np.uint8]:
        return watching.snapshot(self.training, *self.shown)
