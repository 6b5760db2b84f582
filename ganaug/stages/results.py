"""What the earlier stages left for the report, read back: nothing missing, nothing of other settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug import store
from ganaug.errors import UserError
from ganaug.stages.project import Project
from ganaug.stages.runs import Run, repeat_name
from ganaug.stages.split import SplitOf
from ganaug.stages.synth import read_acceptance

if TYPE_CHECKING:
    from ganaug.evaluate.gains import Tested
    from ganaug.report.tables import History

_RUN = 'run "dvc repro"'
_CLASSIFY = 'run "ganaug classify" (or "dvc repro")'


def read_trials(project: Project, runs: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """The JSON file of each trial; ``runs``: {trial: what it must hold}. Raises UserError if it holds anything else."""
    if not any(project.trials.glob("*.json")):
        raise UserError(f"{project.trials}: must hold trials, but has none; {_CLASSIFY}")
    trials = [store.read_json(project.trials / f"{name}.json", _CLASSIFY) for name in runs]
    for name, trial in zip(runs, trials, strict=True):
        for run in runs[name]:
            if trial["keys"].get(run.name) != run.key:
                raise UserError(
                    f"{project.trials}: arm {run.name} of trial {name} is missing or of other settings or images than "
                    f"there are now; {_CLASSIFY}"
                )
    return trials


def read_predictions(split: SplitOf, trial: Mapping[str, Any]) -> Tested:
    """What the classifiers of a trial predicted; ``trial`` as its JSON file has it."""
    from ganaug.evaluate.gains import CurvePoint, Tested

    classify, prepared = split.settings.classify, split.prepared
    table = store.read_table(split.project.trials / f"{split.name}.predictions.csv")
    labels = np.array([int(row["label"]) for row in table], np.int64)
    columns = {
        title: np.array(
            [[int(row[repeat_name(title, repeat)]) for row in table] for repeat in range(classify.repeats)], np.int64
        )
        for title in (*classify.arms, *trial["curve"])
    }
    curve = [
        CurvePoint(point["arm"], point["multiple"], point["train_images"], columns.pop(name))
        for name, point in trial["curve"].items()
    ]
    names = prepared.groups and [prepared.groups[row] for row in split.rows.test]
    groups = np.unique(names, return_inverse=True)[1] if names else None
    return Tested(labels, columns, len(split.rows.train), groups, curve)


def acceptance(trials: Sequence[SplitOf], release: SplitOf) -> dict[str, Any]:
    """{class: the share of its images that the filters let through, of each trial's generator and of the release's};
    None for a class that needed no images. Empty without filters."""
    if release.filters_key is None:
        return {}
    shares, of_release = [read_acceptance(trial) for trial in trials], read_acceptance(release)
    return {
        name: {"trials": [one.get(name) for one in shares], "release": of_release.get(name)} for name in release.classes
    }


def histories(splits: Sequence[SplitOf]) -> dict[str, History]:
    """{split: its GAN's history}. None where a column has no figure. Raises UserError if a generator is missing."""
    for folder in (split.project.models / split.name for split in splits):
        if not folder.is_dir():
            raise UserError(f"{folder}: must hold a generator, but is missing; {_RUN}")
    return {
        split.name: [
            {key: float(value) if value else None for key, value in row.items()}
            for row in store.read_table(split.project.models / split.name / "history.csv")
        ]
        for split in splits
    }


def health(splits: Sequence[SplitOf]) -> dict[str, dict[str, Any]]:
    """{split: what the training stage found of its generator}."""
    return {split.name: store.read_json(split.project.models / split.name / "health.json", _RUN) for split in splits}
