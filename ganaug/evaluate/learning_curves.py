"""From predictions at several numbers of labels to learning curves and equivalent labels, as summary.json has them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug.evaluate import equivalent_labels
from ganaug.evaluate.contributions import METRICS
from ganaug.evaluate.equivalent_labels import DRAWS, Curve
from ganaug.evaluate.gains import POINT, Comparison, CurvePoint, mean_and_sd

Scores = list[NDArray[np.float64]]  # of each trial, one number per test image


def curve_figures(comparison: Comparison, arms: Sequence[str]) -> dict[str, Any]:
    """Each arm's learning curve: mean and standard deviation over trials of every metric, by images per class."""
    return {
        arm: [
            {"images_per_class": images} | {key: mean_and_sd(_scores(comparison, arm, times, key)) for key in METRICS}
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
    curve = Curve(tuple(points.values()), list(points).index(1.0))
    scores = [_scores(comparison, base, multiple, metric) for multiple in points]
    scores.append(comparison.scores(name, metric))
    means = np.array([np.mean([values.mean() for values in of_trials]) for of_trials in scores])
    drawn = _drawn_means(comparison, scores)
    if drawn is not None:
        of_gain = drawn[:, -1] - drawn[:, curve.own]
        wider = equivalent_labels.spread_like(of_gain, gain["ci_low"], gain["ci_high"], comparison.confidence)
        drawn = means + wider * (drawn - means)

    def in_labels(points: float, drawn_points: NDArray[np.float64] | None) -> dict[str, Any]:
        ends = {"more_images": float(curve.more_images(means[None, :-1], np.array([points]))[0])}
        if drawn is not None and drawn_points is not None:
            draws = curve.more_images(drawn[:, :-1], drawn_points)
            ends["ci_low"], ends["ci_high"] = equivalent_labels.interval(draws, comparison.confidence)
        known = {key: _end(ends.get(key), curve) for key in ("more_images", "ci_low", "ci_high")}
        return {**known, "extrapolated": not curve.is_measured(points)}

    return {
        "metric": metric,
        **in_labels(gain["mean"], None if drawn is None else drawn[:, -1] - drawn[:, curve.own]),
        "one_point": in_labels(POINT, None if drawn is None else np.full(len(drawn), POINT)),
        "unit": "labelled images per class",
        "confidence": comparison.confidence,
        "trials": len(comparison.trials),
        "method": _method(comparison, curve),
    }


def _method(comparison: Comparison, curve: Curve) -> str:
    low, high = curve.reach
    measured = ", ".join(f"{images:.3g}" for images in curve.images)
    upward = "" if curve.is_measured(POINT) else f", extrapolated by its slope to {high:.3g}"
    downward = "" if curve.is_measured(-POINT) else f", extrapolated by its slope down to {low:.3g}"
    drawn = "trials and of test images" if comparison.shared_test else "trials with their test images"
    return (
        f"learning curve of the arm without GAN images, measured at {measured} real images per class (mean over "
        f"trials, isotonic, linear in the logarithm of the images{upward}{downward}); interval from {DRAWS} bootstrap "
        f"draws of {drawn}, spread as widely as the gain's own interval"
    )


def _drawn_means(comparison: Comparison, scores: Sequence[Scores]) -> NDArray[np.float64] | None:
    """Bootstrap means (draws, K) of K scores; None for a single trial, whose spread is unknown."""
    if len(comparison.trials) < 2:
        return None
    if comparison.shared_test:
        stacked = np.stack([np.stack(one) for one in scores])
        return equivalent_labels.shared_means(stacked, comparison.trials[0].groups, comparison.seed)
    by_trial = np.array([[values.mean() for values in one] for one in scores])
    return equivalent_labels.fold_means(by_trial, comparison.seed)


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
    points = zip(comparison.trials, _points(comparison, arm, multiple), strict=True)
    return [100 * METRICS[metric](point.predicted, one.labels, comparison.classes) for one, point in points]


def _points(comparison: Comparison, arm: str, multiple: float) -> list[CurvePoint]:
    """That point of each trial that has it."""
    every = (point for trial in comparison.trials for point in trial.curve)
    return [point for point in every if (point.arm, point.multiple) == (arm, multiple)]


def _end(value: float | None, curve: Curve) -> dict[str, float] | None:
    """A number of images, or ``at_least`` or ``at_most`` the end of what the curve covers."""
    if value is None or math.isfinite(value):
        return None if value is None else {"images": value}
    low, high = (end - curve.images[curve.own] for end in curve.reach)
    return {"at_least": high} if value > 0 else {"at_most": low}
