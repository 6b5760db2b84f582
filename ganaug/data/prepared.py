"""The prepared data set on disk: one memory-mapped array, a table of its rows, the classes and the splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import store
from ganaug.data.gather import Gathered
from ganaug.data.splits import Split
from ganaug.data.unlabelled import Unlabelled, read_unlabelled
from ganaug.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_MEND = 'run "ganaug prepare" (or "dvc repro")'


@dataclass(frozen=True)
class Part:
    """Images that one side of a split holds."""

    images: NDArray[np.uint8]  # (N, H, W, C)
    labels: NDArray[np.int64]  # (N,), rows of the classes
    pixels: list[str]  # SHA-256 of each image's pixels


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` wrote, read back. Images are read from disk when a part is asked for."""

    folder: Path
    images: NDArray[np.uint8]  # (N, H, W, C), memory-mapped
    labels: NDArray[np.int64]
    pixels: list[str]
    classes: list[str]
    made_with: dict[str, Any]  # the settings that it depends on
    groups: list[str] | None = None  # of each image, where the source has groups
    beside: Unlabelled | None = None  # images without labels from a folder of their own

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    def split(self, name: str) -> Split:
        known = sorted(path.stem for path in (self.folder / "splits").glob("*.json"))
        if name not in known:
            raise UserError(f'split "{name}": must be one of {", ".join(known)}; name one of them, or {_MEND}')
        rows = store.read_json(self.folder / "splits" / f"{name}.json", _MEND)
        return Split(rows["train"], rows["test"], rows.get("spare", []), rows.get("unlabelled", []))

    def digest(self, rows: Sequence[int]) -> str:
        """Of the images and labels of some rows, in order; from the images' own hashes, so nothing is read."""
        return store.digest(*(self.pixels[row] for row in rows), self.labels[list(rows)])

    def unlabelled_rows(self, split: Split) -> list[int]:
        """The rows that a split may learn from without labels. Those of ``beside`` follow on the labelled ones."""
        return [*split.unlabelled, *range(len(self.images), len(self.images) + len(self._beside.pixels))]

    def unlabelled_digest(self, split: Split) -> str:
        """Of the images of those rows, in order."""
        return store.digest(*self.hashes(self.unlabelled_rows(split)))

    def hashes(self, rows: Sequence[int]) -> list[str]:
        """Of rows with labels and without; nothing is read."""
        count = len(self.pixels)
        return [self.pixels[row] if row < count else self._beside.pixels[row - count] for row in rows]

    def images_of(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """The images of rows with labels and without, (N, H, W, C)."""
        import numpy as np

        index, count = np.asarray(rows, np.int64), len(self.images)
        found = np.empty((len(index), *self.images.shape[1:]), np.uint8)
        found[index < count] = self.images[index[index < count]]
        found[index >= count] = self._beside.images[index[index >= count] - count]
        return found

    @property
    def _beside(self) -> Unlabelled:
        return self.beside or Unlabelled(self.images[:0], [])

    def counts(self, rows: Sequence[int]) -> dict[str, int]:
        """{class: images} of some rows."""
        import numpy as np

        counts = np.bincount(self.labels[np.asarray(rows, np.int64)], minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def part(self, rows: Sequence[int]) -> Part:
        import numpy as np

        index = np.asarray(rows, np.int64)
        return Part(np.ascontiguousarray(self.images[index]), self.labels[index], [self.pixels[row] for row in rows])


def write_prepared(folder: Path, made_with: dict[str, Any], data: Gathered, splits: dict[str, Split]) -> None:
    """Complete ``folder``, in which the images lie already."""
    found = data.found
    groups = found.groups
    header = ["file", "class", "sha256"] + ["group"] * (groups is not None)
    columns = [found.files, [found.classes[label] for label in found.labels], data.pixels]
    store.write_csv(folder / "items.csv", header, zip(*columns, *([groups] if groups else []), strict=True))
    store.write_json(folder / "classes.json", list(found.classes))
    store.write_json(folder / "settings.json", made_with)
    if data.broken:
        store.write_csv(folder / "skipped.csv", ["file", "reason"], data.broken)
    for name, split in splits.items():
        rows = {"train": split.train, "test": split.test, "spare": split.spare}
        more = {"unlabelled": split.unlabelled} if split.unlabelled else {}
        store.write_json(folder / "splits" / f"{name}.json", rows | more)


def read_prepared(folder: Path) -> Prepared:
    import csv

    import numpy as np

    classes = store.read_json(folder / "classes.json", _MEND)
    images = store.read_array(folder / "images.npy", _MEND)
    index = {name: label for label, name in enumerate(classes)}
    try:
        with (folder / "items.csv").open(newline="", encoding="utf-8") as file:
            items = [(index[row["class"]], row["sha256"], row.get("group")) for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise UserError(f"{folder / 'items.csv'}: must list every image and its class, but {error}; {_MEND}") from None
    if len(items) != len(images):
        raise UserError(f"{folder}: must list as many items as images, got {len(items)} and {len(images)}; {_MEND}")
    labels = np.array([label for label, *_ in items], np.int64)
    groups = [group for *_, group in items if group is not None]
    made_with = store.read_json(folder / "settings.json", _MEND)
    beside = read_unlabelled(folder, _MEND)
    hashes = [pixels for _, pixels, _ in items]
    return Prepared(folder, images, labels, hashes, classes, made_with, groups or None, beside)
