"""Stage ``classify``: the classifier under every arm of every trial, tested on the trial's test part.

The arms that GAN images are added to are trained at other numbers of real images too: their learning curve.
At its end the generated images are measured (see fidelity.py): that takes the same parts and the same classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganaug import store
from ganaug.classify.arms import ARMS
from ganaug.classify.pools import Pool
from ganaug.data.splits import RELEASE
from ganaug.errors import UserError
from ganaug.stages import cost
from ganaug.stages.classifiers import fit, teachers
from ganaug.stages.cross_fit import doubts_of
from ganaug.stages.edited import edited_pool
from ganaug.stages.fidelity import JUDGE, keep_judge, measure_fidelity
from ganaug.stages.project import Project
from ganaug.stages.results import tested_cells
from ganaug.stages.runs import Run, check_runs, runs_of
from ganaug.stages.split import SplitOf, open_splits
from ganaug.stages.synth import synthetic_pool, unadversarial_pool, unadversarial_task
from ganaug.stages.tasks import Task, Worker, finish, keep_only
from ganaug.stages.train import train_task

_FILLER, _PREDICTIONS = "filler.json", "predictions.npy"


def classify(project: Project, only: str | None) -> None:
    """Train the classifier under every arm of every trial, or of the trial ``only``, and test it on the trial's test
    part. Raises UserError if ``only`` is the release, which has none."""
    trials = [split for split in open_splits(project, only) if split.name != RELEASE]
    if not trials:
        raise UserError(f'split "{RELEASE}": classify needs a trial, which has a test part; name a trial, such as 0')
    for trial in trials:
        check_runs(trial)  # of other arms than there were when the GAN was trained
    runs = {trial.name: runs_of(trial) for trial in trials}
    for control in control_tasks(trials):
        finish(project, "unadversarial", control)
    tasks = [classify_task(run) for trial in trials for run in runs[trial.name]]
    finish(project, "classify", tasks)
    with project.alone("trials"):
        for trial in trials:
            _write_trial(trial, runs[trial.name])
        if only is None:
            files = [f"{trial.name}{end}" for trial in trials for end in (".json", ".predictions.csv")]
            keep_only(project.trials, files)
    judges = {run.trial.name: _folder(run) for trial in trials for run in runs[trial.name] if run.name == JUDGE}
    measure_fidelity(trials, judges, only is None)


def control_tasks(trials: Sequence[SplitOf]) -> list[list[Task]]:
    """What must be finished, one list after the other, before an arm can use the images of a translator that learned
    without its adversarial loss: the trainings, then the images. Empty without such an arm."""
    if not any(ARMS[name].filler == "unadversarial" for name in trials[0].settings.classify.arms):
        return []
    trainings = [train_task(trial.unadversarial, len(trials), "unadversarial") for trial in trials]
    return [trainings, [unadversarial_task(trial) for trial in trials]]


def classify_task(run: Run) -> Task:
    """The training and the test of one run."""
    labels = run.trial.prepared.labels[run.trial.rows.test]

    def line(folder: Path) -> str:
        return f"{(_predictions(folder) == labels).mean():.1%} of the test images right"

    return Task("classify", run.key, run.trial.name, partial(_train_and_test, run), line, run.name)


def _train_and_test(run: Run, folder: Path, worker: Worker) -> None:
    from ganaug.classify.filler import Stock
    from ganaug.classify.fitting import predict

    split, chosen = run.trial, run.arm
    part = split.prepared.part(run.rows)
    real, conditions = (part.images, part.labels), split.conditions_of(run.rows)
    filling = None
    if chosen.filler:
        stock = Stock(
            real,
            list(split.synthetic_counts.values()),
            run.seed,
            teachers(split, chosen.base, real, run.seed, worker.device),
            lambda: synthetic_pool(split),
            lambda: split.prepared.images_of(split.unlabelled),
            conditions,
            split.targets,
            lambda: _pool(split, split.rows.truth),
            lambda: unadversarial_pool(split),
            lambda: edited_pool(split, chosen.base, run.rows, run.seed, worker.device),
            lambda: doubts_of(split, chosen.base, run.rows, run.seed, worker.device),
        )
        filling = chosen.filler.pool(stock, chosen)
        store.write_json(folder / _FILLER, {"images": len(filling[1])})
    cost.check_classifier(split, worker.device)
    model = fit(split, chosen, real, filling, run.seed, worker.device, conditions)
    store.write_array(folder / _PREDICTIONS, predict(model, split.prepared.part(split.rows.test).images, worker.device))
    if run.name == JUDGE:
        keep_judge(model, folder)


def _pool(split: SplitOf, rows: list[int]) -> Pool:
    part = split.prepared.part(rows)
    return part.images, part.labels


def _predictions(folder: Path) -> NDArray[np.int64]:
    return np.asarray(store.read_array(folder / _PREDICTIONS, "", np.int64, 1))


def _folder(run: Run) -> Path:
    return run.trial.project.work.place("classify", run.key)


def _write_trial(trial: SplitOf, runs: Sequence[Run]) -> None:
    from ganaug.measure.scores import mean_scores, scores

    rows, classes = trial.rows.test, trial.prepared.classes
    labels, cells = trial.prepared.labels[rows], tested_cells(trial)
    predicted = {run.name: _predictions(_folder(run)) for run in runs}
    first = [run for run in runs if run.repeat == 0]
    found = {
        run.title: mean_scores(
            [scores(predicted[one.name], labels, classes, cells) for one in runs if one.title == run.title]
        )
        for run in first
    }
    table = trial.project.trials / f"{trial.name}.predictions.csv"
    store.write_csv(
        table,
        ["row", "label", *predicted],
        zip(rows, labels.tolist(), *(column.tolist() for column in predicted.values()), strict=True),
    )
    # After the table, whose hash it bears: of a run that was killed in between, the report refuses the trial.
    store.write_sealed(
        trial.project.trials / f"{trial.name}.json",
        {
            "trial": trial.name,
            "train_images": len(trial.rows.train),
            "test_images": len(rows),
            "arms": {run.title: found[run.title] for run in first if run.multiple == 1},
            "filler_images": {
                run.name: store.read_json(_folder(run) / _FILLER, "")["images"] for run in first if run.arm.filler
            },
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
            "keys": {run.name: run.key for run in runs},
        },
        [table],
    )
