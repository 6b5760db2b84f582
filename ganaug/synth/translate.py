"""The user's own pictures moved to another condition: ``ganaug translate photos/*.png --to night``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganaug import device, store
from ganaug.data.pictures import depth_of, look_at, render
from ganaug.errors import UserError, one_line, quoted
from ganaug.synth.folder_names import folder_name
from ganaug.synth.format import MANIFEST
from ganaug.synth.load import load

if TYPE_CHECKING:
    from ganaug.synth.translator import Translator

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
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise UserError(f"--out: must be a new or an empty folder, but {out} holds something; name another")
    from ganaug.synth.translator import Translator

    translator = load(model)
    if not isinstance(translator, Translator):
        raise UserError(
            f'{model}: must be a translator, but makes images of a class; use "ganaug synth", or name another file '
            "with --model"
        )
    target = translator.target(to, "--to")
    chosen = list(dict.fromkeys(pictures))
    files = _files(chosen, n)
    where, condition = device.resolve("auto"), translator.conditions[target]
    device.prepare(where)
    with store.replacing(out, folder=True) as part:
        sources, hashes = _read(translator, chosen, part / ".sources.npy")
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


def _read(translator: Translator, pictures: list[Path], array: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """The pictures as the training images were read, (N, H, W, C), in the file ``array``, and the SHA-256 of the pixels
    of each."""
    looks, shape = look_at(pictures, 1), translator.shape
    broken: dict[int, str] = {row: look.broken for row, look in enumerate(looks) if look.broken}
    if shape.depth is None:  # all 16 bits then: to go by the brightest pixel would make pictures depend on each other
        broken |= {
            row: f"{depth} of its 16 bits are in use, and the training images had 8 in all, so its white is unknown"
            for row, depth in enumerate(depth_of([look]) for look in looks)
            if depth and depth < 16
        }
    done = None if broken else render(pictures, shape, array, 1)
    for row, reason in (done.broken if done else broken).items():
        name = quoted(str(pictures[row]), 200)
        raise UserError(f"{name}: must be a readable picture, but {reason}; correct it, or leave it out")
    assert done is not None
    return store.read_array(array, ""), done.hashes


def _chunks(images: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for start in range(0, len(images), _AT_ONCE):
        yield start, np.array(images[start : start + _AT_ONCE])


def _files(pictures: Sequence[Path], n: int) -> list[list[str]]:
    """Where each translation of each picture goes, relative to the output folder. Raises UserError if two pictures
    would go to one place."""
    whole = [Path(os.path.normpath(path.absolute())) for path in pictures]  # no folder called ".."
    top = os.path.commonpath([path.parent for path in whole])
    found, seen = [], dict[str, Path]()
    for path in whole:
        parts = path.relative_to(top).with_suffix("").parts
        place = "/".join(map(folder_name, parts))
        other = seen.setdefault(place.casefold(), path)
        if other != path:
            raise UserError(
                f"{quoted(str(path), 200)}: pictures must differ by more than the ending of their names, but there is "
                f"{quoted(str(other), 200)} too; rename one"
            )
        found.append([f"{place}{f'-{number}' if n > 1 else ''}.png" for number in range(n)])
    return found
