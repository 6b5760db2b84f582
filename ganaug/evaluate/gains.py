"""From the predictions of every trial to arms and gains, in the form of summary.json. Figures are in percent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganaug.evaluate import stats
from ganaug.evaluate.contributions import METRICS
from ganaug.evaluate.stats import Estimate

Answer = Literal["gain", "loss", "no gain", "cannot tell"]
POINT = 1.0  # percentage points: the true gain that a figure's power is the probability of detecting


@dataclass(frozen=True)
class CurvePoint:
    """An arm that learned from a number of real images other than the trial's own."""

    arm: str
    multiple: float  # of the trial's own number of images
    train_images: int
    predicted: NDArray[np.int64]  # (test images,), or (repeats, test images)


@dataclass(frozen=True)
class Tested:
    """What the arms of one trial predicted for its test part."""

    labels: NDArray[np.int64]  # (test images,)
    predicted: Mapping[str, NDArray[np.int64]]  # arm -> (test images,), or (repeats, test images)
    train_images: int
    groups: NDArray[np.int64] | None = None  # (test images,), each image's group, where there are groups
    curve: Sequence[CurvePoint] = ()


@dataclass(frozen=True)
class Comparison:
    """The trials of one protocol. ``shared_test``: they share one test part, else they are folds of one set."""

    trials: Sequence[Tested]
    classes: int
    shared_test: bool
    confidence: float = 0.95
    tests_an_image: float = 1.0  # how often each image is tested: once per repeat of cross-validation
    smallest_gain: float = 2.0  # percentage points worth having

    @property
    def method(self) -> str:
        """How intervals and tests are computed, in words."""
        grouped = "; the test images of one group count as one" if self.trials[0].groups is not None else ""
        return stats.TWO_WAY + grouped if self.shared_test else stats.RESAMPLED

    def arm_figures(self) -> dict[str, Any]:
        """Mean and standard deviation over trials of every metric (sd is None for a single trial)."""
        arms = self.trials[0].predicted
        return {arm: {metric: mean_and_sd(self.scores(arm, metric)) for metric in METRICS} for arm in arms}

    def gain_figures(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Each pair's paired difference, with an interval and a p-value, for every metric."""
        return {f"{a}_vs_{b}": {metric: self._gain(a, b, metric) for metric in METRICS} for a, b in pairs}

    def recall_gain_figures(self, pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, Any]:
        """Each pair's paired difference in the recall of each class, over the trials that test it."""
        return {f"{a}_vs_{b}": {one: self._recall_gain(a, b, [c]) for c, one in enumerate(names)} for a, b in pairs}

    def mean_recall_gain_figures(self, pairs: Sequence[tuple[str, str]], labels: Sequence[int]) -> dict[str, Any]:
        """Each pair's paired difference in the mean recall of these classes, over the trials that test any of them."""
        return {f"{a}_vs_{b}": self._recall_gain(a, b, labels) for a, b in pairs}

    def recall_figures(self, names: Sequence[str]) -> dict[str, Any]:
        """Each arm's recall per class in percent, with an interval, over the trials that test the class."""
        return {arm: {one: self._recall(arm, c) for c, one in enumerate(names)} for arm in self.trials[0].predicted}

    def _recall(self, arm: str, label: int) -> dict[str, Any]:
        recalls = [self._mean_recall(trial, arm, [label]) for trial in self._testing([label])]
        estimate = self.mean(recalls, self._groups_of([label]))
        tests_an_image = len(recalls) if self.shared_test else self.tests_an_image
        images = max(1, round(sum(len(values) for values in recalls) / max(1.0, tests_an_image)))
        low, high = stats.interval_of_share(estimate, images, self.confidence)
        return {"mean": estimate.mean if recalls else None, "ci_low": low, "ci_high": high}

    def _gain(self, name: str, against: str, metric: str) -> dict[str, Any]:
        pairs = zip(self.scores(name, metric), self.scores(against, metric), strict=True)
        return self._figure([one - other for one, other in pairs], self.trials[0].groups)

    def _recall_gain(self, name: str, against: str, labels: Sequence[int]) -> dict[str, Any]:
        differences = [
            self._mean_recall(trial, name, labels) - self._mean_recall(trial, against, labels)
            for trial in self._testing(labels)
        ]
        return self._figure(differences, self._groups_of(labels))

    def _groups_of(self, labels: Sequence[int]) -> NDArray[np.int64] | None:
        """Of the test images of these classes, in the first trial."""
        first = self.trials[0]
        return None if first.groups is None else first.groups[np.isin(first.labels, labels)]

    def scores(self, arm: str, metric: str) -> list[NDArray[np.float64]]:
        """One number per test image of each trial, whose mean is the metric in percent."""
        return [100 * METRICS[metric](one.predicted[arm], one.labels, self.classes) for one in self.trials]

    def _testing(self, labels: Sequence[int]) -> list[Tested]:
        return [trial for trial in self.trials if bool(np.isin(trial.labels, labels).any())]

    def _mean_recall(self, trial: Tested, arm: str, labels: Sequence[int]) -> NDArray[np.float64]:
        """One number per test image of these classes, whose mean is their mean recall in percent."""
        of_them = np.isin(trial.labels, labels)
        predicted = trial.predicted[arm][..., of_them]
        return 100 * METRICS["balanced_accuracy"](predicted, trial.labels[of_them], self.classes)

    def _figure(self, differences: Sequence[NDArray[np.float64]], groups: NDArray[np.int64] | None) -> dict[str, Any]:
        """``differences``: one value per test image of each trial; ``groups``: of the first trial's test images."""
        by_trial = np.array([values.mean() for values in differences])
        estimate = self.estimate(differences, groups)
        low, high = stats.interval_of_gain(estimate, self.confidence)
        said = answer(low, high, self.smallest_gain)
        return {
            "mean": estimate.mean if len(by_trial) else None,
            "ci_low": low,
            "ci_high": high,
            "p_value": estimate.p_two_sided(),
            "standard_error": estimate.standard_error,
            "degrees_of_freedom": estimate.degrees_of_freedom,
            "power": estimate.power(POINT, 1 - self.confidence),
            "answer": said,
            "needed": self._needed(estimate, differences) if said == "cannot tell" else None,
            "by_trial": [float(value) for value in by_trial],
            "unit": "percentage points",
            "confidence": self.confidence,
            "trials": len(by_trial),
            "method": self.method,
        }

    def estimate(self, differences: Sequence[NDArray[np.float64]], groups: NDArray[np.int64] | None = None) -> Estimate:
        """The mean gain of ``differences``, one per test image of each trial; ``groups``: those of the first trial."""
        found = self.mean(differences, groups)
        return stats.not_too_certain(found, differences, self.shared_test, self.tests_an_image)

    def mean(self, differences: Sequence[NDArray[np.float64]], groups: NDArray[np.int64] | None = None) -> Estimate:
        """The same by its spread alone, for values that are no differences of two arms."""
        if self.shared_test and differences:
            stacked = np.stack(differences)
            return stats.two_way(stacked if groups is None else stats.by_group(stacked, groups))
        test_over_train = float(np.mean([len(trial.labels) / trial.train_images for trial in self.trials]))
        return stats.corrected_resampled(differences, test_over_train, self.tests_an_image)

    def _needed(self, estimate: Estimate, differences: Sequence[NDArray[np.float64]]) -> dict[str, int] | None:
        """The trials that would settle it, and the test images where trials alone would not; None: not known."""
        found = stats.needed(estimate, len(differences), self.smallest_gain, self.confidence, self.shared_test)
        if found is None:
            return None
        trials, times = found
        return {"trials": trials} | ({"images": math.ceil(times * self._images(differences))} if times > 1 else {})

    def _images(self, differences: Sequence[NDArray[np.float64]]) -> int:
        """Different test images."""
        return round(sum(map(len, differences)) / (len(differences) if self.shared_test else self.tests_an_image))


def answer(low: float | None, high: float | None, smallest_gain: float) -> Answer:
    """What a gain's interval says, if a gain of ``smallest_gain`` points is the least that is worth having.

    ``no gain`` is an answer: a gain worth having is ruled out. ``cannot tell`` is none.
    """
    if low is None or high is None:
        return "cannot tell"
    if low > 0:
        return "gain"
    if high < 0:
        return "loss"
    return "no gain" if high < smallest_gain else "cannot tell"


def mean_and_sd(scores: Sequence[NDArray[np.float64]]) -> dict[str, float | None]:
    """Over trials; the standard deviation of a single one is None."""
    by_trial = np.array([values.mean() for values in scores])
    return {"mean": float(by_trial.mean()), "sd": float(by_trial.std(ddof=1)) if len(by_trial) > 1 else None}
