"""What a source gives: every image with its label, as pixels or as a file, and which images must stay together."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.errors import UserError, is_printable, one_line

LONGEST_NAME = 100  # characters of a class name: it becomes a folder's name, a table's cell, a plot's label


@dataclass(frozen=True)
class Labelled:
    """All images of a source. ``official_test`` marks those that the source itself sets apart for testing."""

    classes: list[str]
    images: NDArray[np.uint8] | list[Path]  # (N, H, W, C), or the file of each image
    labels: NDArray[np.int64]  # (N,), rows of ``classes``
    files: list[str]  # a name for each image: where it came from
    official_test: NDArray[np.bool_]  # (N,)
    groups: list[str] | None = None  # images of one group (a patient, a site) never fall on both sides of a split
    notes: list[str] = field(default_factory=list)  # what the user should know about the reading


def sort_classes(names: set[str]) -> list[str]:
    """Class names sorted as numbers if all of them are numbers, else as text."""
    numbers = all(name.isdecimal() and name.isascii() and len(name) <= LONGEST_NAME for name in names)
    return sorted(names, key=lambda name: (int(name), name)) if numbers else sorted(names)


def label_rows(names: Sequence[str], known: Iterable[str] = ()) -> tuple[list[str], NDArray[np.int64]]:
    """(classes, labels) from the class name of each image; ``known`` classes may have none."""
    classes = sort_classes({*names, *known})
    row = {name: label for label, name in enumerate(classes)}
    return classes, np.array([row[name] for name in names], np.int64)


def rows_by_value(values: NDArray[Any], names: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """(classes, labels) from label ``values`` (N,). Without ``names`` in the order of the values, they are the names.

    Raises UserError if there are not as many names as different values.
    """
    different, labels = np.unique(values, return_inverse=True)
    classes = list(names) or [str(value) for value in different.tolist()]
    if len(classes) != len(different) or len(set(classes)) != len(classes):
        raise UserError(
            f"data.source.classes: must name each of the {len(different)} label values, got {len(set(classes))} "
            "different names; add or remove names, or leave the key out"
        )
    return classes, labels.astype(np.int64)


def check_class_names(classes: Sequence[str], where: str) -> None:
    """Raises UserError unless people and file systems can distinguish the names, and each does as a folder's name."""
    for name in classes:
        shown = one_line(name, 40)
        if len(name) > LONGEST_NAME:
            raise UserError(
                f'{where}: class names must be at most {LONGEST_NAME} characters long, got {len(name)} ("{shown}"); '
                "shorten it"
            )
        if not is_printable(name):
            raise UserError(f'{where}: class names must be printable UTF-8 text, got "{shown}"; rename the class')
        if any(part.strip() in ("", ".", "..") for part in name.replace("\\", "/").split("/")):
            raise UserError(
                f'{where}: class names must not be empty nor climb out of a folder, got "{shown}"; rename the class'
            )
    seen: dict[str, str] = {}
    for name in classes:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise UserError(
                f'{where}: class names must differ by more than case, got "{seen[folded]}" and "{name}"; merge or '
                "rename them"
            )
        seen[folded] = name


def check_counts(labels: NDArray[np.int64], classes: Sequence[str], where: str) -> None:
    """Raises UserError if there are fewer than two classes, or one has fewer than two images (one to test on)."""
    if len(classes) < 2:
        found = f'only "{classes[0]}"' if classes else "none"
        raise UserError(f"{where}: must have at least 2 classes, got {found}; add images of another class")
    counts = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, counts.tolist(), strict=True):
        if count < 2:
            raise UserError(
                f'{where}: class "{name}" must have at least 2 images, got {count}; add images or remove the class'
            )
