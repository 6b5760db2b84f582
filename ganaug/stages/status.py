"""``ganaug status``: what of each stage is done, what would run, and about how long that takes. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from ganaug import store
from ganaug.data.splits import RELEASE
from ganaug.errors import UserError, one_line
from ganaug.stages.classify import classify_task, control_tasks
from ganaug.stages.fidelity import fidelity_tasks
from ganaug.stages.fit_filters import filter_tasks
from ganaug.stages.gate import measured_settings
from ganaug.stages.project import Project
from ganaug.stages.runs import runs_of
from ganaug.stages.split import open_splits
from ganaug.stages.synth import synth_task
from ganaug.stages.tasks import Task, at_once
from ganaug.stages.train import HalfTrained, half_trained, train_task
from ganaug.stages.work import RECIPES

_QUICK = ("prepare", "report")  # stages whose work is not kept apart: seconds, and not timed


@dataclass(frozen=True)
class Stage:
    """How far a stage is. ``seconds`` that what is missing takes, and ``by`` what that is reckoned; None: unknown."""

    stage: str
    pieces: int | None  # of work; None: unknown before the images are prepared
    done: int
    missing: tuple[str, ...] = ()  # their titles
    seconds: float | None = None
    by: str | None = None


@dataclass(frozen=True)
class Status:
    """How far a project is, stage by stage; ``note`` says what is in the way, if anything is."""

    stages: tuple[Stage, ...]
    note: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether a run would find nothing to do."""
        return all(one.done == one.pieces for one in self.stages)

    @property
    def seconds(self) -> float:
        """What is missing takes, as far as that is known."""
        return sum(one.seconds or 0 for one in self.stages)

    @property
    def untimed(self) -> list[str]:
        """The stages with something to do whose time is unknown."""
        return [
            one.stage
            for one in self.stages
            if one.done != one.pieces and one.seconds is None and one.stage not in _QUICK
        ]

    def as_json(self) -> str:
        """For programs."""
        found = [asdict(one) for one in self.stages]
        more = {"done": self.is_done, "seconds": round(self.seconds, 1), "untimed": self.untimed, "note": self.note}
        return store.json_text({"stages": found, **more})

    def __str__(self) -> str:
        lines = [_line(one) for one in self.stages]
        if self.note:
            lines.append(one_line(self.note))
        return "\n".join([*lines, f"left: {self.left()}"])

    def left(self) -> str:
        """How long what is missing takes, in words."""
        if self.is_done:
            return "nothing"
        unknown = f"{', '.join(self.untimed)}: unknown, since none was timed here yet" if self.untimed else ""
        known = f"about {duration(self.seconds)}" if self.seconds else "" if unknown else "a few seconds"
        return ", and ".join(filter(None, [known, unknown]))


def status(project: Project) -> Status:
    """How far the project is. Raises UserError where a run would: its settings and images do not go together."""
    try:
        splits = open_splits(project)
    except UserError as error:
        later = [Stage(name, None, 0) for name in ("train", "synth", "classify", "report")]
        return Status((Stage("prepare", 1, 0, ("images",)), *later), f"not prepared yet: {error}")
    trials = [split for split in splits if split.name != RELEASE]
    tasks = [
        *map(train_task, splits),
        *filter_tasks(splits).values(),
        *map(synth_task, splits),
        *(task for control in control_tasks(trials) for task in control),
        *(classify_task(run) for trial in trials for run in runs_of(trial)),
        *fidelity_tasks(trials, {}).values(),
    ]
    begun = {split.train_key: found for split in splits if (found := half_trained(split))}
    kept = [
        _stage(project, name, [task for task in tasks if task.stage == name], begun if name == "train" else {})
        for name in dict.fromkeys(task.stage for task in tasks)
    ]
    current = all(one.done == one.pieces for one in kept)
    return Status((Stage("prepare", 1, 1), *kept, _report(project, current)))


def _stage(project: Project, name: str, tasks: Sequence[Task], begun: Mapping[str, HalfTrained]) -> Stage:
    work, pieces = project.work, {task.key: task for task in tasks}  # two of the same work are one piece
    missing = [task for key, task in pieces.items() if not work.holds(name, key)]
    titles = tuple(
        task.title + (f" (at step {begun[task.key].step:,})" if task.key in begun else "") for task in missing
    )
    own = [float(found["wall_seconds"]) for key in pieces if (found := work.timing(name, key))]
    rates = [one.seconds / one.step for one in begun.values() if one.step]
    if own:
        cost, by = fmean(own), "what is done of it"
    elif rates:
        cost, by = fmean(rates) * tasks[0].steps, "the steps that are done of it"
    elif other := [float(one["wall_seconds"]) for one in work.timings(name)]:
        cost, by = fmean(other), "such work under other settings"
    else:
        return Stage(name, len(pieces), len(pieces) - len(missing), titles)
    ends = [0.0] * at_once(project.settings)  # of those who work side by side
    for task in missing:
        ends[ends.index(min(ends))] += cost * (1 - (begun[task.key].step / task.steps if task.key in begun else 0))
    return Stage(name, len(pieces), len(pieces) - len(missing), titles, round(max(ends), 1), by)


def _report(project: Project, current: bool) -> Stage:
    """The last stage. Its summary bears the settings that it was made with."""
    path = project.reports / "summary.json"
    try:
        found: dict[str, Any] = store.read_json(path, "", dict[str, Any]) if current else {}
    except UserError:
        found = {}
    done = (found.get("settings"), found.get("recipes")) == (measured_settings(project), RECIPES)
    return Stage("report", 1, int(done), () if done else ("page",))


def _line(one: Stage) -> str:
    if one.pieces is None:
        return f"{one.stage:9} known once the images are prepared"
    count = f"{one.stage:9} {one.done:,} of {one.pieces:,} done"
    if one.done == one.pieces:
        return count
    named = ", ".join(one.missing[:4]) + (f" and {len(one.missing) - 4} more" if len(one.missing) > 4 else "")
    time = f"about {duration(one.seconds)}, by {one.by}" if one.seconds is not None else "time unknown"
    return f"{count}; would run {one_line(named)}" + (f" ({time})" if one.stage not in _QUICK else "")


def duration(seconds: float) -> str:
    """As one says it: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
