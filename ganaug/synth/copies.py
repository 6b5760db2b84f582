"""The filter ``copies``: no near-copies of training images."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.gan.described import check_tensors, typed
from ganaug.near_copies import Yardstick, nearest
from ganaug.synth.filter import FilterSpec, Judge, Known

_PROJECTED = 256  # dimensions: distances hold within some 6 % (Johnson and Lindenstrauss)


@dataclass(frozen=True)
class _Projection:
    """What a judge of copies is built from."""

    seed: int


class Distance(Judge):
    """How far the nearest real image is, in units of the distance below which an image is a near-copy."""

    def check(self, classes: int, image_shape: tuple[int, int, int]) -> None:
        import torch

        typed(_Projection, self.about)
        real, features = self.tensors["real"], min(math.prod(image_shape), _PROJECTED)
        if not len(real):
            raise ValueError("a judge of copies must know real images")
        yardstick = {name: tensor.nan_to_num(1.0) for name, tensor in self.tensors.items() if name != "real"}
        expected = {"scale": torch.empty(classes, dtype=torch.float64), "bound": torch.empty((), dtype=torch.float64)}
        check_tensors(
            {"real": real, **yardstick}, {"real": torch.empty(len(real), features, device="meta"), **expected}
        )
        if not all(bool((tensor > 0).all()) for tensor in yardstick.values()):
            raise ValueError("distances of a judge of copies must be above 0")

    def scores(self, images: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
        distance = nearest(_vectors(images, self.about["seed"]), self.tensors["real"].numpy()).distance
        bound = float(self.tensors["bound"])
        yardstick = Yardstick(self.tensors["scale"].numpy(), None if np.isnan(bound) else bound)
        labels = np.full(len(images), label)
        relative = yardstick.relative(distance, labels) / bound
        relative[np.isnan(relative)] = np.inf  # nothing to compare with
        relative[distance == 0] = 0.0
        return relative.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Copies(FilterSpec):
    """Drops near-copies (see near_copies.py): images nearer to a real one than all but ``percentile`` % of real
    ones are to one another.

    The distance is that of pixels; of images with more than 256 values, of a random projection to so many: projections
    of the train part travel in the generator's file, never its images. This is for variety, and no privacy.
    """

    kind: Literal["copies"] = "copies"
    percentile: Annotated[float, Ge(0), Le(50)] = 1.0
    """Percentage of real images that are nearer to another one than a near-copy is to a real one."""
    judge: ClassVar[type[Judge]] = Distance

    def fit(self, known: Known) -> Distance:
        import torch

        about: dict[str, Any] = {"seed": known.seed}
        real, unlabelled = (_vectors(images, known.seed) for images in (known.images, known.unlabelled))
        yardstick = Yardstick.of(real, known.labels, known.classes, unlabelled, self.percentile / 100)
        bound = np.nan if yardstick.bound is None else yardstick.bound
        tensors = {
            "real": torch.from_numpy(np.concatenate([real, unlabelled])),
            "scale": torch.from_numpy(yardstick.scale),
            "bound": torch.tensor(bound, dtype=torch.float64),
        }
        return Distance(about, tensors)

    def least(self, scores: NDArray[np.float32]) -> float:
        return 1.0  # scores are in units of that distance


def _vectors(images: NDArray[np.uint8], seed: int) -> NDArray[np.float32]:
    """uint8 images (N, H, W, C) -> (N, at most 256)."""
    import torch

    pixels = int(np.prod(images.shape[1:]))
    flat = torch.from_numpy(images.reshape(len(images), pixels).astype(np.float32) / 127.5 - 1)
    if pixels <= _PROJECTED:
        return flat.numpy()
    matrix = torch.randn((pixels, _PROJECTED), generator=seeds.torch_rng(seed, "projection")) / _PROJECTED**0.5
    return torch.matmul(flat, matrix).numpy()
