"""A folder per class, a file per image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganaug.synth.folder_names import folder_name

if TYPE_CHECKING:
    from ganaug.synth.format import Chunks, Made

_OF_THE_FILE = ("file", "class", "accepted", "model")  # what the manifest says, but not of the image alone


def write_png(folder: Path, classes: Sequence[str], chunks: Chunks, counts: Mapping[int, int]) -> Made:
    """``3/000000.png`` and so on in ``folder``, of the ``chunks`` of images, as many as ``counts`` says of each of the
    ``classes``."""
    from ganaug.synth.png import png_of  # not above: the command line lists the formats in its help

    digits = max(6, len(str(max(counts.values()) - 1)))
    made, last = 0, -1
    for label, chunk, numbers in chunks:
        if label != last:
            made, last = 0, label
            name = folder_name(classes[label])
            (folder / name).mkdir()
        for image, number in zip(chunk, numbers.tolist(), strict=True):
            file = f"{name}/{made:0{digits}d}.png"
            with open(f"{folder}/{file}", "wb", buffering=0) as out:  # noqa: PTH123 (a Path takes longer than a PNG)
                out.write(png_of(image))
            yield file, label, number
            made += 1


def image_folder_lines(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """What Hugging Face's ``imagefolder`` reads beside the folders: the class's name, which a folder's may not be, and
    what else the manifest says of an image. (It takes no names of folders for labels where there is such a file.)"""
    import json

    for row in rows:
        more = {key: int(cell) if key in ("seed", "index") else cell for key, cell in row.items()}
        told = {key: cell for key, cell in more.items() if key not in _OF_THE_FILE}
        yield json.dumps({"file_name": row["file"], "label": row["class"], **told}, ensure_ascii=False)
