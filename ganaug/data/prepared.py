"""The prepared data set on disk: one memory-mapped array, a table of its rows, the classes and the splits."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic asks for this one before Python 3.12
)

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ganaug import store
from ganaug.data.cells import cell_counts, in_cells
from ganaug.data.gather import Gathered
from ganaug.data.splits import RELEASE, Items, Split
from ganaug.data.unlabelled import Unlabelled, read_unlabelled
from ganaug.errors import UserError, quoted
from ganaug.values import Names, Sha256

_HINT = 'run "ganaug prepare" (or "dvc repro")'
_DEPTH = "depth.json"
Bits = Annotated[int, Ge(8), Le(16)]
_ALWAYS = ("train", "test", "spare")  # in a split's file also where they are empty


Item = TypedDict(  # of items.csv
    "Item", {"file": str, "class": str, "sha256": Sha256, "group": NotRequired[str], "condition": NotRequired[str]}
)


@dataclass(frozen=True)
class Part:
    """The images of one side of a split."""

    images: NDArray[np.uint8]  # (N, H, W, C)
    labels: NDArray[np.int64]  # (N,), rows of the classes
    pixels: list[str]  # SHA-256 of each image's pixels
    conditions: NDArray[np.int64] | None = None  # (N,), rows of the conditions' names, where there are conditions


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` wrote, read back. Images are read from disk when a part is asked for, each split once."""

    folder: Path
    images: NDArray[np.uint8]  # (N, H, W, C), memory-mapped
    labels: NDArray[np.int64]
    pixels: list[str]
    classes: list[str]
    made_with: dict[str, Any]  # the settings that it depends on
    groups: list[str] | None = None  # of each image, if the source has groups
    beside: Unlabelled | None = None  # images without labels from a folder of their own
    conditions: NDArray[np.int64] | None = None  # (N,), rows of ``condition_names``, if the source has conditions
    condition_names: list[str] = field(default_factory=list)
    _splits: dict[str, Split] = field(default_factory=dict, init=False, repr=False, compare=False)  # those read so far
    _uses: dict[tuple[str, ...], tuple[NDArray[np.int64], NDArray[np.bool_]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def depth(self) -> int | None:
        """The bits in use of 16-bit pixels, over all images: other pictures are to be read as these were. None: they
        have 8, or that is not known."""
        path = self.folder / _DEPTH
        return store.read_json(path, _HINT, Bits) if path.is_file() else None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    def split(self, name: str) -> Split:
        """The rows of a split. Raises UserError if there is none of that name, or it is none that a protocol deals."""
        if name not in self._splits:
            known = sorted(path.stem for path in (self.folder / "splits").glob("[!.]*.json"))
            if name not in known:
                raise UserError(
                    f"split {quoted(name)}: must be one of {', '.join(known)}; name one of them, or {_HINT}"
                )
            path = self.folder / "splits" / f"{name}.json"
            split = store.read_json(path, _HINT, Split)
            wrong = self._wrong(split, tests=name != RELEASE)
            if wrong:
                raise UserError(f"{path}: {wrong}; {_HINT}")
            store.check_sealed(path, _HINT)
            self._splits[name] = split
        return self._splits[name]

    def _wrong(self, split: Split, tests: bool) -> str | None:
        """What no protocol deals: above all a test image, a copy of one or one of its group to learn from."""
        parts = [(part, rows) for part, rows in vars(split).items() if part != "hidden"]
        for part, rows in parts:
            if rows != sorted(set(rows)) or (rows and not 0 <= rows[0] <= rows[-1] < len(self.labels)):
                return f"{part} must list rows of 0 to {len(self.labels) - 1}, rising, but does not"
        others = [row for part, rows in parts if part != "test" for row in rows]
        if len({*others, *split.test}) < len(others) + len(split.test):
            return "an image must be in one part, but some are in several"
        if tests and not split.test:
            return "a trial must have a test part, but it is empty"
        untrained = set(range(len(self.classes))).difference(self.labels[split.train].tolist())
        if untrained:
            return f"every class must be in the train part, but {quoted(self.classes[min(untrained)])} is not"
        wrong = self._wrong_cells(split)
        if wrong:
            return wrong
        met = {self.pixels[row] for row in split.test}.intersection(self.pixels[row] for row in others)
        if met:
            return f"no other part may have the pixels of a test image, but {min(met)[:8]} are in both"
        return None

    def _wrong_cells(self, split: Split) -> str | None:
        """What is wrong with the hidden cells of a split and with the images in them."""
        shape = (len(self.classes), len(self.condition_names))
        if not all(0 <= label < shape[0] and 0 <= condition < shape[1] for label, condition in split.hidden):
            return (
                f"hidden must list classes of 0 to {shape[0] - 1} under conditions of 0 to {shape[1] - 1}, but does not"
            )
        hidden = self.in_cells(split.hidden)
        if hidden[split.train].any():
            return "no image of a hidden cell may be in the train part, but some are"
        if not hidden[split.truth].all():
            return "truth must list images of hidden cells, but lists others"
        return None

    def check_groups(self, name: str) -> None:
        """Raises UserError if the split has images of one group in its test part and in another."""
        split, groups = self.split(name), self.groups or []
        others = [*split.train, *split.spare, *split.unlabelled, *split.truth] if groups else []
        met = {groups[row] for row in others}.intersection(groups[row] for row in split.test if groups)
        if met:
            path = self.folder / "splits" / f"{name}.json"
            raise UserError(
                f"{path}: no other part may have images of a test image's group, but {quoted(min(met))} is in both; "
                f"{_HINT}"
            )

    def uses(self, names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(N,), (N,): in how many of the train parts of these splits each image is, and whether it is in any other part
        to measure with."""
        key = tuple(names)
        if key not in self._uses:
            trained, measured = np.zeros(len(self.labels), np.int64), np.zeros(len(self.labels), bool)
            for split in map(self.split, key):
                trained[split.train] += 1
                measured[[*split.test, *split.spare]] = True
            self._uses[key] = trained, measured
        return self._uses[key]

    def digest(self, rows: Sequence[int]) -> str:
        """Hash of the images and labels of some rows, in order; from the images' hashes, so no image is read."""
        return store.digest(*(self.pixels[row] for row in rows), self.labels[list(rows)])

    def unlabelled_rows(self, split: Split) -> list[int]:
        """The rows that a split may learn from without labels. Those of ``beside`` follow the labelled ones."""
        return [*split.unlabelled, *range(len(self.images), len(self.images) + len(self._beside.pixels))]

    def hashes(self, rows: Sequence[int]) -> list[str]:
        """The SHA-256 of each image, for rows with and without labels; no image is read."""
        count = len(self.pixels)
        return [self.pixels[row] if row < count else self._beside.pixels[row - count] for row in rows]

    def images_of(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """The images of rows with and without labels, (N, H, W, C)."""
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
        counts = np.bincount(self.labels[np.asarray(rows, np.int64)], minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def cells(self, rows: Sequence[int]) -> NDArray[np.int64]:
        """(classes, conditions): the images of some rows in each cell, a class under a condition."""
        index = np.asarray(rows, np.int64)
        conditions = None if self.conditions is None else self.conditions[index]
        return cell_counts(self.labels[index], conditions, len(self.classes), len(self.condition_names))

    def in_cells(self, cells: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
        """(N,): the images in one of the ``cells`` (class, condition)."""
        return in_cells(self.labels, self.conditions, cells)

    def items(self, rows: Sequence[int]) -> Items:
        """What a protocol knows of some rows: conditions and an official test part aside."""
        index = np.asarray(rows, np.int64)
        groups = [self.groups[row] for row in rows] if self.groups else None
        return Items(self.labels[index], self.hashes(rows), np.zeros(len(index), bool), self.classes, groups)

    def part(self, rows: Sequence[int]) -> Part:
        """The images and labels of some rows."""
        index = np.asarray(rows, np.int64)
        conditions = None if self.conditions is None else self.conditions[index]
        return Part(self.images_of(rows), self.labels[index], self.hashes(rows), conditions)


def write_prepared(folder: Path, made_with: dict[str, Any], data: Gathered, splits: dict[str, Split]) -> None:
    """Write ``data`` into ``folder``, which holds its images; ``made_with``: its settings; ``splits`` by name."""
    found = data.found
    names, conditions = found.condition_rows()
    columns = {
        "file": found.files,
        "class": [found.classes[label] for label in found.labels],
        "sha256": data.pixels,
        "group": found.groups,
        "condition": None if conditions is None else [names[row] for row in conditions],
    }
    columns = {name: column for name, column in columns.items() if column is not None}
    store.write_csv(folder / "items.csv", list(columns), zip(*columns.values(), strict=True))
    store.write_json(folder / "classes.json", list(found.classes))
    if conditions is not None:
        store.write_json(folder / "conditions.json", names)
        if data.shape.depth is not None:
            store.write_json(folder / _DEPTH, data.shape.depth)
    store.write_json(folder / "settings.json", made_with)
    if data.broken:
        store.write_csv(folder / "skipped.csv", ["file", "reason"], data.broken)
    for name, split in splits.items():
        rows = {part: held for part, held in asdict(split).items() if held or part in _ALWAYS}
        store.write_sealed(folder / "splits" / f"{name}.json", rows)


def read_prepared(folder: Path) -> Prepared:
    """What ``write_prepared`` wrote. Raises UserError if it is missing or damaged."""
    classes = store.read_json(folder / "classes.json", _HINT, Names)
    images = store.read_array(folder / "images.npy", _HINT)
    table = folder / "items.csv"
    items = store.read_table(table, _HINT, Item)
    labels = _rows_of([item["class"] for item in items], classes, table, "class", "classes.json")
    names, conditions = [], None
    if items and "condition" in items[0]:
        names = store.read_json(folder / "conditions.json", _HINT, Names)
        conditions = _rows_of([item["condition"] for item in items], names, table, "condition", "conditions.json")
    count, height, width, channels = images.shape
    if height != width or not height or channels not in (1, 3) or count != len(items) or not items:
        raise UserError(
            f"{folder}: images.npy must hold the {len(items):,} items of items.csv, square, of 1 or 3 channels, but "
            f"its shape is {images.shape}; {_HINT}"
        )
    groups = [item["group"] for item in items] if "group" in items[0] else None
    made_with = store.read_json(folder / "settings.json", _HINT, dict[str, Any])
    hashes = [item["sha256"] for item in items]
    beside, data = read_unlabelled(folder, _HINT), made_with.get("data")
    if beside is None and isinstance(data, dict) and data.get("unlabelled"):
        raise UserError(f"{folder}: must hold the images without labels, but does not; {_HINT}")
    if beside and (beside.images.shape[1:] != images.shape[1:] or not set(beside.pixels).isdisjoint(hashes)):
        raise UserError(f"{folder}: images without labels must be of the others' shape, and none of them; {_HINT}")
    return Prepared(folder, images, labels, hashes, classes, made_with, groups, beside, conditions, names)


def _rows_of(values: list[str], names: list[str], table: Path, column: str, file: str) -> NDArray[np.int64]:
    """Each value's place among the ``names`` in ``file``. Raises UserError if one of the ``column`` is not there."""
    index = {name: row for row, name in enumerate(names)}
    unknown = next((value for value in values if value not in index), None)
    if unknown is not None:
        raise UserError(f"{table}: every {column} must be one of {file}, but {quoted(unknown)} is not; {_HINT}")
    return np.array([index[value] for value in values], np.int64)
