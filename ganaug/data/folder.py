"""Images in folders: one folder per class."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from ganaug.data.labelled import Labelled, label_rows
from ganaug.data.source import PathSource
from ganaug.errors import UserError, one_line


@dataclass(frozen=True)
class Folder(PathSource):
    """``path/<class>/...``: every image below a class's folder, at any depth, in any format that Pillow reads."""

    kind: Literal["folder"] = "folder"
    nested: bool = False  # true: the first level is the class, although all images lie deeper

    def title(self) -> str:
        return self.path.resolve().name

    def load(self) -> Labelled:
        self._check_is("a folder with a folder of images for each class", self.path.is_dir())
        folders = sorted(entry for entry in self.path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if not folders:
            raise UserError(
                f"{self.path}: must hold a folder of images for each class, found no folder; sort the images into "
                "folders, or list files and labels in a CSV table"
            )
        entries = list(self.path.iterdir())
        others: list[Path] = []
        held = {folder.name: images_below(folder, others) for folder in folders}
        paths = [path for images in held.values() for path in images]
        file_names(self.path, entries)
        files, left_out = file_names(self.path, paths), file_names(self.path, others)
        self._check_depth(paths)
        outside = sum(is_image(entry) for entry in entries if entry.is_file())
        classes, labels = label_rows([name for name, images in held.items() for _ in images], held)
        notes = [f"Images next to the class folders were left out: {outside}"] * bool(outside)
        if others:
            notes.append(f"Left out (hidden, links to folders, or not images): {len(others)}, such as {left_out[0]}")
        return Labelled(classes, paths, labels, files, np.zeros(len(paths), bool), notes=notes)

    def _check_depth(self, paths: list[Path]) -> None:
        """Folders of folders may be photos/train/cat/1.png: "train" would silently become a class."""
        direct = any(len(path.relative_to(self.path).parts) == 2 for path in paths)
        if paths and not direct and not self.nested:
            example = Path(one_line(str(paths[0].relative_to(self.path))))
            raise UserError(
                f"{self.path}: images must lie at {self.path.name}/<class>/, but all lie deeper, such as {example}; "
                f"name {self.path / example.parts[0]} if its folders are the classes, or say that the first level is "
                "the class (data.source.nested: true, or --nested)"
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
        left_out = [name for name in folders if name.startswith(".") or Path(place, name).is_symlink()]
        others += [Path(place, name) for name in sorted(left_out)]
        folders[:] = sorted(set(folders) - set(left_out))
        for name in sorted(files):
            path = Path(place, name)
            (found if is_image(path) else others).append(path)
    return found


def _stop(error: OSError) -> None:
    """A folder that cannot be listed is never skipped silently."""
    raise error


def is_image(path: Path) -> bool:
    """By its name: it has an ending that Pillow reads and is not hidden."""
    return path.suffix.lower() in _endings() and not path.name.startswith(".")


@cache
def _endings() -> frozenset[str]:
    Image.init()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in Image.OPEN)
