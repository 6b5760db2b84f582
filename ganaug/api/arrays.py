"""Images and labels that come as arrays: what they may be, checked at the door, in the words of an NPZ archive."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganaug.data.arrays import pixels_of, values_of
from ganaug.data.labelled import check_names, rows_by_value


def checked(images: ArrayLike, labels: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
    """Images (N, H, W, C) uint8, C 1 or 3, rows of the classes (N,), and the classes' names in the order of the labels.

    ``images``: (N, H, W) or (N, H, W, C), uint8, or floats in 0..1; ``labels``: (N,), whole numbers or text.
    Raises UserError if they are anything else.
    """
    pixels = pixels_of(images)
    classes, rows = rows_by_value(values_of(labels, len(pixels), "labels"), ())
    check_names(classes, "labels")
    return pixels, rows, classes
