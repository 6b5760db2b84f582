"""Transforms of (image, label), in the manner of torchvision's v2."""

from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from ganaug import device as devices
from ganaug.api.datasets import as_pil, made, opened_generator
from ganaug.errors import UserError, one_line, quoted
from ganaug.synth.generator import Generator


class ReplaceWithSynthetic(v2.Transform):
    """With probability ``p`` replace an image by a synthetic one of its class; the label stays.

    Called with (image, label), or with a batch as CutMix is: images (B, C, H, W), labels (B,), each image replaced or
    not by itself. It gives back what it gets: PIL image, tensor or tv_tensors.Image, of the same dtype, float ones in
    [0, 1], so it belongs before any normalisation. Nothing is resized: images must have the generator's shape. Draws
    come from torch's global generator, as those of torchvision's transforms do.

    ``generator``: a file of one, or a Generator. ``classes``: the names of the labels 0, 1, ..., left out: labels are
    the generator's own. ``pool``: images per class to draw from, made here, once, and shared by the workers of a
    DataLoader: image i is image i of ``ganaug synth`` with the same ``seed``. ``device`` makes them, as in params.yaml.
    """

    def __init__(
        self,
        generator: str | Path | Generator,
        p: float = 0.25,
        classes: Sequence[str] | None = None,
        pool: int = 500,
        seed: int = 0,
        device: devices.DeviceName = "auto",
    ) -> None:
        super().__init__()
        if not isinstance(p, Real) or not 0 <= p <= 1:
            raise UserError(f"p: must be a probability of 0 to 1, got {quoted(p)}; 0.25 replaces one image of four")
        if not isinstance(pool, Integral) or pool < 1:
            raise UserError(f"pool: must be a whole number of 1 or more, got {quoted(pool)}; such as 500")
        opened = opened_generator(generator)
        self.p: float = float(p)
        self.pool: int = int(pool)
        self.classes: list[str] = list(opened.classes if classes is None else classes)
        for name in self.classes:
            if name not in opened.classes:
                raise UserError(
                    f"classes: must be classes of the generator, {one_line(', '.join(opened.classes), 300)}, got "
                    f"{quoted(name)}; say what the generator calls it"
                )
        pools = [made(opened, {opened.classes.index(name): self.pool}, seed, device) for name in self.classes]
        self._images: Tensor = torch.stack(pools).permute(0, 1, 4, 2, 3)  # (class, image, C, H, W), uint8

    def forward(self, *inputs: Any) -> tuple[Any, Any]:
        """(image, label), the image replaced or not. Raises UserError if either does not fit the generator."""
        given = inputs[0] if len(inputs) == 1 else inputs
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise UserError(
                f"ReplaceWithSynthetic: must be called with (image, label), got {quoted(given)}; use it where both are "
                "at hand, such as in collate_fn"
            )
        image, label = given
        self._check_image(image)
        batched = isinstance(image, Tensor) and image.ndim == 4
        labels = self._checked_labels(label, len(image) if batched else None)
        draws, rows = torch.rand(len(labels)) < self.p, torch.randint(self.pool, (len(labels),))
        if not draws.any():
            return image, label
        new = self._images[labels[draws], rows[draws]]
        if isinstance(image, Image.Image):
            return as_pil(new[0].permute(1, 2, 0).numpy()), label
        new = v2.functional.to_dtype(new, image.dtype, scale=True).to(image.device)
        replaced = image.clone()
        if batched:
            replaced[draws.to(image.device)] = new
        else:
            replaced.copy_(new[0])
        return replaced, label

    def _check_image(self, image: Any) -> None:
        shape: tuple[Any, ...] = tuple(self._images.shape[2:])
        if isinstance(image, Image.Image):
            shape = ("L" if shape[0] == 1 else "RGB", *shape[1:])
            got: tuple[Any, ...] = (image.mode, image.height, image.width)
        elif isinstance(image, Tensor) and (image.dtype == torch.uint8 or image.is_floating_point()):
            got = tuple(image.shape[1:] if image.ndim == 4 else image.shape)
        else:
            raise UserError(
                "image: must be a PIL image, or a tensor of uint8 or floats, got one of type "
                f"{getattr(image, 'dtype', type(image).__name__)}; put v2.ToImage() before"
            )
        if got != shape:
            raise UserError(
                f"image: must have the generator's shape, {shape}, got {got}; put v2.Resize or v2.Grayscale before, or "
                "train a generator of this shape"
            )

    def _checked_labels(self, label: Any, batch: int | None) -> Tensor:
        """(N,) on the CPU, of one image where ``batch`` is None."""
        whole = isinstance(label, Integral) or (isinstance(label, Tensor) and not label.is_floating_point())
        labels = torch.as_tensor(label).cpu() if whole else torch.empty(0, 0)
        if labels.shape != (() if batch is None else (batch,)):
            raise UserError(
                f"label: must be a whole number for each image, got {quoted(label)}; put it before CutMix and MixUp"
            )
        labels = labels.reshape(-1).long()
        if ((labels < 0) | (labels >= len(self.classes))).any():
            raise UserError(
                f"label: must be one of 0..{len(self.classes) - 1}, got {int(labels.max())}; name the classes in the "
                "order of the labels (classes=)"
            )
        return labels
