"""Stage ``classify``: the classifier under every arm of every trial, tested on the trial's test part.

At its end the generated images are looked at (see fidelity.py): that takes the same parts and the same classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import config, seeds, store
from ganaug.classify.arms import Arm, arm
from ganaug.config import Settings
from ganaug.data.prepared import Prepared
from ganaug.data.splits import RELEASE
from ganaug.errors import UserError
from ganaug.stages.fidelity import JUDGE, keep_judge, measure_fidelity
from ganaug.stages.project import Project, in_parallel, prepared_now, split_names
from ganaug.stages.synth import read_synthetic, synthetic_counts, synthetic_on
from ganaug.work import Work

if TYPE_CHECKING:
    from ganaug.progress import Progress


def classify(project: Project, only: str | None, progress: Progress) -> None:
    """Train the classifier under every arm of every trial, and test it on the trial's test part."""
    prepared = prepared_now(project)
    trials = [name for name in split_names(project, prepared, only) if name != RELEASE]
    if not trials:
        raise UserError(f'split "{RELEASE}": classify needs a trial, which has a test part; name a trial, such as 0')
    arms = arms_of(project.settings)
    keys = {(trial, one.name): classify_key(project, prepared, trial, one) for trial in trials for one in arms}
    work = project.work
    missing = [(trial, one) for trial in trials for one in arms if not _done(work, keys[trial, one.name])]
    tasks = [(_classify_arm, (project, trial, one, keys[trial, one.name])) for trial, one in missing]
    with progress.stage("classify", {f"{trial} {one.name}": trial for trial, one in missing}, 1):
        for trial, name, right in in_parallel(project, tasks):
            progress.finished(f"{trial} {name}", f"{right:.1%} of the test images right")
    if only is None:
        store.remove(project.trials)
    for trial in trials:
        _write_trial(project, prepared, trial, arms, keys)
    judges = {trial: work.place("classify", keys[trial, JUDGE]) for trial in trials if (trial, JUDGE) in keys}
    measure_fidelity(project, prepared, trials, judges, only is None, progress)


def arms_of(settings: Settings) -> list[Arm]:
    """The arms that ``classify.arms`` lists, taken apart."""
    return [arm(name, settings.classify, settings.synth.balance == "fill") for name in settings.classify.arms]


def classify_key(project: Project, prepared: Prepared, trial: str, chosen: Arm) -> str:
    settings, split = project.settings, prepared.split(trial)
    filling: Any = None  # what the filler's images depend on, beside the train part
    if chosen.filler == "gan":
        filling = synthetic_on(project, prepared, trial)
    elif chosen.filler in ("placebo", "smote"):
        filling = synthetic_counts(project, prepared, trial)
    return project.work.key(
        "classify",
        {
            "classifier": config.plain(settings.classifier),
            "code": settings.classifier.code_digest(),
            "arm": {
                "filler": chosen.filler,
                "policy": config.plain(chosen.policy),
                "mix": config.plain(chosen.mix),
            },
            "train": prepared.digest(split.train),
            "test": prepared.digest(split.test),
            "filling": filling,
            "seed": seeds.derive(settings.protocol.seed, "classify", trial),
        },
    )


def _done(work: Work, key: str) -> bool:
    return work.place("classify", key).is_dir()


def _classify_arm(project: Project, trial: str, chosen: Arm, key: str) -> tuple[str, str, float]:
    from ganaug import device
    from ganaug.classify.arms import batches
    from ganaug.classify.fillers import filling
    from ganaug.classify.train import predict, train_classifier

    where = device.resolve(project.settings.device)
    device.prepare(where)
    prepared = prepared_now(project)
    split = prepared.split(trial)
    real, test = prepared.part(split.train), prepared.part(split.test)
    synthetic = read_synthetic(project, prepared, trial) if chosen.filler == "gan" else None
    classes, spec = len(prepared.classes), project.settings.classifier
    seed = seeds.derive(project.settings.protocol.seed, "classify", trial)

    def make(folder: Path) -> None:
        counts = list(synthetic_counts(project, prepared, trial).values()) if chosen.filler else []
        pool = filling(chosen, (real.images, real.labels), synthetic, counts, seed)
        draw = batches(chosen, (real.images, real.labels), pool, classes, spec.batch_size, seed)
        channels, size, _ = prepared.image_shape
        model = train_classifier(draw, spec, channels, classes, size, seed, where)
        store.write_array(folder / "predictions.npy", predict(model, test.images, where))
        if chosen.name == JUDGE:
            keep_judge(model, folder)

    place = project.work.once("classify", key, make)
    predicted = store.read_array(place / "predictions.npy", "")
    return trial, chosen.name, float((predicted == test.labels).mean())


def _write_trial(
    project: Project, prepared: Prepared, trial: str, arms: Sequence[Arm], keys: dict[tuple[str, Any], str]
) -> None:
    from ganaug.evaluate.scores import scores

    rows = prepared.split(trial).test
    labels = prepared.labels[rows]
    predicted = {
        one.name: store.read_array(project.work.place("classify", keys[trial, one.name]) / "predictions.npy", "")
        for one in arms
    }
    store.write_csv(
        project.trials / f"{trial}.predictions.csv",
        ["row", "label", *predicted],
        zip(rows, labels.tolist(), *(column.tolist() for column in predicted.values()), strict=True),
    )
    store.write_json(
        project.trials / f"{trial}.json",
        {
            "trial": trial,
            "train_images": len(prepared.split(trial).train),
            "test_images": len(rows),
            "arms": {name: scores(column, labels, prepared.classes) for name, column in predicted.items()},
            "keys": {one.name: keys[trial, one.name] for one in arms},
        },
    )
