"""What a filler's images are taught to be: their own class, or what teachers see in them.

Each is one class here, with its settings as ``targets`` of a mix in params.yaml has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt
from pydantic import Field

from ganaug.settings import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganaug.classify.fillers import Pool, Teach

    # uint8 images (N, H, W, C), and labels (N,) or soft targets (N, classes)
    Filling = tuple[NDArray[np.uint8], NDArray[np.int64] | NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Hard(Spec):
    """The class that the image was made for."""

    kind: Literal["hard"] = "hard"

    def of(self, pool: Pool, teach: Teach) -> Filling:
        return pool


@dataclass(frozen=True, kw_only=True)
class Taught(Spec):
    """The mean of what ``teachers`` say, which learned from the real images as the arm without its filler does.

    Distillation (Hinton 2015): probabilities to the power of 1 / ``temperature``, scaled to a sum of one.
    """

    kind: Literal["taught"] = "taught"
    teachers: Annotated[int, Ge(1)] = 4
    temperature: Annotated[float, Gt(0)] = 1.0

    def of(self, pool: Pool, teach: Teach) -> Filling:
        import numpy as np

        images, _ = pool
        said = np.mean([teach(number)(images) for number in range(self.teachers)], axis=0) ** (1 / self.temperature)
        return images, (said / said.sum(axis=1, keepdims=True)).astype(np.float32)


TargetSpec = Annotated[Hard | Taught, Field(discriminator="kind")]
