"""The runs of a trial: every training of the classifier that its arms and their learning curves ask for."""

from dataclasses import dataclass, replace
from functools import cached_property

from ganaug import config
from ganaug.classify.arms import Arm, arm
from ganaug.classify.mislabelled import check_installed
from ganaug.config import Settings
from ganaug.data.train_sizes import nested_parts
from ganaug.stages.cross_fit import folds_of
from ganaug.stages.split import SplitOf


@dataclass(frozen=True)
class Run:
    """One training of the classifier in a trial: an arm, or a point of an arm's learning curve."""

    trial: SplitOf
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

    @property
    def seed(self) -> int:
        """Of the initial weights and of the batches: the same in all arms of a trial."""
        return self.trial.seed("classify", self.trial.name, *([self.repeat] if self.repeat else []))

    @cached_property
    def key(self) -> str:
        """Of its predictions."""
        split, settings = self.trial, self.trial.settings
        filler = self.arm.filler
        on = {
            "classifier": config.plain(settings.classifier),
            "code": settings.classifier.code_digest(),
            "filler": filler and [filler.name, filler.depends_on(split, self.arm)],
            "policy": config.plain(self.arm.policy),
            "mix": config.plain(self.arm.mix),
            "train": split.prepared.digest(self.rows),
            "test": split.prepared.digest(split.rows.test),
            "seed": self.seed,
        }
        if way := self.arm.way:
            on["way"] = [config.plain(way), way.depends_on(split)]
        if self.arm.needs_conditions:
            conditions = split.conditions_of(self.rows)
            on |= {"masked": self.arm.masked, "conditions": None if conditions is None else conditions.tolist()}
        return split.project.work.key("classify", on)


def repeat_name(title: str, repeat: int) -> str:
    """The name of a run's repeat, which counts from 0."""
    return title if repeat == 0 else f"{title}#{repeat + 1}"


def runs_of(trial: SplitOf) -> list[Run]:
    """The arms of a trial and the points of their learning curves; then all again, as often as they repeat."""
    protocol, spec = trial.settings.protocol, trial.settings.classify
    arms = {one.name: Run(trial, one, trial.rows.train) for one in arms_of(trial.settings)}
    runs = list(arms.values())
    if spec.curve_arms:
        parts = nested_parts(trial.prepared, trial.name, protocol.trial_names(), spec.curve, protocol.seed)
        runs += [
            Run(trial, arms[name].arm, rows, multiple) for name in spec.curve_arms for multiple, rows in parts.items()
        ]
    return [replace(run, repeat=repeat) for repeat in range(spec.repeats) for run in runs]


def check_runs(trial: SplitOf) -> None:
    """Raises UserError if a trial's images do not allow an arm or a point of a learning curve: asked before anything is
    trained."""
    runs_of(trial)
    for filler in dict.fromkeys(one.filler for one in arms_of(trial.settings)):
        if filler and filler.cells:
            part = trial.prepared.part(trial.rows.train)
            filler.check((part.images, part.labels), trial.classes, part.conditions, trial.targets)
        if filler and filler.replaces:
            check_installed()
        if filler and filler.cross_fits:
            folds_of(trial.prepared.items(trial.rows.train), 0, f"classify.arms: {filler.name}")


def arms_of(settings: Settings) -> list[Arm]:
    """The arms that ``classify.arms`` lists, taken apart."""
    return [arm(name, settings.classify, settings.synth.balance == "fill") for name in settings.classify.arms]
