"""What the verdict, the gate and a comparison read of a summary.json, and the rules that it keeps."""

from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from annotated_types import Len
from pydantic import AfterValidator, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ganaug.errors import UserError, quoted
from ganaug.evaluate.contributions import METRICS
from ganaug.evaluate.stats import Estimate
from ganaug.values import Count, Names, Number, Positive, Share, with_keys

_ROUNDING = 1e-6  # points; a t-quantile may be rounded otherwise by another release of SciPy


class Figure(TypedDict):
    """A gain with its confidence interval. ``mean`` None: of a class that is not tested."""

    mean: Number | None
    ci_low: Number | None
    ci_high: Number | None
    trials: Count


class Gain(TypedDict):
    """A gain in a metric."""

    mean: Number
    ci_low: Number | None
    ci_high: Number | None
    trials: Count
    p_value: Share | None
    standard_error: Positive | None
    degrees_of_freedom: Positive | None
    confidence: Share


class Score(TypedDict):
    """An arm's mean over trials."""

    mean: Number
    sd: Positive | None


class Range(TypedDict):
    """A number of labelled images, and its interval."""

    more_images: Annotated[dict[Literal["images", "at_least", "at_most"], Number], Len(1)]
    ci_low: Annotated[dict[Literal["images", "at_least", "at_most"], Number], Len(1)] | None
    ci_high: Annotated[dict[Literal["images", "at_least", "at_most"], Number], Len(1)] | None
    extrapolated: bool


class Worth(Range):
    """What a gain is worth in labels, and what one point is."""

    metric: str
    one_point: Range


class Unknown(TypedDict):
    """Of a gain whose worth cannot be told."""

    metric: str
    more_images: None


class Dataset(TypedDict):
    """What was measured on. Some keys are not in summaries of older releases."""

    primary_metric: Literal["accuracy", "balanced_accuracy", "macro_f1"]
    draws: str
    classes: Names
    train_per_class: Count | None
    train_images: dict[str, Positive]
    unlabelled_images: NotRequired[Count]


def _ordered(figure: Any) -> Any:
    low, mean, high = (figure[key] for key in ("ci_low", "mean", "ci_high"))
    if (low is None) != (high is None) or (low is not None and (mean is None or not low <= mean <= high)):
        raise ValueError("its interval must hold the mean")
    return figure


def _consistent(gain: Gain) -> Gain:
    """The gate tests the mean by its error, people read the interval and p: they are of one estimate."""
    estimate = Estimate(gain["mean"], gain["standard_error"], gain["degrees_of_freedom"])
    expected = np.array([*estimate.interval(gain["confidence"]), estimate.p_two_sided()], np.float64)  # None: NaN
    given = np.array([gain["ci_low"], gain["ci_high"], gain["p_value"]], np.float64)
    if not np.allclose(given, expected, atol=_ROUNDING, equal_nan=True):
        raise ValueError("its interval and p-value must be those of its mean and standard error")
    return gain


class Contents(TypedDict):
    """A summary, as the verdict and the gate read it."""

    ganaug: str
    recipes: dict[str, int]
    dataset: Dataset
    arms: dict[str, Annotated[dict[str, Score], with_keys(*METRICS)]]
    gains: dict[str, Annotated[dict[str, Annotated[Gain, AfterValidator(_consistent)]], with_keys(*METRICS)]]
    recall_gains: dict[str, dict[str, Annotated[Figure, AfterValidator(_ordered)]]]
    rare_recall_gains: NotRequired[dict[str, Annotated[Figure, AfterValidator(_ordered)]]]
    worth: NotRequired[dict[str, Worth | Unknown]]
    settings: Annotated[dict[str, Any], with_keys("synth")]


def _complete(found: Contents) -> Contents:
    classes, gains = set(found["dataset"]["classes"]), set(found["gains"])
    by_class = found["recall_gains"]
    rare = found.get("rare_recall_gains", by_class)
    if set(found["dataset"]["train_images"]) != classes or any(
        set(figures) != classes for figures in by_class.values()
    ):
        raise ValueError("every class must have its figures")
    if set(by_class) != gains or set(rare) != gains:
        raise ValueError("every gain must be given for each class too")
    synth = found["settings"]["synth"]
    if not isinstance(synth, dict) or "balance" not in synth:
        raise ValueError("settings.synth must have its balance")
    return found


Summary = Annotated[Contents, AfterValidator(_complete)]


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
