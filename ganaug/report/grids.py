"""Image grids."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganaug.errors import one_line


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


def labelled(
    rows: Sequence[NDArray[np.uint8]], names: Sequence[str], columns: Sequence[str] = (), **size: int
) -> NDArray[np.uint8]:
    """The ``grid`` of ``rows`` with ``names`` left of them and, where there are any, those of the ``columns`` above,
    upright if they are too long for a column. ``size``: as ``grid`` takes it."""
    from PIL import Image, ImageDraw

    sheet, font = grid(rows, **size), _font()
    across, down = sheet.shape[1] / max(map(len, rows)), sheet.shape[0] / len(rows)
    left = [font.drawable(name, number) for number, name in enumerate(names)]
    top = [font.drawable(name, number) for number, name in enumerate(columns)]
    is_upright = any(font.width(name) > across - 2 for name in top)
    margin = max(map(font.width, left)) + 2 * _PAD
    head = (max(map(font.width, top)) if is_upright else _LINE) + 2 * _PAD if top else 0
    page = Image.new("L", (margin + sheet.shape[1], head + sheet.shape[0]), 255)
    draw = ImageDraw.Draw(page)
    for number, name in enumerate(left):
        draw.text((margin - _PAD, head + (number + 0.5) * down), name, 0, font.font, "rm")
    for number, name in enumerate(top):
        x = margin + (number + 0.5) * across
        if is_upright:
            word = Image.new("L", (font.width(name), _LINE), 255)
            ImageDraw.Draw(word).text((0, _LINE / 2), name, 0, font.font, "lm")
            turned = word.transpose(Image.Transpose.ROTATE_90)
            page.paste(turned, (round(x - _LINE / 2), head - _PAD - turned.height))
        else:
            draw.text((x, head - _PAD), name, 0, font.font, "mb")
    out = np.repeat(np.asarray(page)[:, :, None], sheet.shape[2], axis=2)
    out[head:, margin:] = sheet
    return out


_PAD, _LINE = 4, 15  # pixels: around a name, and the height of one


class _Font:
    """matplotlib's own, which every machine has: the same bytes wherever the same versions run."""

    def __init__(self) -> None:
        from matplotlib import get_data_path
        from matplotlib.ft2font import FT2Font
        from PIL import ImageFont

        path = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
        self.font = ImageFont.truetype(str(path), 12, layout_engine=ImageFont.Layout.BASIC)
        self._letters = FT2Font(str(path)).get_charmap()

    def width(self, text: str) -> int:
        return math.ceil(self.font.getlength(text))

    def drawable(self, name: str, number: int) -> str:
        """A name of at most 20 letters that the font has; one of which it lacks letters begins with its number."""
        shown = one_line(name, 20)
        if all(ord(letter) in self._letters for letter in shown):
            return shown
        return f"{number}: " + "".join(letter if ord(letter) in self._letters else "?" for letter in shown)


@cache
def _font() -> _Font:
    return _Font()
