"""Image grids."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def grid(rows: Sequence[NDArray[np.uint8]], scale_to: int = 32, gap: int = 1) -> NDArray[np.uint8]:
    """Each row's images (N, H, W, C), enlarged by a whole factor to at most ``scale_to`` pixels, ``gap`` apart."""
    _, height, width, channels = rows[0].shape
    factor = max(1, scale_to // height)
    columns = max(len(row) for row in rows)
    cell_h, cell_w = height * factor + gap, width * factor + gap
    sheet = np.full((len(rows) * cell_h - gap, columns * cell_w - gap, channels), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            large = image.repeat(factor, axis=0).repeat(factor, axis=1)
            sheet[y * cell_h : y * cell_h + height * factor, x * cell_w : x * cell_w + width * factor] = large
    return sheet
