"""Stage ``synth``: images of every class from the generator of every split, for the arms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ganaug import store
from ganaug.errors import UserError
from ganaug.stages import cost
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf, open_splits
from ganaug.stages.tasks import Task, Worker, finish, publish
from ganaug.values import Count, Share, with_keys

_KEY, _MANIFEST = "key.json", "manifest.csv"
_Row = TypedDict("_Row", {"file": str, "class": str, "seed": int, "index": Count, "accepted": Share})  # of the manifest
_HINT = 'run "ganaug synth --all" (or "dvc repro")'


def synth_all(project: Project, only: str | None) -> None:
    """Images of every class from the generator of every split, or of the split ``only``."""
    splits = open_splits(project, only)
    tasks = {split.name: synth_task(split) for split in splits}
    cost.check_images(splits, list(tasks.values()))
    finish(project, "synth", list(tasks.values()))
    folders = {name: [task.folder(project.work)] for name, task in tasks.items()}
    publish(project, project.synth, folders, whole=only is None)


def synth_task(split: SplitOf) -> Task:
    """The images of a split."""
    counts = split.synthetic_counts.values()
    number = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    line = f"{number} images of each of {len(counts)} classes"
    return Task("synth", split.synth_key, split.name, partial(_make, split), lambda folder: line)


def _make(split: SplitOf, folder: Path, worker: Worker) -> None:
    from ganaug.synth.sampler import load_sampler

    path = split.project.generator(split.name)
    sampler = load_sampler(path)
    screening = sampler.description.get("screening") or {}
    is_current = (sampler.description.get("key"), screening.get("key")) == (split.train_key, split.filters_key)
    if not is_current or (sampler.classes, sampler.image_shape) != (split.classes, split.prepared.image_shape):
        raise UserError(
            f"{path}: was made with other settings of gan or of synth's filters, or from other images, than there are "
            'now; run "dvc repro"'
        )
    seed, (channels, height, width) = split.settings.synth.seed, sampler.image_shape
    rows: list[list[Any]] = []
    files = []
    for label, (name, count) in enumerate(split.synthetic_counts.items()):
        images, start = np.empty((count, height, width, channels), np.uint8), 0
        for chunk, numbers in sampler.images(label, count, seed, worker.device):
            images[start : start + len(chunk)] = chunk
            start += len(chunk)
            rows += [[f"{label}.npy", name, seed, number, sampler.accepted[label]] for number in numbers.tolist()]
        files.append(folder / f"{label}.npy")
        store.write_array(files[-1], images)
    store.write_csv(folder / _MANIFEST, list(_Row.__annotations__), rows)
    store.write_sealed(folder / _KEY, {"key": split.synth_key}, [*files, folder / _MANIFEST])


def read_acceptance(split: SplitOf) -> dict[str, float]:
    """{class: the share of its candidates that the filters let through}, of the classes that got images.

    Raises UserError if the manifest does not list the images that there must be.
    """
    path = split.project.synth / split.name / _MANIFEST
    rows: list[_Row] = store.read_table(path, _HINT, _Row)
    made = [(f"{label}.npy", *one) for label, one in enumerate(split.synthetic_counts.items())]
    if [(row["file"], row["class"]) for row in rows] != [
        (file, name) for file, name, count in made for _ in range(count)
    ]:
        raise UserError(f"{path}: must list the images of every class, but others are listed; {_HINT}")
    store.check_sealed(path.with_name(_KEY), _HINT, [path])
    return {row["class"]: row["accepted"] for row in rows}


def read_synthetic(split: SplitOf) -> list[NDArray[np.uint8]]:
    """[label]: the images (N, H, W, C) that ``synth_all`` wrote for a split, memory-mapped.

    Raises UserError if they are missing, damaged, changed or of other settings.
    """
    folder, (channels, *size) = split.project.synth / split.name, split.prepared.image_shape
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


def synthetic_pool(split: SplitOf) -> tuple[Stacked, NDArray[np.int64]]:
    """All synthetic images of a split, (N, H, W, C), and their labels (N,)."""
    arrays = read_synthetic(split)
    return Stacked(arrays), np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
