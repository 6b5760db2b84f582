"""The end of stage ``train``: the filters of ``synth`` fitted to every split's generator, and put into its file.

Fitting is work of its own, apart from the training: another filter trains no GAN.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ganaug import config, seeds
from ganaug.stages.split import SplitOf, filters_classifier
from ganaug.stages.tasks import Task, Worker


def filter_tasks(splits: Sequence[SplitOf]) -> dict[str, Task]:
    """{split: the fitting of its filters}; empty without filters. The generators must be trained before."""
    return {
        split.name: Task("filters", split.filters_key, split.name, partial(_fit, split), _line)
        for split in splits
        if split.filters_key is not None
    }


def _fit(split: SplitOf, folder: Path, worker: Worker) -> None:
    from ganaug.synth.filter import Known
    from ganaug.synth.fitted_filters import FittedFilters
    from ganaug.synth.generator import load_generator, save_generator

    generator = load_generator(split.project.work.place("train", split.train_key) / "generator.safetensors")
    part, seed = split.prepared.part(split.learned), split.seed("screen", split.name)
    known = Known(
        part.images,
        part.labels if split.is_conditional else part.labels * 0,
        split.prepared.images_of(split.gan_unlabelled),
        len(generator.classes),
        filters_classifier(split.settings),
        seed,
        worker.device,
    )
    filters = split.settings.synth.screening()
    fitted, accepted = FittedFilters.fit(
        filters,
        known,
        lambda label, count: generator.candidates(label, count, seeds.derive(seed, "candidates"), worker.device),
    )
    screening = {
        "key": split.filters_key,
        "filters": config.plain(filters),
        "judges": fitted.about,
        "accepted": [round(share, 4) for share in accepted],
    }
    description = {**generator.description, "screening": screening}
    save_generator(folder / "generator.safetensors", generator.network, description, fitted)


def _line(folder: Path) -> str:
    from ganaug.synth.generator import load_generator

    accepted = load_generator(folder / "generator.safetensors").accepted
    return f"{min(accepted):.0%} to {max(accepted):.0%} of the images per class pass the filters"
