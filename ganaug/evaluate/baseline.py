"""Comparison with an earlier run: has a gain that the gate asks for fallen?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter, ValidationError

from ganaug.errors import UserError
from ganaug.evaluate.rules import LEVEL, GateRule, metric_of
from ganaug.evaluate.stats import Estimate, change, holm

_HINT = "name the reports/summary.json of an earlier run of this project, or leave --baseline out"


@dataclass(frozen=True)
class Dataset:
    """What a run measured on."""

    name: str
    classes: list[str]
    protocol: str
    draws: str
    trials: int
    train_images: dict[str, float]  # of each class
    test_images: int
    primary_metric: str


@dataclass(frozen=True)
class Run:
    """What a comparison needs of a summary.json; other keys are ignored."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"allow_inf_nan": False}

    schema: Literal[1]
    dataset: Dataset
    gains: dict[str, dict[str, Estimate]]  # by gain and metric, in percentage points
    ganaug: str = "of another version"
    recipes: dict[str, int] = field(default_factory=dict)


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
    schema = summary.get("schema") if isinstance(summary, dict) else None
    if schema != 1:
        raise UserError(f"{name}: must be a summary of schema 1, got {schema!r}; {_HINT}")
    try:
        return TypeAdapter(Run).validate_python(summary)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{name}: {key} must be that of a summary, but: {first['msg']}; {_HINT}") from None


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
            raise UserError(f"{name}: must be of the {what} {_short(one)}, got {_short(other)}; {_HINT}")


def notes(now: Run, before: Run) -> list[str]:
    """Differences that leave the runs comparable but that the reader should know of, one line each."""
    compared = {"trials": "trials", "train images": "train_images", "test images": "test_images"}
    lines = [
        f"{what} of the earlier run: {_short(getattr(before.dataset, key))}; now: {_short(getattr(now.dataset, key))}"
        for what, key in compared.items()
        if getattr(before.dataset, key) != getattr(now.dataset, key)
    ]
    if before.recipes != now.recipes:
        lines.append(f"the earlier run was computed differently, by ganaug {before.ganaug}")
    return lines


def _short(value: object, most: int = 80) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= most else f"{text[:most]}..."
