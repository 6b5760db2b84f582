"""Comparison with an earlier run: has a gain that the gate asks for fallen?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from ganaug.errors import UserError, one_line, quoted
from ganaug.measure.rules import LEVEL, GateRule, metric_of
from ganaug.measure.stats import Estimate, change, holm
from ganaug.measure.summary import check
from ganaug.values import Count, Positive

_HINT = "name the reports/summary.json of an earlier run of this project, or leave --baseline out"


@dataclass(frozen=True)
class Dataset:
    """What a run measured on."""

    name: str
    classes: list[str]
    protocol: str
    draws: str
    trials: Count
    train_images: dict[str, Positive]  # of each class
    test_images: Count
    primary_metric: str


def _possible(one: Estimate) -> Estimate:
    """Of percentages; Welch's test takes the fourth power of the error."""
    error, freedom = one.standard_error, one.degrees_of_freedom
    is_error, is_freedom = error is None or 0 <= error <= 100, freedom is None or 0.5 <= freedom <= 1e12
    if abs(one.mean) > 100 or not is_error or not is_freedom:
        raise ValueError("a mean is of -100 to 100 points, its error of 0 to 100, with at least 1 degree of freedom")
    return one


@dataclass(frozen=True)
class Cells:
    """The conditions that lack classes."""

    targets: list[str]


@dataclass(frozen=True)
class Run:
    """What a comparison needs of a summary.json; other keys are ignored."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"allow_inf_nan": False}

    schema: Literal[1]
    dataset: Dataset
    gains: dict[
        str, dict[str, Annotated[Estimate, AfterValidator(_possible)]]
    ]  # by gain and metric, in percentage points
    ganaug: str = "of another version"
    recipes: dict[str, int] = field(default_factory=dict)
    cells: Cells | None = None  # under a protocol that hides cells


@dataclass(frozen=True)
class Fall:
    """A gain then and now. It fell if it is significantly smaller now: one-sided, Holm-corrected, at 5 %."""

    gain: str
    metric: str
    before: float | None  # percentage points; None: the earlier run had no such gain
    now: float
    p_holm: float | None  # None: no such gain then, or a run of one trial
    fell: bool


def read(summary: Any, name: str) -> Run:
    """From the JSON of a summary; ``name``: its file, for errors. Raises UserError if it is no summary of schema 1."""
    found: Run = check(summary, name, _HINT, Run)
    return found


def compare(rules: Sequence[GateRule], now: Run, before: Run) -> list[Fall]:
    """The gains that the rules name, each once; Holm's family is those that both runs have.

    Welch's test treats the runs as independent. They share test images, so it is conservative (``stats.change``).
    """
    asked = dict.fromkeys((rule.gain, metric_of(rule, now.dataset.primary_metric)) for rule in rules)
    found = [(gain, key, before.gains.get(gain, {}).get(key), now.gains[gain][key]) for gain, key in asked]
    raw = [None if then is None else change(then, one).p_below(0.0) for _, _, then, one in found]
    corrected = iter(holm([p for p in raw if p is not None]))
    adjusted = [None if p is None else next(corrected) for p in raw]
    return [
        Fall(gain, metric, then.mean if then else None, one.mean, p, p is not None and p <= LEVEL)
        for (gain, metric, then, one), p in zip(found, adjusted, strict=True)
    ]


def refuse_unlike(now: Run, before: Run, name: str) -> None:
    """Gains on other data or by another protocol are not comparable. Raises UserError if the runs differ in these."""
    same = {"data set": "name", "classes": "classes", "protocol": "protocol", "draws": "draws"}
    for what, key in same.items():
        one, other = getattr(now.dataset, key), getattr(before.dataset, key)
        if one != other:
            raise UserError(f"{name}: must be of the {what} {quoted(one)}, got {quoted(other)}; {_HINT}")
    if now.cells and before.cells and now.cells.targets != before.cells.targets:
        conditions = quoted(now.cells.targets), quoted(before.cells.targets)
        raise UserError(f"{name}: must hide cells under {conditions[0]}, got {conditions[1]}; {_HINT}")


def notes(now: Run, before: Run) -> list[str]:
    """Differences that leave the runs comparable but that the reader should know of, one line each."""
    compared = {"trials": "trials", "train images": "train_images", "test images": "test_images"}
    lines = [
        f"{what} of the earlier run: {quoted(getattr(before.dataset, key))}; now: {quoted(getattr(now.dataset, key))}"
        for what, key in compared.items()
        if getattr(before.dataset, key) != getattr(now.dataset, key)
    ]
    if before.recipes != now.recipes:
        lines.append(f"the earlier run was computed differently, by ganaug {one_line(before.ganaug, 80)}")
    return lines
