"""Images in folders: one folder per class."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from ganaug.data.labelled import Labelled, label_rows
from ganaug.data.pictures import rasters
from ganaug.data.source import PathSource, with_targets
from ganaug.errors import UserError, one_line

# Folders and files that systems and programs leave among images: previews, archives, waste; all hidden ones too.
_LEFTOVERS = {
    *("@eadir", "#recycle", "$recycle.bin", "__macosx", "__pycache__", "lost+found", "system volume information"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini"),
}
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}


@dataclass(frozen=True)
class Folder(PathSource):
    """``path/<class>/...``: every image below a class's folder, at any depth, in any format that Pillow reads."""

    kind: Literal["folder"] = "folder"
    nested: bool = False
    """Whether the first level of folders is the class although all images lie deeper."""

    def title(self) -> str:
        return self.path.resolve().name

    def watched(self) -> list[Path]:
        """The folder, and the folders that class folders are links to."""
        return with_targets([self.path], self._folders() if self.path.is_dir() else [])

    def _folders(self) -> list[Path]:
        return sorted(entry for entry in self.path.iterdir() if entry.is_dir() and not is_leftover(entry.name))

    def load(self) -> Labelled:
        self._check_is("a folder with a folder of images for each class", self.path.is_dir())
        folders = self._folders()
        if not folders:
            raise UserError(
                f"{self.path}: must hold a folder of images for each class, found no folder; sort the images into "
                "folders, or list files and labels in a CSV table"
            )
        entries = list(self.path.iterdir())
        others: list[Path] = []
        held = {folder.name: images_below(folder, others) for folder in folders}
        others += [entry for entry in entries if entry.is_dir() and entry not in folders]
        for kind in (no_images(folder) for folder in folders if not held[folder.name]):
            if kind:
                raise UserError(f"{self.path}: every class must hold images, but {kind}")
        paths = [path for images in held.values() for path in images]
        file_names(self.path, entries)
        files, left_out = file_names(self.path, paths), file_names(self.path, others)
        self._check_depth(paths)
        outside = sum(is_image(entry) for entry in entries if entry.is_file())
        names = [name for name, images in held.items() for _ in images]
        classes, labels = label_rows(names, held, str(self.path))
        notes = [f"Images next to the class folders were left out: {outside}"] * bool(outside)
        if others:
            notes.append(
                f"Left out (hidden, leftovers, links to folders, or not images): {len(others)}, such as {left_out[0]}"
            )
        return Labelled(classes, paths, labels, files, np.zeros(len(paths), bool), notes=notes)

    def _check_depth(self, paths: list[Path]) -> None:
        """Folders of folders may be photos/train/cat/1.png: "train" would silently become a class."""
        deep = [path for path in paths if len(path.relative_to(self.path).parts) > 2]
        tops = {path.relative_to(self.path).parts[0] for path in deep}
        is_suspect = len(deep) > 3 / 4 * len(paths) or any(name.casefold() in _PARTS for name in tops)
        if deep and is_suspect and not self.nested:
            example = Path(one_line(str(deep[0].relative_to(self.path))))
            raise UserError(
                f"{self.path}: images must lie at {self.path.name}/<class>/, but {len(deep)} of {len(paths)} lie "
                f"deeper, such as {example}; name {self.path / example.parts[0]} if its folders are the classes, or "
                "say that the first level is the class (data.source.nested: true, or --nested)"
            )


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
