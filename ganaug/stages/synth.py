"""Stage ``synth``: images of every class from the generator of every split, for the arms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.errors import UserError
from ganaug.stages import cost
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf, open_splits
from ganaug.stages.tasks import Task, Worker, finish, publish

_KEY, _MANIFEST = "key.json", "manifest.csv"
_HINT = 'run "ganaug synth --all" (or "dvc repro")'


def synth_all(project: Project, only: str | None) -> None:
    """Images of every class from the generator of every split, or of the split ``only``."""
    splits = open_splits(project, only)
    tasks = {split.name: synth_task(split) for split in splits}
    cost.check_images(splits, list(tasks.values()))
    finish(project, "synth", list(tasks.values()))
    folders = {name: [task.folder(project.work)] for name, task in tasks.items()}
    publish(project.work, project.synth, folders, whole=only is None)


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
    if (sampler.description.get("key"), screening.get("key")) != (split.train_key, split.filters_key):
        raise UserError(
            f"{path}: was made with other settings of gan or of synth's filters, or from other images, than there are "
            'now; run "dvc repro"'
        )
    seed, (channels, height, width) = split.settings.synth.seed, sampler.image_shape
    rows: list[list[Any]] = []
    for label, (name, count) in enumerate(split.synthetic_counts.items()):
        images, start = np.empty((count, height, width, channels), np.uint8), 0
        for chunk, numbers in sampler.images(label, count, seed, worker.device):
            images[start : start + len(chunk)] = chunk
            start += len(chunk)
            rows += [[f"{label}.npy", name, seed, number, sampler.accepted[label]] for number in numbers.tolist()]
        store.write_array(folder / f"{label}.npy", images)
    store.write_csv(folder / _MANIFEST, ["file", "class", "seed", "index", "accepted"], rows)
    store.write_json(folder / _KEY, {"key": split.synth_key})


def read_acceptance(split: SplitOf) -> dict[str, float]:
    """{class: the share of its candidates that the filters let through}, of the classes that got images."""
    table = store.read_table(split.project.synth / split.name / _MANIFEST)
    return {row["class"]: float(row["accepted"]) for row in table}


def read_synthetic(split: SplitOf) -> list[NDArray[np.uint8]]:
    """[label]: the images (N, H, W, C) that ``synth_all`` wrote for a split, memory-mapped.

    Raises UserError if they are missing or of other settings.
    """
    folder = split.project.synth / split.name
    if store.read_json(folder / _KEY, _HINT)["key"] != split.synth_key:
        raise UserError(f"{folder}: was made with other settings or from other generators than there are now; {_HINT}")
    return [store.read_array(folder / f"{label}.npy", _HINT) for label in range(len(split.synthetic_counts))]


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
