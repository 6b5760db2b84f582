"""From predictions at several numbers of labels to learning curves and equivalent labels, as summary.json has them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.measure.contributions import METRICS
from ganaug.measure.equivalent_labels import Curve
from ganaug.measure.gains import POINT, Comparison, CurvePoint, mean_and_sd
from ganaug.measure.stats import Estimate

Scores = list[NDArray[np.float64]]  # of each trial, one number per test image


def curve_figures(comparison: Comparison, arms: Sequence[str]) -> dict[str, Any]:
    """Each arm's learning curve: mean and standard deviation over trials of every metric, by images per class."""
    return {
        arm: [
            {"images_per_class": images}
            | {key: mean_and_sd(_scores(comparison, arm, times, key)) for key in comparison.metrics}
            for times, images in _images(comparison, arm).items()
        ]
        for arm in arms
    }


def worth_figures(
    comparison: Comparison, pairs: Sequence[tuple[str, str]], metric: str, gains: Mapping[str, Any]
) -> dict[str, Any]:
    """Each pair's gain in equivalent labels: real images per class that its second arm would need; and for one point.

    ``comparison``: the trials; ``pairs``: (arm, base); ``metric``: the key of the metric of the curves; ``gains``: what
    ``comparison.gain_figures`` gives for the pairs.
    """
    return {
        f"{name}_vs_{base}": _worth(comparison, name, base, metric, gains[f"{name}_vs_{base}"][metric])
        for name, base in pairs
    }


def _worth(comparison: Comparison, name: str, base: str, metric: str, gain: Mapping[str, Any]) -> dict[str, Any]:
    points = _images(comparison, base)
    if len(points) < 2:
        return {"metric": metric, "more_images": None, "reason": "the train parts are too small for a learning curve"}
    if gain["ci_low"] is None:  # a figure without an interval says more than is known
        return {"metric": metric, "more_images": None, "reason": "one trial does not say how certain it is"}
    scores = [_scores(comparison, base, multiple, metric) for multiple in points]
    own = comparison.scores(base, metric)
    ahead = [one - other for one, other in zip(comparison.scores(name, metric), own, strict=True)]
    if comparison.estimate(ahead) != comparison.mean(ahead):
        return {"metric": metric, "more_images": None, "reason": "too few predictions differ to say how certain it is"}
    means = tuple(float(np.mean([values.mean() for values in of_trials])) for of_trials in scores)
    curve = Curve(tuple(points.values()), list(points).index(1.0), means)

    def in_labels(points: float, ahead: Scores) -> dict[str, Any]:
        """``points`` in labels; ``ahead``: the differences from the base whose mean they are."""

        def lead(more: float) -> Estimate:
            weights = curve.weights(more) - curve.weights(0.0)
            gained = [sum(weights[point] * one[trial] for point, one in enumerate(scores)) for trial in range(len(own))]
            return comparison.mean([one - other for one, other in zip(ahead, gained, strict=True)])

        low, high = curve.interval(points, lead, comparison.confidence)
        ends = {"more_images": curve.more_images(points), "ci_low": low, "ci_high": high}
        return {**{key: _end(end, curve) for key, end in ends.items()}, "extrapolated": not curve.is_measured(points)}

    return {
        "metric": metric,
        **in_labels(gain["mean"], ahead),
        "one_point": in_labels(POINT, [np.full(len(values), POINT) for values in own]),
        "unit": "labelled images per class",
        "confidence": comparison.confidence,
        "trials": len(comparison.trials),
        "method": _method(curve),
    }


def _method(curve: Curve) -> str:
    low, high = curve.reach
    measured = ", ".join(f"{images:.3g}" for images in curve.images)
    upward = "" if curve.is_measured(POINT) else f", extrapolated by its slope to {high:.3g}"
    downward = "" if curve.is_measured(-POINT) else f", extrapolated by its slope down to {low:.3g}"
    return (
        f"learning curve of the arm without GAN images, measured at {measured} real images per class (mean over "
        f"trials, isotonic, linear in the logarithm of the images{upward}{downward}); the interval holds the numbers "
        "of images at which the curve and the arm do not differ by the test of a gain (Fieller 1954)"
    )


def _images(comparison: Comparison, arm: str) -> dict[float, float]:
    """{multiple: mean real images per class} of an arm's points, its own (1.0) among them, rising.

    Only points that every trial has: in small train parts two sizes may coincide.
    """
    counts = {1.0: [trial.train_images for trial in comparison.trials]}
    for multiple in {point.multiple for trial in comparison.trials for point in trial.curve if point.arm == arm}:
        points = _points(comparison, arm, multiple)
        if len(points) == len(comparison.trials):
            counts[multiple] = [point.train_images for point in points]
    return {multiple: float(np.mean(counts[multiple])) / comparison.classes for multiple in sorted(counts)}


def _scores(comparison: Comparison, arm: str, multiple: float, metric: str) -> Scores:
    if multiple == 1:
        return comparison.scores(arm, metric)
    of, points = METRICS[metric], zip(comparison.trials, _points(comparison, arm, multiple), strict=True)
    return [
        100 * of(point.predicted, one.labels, comparison.classes, one.cells)
        for one, point in points
        if of.about(one.labels, one.cells).any()
    ]


def _points(comparison: Comparison, arm: str, multiple: float) -> list[CurvePoint]:
    """That point of each trial that has it."""
    every = (point for trial in comparison.trials for point in trial.curve)
    return [point for point in every if (point.arm, point.multiple) == (arm, multiple)]


def _end(value: float, curve: Curve) -> dict[str, float]:
    """A number of images, or ``at_least`` or ``at_most`` the end of what the curve covers."""
    if math.isfinite(value):
        return {"images": value}
    low, high = (end - curve.images[curve.own] for end in curve.reach)
    return {"at_least": high} if value > 0 else {"at_most": low}
