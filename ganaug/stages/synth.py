"""Stage ``synth``: images of every class from the generator of every split, for the arms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ganaug import store
from ganaug.errors import UserError
from ganaug.stages import cost
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf, open_splits
from ganaug.stages.tasks import Task, Worker, finish, publish
from ganaug.stages.translators import source_images
from ganaug.values import Count, Share, with_keys

if TYPE_CHECKING:
    import torch

    from ganaug.synth.generator import Generator
    from ganaug.synth.translator import Translator

_KEY, _MANIFEST = "key.json", "manifest.csv"
_Row = TypedDict("_Row", {"file": str, "class": str, "seed": int, "index": Count, "accepted": Share})  # of the manifest
# Of a translator's manifest: the condition that an image was moved to, the SHA-256 of what it was made of (rows of
# data/prepared change as other images come and go), and which translation of that it is.
_Moved = TypedDict("_Moved", {"file": str, "class": str, "condition": str, "source": str, "number": Count, "seed": int})
_HINT = 'run "ganaug synth --all" (or "dvc repro")'


def synth_all(project: Project, only: str | None) -> None:
    """Images of every class from the generator of every split, or of the split ``only``."""
    splits = open_splits(project, only)
    tasks = {split.name: synth_task(split) for split in splits}
    cost.check_images(splits, list(tasks.values()))
    finish(project, "synth", list(tasks.values()))
    folders = {name: [task.folder(project.work)] for name, task in tasks.items()}
    publish(project, project.synth, folders, whole=only is None)


def synth_task(split: SplitOf, generator: Path | None = None) -> Task:
    """The images of a split, from the file ``generator``; left out: the one in models/."""
    counts = split.synthetic_counts.values()
    number = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    line = f"{number} images of each of {len(counts)} classes"
    make = partial(_make, split, generator or split.project.generator(split.name))
    return Task("synth", split.synth_key, split.name, make, lambda folder: line)


def unadversarial_task(split: SplitOf) -> Task:
    """The images of its translator that learned without the adversarial loss, the control."""
    control = split.unadversarial
    generator = control.project.work.place("train", control.train_key) / "generator.safetensors"
    return replace(synth_task(control, generator), detail="unadversarial")


def _make(split: SplitOf, generator: Path, folder: Path, worker: Worker) -> None:
    make = _translated if split.translates else _sampled
    rows: list[list[Any]] = []
    files = []
    for label, (images, of_class) in enumerate(make(split, generator, worker.device)):
        files.append(folder / f"{label}.npy")
        store.write_array(files[-1], images)
        rows += [[files[-1].name, split.classes[label], *more] for more in of_class]
    store.write_csv(folder / _MANIFEST, list(_row(split).__annotations__), rows)
    store.write_sealed(folder / _KEY, {"key": split.synth_key}, [*files, folder / _MANIFEST])


_Made = Iterator[tuple[NDArray[np.uint8], list[list[Any]]]]  # of each class: images, and the rest of their rows


def _sampled(split: SplitOf, path: Path, where: torch.device) -> _Made:
    from ganaug.synth.generator import load_generator

    generator = load_generator(path)
    _check_current(split, path, generator)
    seed = split.settings.synth.seed
    for label, count in enumerate(split.synthetic_counts.values()):
        images, numbers = _empty(split, count), np.empty(count, np.int64)
        start = 0
        for chunk, of_chunk in generator.images(label, count, seed, where):
            end = start + len(chunk)
            images[start:end], numbers[start:end], start = chunk, of_chunk, end
        yield images, [[seed, number, generator.accepted[label]] for number in numbers.tolist()]


def _translated(split: SplitOf, path: Path, where: torch.device) -> _Made:
    from ganaug.synth.translator import load_translator

    translator = load_translator(path)
    _check_current(split, path, translator)
    hashes, seed = split.prepared.hashes, split.settings.synth.seed
    for label in range(len(split.classes)):
        made, cells = [_empty(split, 0)], list[list[Any]]()
        for target, sources in split.moves(label):
            each = len(split.sources(label)[target])
            for start in range(0, len(sources), each):
                rows, number = sources[start : start + each], start // each
                pictures, sha256 = source_images(split, rows, number), hashes(rows)
                made.append(translator.translation(pictures, sha256, target, number, seed, where))
                cells += [[split.conditions[target], sha, number, seed] for sha in sha256]
        yield np.concatenate(made), cells


def _empty(split: SplitOf, count: int) -> NDArray[np.uint8]:
    channels, height, width = split.prepared.image_shape
    return np.empty((count, height, width, channels), np.uint8)


def _check_current(split: SplitOf, path: Path, found: Generator | Translator) -> None:
    screening = found.description.get("screening") or {}
    is_current = (found.description.get("key"), screening.get("key")) == (split.train_key, split.filters_key)
    if not is_current or (found.classes, found.image_shape) != (split.classes, split.prepared.image_shape):
        raise UserError(
            f"{path}: was made with other settings of gan or of synth's filters, or from other images, than there are "
            'now; run "dvc repro"'
        )


def _row(split: SplitOf) -> Any:
    return _Moved if split.translates else _Row


def read_acceptance(split: SplitOf) -> dict[str, float]:
    """{class: the share of its candidates that the filters let through}, of the classes that got images.

    Raises UserError if the manifest does not list the images that there must be.
    """
    path = split.project.synth / split.name / _MANIFEST
    rows: list[dict[str, Any]] = store.read_table(path, _HINT, _row(split))
    made = [(f"{label}.npy", *one) for label, one in enumerate(split.synthetic_counts.items())]
    if [(row["file"], row["class"]) for row in rows] != [
        (file, name) for file, name, count in made for _ in range(count)
    ]:
        raise UserError(f"{path}: must list the images of every class, but others are listed; {_HINT}")
    store.check_sealed(path.with_name(_KEY), _HINT, [path])
    return {row["class"]: row.get("accepted", 1.0) for row in rows}


def read_synthetic(split: SplitOf, folder: Path | None = None) -> list[NDArray[np.uint8]]:
    """[label]: the images (N, H, W, C) of a split that lie in ``folder``, memory-mapped; left out: those that
    ``synth_all`` wrote.

    Raises UserError if they are missing, damaged, changed or of other settings.
    """
    folder, (channels, *size) = folder or split.project.synth / split.name, split.prepared.image_shape
    if store.read_json(folder / _KEY, _HINT, Annotated[dict[str, Any], with_keys("key")])["key"] != split.synth_key:
        raise UserError(f"{folder}: was made with other settings or from other generators than there are now; {_HINT}")
    paths = [folder / f"{label}.npy" for label in range(len(split.synthetic_counts))]
    arrays = [store.read_array(path, _HINT) for path in paths]
    for path, array, count in zip(paths, arrays, split.synthetic_counts.values(), strict=True):
        if array.shape != (count, *size, channels):
            raise UserError(
                f"{path}: must hold {count} images of {size[0]}x{size[1]}x{channels}, got {array.shape}; {_HINT}"
            )
    store.check_sealed(folder / _KEY, _HINT, [*paths, folder / _MANIFEST])
    return arrays


class Stacked:
    """Arrays that differ in length only, as one whose rows are read when they are asked for: (N, H, W, C)."""

    def __init__(self, arrays: Sequence[NDArray[np.uint8]]) -> None:
        self.arrays = arrays
        self._ends = np.cumsum([len(array) for array in arrays])
        self.shape: tuple[int, ...] = (int(self._ends[-1]), *arrays[0].shape[1:])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        index = np.arange(len(self))[rows]
        which = np.searchsorted(self._ends, index, side="right")
        found = np.empty((len(index), *self.shape[1:]), np.uint8)
        for number in np.unique(which):
            here = which == number
            array = self.arrays[number]
            found[here] = array[index[here] - (self._ends[number] - len(array))]
        return found

    def flat(self) -> Stacked:
        """The same, each row as one vector: (N, F)."""
        return Stacked([array.reshape(len(array), math.prod(array.shape[1:])) for array in self.arrays])


def synthetic_pool(split: SplitOf, folder: Path | None = None) -> tuple[Stacked, NDArray[np.int64]]:
    """All synthetic images of a split, (N, H, W, C), and their labels (N,); ``folder`` as above."""
    arrays = read_synthetic(split, folder)
    return Stacked(arrays), np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])


def unadversarial_pool(split: SplitOf) -> tuple[Stacked, NDArray[np.int64]]:
    """The same of its translator that learned without the adversarial loss."""
    control = split.unadversarial
    return synthetic_pool(control, control.project.work.place("synth", control.synth_key))
