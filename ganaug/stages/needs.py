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
from ganaug.stages.cost import Networks
from ganaug.stages.project import Project, prepared_now
from ganaug.stages.split import UNLABELLED, SplitOf
from ganaug.stages.tasks import at_once
from ganaug.stages.train import looked_at

_PROCESS, _SHARED = 450 << 20, 300 << 20  # bytes of memory: a worker's own with all imported; libraries, of all of them
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
    where, spec, classes = device.resolve(settings.device), settings.gan, len(sizes.learned)
    known, conditions = classes if spec.conditioning != "none" else 1, max(1, sizes.conditions)
    goals = tuple(range(1, conditions)) or (0,)
    gan = cost.of_gan(spec, where, known, sizes.shape, sizes.train, goals, conditions)
    classifier = cost.of_classifier(settings.classifier, classes, sizes.shape, sizes.tested)
    held = _held(settings, sizes, gan, classifier, where.type != "cuda")
    memory = {name: _SHARED + processes * (_PROCESS + size) for name, (processes, size) in held.items()}
    largest = max(memory, key=lambda name: memory[name])
    return Needs(memory[largest], largest, held[largest][0], _disk(settings, sizes, gan, classifier, cost.COPIES + dvc))


def _held(
    settings: Settings, sizes: Sizes, gan: Networks, classifier: Networks, here: bool
) -> dict[str, tuple[int, int]]:
    """{stage: its processes, and the bytes of networks, if they are ``here``, and images that each holds}."""
    classes, splits, trials = len(sizes.learned), len(settings.protocol.names()), settings.protocol.trials
    made = sizes.made(settings)
    looked = 0 if settings.gan.translate else looked_at(classes) * classes
    images = {  # at once, of a byte per value
        "train": sizes.train,
        "synth": made // classes,
        "classify": sizes.train + made * cost.are_pooled(settings),
        "fidelity": (sizes.train + sizes.tested) * settings.fidelity.enabled,
    }
    networks = {
        # A finished generator's images are looked at as uint8 and as float32, when no batch is held any more.
        "train": here * gan.held + max(here * gan.batch, (1 + 4) * looked * sizes.pixels),
        "classify": here * classifier.at_work,
    }
    tasks = {"train": splits, "synth": splits, "classify": classifiers(settings) * trials, "fidelity": trials}
    return {
        name: (min(at_once(settings), tasks[name]), networks.get(name, 0) + count * sizes.pixels)
        for name, count in images.items()
    }


def _disk(settings: Settings, sizes: Sizes, gan: Networks, classifier: Networks, copies: int) -> int:
    """Bytes of the prepared images, of which there is one copy fewer, and of the work on splits and trials."""
    trials, splits, made = settings.protocol.trials, len(settings.protocol.names()), sizes.made(settings)
    prepared = (copies - 1) * sizes.images * (sizes.pixels + _ITEM)
    sheets = _SHEETS * len(sizes.learned) * sizes.pixels
    of_split = gan.files + sheets + made * (sizes.pixels + _MANIFEST)
    of_trial = classifiers(settings) * sizes.tested * _PREDICTED + settings.fidelity.enabled * made * _NEAREST
    return prepared + copies * (splits * of_split + trials * of_trial) + trials * classifier.files + _PAGE


def classifiers(settings: Settings) -> int:
    """The classifiers that a trial trains for its arms and their learning curves."""
    classify = settings.classify
    return classify.repeats * (len(classify.arms) + len(classify.curve) * len(classify.curve_arms))
