"""What the earlier stages left for the report, read back: nothing missing, nothing of other settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Interval
from typing_extensions import TypedDict

from ganaug import store
from ganaug.errors import UserError
from ganaug.measure.contributions import Cells, metrics
from ganaug.stages.project import Project
from ganaug.stages.runs import Run, repeat_name
from ganaug.stages.split import SplitOf
from ganaug.stages.synth import read_acceptance
from ganaug.values import Count, Number, Positive, Sha256, Share, with_keys

if TYPE_CHECKING:
    from ganaug.measure.gains import Tested
    from ganaug.report.tables import History

_RUN = 'run "dvc repro"'
_CLASSIFY = 'run "ganaug classify" (or "dvc repro")'


# What the report reads of the JSON files.


class _Point(TypedDict):
    arm: str
    multiple: Positive
    train_images: Annotated[int, Interval(gt=0, le=10**12)]


class _Trial(TypedDict):
    trial: str
    arms: dict[
        str, Annotated[dict[str, Number | dict[str, Number | None] | None], with_keys(*metrics(hides_cells=False))]
    ]
    curve: dict[str, _Point]
    keys: dict[str, str]
    sha256: dict[str, Sha256]


class _Health(TypedDict):
    step: Count
    diversity: Number | None
    copies: Share | None
    alarms: list[Annotated[dict[str, str], with_keys("kind", "says", "mend")]]


def read_trials(project: Project, runs: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """The JSON file of each trial; ``runs``: {trial: what it must hold}. Raises UserError if it holds anything else, or
    was changed."""
    if not any(project.trials.glob("*.json")):
        raise UserError(f"{project.trials}: must hold trials, but has none; {_CLASSIFY}")
    trials: list[dict[str, Any]] = []
    for name, of_trial in runs.items():
        path = project.trials / f"{name}.json"
        trials.append(store.read_json(path, _CLASSIFY, _Trial))
        for run in of_trial:
            scored = trials[-1]["arms"] if run.multiple == 1 else trials[-1]["curve"]
            if trials[-1]["keys"].get(run.name) != run.key or run.title not in scored:
                raise UserError(
                    f"{project.trials}: arm {run.name} of trial {name} is missing or of other settings or images than "
                    f"there are now; {_CLASSIFY}"
                )
        store.check_sealed(path, _CLASSIFY, [path.with_name(f"{name}.predictions.csv")])
    return trials


def read_predictions(split: SplitOf, trial: Mapping[str, Any]) -> Tested:
    """What the classifiers of a trial predicted; ``trial`` as its JSON file has it.

    Raises UserError if the table is not of its runs, test images and classes.
    """
    from ganaug.measure.gains import CurvePoint, Tested

    classify, prepared, rows = split.settings.classify, split.prepared, split.rows.test
    path = split.project.trials / f"{split.name}.predictions.csv"
    table: list[dict[str, int]] = store.read_table(path, _CLASSIFY, dict[str, Count])
    wrong, labels = None, prepared.labels[rows]
    if [row.get("row") for row in table] != rows or [row.get("label") for row in table] != labels.tolist():
        wrong = "the test images of its trial, a row each"
    elif set(table[0]) != {"row", "label", *trial["keys"]}:
        wrong = f"a column for each of {', '.join(trial['keys'])}"
    elif max(value for row in table for key, value in row.items() if key != "row") >= len(prepared.classes):
        wrong = f"classes of 0 to {len(prepared.classes) - 1}"
    if wrong:
        raise UserError(f"{path}: must hold {wrong}, but does not; {_CLASSIFY}")
    columns = {
        title: np.array(
            [[row[repeat_name(title, repeat)] for row in table] for repeat in range(classify.repeats)], np.int64
        )
        for title in (*classify.arms, *trial["curve"])
    }
    curve = [
        CurvePoint(point["arm"], point["multiple"], point["train_images"], columns.pop(name))
        for name, point in trial["curve"].items()
    ]
    names = prepared.groups and [prepared.groups[row] for row in rows]
    groups = np.unique(names, return_inverse=True)[1] if names else None
    return Tested(labels, columns, len(split.rows.train), groups, curve, tested_cells(split))


def tested_cells(split: SplitOf) -> Cells | None:
    """To which cells the test images of a trial belong; None where the protocol hides none."""
    prepared, protocol = split.prepared, split.settings.protocol
    if not protocol.hides_cells or prepared.conditions is None:
        return None
    hidden = [cell for name in protocol.trial_names() for cell in prepared.split(name).hidden]
    targets = sorted({condition for _, condition in hidden})  # of all trials, so that they measure the same
    return Cells(prepared.conditions[split.rows.test], targets, split.rows.hidden)


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
    """{split: its GAN's history}. None where a column has no figure. Raises UserError if a generator is missing, or a
    history is damaged or has other columns than the first."""
    found: dict[str, History] = {}
    for split in splits:
        folder = split.project.models / split.name
        if not folder.is_dir():
            raise UserError(f"{folder}: must hold a generator, but is missing; {_RUN}")
        rows = store.read_table(folder / "history.csv", _RUN, dict[str, Number | Literal[""]])
        found[split.name] = [{key: None if value == "" else value for key, value in row.items()} for row in rows]
        columns = [list(history[0]) for history in found.values() if history]
        if not rows or columns[-1] != columns[0] or any(row.get("step") in ("", None) for row in rows):
            raise UserError(
                f"{folder / 'history.csv'}: must have rows, each with a step, and the other generators' columns; {_RUN}"
            )
    return found


def health(splits: Sequence[SplitOf]) -> dict[str, dict[str, Any]]:
    """{split: what the training stage found of its generator}. Raises UserError if that is missing, damaged or
    changed."""
    found: dict[str, dict[str, Any]] = {}
    for split in splits:
        path = split.project.models / split.name / "health.json"
        found[split.name] = store.read_json(path, _RUN, _Health)
        store.check_sealed(path, _RUN, [path.with_name("history.csv")])
    return found
