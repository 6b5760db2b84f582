"""Training the downstream classifier: the same loop, budget and start for every arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import device as devices
from ganaug.classify.pools import Images, at_once
from ganaug.classify.spec import ClassifierSpec
from ganaug.errors import UserError
from ganaug.pixels import to_float

if TYPE_CHECKING:
    from ganaug.classify.policies import Attach
    from ganaug.classify.way import Lesson


def train_classifier(
    draw: Callable[[int], tuple[Tensor, ...]],
    spec: ClassifierSpec,
    channels: int,
    classes: int,
    image_size: int,
    seed: int,
    device: torch.device,
    attach: Attach | None = None,
    lesson: Lesson | None = None,
) -> nn.Module:
    """``spec.steps`` steps of AdamW with a cosine schedule, from the initial weights that ``seed`` gives.

    ``draw``: step -> images (N, ``channels``, ``image_size``, ``image_size``) in [-1, 1], and targets (N,) in
    0..``classes``-1 or probabilities (N, ``classes``); a third tensor masks the loss (see ``masked_cross_entropy``).
    ``attach`` puts what changes the training, and it alone, on the network; ``lesson``: what else the arm's way to
    train changes. Trains on ``device``; returns the network in evaluation mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the initial weights and, in a model that has it, dropout
        model = lesson.way.network(lesson) if lesson else spec.build(channels, classes, image_size)
        model = (model.to(device) if spec.is_own else devices.place(model, device)).train()  # see UsualLayout
        weights = lesson.way.groups(model, spec.lr) if lesson else model.parameters()
        adam = torch.optim.AdamW(weights, spec.lr, weight_decay=spec.weight_decay, fused=True)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, spec.steps)
        attached = attach(model) if attach else []
        more = lesson.way.begin(model, lesson) if lesson else None
        for step in range(spec.steps):
            images, targets, *seen = draw(step)
            logits = model(images.to(device, memory_format=torch.channels_last))
            if seen:
                loss = masked_cross_entropy(logits, targets.to(device), seen[0].to(device), spec.label_smoothing)
            else:
                loss = F.cross_entropy(logits, targets.to(device), label_smoothing=spec.label_smoothing)
            if more:
                loss = loss + more(step)
            adam.zero_grad()
            loss.backward()
            adam.step()
            cosine.step()
        for hook in attached:
            hook.remove()
    return model.eval()


def masked_cross_entropy(logits: Tensor, targets: Tensor, seen: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """The mean cross-entropy of ``logits`` (N, K) at ``targets`` (N,), where that of image i runs over the classes
    ``seen[i]`` (N, K) alone: no other logit has a gradient. ``label_smoothing`` spreads that share of a target over
    these classes."""
    log = logits.masked_fill(~seen, -torch.inf).log_softmax(dim=1).masked_fill(~seen, 0.0)
    own, spread = F.one_hot(targets, logits.shape[1]), seen / seen.sum(dim=1, keepdim=True)
    return -(((1 - label_smoothing) * own + label_smoothing * spread) * log).sum(dim=1).mean()


def predict(model: nn.Module, images: Images, device: torch.device) -> NDArray[np.int64]:
    """uint8 images (N, H, W, C) -> the predicted class of each, (N,). Raises UserError if the network diverged."""
    return _logits(model, images, device).argmax(dim=1).cpu().numpy()


def probabilities(model: nn.Module, images: Images, device: torch.device) -> NDArray[np.float32]:
    """uint8 images (N, H, W, C) -> probabilities (N, classes). Raises UserError if the network diverged."""
    return _logits(model, images, device).softmax(dim=1).cpu().numpy()


@torch.no_grad()
def _logits(model: nn.Module, images: Images, device: torch.device) -> Tensor:
    logits = torch.cat([model(to_float(part).to(device)) for part in chunks(images, at_once(images.shape[1]))])
    if not bool(logits.isfinite().all()):
        raise UserError("classifier: its outputs must be finite, but are not: training diverged; lower classifier.lr")
    return logits


def chunks(images: Images, size: int) -> Iterator[Tensor]:
    """uint8 images (N, H, W, C) -> tensors (at most ``size``, C, H, W), each read when it is asked for."""
    for start in range(0, len(images), size):
        yield torch.from_numpy(np.ascontiguousarray(images[start : start + size].transpose(0, 3, 1, 2)))
