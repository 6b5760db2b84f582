"""Stage ``classify``: the classifier under every arm of every trial, tested on the trial's test part.

The arms that GAN images are added to are trained at other numbers of real images too: their learning curve.
At its end the generated images are looked at (see fidelity.py): that takes the same parts and the same classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganaug import config, seeds, store
from ganaug.classify.arms import Arm, arm
from ganaug.config import Settings
from ganaug.data.prepared import Prepared
from ganaug.data.splits import RELEASE
from ganaug.data.train_sizes import nested_parts
from ganaug.errors import UserError
from ganaug.stages.classifiers import fit, teachers
from ganaug.stages.fidelity import JUDGE, keep_judge, measure_fidelity
from ganaug.stages.project import Project, in_parallel, prepared_now, split_names
from ganaug.stages.synth import read_synthetic, synthetic_counts, synthetic_on
from ganaug.stages.work import Work

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ganaug.classify.pools import Keys
    from ganaug.stages.progress import Progress


_FILLER = "filler.json"


@dataclass(frozen=True)
class Run:
    """One training of the classifier in a trial: an arm, or a point of an arm's learning curve."""

    arm: Arm
    rows: list[int]  # real images that it learns from
    multiple: float = 1.0  # of the trial's own; other than 1 for a point of the curve
    repeat: int = 0

    @property
    def title(self) -> str:
        """``classical``, or ``classical@1.5`` for the arm at half as many images again: all its repeats."""
        return self.arm.name if self.multiple == 1 else f"{self.arm.name}@{self.multiple:.3g}"

    @property
    def name(self) -> str:
        """The title, with ``#2`` for the second repeat and so on."""
        return repeat_name(self.title, self.repeat)


def repeat_name(title: str, repeat: int) -> str:
    return title if repeat == 0 else f"{title}#{repeat + 1}"


def classify(project: Project, only: str | None, progress: Progress) -> None:
    """Train the classifier under every arm of every trial, and test it on the trial's test part."""
    prepared = prepared_now(project)
    trials = [name for name in split_names(project, prepared, only) if name != RELEASE]
    if not trials:
        raise UserError(f'split "{RELEASE}": classify needs a trial, which has a test part; name a trial, such as 0')
    runs = {trial: runs_of(project, prepared, trial) for trial in trials}
    keys = {trial: {run.name: classify_key(project, prepared, trial, run) for run in runs[trial]} for trial in trials}
    missing = [
        (trial, run) for trial in trials for run in runs[trial] if not _done(project.work, keys[trial][run.name])
    ]
    tasks = [(_classify_run, (project, trial, run, keys[trial][run.name])) for trial, run in missing]
    with progress.stage("classify", {f"{trial} {run.name}": trial for trial, run in missing}, 1):
        for trial, name, right in in_parallel(project, tasks):
            progress.finished(f"{trial} {name}", f"{right:.1%} of the test images right")
    if only is None:
        store.remove(project.trials)
    for trial in trials:
        _write_trial(project, prepared, trial, runs[trial], keys[trial])
    judges = {trial: project.work.place("classify", keys[trial][JUDGE]) for trial in trials if JUDGE in keys[trial]}
    measure_fidelity(project, prepared, trials, judges, only is None, progress)


def runs_of(project: Project, prepared: Prepared, trial: str) -> list[Run]:
    """The arms of a trial and the points of their learning curves; then all again, as often as they repeat."""
    protocol, spec = project.settings.protocol, project.settings.classify
    own = prepared.split(trial).train
    arms = {one.name: Run(one, own) for one in arms_of(project.settings)}
    runs = list(arms.values())
    if spec.curve_arms:
        parts = nested_parts(prepared, trial, protocol.trial_names(), spec.curve, protocol.seed)
        runs += [Run(arms[name].arm, rows, multiple) for name in spec.curve_arms for multiple, rows in parts.items()]
    return [replace(run, repeat=repeat) for repeat in range(spec.repeats) for run in runs]


def arms_of(settings: Settings) -> list[Arm]:
    """The arms that ``classify.arms`` lists, taken apart."""
    return [arm(name, settings.classify, settings.synth.balance == "fill") for name in settings.classify.arms]


