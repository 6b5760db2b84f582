"""What a conversion to a few 8-bit pixels may lose: counted, and said with an example."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ganaug.data import pictures
from ganaug.data.pictures import FLAT, Look, Pictures, Rendered, Shape, depth_of

_CHANGES = "data.image_size, channels, aspect or background, or is in pages, channels or bits that are not read"
_DARK = 32  # of 255: a class whose largest value is below is nearly black


def losses(
    source: Pictures, files: Sequence[str], looks: Sequence[Look], done: Rendered, shape: Shape, jobs: int
) -> list[str]:
    """A line for each kind of loss of the images that could be read.

    ``source``, ``files`` and ``looks`` of each image; ``done``: what became of it in ``shape``; ``jobs`` processes.
    """
    rows = [row for row in range(len(files)) if row not in done.broken]
    lines: list[str] = []
    wide = [row for row in rows if looks[row].top]
    if wide:
        top = max(looks[row].top for row in wide)
        others = f"; the other {len(rows) - len(wide)} have 8 bits" if len(wide) < len(rows) else ""
        lines.append(
            f"{len(wide)} images of 16 bits, with values up to {top}: {shape.depth} bits in use, scaled to 8{others}"
        )
    for kind in sorted({looks[row].left_out for row in rows} - {""}):
        having = [row for row in rows if looks[row].left_out == kind]
        lines.append(f"Not read: {kind} of {len(having)} images, such as {files[having[0]]}")
    if done.flat:
        lines.append(
            f"{len(done.flat)} images are of one colour alone after conversion (within {FLAT} of 255), such as "
            f"{files[done.flat[0]]}: what they showed may be lost by {_CHANGES}"
        )
    equal = _equal(source, done, jobs)
    if equal:
        row, first = equal[0]
        lines.append(
            f"{len(equal)} images became equal to another one, from which they differ in their files, such as "
            f"{files[row]} and {files[first]}: what tells them apart is lost by {_CHANGES}"
        )
    return lines


def _equal(source: Pictures, done: Rendered, jobs: int) -> list[tuple[int, int]]:
    """(image, an earlier image) that have the same pixels now and had others before; flat ones aside."""
    apart = {*done.broken, *done.flat}
    sets: dict[str, list[int]] = {}
    for row, pixels in enumerate(done.hashes):
        if row not in apart:
            sets.setdefault(pixels, []).append(row)
    copies = [rows for rows in sets.values() if len(rows) > 1]
    order = [row for rows in copies for row in rows]
    before = dict(zip(order, pictures.contents([source[row] for row in order], jobs), strict=True))
    found = []
    for first, *others in copies:
        seen = {before[first]}
        for row in others:
            found += [(row, first)] if before[row] not in seen else []
            seen.add(before[row])
    return sorted(found)


def losses_by_class(
    looks: Sequence[Look], done: Rendered, labels: NDArray[np.int64], classes: Sequence[str]
) -> list[str]:
    """A line if classes are nearly black, and one if they differ in the bits that they make use of.

    ``looks`` of each image and what became of it (``done``), ``labels`` (N,), rows of ``classes``.
    """
    lines: list[str] = []
    dark: list[str] = []
    depths: dict[int, str] = {}
    for label, name in enumerate(classes):
        rows = np.flatnonzero(labels == label).tolist()
        dark += [name] if 0 < max((done.highs[row] for row in rows), default=0) < _DARK else []
        depths.setdefault(depth_of([looks[row] for row in rows]) or 0, name)
    if dark:
        lines.append(
            f'All images of class "{dark[0]}" are nearly black, with values below {_DARK} of 255 ({len(dark)} of '
            f"{len(classes)} classes are): scale them"
        )
    if len(depths) > 1:
        kinds = [f"{bits} of 16 bits" if bits else "8-bit files" for bits in sorted(depths)]
        used = " and ".join(
            f'{kind} in class "{depths[bits]}"' for kind, bits in zip(kinds, sorted(depths), strict=True)
        )
        lines.append(f"Classes differ in depth: {used}; they may be told apart by that alone: bring all files to one")
    return lines
