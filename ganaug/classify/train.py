"""Training the downstream classifier: the same loop, budget and start for every arm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganaug import device as devices
from ganaug.classify.spec import ClassifierSpec
from ganaug.errors import UserError
from ganaug.pixels import to_float

Draw = Callable[[int], tuple[Tensor, Tensor]]  # step -> float images (N, C, H, W) in [-1, 1], targets (N,) or (N, K)


def train_classifier(
    draw: Draw, spec: ClassifierSpec, channels: int, classes: int, image_size: int, seed: int, device: torch.device
) -> torch.nn.Module:
    """``spec.steps`` steps of AdamW under a cosine rate, from the initial weights that ``seed`` gives."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the initial weights and, in a model that has it, dropout
        model = spec.build(channels, classes, image_size)
        model = (model.to(device) if spec.is_own else devices.place(model, device)).train()  # see UsualLayout
        adam = torch.optim.AdamW(model.parameters(), spec.lr, weight_decay=spec.weight_decay, fused=True)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, spec.steps)
        for step in range(spec.steps):
            images, targets = draw(step)
            logits = model(images.to(device, memory_format=torch.channels_last))
            loss = F.cross_entropy(logits, targets.to(device), label_smoothing=spec.label_smoothing)
            adam.zero_grad()
            loss.backward()
            adam.step()
            cosine.step()
    return model.eval()


@torch.no_grad()
def predict(model: torch.nn.Module, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.int64]:
    """uint8 images (N, H, W, C) -> the predicted class of each, (N,)."""
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    logits = torch.cat([model(to_float(part).to(device)) for part in pixels.split(1024)])
    if not bool(logits.isfinite().all()):
        raise UserError("classifier: its outputs must be finite, but are not: training diverged; lower classifier.lr")
    return logits.argmax(dim=1).cpu().numpy()
