"""Images in folders: one folder per class."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from PIL import Image

from ganaug.data.labelled import Labelled, label_rows
from ganaug.data.pictures import rasters
from ganaug.data.source import PathSource, with_targets
from ganaug.errors import UserError, one_line
from ganaug.settings import Later

# Folders and files that systems and programs leave among images: previews, archives, waste; all hidden ones too.
_LEFTOVERS = {
    *("@eadir", "#recycle", "$recycle.bin", "__macosx", "__pycache__", "lost+found", "system volume information"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini"),
}
_LEVELS = {None: "<class>", "above": "<condition>/<class>", "below": "<class>/<condition>"}  # by ``conditions``
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}


@dataclass(frozen=True)
class Folder(PathSource):
    """``path/<class>/...``: every image below a class's folder, at any depth, in any format that Pillow reads.

    With ``conditions`` there are two levels of folders, and a class may lack images under some condition.
    """

    kind: Literal["folder"] = "folder"
    nested: bool = False
    """Whether the first level of folders is the class although all images lie deeper."""
    conditions: Annotated[Literal["above", "below"] | None, Later] = None
    """Where the folders of conditions lie, such as cameras or scanners: above the classes' (photos/night/cat), or below
    them (photos/cat/night). Left out: there are none."""

    @property
    def may_have_conditions(self) -> bool:
        return self.conditions is not None

    def title(self) -> str:
        return self.path.resolve().name

    def watched(self) -> list[Path]:
        """The folder, and the folders that folders of classes and conditions are links to."""
        if not self.path.is_dir():
            return [self.path]
        tops = _folders(self.path)
        return with_targets([self.path], tops + [inner for top in tops for inner in _folders(top) if self.conditions])

    def load(self) -> Labelled:
        self._check_is("a folder with a folder of images for each class", self.path.is_dir())
        entries = list(self.path.iterdir())
        tops = folders = _folders(self.path)
        inside: list[Path] = []
        if self.conditions:
            inside = sorted(entry for top in tops for entry in top.iterdir())
            folders = [inner for top in tops for inner in _folders(top)]
        if not folders:
            below = f" ({_LEVELS[self.conditions]})" if self.conditions else ""
            raise UserError(
                f"{self.path}: must hold a folder of images for each class{below}, found no folder; sort the images "
                "into folders, or list files and labels in a CSV table"
            )
        others: list[Path] = []
        held = {folder: images_below(folder, others) for folder in folders}
        others += [entry for entry in entries if entry.is_dir() and entry not in tops]
        others += [entry for entry in inside if entry not in held]
        self._check_levels([entry for entry in inside if entry.is_file() and is_image(entry)])
        for kind in (no_images(folder) for folder, images in held.items() if not images):
            if kind:
                raise UserError(f"{self.path}: every class must hold images, but {kind}")
        paths = [path for images in held.values() for path in images]
        file_names(self.path, [*entries, *inside])
        files, left_out = file_names(self.path, paths), file_names(self.path, others)
        self._check_depth(paths)
        outside = sum(is_image(entry) for entry in entries if entry.is_file())
        kinds = [self._kinds(folder) for folder, images in held.items() for _ in images]
        known = [self._kinds(folder)[0] for folder in folders]
        classes, labels = label_rows([name for name, _ in kinds], known, str(self.path))
        notes = [f"Images next to the class folders were left out: {outside}"] * bool(outside)
        if others:
            notes.append(
                f"Left out (hidden, leftovers, links to folders, or not images): {len(others)}, such as {left_out[0]}"
            )
        conditions = [name for _, name in kinds] if self.conditions else None
        return Labelled(classes, paths, labels, files, np.zeros(len(paths), bool), None, conditions, notes)

    def _kinds(self, folder: Path) -> tuple[str, str]:
        """(class, condition) of the images in a ``folder`` of them; the condition is empty where there are none."""
        first, second = (*folder.relative_to(self.path).parts, "")[:2]
        return (second, first) if self.conditions == "above" else (first, second)

    def _check_levels(self, loose: list[Path]) -> None:
        """Images between the two levels of folders would silently be left out."""
        if loose:
            raise UserError(
                f"{self.path}: images must lie at {self.path.name}/{_LEVELS[self.conditions]}/, but {len(loose)} do "
                f"not, such as {one_line(str(loose[0].relative_to(self.path)), 80)}; move them, or remove them"
            )

    def _check_depth(self, paths: list[Path]) -> None:
        """Folders of folders may be photos/train/cat/1.png: "train" would silently become a class."""
        deep = [path for path in paths if len(path.relative_to(self.path).parts) > (3 if self.conditions else 2)]
        tops = {path.relative_to(self.path).parts[0] for path in deep}
        is_suspect = len(deep) > 3 / 4 * len(paths) or any(name.casefold() in _PARTS for name in tops)
        if deep and is_suspect and not self.nested:
            example = Path(one_line(str(deep[0].relative_to(self.path))))
            raise UserError(
                f"{self.path}: images must lie at {self.path.name}/{_LEVELS[self.conditions]}/, but {len(deep)} of "
                f"{len(paths)} lie deeper, such as {example}; name {self.path / example.parts[0]} if its folders are "
                "the classes, or say that the first level is the class (data.source.nested: true, or --nested)"
            )


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not is_leftover(entry.name))


def file_names(folder: Path, paths: list[Path]) -> list[str]:
    """Relative to ``folder``, each on one line. Raises UserError if one is not UTF-8: DVC would stop there."""
    names = [path.relative_to(folder).as_posix() for path in paths]
    for name in names:
        if name.encode(errors="replace").decode() != name:
            raise UserError(f"{folder}: file names must be UTF-8, got {one_line(name)}; rename it")
    return [one_line(name) for name in names]


def images_below(folder: Path, others: list[Path]) -> list[Path]:
    """The images in a folder and below it, sorted; everything else is appended to ``others``."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_stop):
        left_out = [name for name in folders if is_leftover(name) or Path(place, name).is_symlink()]
        others += [Path(place, name) for name in sorted(left_out)]
        folders[:] = sorted(set(folders) - set(left_out))
        for name in sorted(files):
            path = Path(place, name)
            (found if is_image(path) else others).append(path)
    return found


def no_images(folder: Path) -> str:
    """What a folder without images holds instead, and the fix; empty if it holds nothing."""
    found: list[Path] = []
    images_below(folder, found)
    files = [path for path in found if path.is_file() and not is_leftover(path.name)]
    if not files:
        return ""
    example = one_line(str(files[0].relative_to(folder)), 80)
    return (
        f"{folder} holds {len(files)} files, such as {example}, none of an ending that is read; convert HEIC, DICOM "
        f"and the like to PNG, give the files their ending, or remove the folder"
    )


def is_leftover(name: str) -> bool:
    """Whether a folder or file of this name is none of the user's images: hidden, a preview, or a system's."""
    return name.startswith(".") or name.casefold() in _LEFTOVERS


def _stop(error: OSError) -> None:
    """A folder that cannot be listed is never skipped silently."""
    raise error


def is_image(path: Path) -> bool:
    """By its name: it has an ending that is read, and is not hidden."""
    return path.suffix.lower() in _endings() and not is_leftover(path.name)


@cache
def _endings() -> frozenset[str]:
    formats = rasters()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in formats)