def classify_key(project: Project, prepared: Prepared, trial: str, run: Run) -> str:
    settings, split, chosen = project.settings, prepared.split(trial), run.arm
    filler = chosen.filler
    filling = filler.depends_on(_keys(project, prepared, trial, run), chosen.pseudo, run.arm.base) if filler else None
    return project.work.key(
        "classify",
        {
            "classifier": config.plain(settings.classifier),
            "code": settings.classifier.code_digest(),
            "arm": {
                "filler": chosen.filler.name if chosen.filler else None,
                "policy": config.plain(chosen.policy),
                "mix": config.plain(chosen.mix),
            },
            "train": prepared.digest(run.rows),
            "test": prepared.digest(split.test),
            "filling": filling,
            "seed": _seed(project, trial, run.repeat),
        },
    )


def _keys(project: Project, prepared: Prepared, trial: str, run: Run) -> Keys:
    """What the arm's filler can depend on; what it does not need is left empty."""
    from ganaug.classify.pools import Keys

    filler = run.arm.filler
    assert filler is not None
    return Keys(
        store.digest(store.canonical(synthetic_on(project, prepared, trial))) if filler.is_gan else "",
        synthetic_counts(project, prepared, trial) if filler.per_class else {},
        prepared.unlabelled_digest(prepared.split(trial)) if filler.unlabelled else "",
    )


def _seed(project: Project, trial: str, repeat: int) -> int:
    purpose = ("classify", trial, repeat) if repeat else ("classify", trial)
    return seeds.derive(project.settings.protocol.seed, *purpose)


def _done(work: Work, key: str) -> bool:
    return work.place("classify", key).is_dir()


def _classify_run(project: Project, trial: str, run: Run, key: str) -> tuple[str, str, float]:
    from ganaug import device
    from ganaug.classify.fitting import predict

    where = device.resolve(project.settings.device)
    device.prepare(where)
    prepared = prepared_now(project)
    test = prepared.part(prepared.split(trial).test)
    bench = _Bench(project, prepared, trial, where)

    def make(folder: Path) -> None:
        chosen = run.arm
        model, images = bench.train(chosen, run.rows, _seed(project, trial, run.repeat))
        if run.arm.filler:
            store.write_json(folder / _FILLER, {"images": images})
        store.write_array(folder / "predictions.npy", predict(model, test.images, where))
        if run.name == JUDGE:
            keep_judge(model, folder)

    place = project.work.once("classify", key, make)
    predicted = store.read_array(place / "predictions.npy", "")
    return trial, run.name, float((predicted == test.labels).mean())


class _Bench:
    """Where the arms of one trial are trained."""

    def __init__(self, project: Project, prepared: Prepared, trial: str, where: torch.device) -> None:
        self.project, self.prepared, self.trial, self.where = project, prepared, trial, where

    def train(self, chosen: Arm, rows: Sequence[int], seed: int) -> tuple[nn.Module, int]:
        """A classifier that learned as the arm says from these real images, and how many images its filler had."""
        from ganaug.classify.pools import Stock

        project, prepared, trial, part = self.project, self.prepared, self.trial, self.prepared.part(rows)
        pool, filling = (part.images, part.labels), None
        if chosen.filler:
            stock = Stock(
                pool,
                list(synthetic_counts(project, prepared, trial).values()),
                seed,
                teachers(project, prepared, chosen.base, pool, seed, self.where),
                lambda: read_synthetic(project, prepared, trial),
                lambda: prepared.images_of(prepared.unlabelled_rows(prepared.split(trial))),
            )
            filling = chosen.filler.pool(stock, chosen.pseudo)
        model = fit(project, prepared, chosen, pool, filling, seed, self.where)
        return model, 0 if filling is None else len(filling[1])


def _write_trial(project: Project, prepared: Prepared, trial: str, runs: Sequence[Run], keys: dict[str, str]) -> None:
    from ganaug.evaluate.scores import mean_scores, scores

    rows = prepared.split(trial).test
    labels = prepared.labels[rows]
    places = {run.name: project.work.place("classify", keys[run.name]) for run in runs}
    predicted = {name: store.read_array(place / "predictions.npy", "") for name, place in places.items()}
    first = [run for run in runs if run.repeat == 0]
    fillers = {run.name: store.read_json(places[run.name] / _FILLER, "") for run in first if run.arm.filler}
    found = {
        run.title: mean_scores(
            [scores(predicted[one.name], labels, prepared.classes) for one in runs if one.title == run.title]
        )
        for run in first
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
            "arms": {run.title: found[run.title] for run in first if run.multiple == 1},
            "filler_images": {name: one["images"] for name, one in fillers.items()},
            "curve": {
                run.title: {
                    "arm": run.arm.name,
                    "multiple": run.multiple,
                    "train_images": len(run.rows),
                    **found[run.title],
                }
                for run in first
                if run.multiple != 1
            },
            "keys": keys,
        },
    )
