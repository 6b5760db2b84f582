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

    The features are the flattened input of the linear layer that ran last; without such a layer, the logits.
    Raises UserError if they are not finite.
    """
    given: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, inputs, _output: given.append(inputs[0]))
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    ]
    features, logits = [], []
    try:
        for part in chunks(images, chunk):
            given.clear()
            logits.append(model(to_float(part).to(device)).cpu())
            last = given[-1] if given and len(given[-1]) == len(part) else logits[-1]
            features.append(last.flatten(1).float().cpu())
    finally:
        for hook in hooks:
            hook.remove()
    seen = torch.cat(features), torch.cat(logits)
    if not all(bool(one.isfinite().all()) for one in seen):
        raise UserError("fidelity: features and logits must be finite, but are not; lower classifier.lr")
    return Seen(seen[0].numpy(), seen[1].float().numpy())
