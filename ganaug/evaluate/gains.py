"""From the predictions of every trial to arms and gains, as summary.json has them. Figures are in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.evaluate import stats
from ganaug.evaluate.contributions import METRICS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Predictions = Mapping[str, "NDArray[np.int64]"]  # arm -> (trials, test images)


def arm_figures(predictions: Predictions, labels: NDArray[np.int64], classes: int) -> dict[str, Any]:
    """Mean and standard deviation over trials of every metric (sd is None for a single trial)."""
    figures: dict[str, Any] = {}
    for name in predictions:
        figures[name] = {}
        for metric in METRICS:
            by_trial = _contributions(predictions[name], labels, classes, metric).mean(axis=1)
            sd = float(by_trial.std(ddof=1)) if len(by_trial) > 1 else None
            figures[name][metric] = {"mean": float(by_trial.mean()), "sd": sd}
    return figures


def gain_figures(
    predictions: Predictions,
    labels: NDArray[np.int64],
    classes: int,
    pairs: Sequence[tuple[str, str]],
    confidence: float,
) -> dict[str, Any]:
    """Each pair's paired difference, with an interval and a p-value that count trials and test images in."""
    figures: dict[str, Any] = {}
    for name, against in pairs:
        figures[f"{name}_vs_{against}"] = {}
        for metric in METRICS:
            first, second = (_contributions(predictions[arm], labels, classes, metric) for arm in (name, against))
            estimate = stats.two_way(first - second)
            low, high = estimate.interval(confidence)
            figures[f"{name}_vs_{against}"][metric] = {
                "mean": estimate.mean,
                "ci_low": low,
                "ci_high": high,
                "p_value": estimate.p_two_sided(),
                "standard_error": estimate.standard_error,
                "degrees_of_freedom": estimate.degrees_of_freedom,
                "by_trial": [float(value) for value in (first - second).mean(axis=1)],
                "unit": "percentage points",
                "confidence": confidence,
                "trials": len(first),
                "method": stats.TWO_WAY,
            }
    return figures


def _contributions(
    predictions: NDArray[np.int64], labels: NDArray[np.int64], classes: int, metric: str
) -> NDArray[np.float64]:
    return np.stack([100 * METRICS[metric](row, labels, classes) for row in predictions])
