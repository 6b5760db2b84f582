"""What a source gives: every image with its label, as pixels or as a file, and which images must stay together."""

import string
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.errors import UserError, is_printable, one_line, quoted

LONGEST_NAME = 100  # characters of a class name: it becomes a folder's name, a table's cell, a plot's label
_FOLDER_BYTES = 255  # that file systems allow for a folder's name
_FEWEST = 3  # images per class under any protocol: two to train on and one to test on


@dataclass(frozen=True)
class Labelled:
    """All images of a source. ``official_test`` marks those that the source itself sets apart for testing."""

    classes: list[str]
    images: NDArray[np.uint8] | list[Path]  # (N, H, W, C), or the file of each image
    labels: NDArray[np.int64]  # (N,), rows of ``classes``
    files: list[str]  # a name for each image: where it came from
    official_test: NDArray[np.bool_]  # (N,)
    groups: list[str] | None = None  # images of one group (a patient, a site) never fall on both sides of a split
    conditions: list[str] | None = None  # of each image: the camera, scanner, light, ... that it was taken under
    notes: list[str] = field(default_factory=list)  # what the user should know about the reading

    def condition_rows(self, where: str = "data.source") -> tuple[list[str], NDArray[np.int64] | None]:
        """(names, (N,) rows of them) of the conditions, sorted as classes are; ([], None) where there are none.

        Raises UserError, which starts with ``where``, if two names differ in their Unicode form alone.
        """
        return ([], None) if self.conditions is None else label_rows(self.conditions, (), where, "condition")

    def kept(self, rows: list[int]) -> "Labelled":
        """Of these rows alone; the classes stay."""
        images = self.images
        return replace(
            self,
            images=[images[row] for row in rows] if isinstance(images, list) else images[rows],
            labels=self.labels[rows],
            files=[self.files[row] for row in rows],
            official_test=self.official_test[rows],
            groups=None if self.groups is None else [self.groups[row] for row in rows],
            conditions=None if self.conditions is None else [self.conditions[row] for row in rows],
        )


def sort_classes(names: set[str]) -> list[str]:
    """Class names sorted as numbers if all of them are numbers, else as text."""
    numbers = all(name.isdecimal() and name.isascii() and len(name) <= LONGEST_NAME for name in names)
    return sorted(names, key=lambda name: (int(name), name)) if numbers else sorted(names)


def label_rows(
    names: Sequence[str], known: Iterable[str] = (), where: str = "data.source", kind: str = "class"
) -> tuple[list[str], NDArray[np.int64]]:
    """(classes, labels) from the class ``names`` of each image; ``known`` classes may have none. Names are in NFC.

    ``kind`` is what errors call them. Raises UserError, which starts with ``where``, if two names differ in their
    Unicode form alone.
    """
    form = {name: _nfc(name) for name in _distinct([*names, *known], where, kind)}
    classes = sort_classes(set(form.values()))
    row = {name: label for label, name in enumerate(classes)}
    return classes, np.array([row[form[name]] for name in names], np.int64)


def _nfc(name: str) -> str:
    """A Mac writes the names of folders in another Unicode form than people type."""
    return unicodedata.normalize("NFC", name)


def _distinct(names: Sequence[str], where: str, kind: str) -> Sequence[str]:
    """The names. Raises UserError if two of them differ in their Unicode form alone: they would become one."""
    different = sorted(set(names))
    if len(set(map(_nfc, different))) < len(different):
        _check_folded(different, where, kind)
    return names


def rows_by_value(values: NDArray[Any], names: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """(classes, labels) from label ``values`` (N,). Without ``names`` in the order of the values, they are the names.

    Raises UserError if there are not as many names as different values.
    """
    if values.dtype.kind == "U":
        values = np.array([_nfc(value) for value in _distinct(values.tolist(), "data.source", "class")])
    different, labels = np.unique(values, return_inverse=True)
    classes = [_nfc(name) for name in names] or [str(value) for value in different.tolist()]
    if len(classes) != len(different) or len(set(classes)) != len(classes):
        raise UserError(
            f"data.source.classes: must name each of the {len(different)} label values, got {len(set(classes))} "
            "different names; add or remove names, or leave the key out"
        )
    return classes, labels.astype(np.int64)


def check_names(names: Sequence[str], where: str, kind: str = "class") -> None:
    """Raises UserError unless people and file systems can distinguish the names, and each does as a folder's name."""
    for name in names:
        shown = one_line(name, 40)
        if len(name) > LONGEST_NAME:
            raise UserError(
                f'{where}: {kind} names must be at most {LONGEST_NAME} characters long, got {len(name)} ("{shown}"); '
                "shorten it"
            )
        if (size := _folder_bytes(name)) > _FOLDER_BYTES:
            raise UserError(
                f"{where}: {kind} names must take at most {_FOLDER_BYTES} bytes as a folder's name, got {size} "
                f'("{shown}"); shorten it'
            )
        if not is_printable(name):
            raise UserError(f'{where}: {kind} names must be printable UTF-8 text, got "{shown}"; rename the {kind}')
        if any(part.strip() in ("", ".", "..") for part in name.replace("\\", "/").split("/")):
            raise UserError(
                f'{where}: {kind} names must not be empty nor climb out of a folder, got "{shown}"; rename the {kind}'
            )
    _check_folded(names, where, kind)


def _folder_bytes(name: str) -> int:
    """What the name takes at most as a folder's name, with what a path could misread percent-encoded."""
    encoded = set(string.punctuation) - set("-_")
    return sum(3 if letter in encoded else len(letter.encode(errors="replace")) for letter in name)


def _check_folded(names: Sequence[str], where: str, kind: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        folded = _nfc(_nfc(name).casefold())
        if folded in seen:
            forms = f"{seen[folded]!a} and {name!a}" if _nfc(name) == _nfc(seen[folded]) else ""
            raise UserError(
                f"{where}: {kind} names must differ by more than case or Unicode form, got "
                f"{forms or f'{quoted(seen[folded])} and {quoted(name)}'}; merge or rename them"
            )
        seen[folded] = name


def check_counts(labels: NDArray[np.int64], classes: Sequence[str], where: str) -> None:
    """Raises UserError if there are fewer than two classes, or fewer images of one than any protocol needs."""
    if len(classes) < 2:
        found = f'only "{classes[0]}"' if classes else "none"
        raise UserError(f"{where}: must have at least 2 classes, got {found}; add images of another class")
    counts = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, counts.tolist(), strict=True):
        if count < _FEWEST:
            raise UserError(
                f'{where}: class "{name}" must have at least {_FEWEST} images, two to train on and one to test on, got '
                f"{count}; add images or remove the class"
            )


def check_conditions(found: Labelled, where: str) -> None:
    """Raises UserError if the conditions have no usable names, or all images are of one condition."""
    names, rows = found.condition_rows(where)
    check_names(names, where, "condition")
    if rows is not None and len(names) < 2:
        raise UserError(
            f"{where}: must have at least 2 conditions, got only {quoted(names[0], 40)}; add images of another "
            "condition, or leave the conditions out of data.source"
        )
