"""Training the downstream classifier: the same loop, budget and start for every arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import device as devices
from ganaug.classify.arms import ALL_REAL, Batch, Mix
from ganaug.classify.spec import ClassifierSpec
from ganaug.errors import UserError
from ganaug.pixels import to_float

Draw = Callable[[int], Batch]


def train_classifier(
    draw: Draw,
    spec: ClassifierSpec,
    channels: int,
    classes: int,
    image_size: int,
    seed: int,
    device: torch.device,
    mix: Mix = ALL_REAL,
) -> nn.Module:
    """``spec.steps`` steps of AdamW under a cosine rate, from the initial weights that ``seed`` gives.

    ``mix`` says how the filler's rows of a batch are learned from: their weight, and whose statistics are theirs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the initial weights and, in a model that has it, dropout
        model = spec.build(channels, classes, image_size)
        model = (model.to(device) if spec.is_own else devices.place(model, device)).train()  # see UsualLayout
        adam = torch.optim.AdamW(model.parameters(), spec.lr, weight_decay=spec.weight_decay, fused=True)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, spec.steps)
        for step in range(spec.steps):
            loss = _loss(model, draw(step), mix, spec.label_smoothing, device)
            adam.zero_grad()
            loss.backward()
            adam.step()
            cosine.step()
    return model.eval()


def _loss(model: nn.Module, batch: Batch, mix: Mix, label_smoothing: float, device: torch.device) -> Tensor:
    images = batch.images.to(device, memory_format=torch.channels_last)
    targets, count = batch.targets.to(device), batch.filling
    if mix.statistics == "separate" and 0 < count < len(images):
        logits = model(images[:-count])
        with still_statistics(model):
            logits = torch.cat([logits, model(images[-count:])])
    elif mix.statistics == "separate" and count:  # the filler's alone
        with still_statistics(model):
            logits = model(images)
    else:
        logits = model(images)
    if mix.weight == 1 or not count:
        return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    losses = F.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")
    weights = torch.ones_like(losses)
    weights[-count:] = mix.weight
    return (losses * weights).sum() / weights.sum()


@contextmanager
def still_statistics(model: nn.Module) -> Iterator[None]:
    """Batch normalisation goes on as in training, by the batch's own statistics, but its averages stay as they are."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    usual = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum


def predict(model: nn.Module, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.int64]:
    """uint8 images (N, H, W, C) -> the predicted class of each, (N,)."""
    return _logits(model, images, device).argmax(dim=1).cpu().numpy()


def probabilities(model: nn.Module, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    """uint8 images (N, H, W, C) -> the probability of each class, (N, classes)."""
    return _logits(model, images, device).softmax(dim=1).cpu().numpy()


@torch.no_grad()
def _logits(model: nn.Module, images: NDArray[np.uint8], device: torch.device) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    logits = torch.cat([model(to_float(part).to(device)) for part in pixels.split(1024)])
    if not bool(logits.isfinite().all()):
        raise UserError("classifier: its outputs must be finite, but are not: training diverged; lower classifier.lr")
    return logits
