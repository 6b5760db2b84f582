"""The smallest benchmark: scikit-learn's handwritten digits."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ganaug.data.labelled import Labelled
from ganaug.data.source import Source


@dataclass(frozen=True)
class Digits(Source):
    """scikit-learn's handwritten digits: 1,797 scans of 8x8 pixels, part of the installed package."""

    kind: Literal["digits"] = "digits"

    def title(self) -> str:
        return "digits"

    def load(self) -> Labelled:
        from sklearn.datasets import load_digits

        raw = load_digits()
        images = np.round(raw.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]  # the scans count 0..16
        files = [f"digits[{row}]" for row in range(len(images))]
        classes = [str(name) for name in raw.target_names]
        return Labelled(classes, images, raw.target.astype(np.int64), files, np.zeros(len(images), bool))
