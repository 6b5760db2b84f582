"""What a run needs, by its settings and numbers of images: one reckoning for ``ganaug init``, ``ganaug doctor`` and
docs/performance.md. The time is reckoned in start/estimate.py, which times some steps; nothing is timed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ganaug import device
from ganaug.config import Settings
from ganaug.data.cell_draws import CellDraws
from ganaug.data.cross_validation import Folds
from ganaug.data.labelled import Labelled
from ganaug.data.pictures import look_at
from ganaug.data.subsets import Subsets
from ganaug.data.torchvision import Torchvision
from ganaug.errors import UserError
from ganaug.stages import cost
from ganaug.stages.project import Project, prepared_now
from ganaug.stages.split import UNLABELLED, SplitOf
from ganaug.stages.tasks import at_once

_PROCESS = 350 << 20  # bytes of memory of its own that a worker takes once it has imported everything
_ITEM, _MANIFEST, _NEAREST = 140, 20, 26  # bytes of an image's row: of items.csv and the splits, of tables of made ones
_PREDICTED = 12  # bytes of what a classifier says of an image: in an array, and in a table
_SHEETS = 18  # pictures of each class on the sheets beside a generator
_PAGE = 2 << 20  # bytes of a report


@dataclass(frozen=True)
class Sizes:
    """How many images a trial is about, how many are prepared in all, and their shape."""

    learned: dict[str, int]  # {class: images}
    tested: int
    images: int
    shape: tuple[int, int, int]  # (channels, height, width)
    conditions: int = 0

    @classmethod
    def of(cls, settings: Settings, found: Labelled) -> Sizes:
        """About, by the ``settings``, of the images ``found``, of which only the first is looked at."""
        counts = np.bincount(found.labels[~found.official_test], minlength=len(found.classes)).tolist()
        protocol, tested, data = settings.protocol, int(found.official_test.sum()), settings.data
        conditions = len(data.rendered.names if data.rendered else found.condition_rows()[0])
        if isinstance(protocol, Subsets):
            counts, tested = protocol.train_counts(len(counts)), protocol.test_per_class * len(counts)
        elif isinstance(protocol, CellDraws):
            tested = protocol.test_per_cell * conditions * len(counts)
            counts = [protocol.train_per_cell * conditions] * len(counts)
        elif isinstance(protocol, Folds):
            tested = sum(counts) // protocol.folds
            counts = [round(count * (1 - 1 / protocol.folds)) for count in counts]
        shape = data.shape(look_at(found.images[:1], 1, data.source.largest_mib))
        learned = dict(zip(found.classes, counts, strict=True))
        return cls(learned, tested, len(found.labels), (shape.channels, shape.size, shape.size), conditions)

    @property
    def pixels(self) -> int:
        """Values of an image, a byte each."""
        return math.prod(self.shape)

    @property
    def train(self) -> int:
        """The images that a trial learns from."""
        return sum(self.learned.values())

    def made(self, settings: Settings) -> int:
        """The synthetic images of a trial."""
        learned = self.learned if settings.gan.conditioning != "none" else {UNLABELLED: self.train}
        return sum(settings.synth.counts(learned).values())


def sizes_now(project: Project) -> Sizes:
    """Of the prepared images; of the source, without downloading it, before they are prepared. Raises UserError if the
    source cannot be read."""
    settings = project.settings
    try:
        prepared = prepared_now(project)
        rows = SplitOf(project, settings.protocol.trial_names()[0], prepared).rows
        conditions = len(prepared.condition_names)
        learned = prepared.counts(rows.train)
        return Sizes(learned, len(rows.test), len(prepared.labels), prepared.image_shape, conditions)
    except UserError:
        source = settings.data.source
        return Sizes.of(
            settings, (replace(source, download=False) if isinstance(source, Torchvision) else source).load()
        )


@dataclass(frozen=True)
class Needs:
    """What a run takes: bytes of ``memory``, at least, in ``stage`` with so many processes ``side_by_side``; bytes of
    ``disk``, about, in all places."""

    memory: int
    stage: str
    side_by_side: int
    disk: int

    def __str__(self) -> str:
        at = f"{self.stage}, {self.side_by_side} at a time" if self.side_by_side > 1 else self.stage
        return f"at least {amount(self.memory)} of memory ({at}) and about {amount(self.disk)} of disk"


def amount(count: int) -> str:
    """Bytes as one says them: "650 MiB", "1.4 GiB"."""
    return f"{max(1, count >> 20)} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"


def needs(settings: Settings, sizes: Sizes, dvc: bool = True) -> Needs:
    """What a run of ``settings`` on images of these ``sizes`` takes; ``dvc``: DVC keeps a copy of what it makes.

    Memory is a lower bound, of the largest stage: its processes, in each the networks and a batch (see cost.py; on CUDA
    they are in the GPU's own memory) and the images that it holds.
    """
    where, spec, fidelity = device.resolve(settings.device), settings.gan, settings.fidelity.enabled
    classes, pixels, train, made = len(sizes.learned), sizes.pixels, sizes.train, sizes.made(settings)
    known, conditions = classes if spec.conditioning != "none" else 1, max(1, sizes.conditions)
    goals = tuple(range(1, conditions)) or (0,)
    gan = cost.of_gan(spec, where, known, sizes.shape, train, goals, conditions)
    classifier = cost.of_classifier(settings.classifier, classes, sizes.shape, sizes.tested)
    here = where.type != "cuda"  # else the networks are in the GPU's own memory
    trials, runs, splits = settings.protocol.trials, classifiers(settings), len(settings.protocol.names())
    held = {  # (bytes in each process, tasks)
        "train": (here * gan.at_work + train * pixels, splits),
        "synth": (made * pixels // classes, splits),  # a class at a time
        "classify": (
            here * classifier.at_work + (train + cost.are_pooled(settings) * made) * pixels,
            runs * trials,
        ),
        "fidelity": (fidelity * (train + sizes.tested) * pixels, trials),
    }
    memory = {name: min(at_once(settings), tasks) * (_PROCESS + size) for name, (size, tasks) in held.items()}
    largest = max(memory, key=lambda name: memory[name])
    copies = cost.COPIES + dvc
    of_split = gan.files + _SHEETS * classes * pixels + made * (pixels + _MANIFEST)
    of_trial = runs * sizes.tested * _PREDICTED + fidelity * made * _NEAREST
    disk = (1 + dvc) * sizes.images * (pixels + _ITEM) + copies * (splits * of_split + trials * of_trial) + _PAGE
    return Needs(memory[largest], largest, min(at_once(settings), held[largest][1]), disk + trials * classifier.files)


def classifiers(settings: Settings) -> int:
    """The classifiers that a trial trains for its arms and their learning curves."""
    classify = settings.classify
    return classify.repeats * (len(classify.arms) + len(classify.curve) * len(classify.curve_arms))
