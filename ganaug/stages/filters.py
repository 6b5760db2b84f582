"""Part of stage ``train``: the filters of ``synth`` fitted to every split's generator, and put into its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import config, seeds
from ganaug.classify.spec import ClassifierSpec
from ganaug.config import Settings
from ganaug.data.prepared import Prepared
from ganaug.stages.held import kept_and_held
from ganaug.stages.labels import rows_without_labels
from ganaug.stages.project import Project, in_parallel, prepared_now

if TYPE_CHECKING:
    from ganaug.stages.progress import Progress


def screen(project: Project, prepared: Prepared, trained: Mapping[str, str], progress: Progress) -> dict[str, Path]:
    """{split: the folder with its generator's file, filters in it}; ``trained``: {split: key of the training}.

    Empty where there are no filters. Fitting is kept apart from training: another filter trains no GAN.
    """
    work = project.work
    keys = {name: key for name in trained if (key := screen_key(project, prepared, name, trained[name])) is not None}
    if not keys:
        return {}
    missing = [name for name in keys if not work.place("screen", keys[name]).is_dir()]
    tasks = [(_screen_split, (project, name, trained[name], keys[name])) for name in missing]
    with progress.stage("filters", {name: name for name in missing}, 1):
        for name, accepted in in_parallel(project, tasks):
            progress.finished(name, f"{min(accepted):.0%} to {max(accepted):.0%} of a class's images pass the filters")
    return {name: work.place("screen", key) for name, key in keys.items()}


def screen_key(project: Project, prepared: Prepared, name: str, trained: str) -> str | None:
    """``trained``: the key of the training. None without filters."""
    filters = project.settings.synth.screening()
    if not filters:
        return None
    on = {
        "train": trained,
        "images": prepared.digest(kept_and_held(project, prepared, name)[0]),
        "filters": config.plain(filters),
        "classifier": config.plain(_classifier(project.settings)),
        "seed": _seed(project, name),
    }
    return project.work.key("screen", on)


def _classifier(settings: Settings) -> ClassifierSpec:
    """Of the filters. Always a small-cnn: it must be built again where the user's own code and weights are not."""
    spec = settings.classifier
    usual = ClassifierSpec(steps=spec.steps, batch_size=spec.batch_size)
    return spec if spec.model == usual.model else usual


def _seed(project: Project, name: str) -> int:
    return seeds.derive(project.settings.protocol.seed, "screen", name)


def _screen_split(project: Project, name: str, trained: str, key: str) -> tuple[str, list[float]]:
    from ganaug import device
    from ganaug.synth.filters import Known
    from ganaug.synth.fitted_filters import FittedFilters
    from ganaug.synth.sampler import load_sampler, save_generator

    where = device.resolve(project.settings.device)
    device.prepare(where)
    prepared = prepared_now(project)
    place, seed = project.work.place("train", trained), _seed(project, name)
    sampler = load_sampler(place / "generator.safetensors")
    part = prepared.part(kept_and_held(project, prepared, name)[0])  # what the GAN learned from, and no more
    unlabelled = len(sampler.classes) < len(prepared.classes)

    def make(folder: Path) -> None:
        known = Known(
            part.images,
            part.labels * 0 if unlabelled else part.labels,
            prepared.images_of(rows_without_labels(project, prepared, name)),
            len(sampler.classes),
            _classifier(project.settings),
            seed,
            where,
        )
        fitted, accepted = FittedFilters.fit(
            project.settings.synth.screening(),
            known,
            lambda label, count: sampler.candidates(label, count, seeds.derive(seed, "candidates"), where),
        )
        screening: dict[str, Any] = {
            "key": key,
            "filters": config.plain(project.settings.synth.screening()),
            "judges": fitted.about,
            "accepted": [round(share, 4) for share in accepted],
        }
        description = {**sampler.description, "screening": screening}
        save_generator(folder / "generator.safetensors", sampler.generator, description, fitted)

    done = project.work.once("screen", key, make, f"the filters of split {name}")
    return name, load_sampler(done / "generator.safetensors").accepted
