"""What the verdict, the gate and a comparison read of a summary.json, and the rules that it keeps."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from annotated_types import Interval, Len, MinLen
from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from ganaug.errors import UserError, quoted
from ganaug.measure.contributions import metric_or, metrics
from ganaug.measure.gains import Answer, answer
from ganaug.measure.stats import Estimate, interval_of_gain
from ganaug.values import Count, Names, Number, Positive, Share, with_keys

_WITH_OTHERS = ConfigDict(extra="allow")  # the settings are compared with those of params.yaml as a whole
_ROUNDING = 1e-6  # points; a t-quantile may be rounded otherwise by another release of SciPy


class _Figure(TypedDict):  # a gain in a class's recall
    mean: Number | None  # None: of a class that is not tested
    ci_low: Number | None
    ci_high: Number | None
    answer: Answer


class _Needed(TypedDict):
    trials: Count
    images: NotRequired[Count]


class _Gain(TypedDict):
    mean: Number
    ci_low: Number | None
    ci_high: Number | None
    p_value: Share | None
    standard_error: Positive | None
    degrees_of_freedom: Positive | None
    confidence: Share
    trials: Count
    answer: Answer
    needed: _Needed | None


class _Score(TypedDict):
    mean: Number
    sd: Positive | None


_Images = Annotated[dict[Literal["images", "at_least", "at_most"], Number], Len(1)]


class _Range(TypedDict):  # of labelled images
    more_images: _Images
    ci_low: _Images | None
    ci_high: _Images | None
    extrapolated: bool


def _range_holds(worth: _Range) -> _Range:
    """An estimate is inside its interval, or is not given."""
    low, found, high = (_place(worth[key]) for key in ("ci_low", "more_images", "ci_high"))
    if low is not None and high is not None and found is not None and not low <= found <= high:
        raise ValueError("its interval must hold the estimate")
    return worth


def _place(end: _Images | None) -> tuple[int, float] | None:
    """Where a number of images lies on its axis, whose ends are beyond all numbers."""
    if end is None:
        return None
    (kind, images), *_ = end.items()
    return {"at_most": -1, "images": 0, "at_least": 1}[kind], images


class _Worth(_Range):
    metric: str
    one_point: Annotated[_Range, AfterValidator(_range_holds)]


class _Unknown(TypedDict):  # the worth of a gain whose learning curve is too short
    metric: str
    more_images: None


@with_config(_WITH_OTHERS)
class _Dataset(TypedDict):
    primary_metric: Annotated[str, metric_or("accuracy")]
    name: str
    draws: str
    classes: Names
    train_per_class: Count | None
    train_images: dict[str, Positive]
    most_trials: NotRequired[Count | None]
    unlabelled_images: NotRequired[Count]  # what is not required is not in summaries of older releases


def _ordered(figure: Any) -> Any:
    low, mean, high = (figure[key] for key in ("ci_low", "mean", "ci_high"))
    if (low is None) != (high is None) or (low is not None and (mean is None or not low <= mean <= high)):
        raise ValueError("its interval must hold the mean")
    return figure


def _consistent(gain: _Gain) -> _Gain:
    """The gate tests the mean by its error, people read the interval and p: they are of one estimate."""
    estimate = Estimate(gain["mean"], gain["standard_error"], gain["degrees_of_freedom"])
    interval = interval_of_gain(estimate, gain["confidence"])
    expected = np.array([*interval, estimate.p_two_sided()], np.float64)  # None: NaN
    given = np.array([gain["ci_low"], gain["ci_high"], gain["p_value"]], np.float64)
    if not np.allclose(given, expected, atol=_ROUNDING, equal_nan=True):
        raise ValueError("its interval and p-value must be those of its mean and standard error")
    return gain


@with_config(_WITH_OTHERS)
class _Balance(TypedDict):
    balance: str


@with_config(_WITH_OTHERS)
class _Report(TypedDict):
    smallest_gain: Positive


@with_config(_WITH_OTHERS)
class _Protocol(TypedDict):
    kind: str
    folds: NotRequired[Count]


@with_config(_WITH_OTHERS)
class _Settings(TypedDict):
    protocol: _Protocol
    synth: _Balance
    report: _Report


_Recall = Annotated[Number, Interval(ge=0, le=100)] | None
_ByCondition = dict[str, Annotated[dict[Literal["seen", "hidden"], _Recall], with_keys("seen", "hidden")]]


@with_config(_WITH_OTHERS)
class _ConditionGain(_Figure):
    """A gain by the mean recall under one condition."""


class _Cells(TypedDict):  # a cell: a class under a condition
    conditions: Names
    targets: Annotated[list[str], MinLen(1)]
    counts: dict[str, dict[str, Count]]
    missing: list[tuple[str, str]]
    recall: dict[str, dict[str, _ByCondition]]
    gains: dict[str, dict[str, Annotated[_ConditionGain, AfterValidator(_ordered)]]]


class _Mean(TypedDict):
    mean: Number


class _Fidelity(TypedDict):
    near_copies_share: _Mean | None
    held_out_near_copies_share: _Mean | None


@with_config(_WITH_OTHERS)
class _Summary(TypedDict):
    ganaug: str
    recipes: dict[str, int]
    dataset: _Dataset
    arms: dict[str, Annotated[dict[str, _Score], with_keys(*metrics(hides_cells=False))]]
    gains: dict[
        str,
        Annotated[dict[str, Annotated[_Gain, AfterValidator(_consistent)]], with_keys(*metrics(hides_cells=False))],
    ]
    cells: NotRequired[_Cells]  # under a protocol that hides cells
    recall_gains: dict[str, dict[str, Annotated[_Figure, AfterValidator(_ordered)]]]
    rare_recall_gains: NotRequired[dict[str, Annotated[_Figure, AfterValidator(_ordered)]]]
    worth: NotRequired[dict[str, Annotated[_Worth, AfterValidator(_range_holds)] | _Unknown]]
    fidelity: _Fidelity | None
    alarms: dict[str, list[str]]  # of each split's training, by kind
    settings: _Settings


def _complete(found: _Summary) -> _Summary:
    classes, gains = frozenset(found["dataset"]["classes"]), set(found["gains"])
    by_class = found["recall_gains"]
    if {*map(frozenset, by_class.values()), frozenset(found["dataset"]["train_images"])} != {classes}:
        raise ValueError("every class must have its figures")
    if set(by_class) != gains or set(found.get("rare_recall_gains", by_class)) != gains:
        raise ValueError("every gain must be given for each class too")
    by_condition: Mapping[str, Mapping[str, Any]] = {}
    if cells := found.get("cells"):
        _check_cells(found, cells)
        by_condition = cells["gains"]
    elif found["dataset"]["primary_metric"] not in metrics(hides_cells=False):
        raise ValueError("a metric of cells must come with the cells")
    smallest, rare = found["settings"]["report"]["smallest_gain"], found.get("rare_recall_gains", {})
    per_gain: list[Mapping[str, Any]] = [*found["gains"].values(), *by_class.values(), *by_condition.values(), rare]
    figures = [one for of_gain in per_gain for one in of_gain.values()]
    if any(one["answer"] != answer(one["ci_low"], one["ci_high"], smallest) for one in figures):
        raise ValueError("the answer of a gain must be that of its interval")
    return found


def _check_cells(found: _Summary, cells: _Cells) -> None:
    """Every cell, arm, gain and metric has its figures; missing are the cells without images under a target."""
    classes, conditions = found["dataset"]["classes"], cells["conditions"]
    grids: list[Mapping[str, Mapping[str, Any]]] = [cells["counts"], *cells["recall"].values()]
    if any(set(grid) != set(classes) or any(set(row) != set(conditions) for row in grid.values()) for grid in grids):
        raise ValueError("every class must have its figures under every condition")
    if any(set(row) != set(conditions) for row in cells["gains"].values()):
        raise ValueError("every gain must be given under every condition")
    if (set(cells["recall"]), set(cells["gains"])) != (set(found["arms"]), set(found["gains"])):
        raise ValueError("every arm and every gain must be given for the cells too")
    figures: list[Mapping[str, Any]] = [*found["arms"].values(), *found["gains"].values()]
    if any(not metrics(hides_cells=True).keys() <= one.keys() for one in figures):
        raise ValueError("every arm and every gain must be given by the metrics of cells too")
    empty = {(name, one) for name, row in cells["counts"].items() for one, count in row.items() if not count}
    if set(cells["missing"]) != empty or not set(cells["targets"]) <= set(conditions):
        raise ValueError("missing must be the cells without images, and targets some of the conditions")


Summary = Annotated[_Summary, AfterValidator(_complete)]


def check(summary: Any, name: str, hint: str, kind: Any) -> Any:
    """``summary``, the JSON of one, as ``kind``; ``name``: its file, for errors; ``hint``: the fix.

    Raises UserError if it is no summary of schema 1, or a figure is missing or impossible.
    """
    schema = summary.get("schema") if isinstance(summary, dict) else None
    if schema != 1:
        raise UserError(f"{name}: must be a summary of schema 1, got {quoted(schema)}; {hint}")
    try:
        return TypeAdapter(kind).validate_python(summary)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"])) or "its content"
        raise UserError(f"{name}: {key} must be that of a summary, but: {first['msg']}; {hint}") from None
