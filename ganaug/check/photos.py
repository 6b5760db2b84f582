"""Incoming pictures, read as the images of a project were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.config import Settings
from ganaug.data import pictures
from ganaug.data.folder import Folder, file_names, images_below, is_image, no_images
from ganaug.data.labelled import Labelled
from ganaug.data.pictures import Shape, depth_of, parse_background
from ganaug.data.prepared import Prepared
from ganaug.data.source import PathSource
from ganaug.errors import UserError, quoted


@dataclass(frozen=True)
class Photos:
    """N of them."""

    images: NDArray[np.uint8]  # (N, H, W, C)
    files: list[str]
    labels: NDArray[np.int64] | None  # (N,), rows of the project's classes; None: they have none


def read(source: PathSource, prepared: Prepared, settings: Settings, array: Path) -> Photos:
    """The pictures of ``source`` in the shape of those that are ``prepared``, written to the file ``array``.

    A folder without folders of classes holds pictures without labels. Raises UserError if there are none, one cannot be
    read, or one is of a class or a size that the project, whose ``settings`` these are, does not know.
    """
    path, labels = source.path, None
    if isinstance(source, Folder) and any(is_image(one) for one in path.iterdir() if one.is_file()):
        found: list[Path] | NDArray[np.uint8] = images_below(path, [])
        files = file_names(path, images_below(path, []))
    else:
        loaded = source.load()
        found, files, labels = loaded.images, loaded.files, _labels(loaded, prepared.classes, source.where())
    if not len(found):
        raise UserError(f"{path}: must hold images, but {no_images(path) or 'holds none'}; add some")
    looks = pictures.look_at(found, joblib.cpu_count(), source.largest_mib)
    shape = _shape(prepared, settings, source.largest_mib)
    sizes = {(one.width, one.height) for one in looks if one.broken is None}
    odd = sizes - {(shape.size, shape.size)}
    if odd and settings.data.image_size is None:
        width, height = min(odd)
        raise UserError(
            f"{path}: images must be {shape.size}x{shape.size} as the project's are, got {width}x{height}; bring them "
            "to that size, or set data.image_size in params.yaml, by which the project's and these are brought to one"
        )
    done = pictures.render(found, replace(shape, depth=shape.depth or depth_of(looks)), array, joblib.cpu_count())
    broken = [(files[row], reason) for row, reason in done.broken.items()]
    pictures.refuse_broken(broken, len(files), str(path))
    return Photos(store.read_array(array, ""), files, labels)


def _shape(prepared: Prepared, settings: Settings, largest_mib: int) -> Shape:
    data, (channels, size, _) = settings.data, prepared.image_shape
    background = parse_background(data.background)
    return Shape(size, 3 if channels == 3 else 1, data.aspect, background, prepared.depth, largest_mib)


def _labels(loaded: Labelled, classes: list[str], where: str) -> NDArray[np.int64]:
    unknown = next((name for name in loaded.classes if name not in classes), None)
    if unknown is not None:
        raise UserError(
            f"{where}: classes must be of the project's ({', '.join(classes)}), got {quoted(unknown)}; rename it, or "
            "put the images into one folder to have them judged without labels"
        )
    return np.array([classes.index(name) for name in loaded.classes], np.int64)[loaded.labels]
