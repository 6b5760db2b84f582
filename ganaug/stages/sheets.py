"""The image sheets of the report: what a generator made next to what it learned from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganaug.report.grids import grid, labelled
from ganaug.stages.fidelity import Neighbour, read_nearest
from ganaug.stages.split import SplitOf
from ganaug.stages.synth import read_synthetic
from ganaug.stages.translators import source_images

if TYPE_CHECKING:
    from ganaug.report.page import Example, Neighbours
    from ganaug.synth.generator import Generator


def neighbours(trials: Sequence[SplitOf], pairs: int = 12, columns: int = 10) -> Neighbours:
    """The ``pairs`` of generated and training images that are nearest, of all trials, and per class the first
    ``columns`` images of the first trial."""
    from ganaug.report.page import Neighbours, Pair

    tables = {trial.name: read_nearest(trial) for trial in trials}
    images = {trial.name: read_synthetic(trial) for trial in trials}
    first, prepared = trials[0], trials[0].prepared

    def trained_as(row: Neighbour) -> str:
        if row["train_row"] >= len(prepared.labels):
            return "no label"  # learned from under what classifiers said of it
        return first.classes[prepared.labels[row["train_row"]]] if first.is_conditional else first.classes[0]

    def couple(trial: str, rows: list[Neighbour]) -> NDArray[np.uint8]:
        """Generated images above the training images next to them."""
        made = [images[trial][first.classes.index(row["class"])][row["index"]] for row in rows]
        return grid([np.stack(made), prepared.images_of([row["train_row"] for row in rows])], scale_to=48)

    def nearness(found: tuple[str, Neighbour]) -> tuple[bool, float]:
        relative = found[1]["relative"]
        return found[1]["near_copy"] != "1", math.inf if relative == "" else relative

    everything = sorted(((trial, row) for trial, table in tables.items() for row in table), key=nearness)
    by_class = {name: [row for row in tables[first.name] if row["class"] == name][:columns] for name in first.classes}
    return Neighbours(
        nearest=[
            Pair(couple(trial, [row]), row["class"], trained_as(row), trial, _distance(row), row["near_copy"] == "1")
            for trial, row in everything[:pairs]
        ],
        first=[
            (name, couple(first.name, rows), [trained_as(row) for row in rows])
            for name, rows in by_class.items()
            if rows
        ],
        trial=first.name,
    )


def _distance(row: Neighbour) -> str:
    """Of a row of nearest.csv: how near the pair is."""
    near = f"{row['distance']:.1f} levels"
    return near if row["relative"] == "" else f"{near}, {row['relative']:.2f} of usual"


def examples(release: SplitOf, count: int = 10) -> list[Example]:
    """Per class ``count`` real images that the released generator learned from, and its first ones; of a translator,
    per class and target the first images that it moves there, their translations, and real ones of the class there."""
    from ganaug.report.page import Example

    if release.translates:
        return list(_moved(release, count))
    rows = np.array(release.rows.train)
    labels = release.prepared.labels[rows] if release.is_conditional else np.zeros(len(rows), np.int64)
    return [
        Example(name, release.prepared.part(rows[labels == label][:count].tolist()).images, made[:count])
        for label, (name, made) in enumerate(zip(release.classes, read_synthetic(release), strict=True))
    ]


DIRECTIONS = "directions.png"  # of a generator's folder, beside its samples


def read_directions(release: SplitOf) -> bytes | None:
    """The sheet of directions, as PNG, where the release has one: translators have none."""
    path = release.project.models / release.name / DIRECTIONS
    return path.read_bytes() if path.is_file() else None


def _moved(release: SplitOf, count: int) -> Iterator[Example]:
    from ganaug.report.page import Example

    prepared, rows = release.prepared, np.array(release.rows.train)
    labels, conditions = prepared.labels[rows], release.conditions_of(rows.tolist())
    for label, (name, made) in enumerate(zip(release.classes, read_synthetic(release), strict=True)):
        start = 0
        for target, sources in release.moves(label):
            first, each = made[start : start + len(sources)][:count], len(release.sources(label)[target])
            turns = [sources[:count][turn : turn + each] for turn in range(0, len(first), each)]
            given = (source_images(release, some, number) for number, some in enumerate(turns))
            real = np.concatenate([prepared.images_of([]), *given])
            if conditions is None:  # pairs: the sources are degraded, and the targets are the images as they are
                condition, there = "", sources[: len(first)]
            else:
                condition = release.conditions[target]
                there = rows[(labels == label) & (conditions == target)][:count].tolist()
            yield Example(name, real, first, condition, prepared.images_of(there))
            start += len(sources)


def directions(generator: Generator, count: int = 6, classes: int = 3) -> NDArray[np.uint8]:
    """A sheet of what the first ``count`` directions of SeFa do to the first generated image of the first ``classes``:
    a row for each direction."""
    import torch

    from ganaug import seeds
    from ganaug.edit.directions import sefa
    from ganaug.edit.edits import along, draw
    from ganaug.edit.inversion import Inverted, Inverter

    finder = Inverter(generator.network, len(generator.classes), torch.device("cpu"), encoder_steps=0)
    labels, strengths = np.arange(min(classes, finder.classes)), [-2.0, -1.0, 0.0, 1.0, 2.0]
    rngs = (seeds.torch_rng(0, "image", int(label), 0) for label in labels)
    latents = torch.stack([torch.randn(finder.network.z_dim, generator=rng) for rng in rngs])
    points = finder.drawn(latents, labels)
    ones = Inverted(points, labels, finder.render(points, labels), np.zeros(len(labels), np.float32))
    drawn = [draw(finder, labels, along(finder, ones, one, strengths)) for one in sefa(finder.network, count)]
    names = [f"direction {number}" for number in range(len(drawn))]
    return labelled([np.concatenate(list(one)) for one in drawn], names, [f"{s:+g}" for s in strengths] * len(labels))
