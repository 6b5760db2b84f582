"""One split of a project: its rows, counts, seeds and the keys of its work, each read or computed once.

A key stands for finished work (see work.py): it is a hash of all that the work depends on. The keys of a split build
on each other, so that no key ever reads an image: images -> labels -> train -> filters -> synth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug import config, seeds, store
from ganaug.classify.spec import ClassifierSpec
from ganaug.config import Settings
from ganaug.data.cells import targets
from ganaug.data.held_out import inner_fold
from ganaug.data.prepared import Prepared
from ganaug.data.splits import Split
from ganaug.errors import UserError
from ganaug.gan.translation import TranslateSpec
from ganaug.stages.project import Project, prepared_now

EVERYTHING = "all"  # the one condition of a translator of pairs in a project without conditions
UNLABELLED = "unlabelled"  # the one class of a generator that learned without labels


class SplitOf:
    """A trial or the release of ``project``, called ``name``; ``prepared`` is read where it is not given.

    A worker process that is handed one reads its own.
    """

    def __init__(self, project: Project, name: str, prepared: Prepared | None = None) -> None:
        self.project, self.name = project, name
        self.prepared = prepared or prepared_now(project)

    def __reduce__(self) -> tuple[Callable[..., SplitOf], tuple[Project, str]]:
        return SplitOf, (self.project, self.name)

    @property
    def settings(self) -> Settings:
        """The project's."""
        return self.project.settings

    # ------------------------------------------------------------------------------------------------------ its rows

    @cached_property
    def rows(self) -> Split:
        """Its row numbers of the prepared images."""
        return self.prepared.split(self.name)

    @cached_property
    def _fold(self) -> tuple[list[int], list[int]]:
        return inner_fold(self.prepared, self.rows.train, self.settings.gan.held_out, self.gan_seed)

    @property
    def learned(self) -> list[int]:
        """The rows of the train part that its GAN learns from with their labels."""
        return self._fold[0]

    @property
    def held_out(self) -> list[int]:
        """The rows of the train part that ``gan.held_out`` keeps from its GAN, to judge checkpoints by."""
        return self._fold[1]

    @cached_property
    def unlabelled(self) -> list[int]:
        """The rows that anything may learn from without labels."""
        return self.prepared.unlabelled_rows(self.rows)

    @property
    def gan_unlabelled(self) -> list[int]:
        """Those of them that its GAN learns from."""
        return self.unlabelled if self.settings.gan.unlabelled else []

    @property
    def classes(self) -> list[str]:
        """What its generator can be asked for: the classes, or one of everything where it learns without labels."""
        return self.prepared.classes if self.is_conditional else [UNLABELLED]

    @property
    def is_conditional(self) -> bool:
        """Whether its generator knows classes."""
        return self.settings.gan.conditioning != "none"

    @cached_property
    def synthetic_counts(self) -> dict[str, int]:
        """{class: synthetic images}. Raises UserError if no class would get any."""
        train = self.prepared.counts(self.rows.train)
        counts = self.settings.synth.counts(train if self.is_conditional else {UNLABELLED: sum(train.values())})
        if self.translates:
            counts = {name: count * bool(self.sources(label)) for label, (name, count) in enumerate(counts.items())}
            if not any(map(self.sources, range(len(counts)))):
                raise UserError(
                    f"gan.translate: some class must have images to move to a condition that lacks classes, but none "
                    f"has in split {self.name}; add images of both"
                )
        if not any(counts.values()):
            raise UserError(
                f"synth.balance: fill tops classes up to the largest, but all classes of split {self.name} have as "
                "many images; set it to equal"
            )
        return counts

    # ------------------------------------------------------------------------------------------------ its conditions

    @property
    def translates(self) -> bool:
        """Whether its generator translates images from one condition to another."""
        return self.settings.gan.translate is not None

    @property
    def conditions(self) -> list[str]:
        """The conditions that a translator knows: the project's, or one of everything where it has none."""
        return self.prepared.condition_names or [EVERYTHING]

    def conditions_of(self, rows: list[int]) -> NDArray[np.int64] | None:
        """(N,) of some rows, numbers of the conditions; None where the project has none."""
        return None if self.prepared.conditions is None else self.prepared.conditions[rows]

    @cached_property
    def targets(self) -> list[int]:
        """The conditions that images are moved to: those that lack some class, and have images in the train part.

        A class is lacking where no image is, or the split hides all: where a fold tests the only image, it is not.
        """
        shown = np.flatnonzero(~self.prepared.in_cells(self.rows.hidden))
        learned = self.prepared.cells(self.rows.train)
        return [target for target in targets(self.prepared.cells(shown.tolist())) if learned[:, target].any()]

    @property
    def goals(self) -> list[int]:
        """The numbers of ``conditions`` that its translator learns to move images to."""
        return self.targets if self.prepared.condition_names else [0]

    def sources(self, label: int) -> dict[int, list[int]]:
        """{target: the rows of the train part that are moved there}, of the class ``label``: its images under the
        other conditions. A target without such images is left out."""
        rows = np.array(self.rows.train)[self.prepared.labels[self.rows.train] == label]
        conditions = self.conditions_of(rows.tolist())
        if conditions is None:
            return {0: rows.tolist()}
        found = {target: rows[conditions != target].tolist() for target in self.goals}
        return {target: moved for target, moved in found.items() if moved}

    def moves(self, label: int) -> list[tuple[int, list[int]]]:
        """(target, row of each source): the translations of the class ``label`` for the arms, in their order.

        As many to each target, each source equally often: the sources in order, then again and again.
        """
        sources, count = self.sources(label), list(self.synthetic_counts.values())[label]
        return [
            (target, [rows[number % len(rows)] for number in range((count + place) // len(sources))])
            for place, (target, rows) in zip(range(len(sources) - 1, -1, -1), sources.items(), strict=True)
        ]

    @cached_property
    def unadversarial(self) -> SplitOf:
        """The same split, whose translator learns without the adversarial loss."""
        gan = self.settings.gan
        assert gan.translate is not None
        without = replace(gan, translate=replace(gan.translate, adversarial=0.0))
        project = replace(self.project, settings=replace(self.settings, gan=without))
        return SplitOf(project, self.name, self.prepared)

    # ----------------------------------------------------------------------------------------------------- its seeds

    def seed(self, *purpose: str | int) -> int:
        """The project's seed for one purpose."""
        return seeds.derive(self.settings.protocol.seed, *purpose)

    @property
    def gan_seed(self) -> int:
        """Of its GAN and of all that serves its training."""
        return self.seed("gan", self.name)

    @property
    def classify_seed(self) -> int:
        """Of its arms' first classifiers."""
        return self.seed("classify", self.name)

    # ------------------------------------------------------------------------------------------------------ its keys

    def _key(self, stage: str, depends_on: Any) -> str:
        return self.project.work.key(stage, depends_on)

    @property
    def _classifier(self) -> list[Any]:
        return [config.plain(self.settings.classifier), self.settings.classifier.code_digest()]

    @cached_property
    def labels_key(self) -> str | None:
        """Of the labels that teachers give the images without; None where there is nothing to label."""
        if not self.settings.gan_has_teachers or not self.gan_unlabelled:
            return None
        on = {
            "classifier": self._classifier,
            "policy": config.plain(self.settings.classify.classical),
            "pseudo": config.plain(self.settings.classify.pseudo),
            "images": self.prepared.digest(self.learned),
            "unlabelled": self.prepared.hashes(self.gan_unlabelled),
            "classes": self.prepared.classes,
            "seed": self.gan_seed,
        }
        return self._key("labels", on)

    @cached_property
    def training(self) -> dict[str, Any]:
        """All that its generator depends on, by name: what the key of a training and a half-trained state are of."""
        gan, groups = self.settings.gan, self.prepared.groups
        on = {
            "gan": gan_settings(self.settings),
            "images": [self.prepared.digest(self.rows.train), self.prepared.digest(self.rows.spare)],
            "unlabelled": self.prepared.hashes(self.gan_unlabelled),
            "labels": self.labels_key,
            "classes": self.prepared.classes,
            "groups": [groups[row] for row in self.rows.train] if groups and gan.held_out else None,
            "seed": self.gan_seed,
            "classifier": self._classifier if gan.select == "gan-train" else None,  # which then judges checkpoints
        }
        return on if gan.translate is None else {**on, **self._translating(gan.translate)}

    def _translating(self, spec: TranslateSpec) -> dict[str, Any]:
        """What a translator depends on besides: the conditions of its images, and a classifier that must recognise
        what comes back."""
        conditions = self.conditions_of(self.rows.train)
        classical = [self._classifier, config.plain(self.settings.classify.classical), self.classify_seed]
        return {
            "conditions": [self.conditions, self.targets, conditions is not None and store.digest(conditions)],
            "images": self.prepared.digest(self.rows.train),
            "classifier": classical if spec.recognises else None,
        }

    @cached_property
    def train_key(self) -> str:
        """Of its trained generator."""
        return self._key("train", self.training)

    @property
    def untrained(self) -> dict[str, Any]:
        """What the networks of its GAN depend on before they are trained."""
        gan = gan_settings(self.settings)
        shapes = ("architecture", "conditioning", "z_dim", "generator_width", "discriminator_width", "regularisers")
        return {key: gan[key] for key in shapes}

    @cached_property
    def filters_key(self) -> str | None:
        """Of its generator with the filters fitted; None without filters."""
        filters = self.settings.synth.screening()
        if not filters:
            return None
        on = {
            "train": self.train_key,
            "images": self.prepared.digest(self.learned),
            "filters": config.plain(filters),
            "classifier": config.plain(filters_classifier(self.settings))
            if any(one.learns for one in filters)
            else None,
            "seed": self.seed("screen", self.name),
        }
        return self._key("filters", on)

    @cached_property
    def synth_key(self) -> str:
        """Of its synthetic images; the key stands for them in the keys of all that use them."""
        on = {
            "generator": self.filters_key or self.train_key,
            "counts": list(self.synthetic_counts.items()),
            "seed": self.settings.synth.seed,
        }
        return self._key("synth", on)

    @property
    def unadversarial_key(self) -> str:
        """Of the images of a translator that learned without the adversarial loss."""
        return self.unadversarial.synth_key

    @cached_property
    def truth_digest(self) -> str:
        """Of the real images of the cells that it hides."""
        return self.prepared.digest(self.rows.truth)

    @cached_property
    def groups_digest(self) -> str:
        """Of the groups of its train part; empty where there are none."""
        groups = self.prepared.groups
        return store.digest(*(groups[row] for row in self.rows.train)) if groups else ""

    @cached_property
    def unlabelled_digest(self) -> str:
        """Of the images without labels that anything may learn from, in order."""
        return store.digest(*self.prepared.hashes(self.unlabelled))


def open_splits(project: Project, only: str | None = None) -> list[SplitOf]:
    """Every split of the protocol, or the one that ``only`` names, of one set of prepared images.

    Raises UserError if there is no such split, the images were prepared with other settings, or have no conditions
    where the settings need them.
    """
    prepared = prepared_now(project)
    config.check_conditions(project.settings, bool(prepared.condition_names))
    names = project.settings.protocol.names() if only is None else [only]
    splits = [SplitOf(project, name, prepared) for name in names]
    for split in splits:
        prepared.check_groups(split.name)  # and is there such a split?
    return splits


def gan_settings(settings: Settings) -> dict[str, Any]:
    """The GAN's settings that results depend on; weights to start from by their hash, wherever they lie.

    Raises UserError if those cannot be read.
    """
    plain: dict[str, Any] = config.plain(settings.gan.lasting())
    if settings.gan.init_from is not None:
        plain["init_from"] = f"sha256:{store.digest(store.read_named(settings.gan.init_from, 'gan.init_from'))}"
    return plain


def filters_classifier(settings: Settings) -> ClassifierSpec:
    """The classifier of the filters: always a small-cnn, which can be built again where the user's own code and weights
    are not."""
    spec = settings.classifier
    usual = ClassifierSpec(steps=spec.steps, batch_size=spec.batch_size)
    return spec if spec.model == usual.model else usual
