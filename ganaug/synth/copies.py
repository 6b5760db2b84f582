"""The filter ``copies``: no image that is nearly a real one. Its judge is in distance.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ganaug.synth.filters import FilterSpec, Known

if TYPE_CHECKING:
    from ganaug.synth.fitted_filters import Judge


@dataclass(frozen=True, kw_only=True)
class Copies(FilterSpec):
    """Drops the images that are nearer to a real one than all but ``percentile`` % of real ones are to each other.

    The distance is that of pixels, under a random projection: projections of the train part are saved in the
    generator's file, never its images. This is for variety; it does not protect privacy.
    """

    kind: Literal["copies"] = "copies"
    percentile: Annotated[float, Ge(0), Le(50)] = 1.0

    def fit(self, known: Known) -> Judge:
        from ganaug.synth.distance import Distance

        return Distance.fit(known, self.percentile)

    @staticmethod
    def empty(about: dict[str, Any]) -> Judge:
        from ganaug.synth.distance import Distance

        return Distance(about)

    def least(self, scores: NDArray[np.float32]) -> float:
        return 1.0  # scores are in units of that distance
