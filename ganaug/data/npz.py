"""Images in a NumPy archive, in the layout of MedMNIST's files."""

import zipfile
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganaug.data.labelled import Labelled, rows_by_value
from ganaug.data.source import PathSource
from ganaug.errors import UserError, one_line

_PARTS = ("train", "val", "test")
_ARRAYS = tuple(f"{part}{kind}" for part in ("train_", "val_", "test_", "") for kind in ("images", "labels"))


@dataclass(frozen=True)
class Npz(PathSource):
    """``train_images`` (N, H, W) or (N, H, W, C) and ``train_labels`` (N,) or (N, 1); ``val_...`` and ``test_...`` too.

    Images are uint8 in 0..255. ``val`` joins the train part; ``test`` is the official test part. An archive with
    ``images`` and ``labels`` alone, such as ``ganaug synth --format npz`` writes, has no test part.
    """

    kind: Literal["npz"] = "npz"
    classes: tuple[str, ...] = ()  # names in the order of the label values; left out: the values themselves

    def load(self) -> Labelled:
        parts = self._parts()
        shapes = {images.shape[1:] for _, images, _ in parts}
        if len(shapes) > 1:
            raise UserError(f"{self.path}: all images must have one shape, got {sorted(shapes)}; use one data set")
        classes, labels = rows_by_value(np.concatenate([labels for *_, labels in parts]), self.classes)
        return Labelled(
            classes=classes,
            images=parts[0][1] if len(parts) == 1 else np.concatenate([images for _, images, _ in parts]),
            labels=labels,
            files=[f"{part or 'images'}[{row}]" for part, images, _ in parts for row in range(len(images))],
            official_test=np.concatenate([np.full(len(images), part == "test") for part, images, _ in parts]),
        )

    def _parts(self) -> list[tuple[str, NDArray[np.uint8], NDArray[Any]]]:
        """(part, images (N, H, W, C), labels (N,)) of every part that the archive holds."""
        self._check_is("an NPZ archive", self.path.is_file())
        try:
            with self.path.open("rb") as file:
                if not zipfile.is_zipfile(file):
                    raise ValueError("it is not a zip file")
                file.seek(0)
                with np.load(file) as archive:  # pickled objects are refused: reading runs no code
                    held = archive.files
                    arrays = {name: np.asarray(archive[name]) for name in held if name in _ARRAYS}
        except Exception as error:  # a broken archive may make its decoder raise anything
            reason = one_line(str(error), 100) or type(error).__name__
            raise UserError(
                f"{self.path}: must be an NPZ archive of plain arrays, but {reason}; write it with numpy.savez"
            ) from None
        names = [part for part in _PARTS if f"{part}_images" in arrays]
        found = {part: (f"{part}_images", f"{part}_labels") for part in names} or {"": ("images", "labels")}
        if ("train" not in found and "" not in found) or any(
            key not in arrays for keys in found.values() for key in keys
        ):
            raise UserError(
                f"{self.path}: must hold train_images and train_labels (val_ and test_ likewise), found "
                f"{one_line(', '.join(held), 200) or 'no array'}; rename the arrays"
            )
        return [(part, self._images(arrays[i], i), self._labels(arrays, i, j)) for part, (i, j) in found.items()]

    def _images(self, images: NDArray[Any], name: str) -> NDArray[np.uint8]:
        if images.dtype != np.uint8:
            raise UserError(f"{self.path}: {name} must be uint8 in 0..255, got {images.dtype}; convert the array")
        shaped = images[..., np.newaxis] if images.ndim == 3 else images
        if shaped.ndim != 4 or shaped.shape[3] not in (1, 3) or 0 in shaped.shape[1:]:
            raise UserError(
                f"{self.path}: {name} must be (N, H, W) or (N, H, W, 1 or 3), got {images.shape}; reshape the array"
            )
        return shaped

    def _labels(self, arrays: dict[str, NDArray[Any]], images: str, name: str) -> NDArray[Any]:
        labels = arrays[name].reshape(-1) if arrays[name].ndim == 2 and arrays[name].shape[1] == 1 else arrays[name]
        if labels.ndim != 1 or len(labels) != len(arrays[images]) or labels.dtype.kind not in "iubUS":
            raise UserError(
                f"{self.path}: {name} must hold one label for each of the {len(arrays[images])} images, whole numbers "
                f"or text, got {arrays[name].dtype} {arrays[name].shape}; correct the array"
            )
        if labels.dtype.kind == "S":
            return np.char.decode(labels, "utf-8", errors="backslashreplace")
        return labels if labels.dtype.kind in "bU" else labels.astype(np.int64)  # one type for all parts' labels
