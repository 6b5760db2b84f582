"""Incoming pictures, read as the images of a project were."""

from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.config import Settings
from ganaug.data import pictures
from ganaug.data.folder import Folder, file_names, images_below, is_image
from ganaug.data.pictures import Shape, depth_of, parse_background
from ganaug.data.prepared import Prepared
from ganaug.data.source import PathSource
from ganaug.errors import UserError, quoted


def read(
    source: PathSource, prepared: Prepared, settings: Settings, array: Path
) -> tuple[list[str], NDArray[np.uint8], NDArray[np.int64] | None]:
    """(files, images (N, H, W, C), labels (N,) or None) of ``source``, in the shape of those that are ``prepared``, by
    way of the file ``array``. The images of a folder without folders of classes have no labels.

    Raises UserError if there are none, one cannot be read, or is of a class or a size that the project, with these
    ``settings``, does not know.
    """
    path, data, labels = source.path, settings.data, None
    if isinstance(source, Folder) and any(map(is_image, path.iterdir())) and not any(map(Path.is_dir, path.iterdir())):
        found: list[Path] | NDArray[np.uint8] = images_below(path, [])
        files = file_names(path, images_below(path, []))
    else:
        loaded = source.load()
        unknown = next((name for name in loaded.classes if name not in prepared.classes), None)
        if unknown is not None:
            raise UserError(
                f"{path}: classes must be of the project's ({', '.join(prepared.classes)}), got {quoted(unknown)}; "
                "rename it, or put the images into one folder, to be judged without labels"
            )
        found, files = loaded.images, loaded.files
        labels = np.array([prepared.classes.index(name) for name in loaded.classes], np.int64)[loaded.labels]
    looks, (channels, size, _) = pictures.look_at(found, joblib.cpu_count()), prepared.image_shape
    odd = [one for one in looks if one.broken is None and (one.width, one.height) != (size, size)]
    if odd and data.image_size is None:
        raise UserError(
            f"{path}: images must be of {size}x{size} pixels as the project's are, got {odd[0].width}x{odd[0].height}; "
            "bring them to that size, or set data.image_size in params.yaml, which then all are brought to"
        )
    depth, background = prepared.depth or depth_of(looks), parse_background(data.background)
    shape = Shape(size, 3 if channels == 3 else 1, data.aspect, background, depth)
    done = pictures.render(found, shape, array, joblib.cpu_count())
    pictures.refuse_broken([(files[row], reason) for row, reason in done.broken.items()], len(files), str(path))
    return files, np.array(store.read_array(array, "")), labels
