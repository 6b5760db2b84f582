"""The user's own pictures, found in the latent space and moved there: ``ganaug edit photo.png --to other.png``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.data.folder import images_below
from ganaug.errors import UserError, one_line, quoted
from ganaug.report.grids import labelled
from ganaug.synth.class_names import find_class
from ganaug.synth.format import MANIFEST
from ganaug.synth.load import load
from ganaug.synth.user_pictures import check_new, places, read, shape_of

if TYPE_CHECKING:
    from ganaug.edit.edits import Edited

SHEET = "sheet.png"
_COLUMNS = ("file", "source", "class", "class_from", "move", "step", "inversion_error", "seed")


def edit(
    model: Path, pictures: Sequence[Path], named: str | None, out: Path, seed: int, moves: Mapping[str, Any]
) -> str:
    """Write what the generator in the file ``model`` makes of the ``pictures``, moved, to the new folder ``out``: a
    contact sheet, single files and a manifest. Returns lines on what was made.

    ``named``: their class; None: of each, the one whose image comes nearest. ``moves``: as ``Generator.edit`` takes
    them, with paths in the place of images; ``seed`` is the encoder's. Raises UserError if an option, a picture or the
    folder cannot be used.
    """
    from ganaug.synth.generator import Generator

    check_new(out)
    generator = load(model)
    if not isinstance(generator, Generator):
        raise UserError(
            f'{model}: must be a generator of classes, but is a translator, which has no latents; use "ganaug '
            'translate", or name another file with --model'
        )
    of, to_class = (
        None if name is None else find_class(name, generator.classes, option)[0]
        for name, option in ((named, "--class"), (moves["to_class"], "--to-class"))
    )
    chosen = list(dict.fromkeys(pictures))
    sets = [_pictures_in(folder) for folder in moves["toward"] or ()]
    files, shape = places(chosen), shape_of(generator.description, generator.image_shape)
    with store.replacing(out, folder=True) as part:

        def pixels_of(some: list[Path]) -> NDArray[np.uint8]:
            found = np.array(read(some, shape, part / ".pixels.npy")[0])
            store.remove(part / ".pixels.npy")
            return found

        to = None if moves["to"] is None else pixels_of([moves["to"]])[0]
        given = {"to_class": to_class, "to": to, "toward": (pixels_of(sets[0]), pixels_of(sets[1])) if sets else None}
        pixels, classes = pixels_of(chosen), None if of is None else [of] * len(chosen)
        edited = generator.edit(pixels, classes, seed=seed, **{**moves, **given})
        begun = edited.inverted
        rows: list[Sequence[Any]] = []
        for number, (picture, place) in enumerate(zip(chosen, files, strict=True)):
            about = generator.classes[begun.labels[number]], "--class" if named is not None else "inversion"
            for name, move, step, image in _images(edited, number):
                file = f"{place}/{name}.png"
                (part / file).parent.mkdir(parents=True, exist_ok=True)
                store.write_png(part / file, image)
                error = f"{begun.errors[number]:.4f}"
                rows.append([file, one_line(str(picture)), *about, move, step, error, seed])
        store.write_png(part / SHEET, _sheet(pixels, edited, files))
        store.write_csv(part / MANIFEST, _COLUMNS, rows)
    said = [
        f"{picture}: {'' if named is not None else 'no --class, so that of the lowest error: '}"
        f"{generator.classes[of]}, inversion error {error:.4f}"
        for picture, of, error in zip(chosen, begun.labels, begun.errors, strict=True)
    ]
    return "\n".join([*map(one_line, said), one_line(f"{len(rows):,} images, {SHEET} and {MANIFEST} in {out}/")])


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"--toward: must be two folders of pictures, but {quoted(str(folder))} is none; name another")
    if not (found := images_below(folder, [])):
        raise UserError(f"--toward: must be two folders of pictures, but {quoted(str(folder))} holds none; add some")
    return found


def _images(edited: Edited, number: int) -> Iterator[tuple[str, str, str, NDArray[np.uint8]]]:
    """(name, move, step, image (H, W, C)) of a picture: as it was found, then each step of each move."""
    yield "inverted", "inverted", "", edited.inverted.images[number]
    for move, images in zip(edited.moves, edited.images[number], strict=True):
        for place, (step, image) in enumerate(zip(edited.steps, images, strict=True)):
            yield f"{move}_{place}", move, step, image


def _sheet(pixels: NDArray[np.uint8], edited: Edited, names: Sequence[str]) -> NDArray[np.uint8]:
    """A row for each picture and move: the picture, as it was found, and the steps."""
    rows = [
        np.stack([pixels[number], edited.inverted.images[number], *images])
        for number, moves in enumerate(edited.images)
        for images in moves
    ]
    titles = [f"{name} {move}" if len(names) > 1 else move for name in names for move in edited.moves]
    return labelled(rows, titles, ["picture", "inverted", *edited.steps], scale_to=56)
