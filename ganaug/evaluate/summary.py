"""What the verdict, the gate and a comparison read of a summary.json, and the rules that it keeps."""

from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from annotated_types import Len
from pydantic import AfterValidator, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ganaug.errors import UserError, quoted
from ganaug.evaluate.contributions import METRICS, metric_or
from ganaug.evaluate.stats import Estimate
from ganaug.values import Count, Names, Number, Positive, Share, with_keys

_ROUNDING = 1e-6  # points; a t-quantile may be rounded otherwise by another release of SciPy


# A gain in a class's recall; None: of a class that is not tested.
_Figure = Annotated[dict[str, Number | None], with_keys("mean", "ci_low", "ci_high")]


class _Gain(TypedDict):
    mean: Number
    ci_low: Number | None
    ci_high: Number | None
    p_value: Share | None
    standard_error: Positive | None
    degrees_of_freedom: Positive | None
    confidence: Share
    trials: Count


class _Score(TypedDict):
    mean: Number
    sd: Positive | None


_Images = Annotated[dict[Literal["images", "at_least", "at_most"], Number], Len(1)]


class _Range(TypedDict):  # of labelled images
    more_images: _Images
    ci_low: _Images | None
    ci_high: _Images | None
    extrapolated: bool


class _Worth(_Range):
    metric: str
    one_point: _Range


class _Unknown(TypedDict):  # the worth of a gain whose learning curve is too short
    metric: str
    more_images: None


class _Dataset(TypedDict):
    primary_metric: Annotated[str, metric_or("accuracy")]
    draws: str
    classes: Names
    train_per_class: Count | None
    train_images: dict[str, Positive]
    unlabelled_images: NotRequired[Count]  # what is not required is not in summaries of older releases


def _ordered(figure: Any) -> Any:
    low, mean, high = (figure[key] for key in ("ci_low", "mean", "ci_high"))
    if (low is None) != (high is None) or (low is not None and (mean is None or not low <= mean <= high)):
        raise ValueError("its interval must hold the mean")
    return figure


def _consistent(gain: _Gain) -> _Gain:
    """The gate tests the mean by its error, people read the interval and p: they are of one estimate."""
    estimate = Estimate(gain["mean"], gain["standard_error"], gain["degrees_of_freedom"])
    expected = np.array([*estimate.interval(gain["confidence"]), estimate.p_two_sided()], np.float64)  # None: NaN
    given = np.array([gain["ci_low"], gain["ci_high"], gain["p_value"]], np.float64)
    if not np.allclose(given, expected, atol=_ROUNDING, equal_nan=True):
        raise ValueError("its interval and p-value must be those of its mean and standard error")
    return gain


class _Summary(TypedDict):
    ganaug: str
    recipes: dict[str, int]
    dataset: _Dataset
    arms: dict[str, Annotated[dict[str, _Score], with_keys(*METRICS)]]
    gains: dict[str, Annotated[dict[str, Annotated[_Gain, AfterValidator(_consistent)]], with_keys(*METRICS)]]
    recall_gains: dict[str, dict[str, Annotated[_Figure, AfterValidator(_ordered)]]]
    rare_recall_gains: NotRequired[dict[str, Annotated[_Figure, AfterValidator(_ordered)]]]
    worth: NotRequired[dict[str, _Worth | _Unknown]]
    settings: dict[str, Any]


def _complete(found: _Summary) -> _Summary:
    classes, gains = frozenset(found["dataset"]["classes"]), set(found["gains"])
    by_class = found["recall_gains"]
    if {*map(frozenset, by_class.values()), frozenset(found["dataset"]["train_images"])} != {classes}:
        raise ValueError("every class must have its figures")
    if set(by_class) != gains or set(found.get("rare_recall_gains", by_class)) != gains:
        raise ValueError("every gain must be given for each class too")
    synth = found["settings"].get("synth")
    if not isinstance(synth, dict) or "balance" not in synth:
        raise ValueError("settings.synth must have its balance")
    return found


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
