"""What a network sees in images: the features before its last layer, and its logits."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug.classify.fitting import chunks
from ganaug.classify.pools import Images
from ganaug.errors import UserError
from ganaug.pixels import to_float


@dataclass(frozen=True)
class Seen:
    """Of N images."""

    features: NDArray[np.float32]  # (N, F)
    logits: NDArray[np.float32]  # (N, K)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest class of each image, (N,)."""
        return np.asarray(self.logits.argmax(axis=1))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Of each class, (N, K)."""
        from scipy.special import softmax

        return np.asarray(softmax(self.logits.astype(np.float64), axis=1))


@torch.no_grad()
def look(model: nn.Module, images: Images, device: torch.device, chunk: int = 256) -> Seen:
    """uint8 ``images`` (N, H, W, C), N > 0, through ``model`` in evaluation mode on ``device``, ``chunk`` at a time.

    Raises UserError if they are not finite.
    """
    found = [with_features(model, to_float(part).to(device)) for part in chunks(images, chunk)]
    features, logits = ([part.cpu() for part in parts] for parts in zip(*found, strict=True))
    seen = torch.cat(features), torch.cat(logits)
    if not all(bool(one.isfinite().all()) for one in seen):
        raise UserError("fidelity: features and logits must be finite, but are not; lower classifier.lr")
    return Seen(seen[0].numpy(), seen[1].float().numpy())


def with_features(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, F), float32, and logits (N, K) of images (N, C, H, W) in ``model``: the flattened input of the
    linear layer that ran last; without such a layer, the logits."""
    given: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, inputs, _output: given.append(inputs[0]))
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        logits: Tensor = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    last = given[-1] if given and len(given[-1]) == len(images) else logits
    return last.flatten(1).float(), logits
