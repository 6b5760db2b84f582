"""The user's own pictures moved to another condition: ``ganaug translate photos/*.png --to night``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import device, store
from ganaug.errors import UserError, one_line, quoted
from ganaug.synth.format import MANIFEST
from ganaug.synth.load import load
from ganaug.synth.user_pictures import check_new, places, read

_COLUMNS = ("file", "source", "condition", "seed", "number")
_MOST = 10**6  # translations of a picture
_AT_ONCE = 500  # pictures at a time


def translate(model: Path, pictures: Sequence[Path], to: str | None, n: int, out: Path, seed: int) -> str:
    """Write ``n`` translations of each of the ``pictures`` to the condition ``to`` as PNG files, and a manifest, to the
    new folder ``out``; returns a line on what was made.

    ``model`` is the translator's file; ``seed`` gives the noise. Translation k of a picture is the same whatever else
    is asked for. Files lie in ``out`` as the pictures lie below the folder that they share. Raises UserError if an
    option, a picture or the folder cannot be used.
    """
    if not 1 <= n <= _MOST:
        raise UserError(f"--n: must be 1 to {_MOST:,}, got {quoted(n)}; ask for that many")
    check_new(out)
    from ganaug.synth.translator import Translator

    translator = load(model)
    if not isinstance(translator, Translator):
        raise UserError(
            f'{model}: must be a translator, but makes images of a class; use "ganaug synth", or name another file '
            "with --model"
        )
    target = translator.target(to, "--to")
    chosen = list(dict.fromkeys(pictures))
    files = [[f"{place}{f'-{number}' if n > 1 else ''}.png" for number in range(n)] for place in places(chosen)]
    where, condition = device.resolve("auto"), translator.conditions[target]
    device.prepare(where)
    with store.replacing(out, folder=True) as part:
        sources, hashes = read(chosen, translator.shape, part / ".sources.npy")
        rows: dict[tuple[int, int], Sequence[Any]] = {}
        for number in range(n):
            for start, chunk in _chunks(sources):
                end = start + len(chunk)
                made = translator.translation(chunk, hashes[start:end], target, number, seed, where)
                for row, image in zip(range(start, end), made, strict=True):
                    path = part / files[row][number]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(store.png_bytes(image))
                    rows[row, number] = [files[row][number], one_line(str(chosen[row])), condition, seed, number]
        store.remove(part / ".sources.npy")
        store.write_csv(part / MANIFEST, _COLUMNS, [rows[place] for place in sorted(rows)])
    count = len(chosen)
    said, shown = f"{count * n:,} image{'s' * (count * n > 1)}", f"{count:,} picture{'s' * (count > 1)}"
    return f"{said} of {shown}, moved to {one_line(condition)}, in {one_line(f'{out}/')}"


def _chunks(images: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for start in range(0, len(images), _AT_ONCE):
        yield start, np.array(images[start : start + _AT_ONCE])
