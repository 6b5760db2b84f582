"""From the predictions of every trial to arms and gains, in the form of summary.json. Figures are in percent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganaug.measure import stats
from ganaug.measure.contributions import METRICS, Cells, Metric, metrics, recall_by_cell
from ganaug.measure.stats import Estimate

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
    cells: Cells | None = None  # under a protocol that hides cells


@dataclass(frozen=True)
class Comparison:
    """The trials of one protocol. ``shared_test``: they share one test part, else they are folds of one set.

    Where folds hide cells, the missing cells are of other classes than those that can be hidden, so gains by metrics of
    cells are estimated over trials and classes (``stats.over_cells``); other metrics speak of the classes that are
    there. In a benchmark, whose trials share a test part of every cell, these are what the question is about.
    """

    trials: Sequence[Tested]
    classes: int
    shared_test: bool
    confidence: float = 0.95
    tests_an_image: float = 1.0  # how often each image is tested: once per repeat of cross-validation
    smallest_gain: float = 2.0  # percentage points worth having

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics that there are."""
        return list(metrics(self.trials[0].cells is not None))

    @property
    def method(self) -> str:
        """How intervals and tests are computed, in words."""
        grouped = "; the test images of one group count as one" if self.trials[0].groups is not None else ""
        return stats.TWO_WAY + grouped if self.shared_test else stats.RESAMPLED

    def arm_figures(self) -> dict[str, Any]:
        """Mean and standard deviation over trials of every metric (sd is None for a single trial)."""
        arms = self.trials[0].predicted
        return {arm: {metric: mean_and_sd(self.scores(arm, metric)) for metric in self.metrics} for arm in arms}

    def gain_figures(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Each pair's paired difference, with an interval and a p-value, for every metric."""
        return {f"{a}_vs_{b}": {metric: self._gain(a, b, metric) for metric in self.metrics} for a, b in pairs}

    def condition_gain_figures(self, pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, Any]:
        """Each pair's paired difference in the mean recall under each condition alone, over the trials that test it."""
        return {
            f"{a}_vs_{b}": {one: self._condition_gain(a, b, condition) for condition, one in enumerate(names)}
            for a, b in pairs
        }

    def cell_recall_figures(self, classes: Sequence[str], conditions: Sequence[str]) -> dict[str, Any]:
        """Each arm's recall of each cell in percent: the mean over the trials that trained with its images (``seen``),
        and over those that hid them (``hidden``); None where there are none."""
        hidden, others = (self._about(METRICS[metric]) for metric in ("missing_recall", "other_recall"))
        found: dict[str, Any] = {}
        for arm in self.trials[0].predicted:
            recalls = {"seen": self._cell_recalls(arm, others), "hidden": self._cell_recalls(arm, hidden)}
            found[arm] = {
                one: {
                    other: {key: _known_mean(of[:, c, k]) for key, of in recalls.items()}
                    for k, other in enumerate(conditions)
                }
                for c, one in enumerate(classes)
            }
        return found

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
        differences = [one - other for one, other in pairs]
        if METRICS[metric].among is None:
            return self._figure(differences, self.trials[0].groups)
        about = self._about(METRICS[metric])
        share = float(np.mean([of_them.mean() for of_them in about if of_them.any()]))
        return self._figure(differences, self.trials[0].groups, share, self._by_cell(name, against, about))

    def _condition_gain(self, name: str, against: str, condition: int) -> dict[str, Any]:
        about = [trial.cells.conditions == condition for trial in self.trials if trial.cells]
        differences = [
            self._mean_recall_of(trial, name, of_them) - self._mean_recall_of(trial, against, of_them)
            for trial, of_them in zip(self.trials, about, strict=True)
            if of_them.any()
        ]
        groups = self.trials[0].groups
        by_cell = self._by_cell(name, against, about)
        return self._figure(differences, None if groups is None else groups[about[0]], by_cell=by_cell)

    def _about(self, metric: Metric) -> list[NDArray[np.bool_]]:
        """The test images of each trial that the metric is about."""
        return [metric.about(trial.labels, trial.cells) for trial in self.trials]

    def _by_cell(self, name: str, against: str, about: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64] | None:
        """The differences in the recall of cells; None where the classes are no sample."""
        return None if self.shared_test else self._cell_recalls(name, about) - self._cell_recalls(against, about)

    def _cell_recalls(self, arm: str, about: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
        """(trials, classes, conditions): the recall in percent of the cells that the test images ``about`` are of; NaN
        for others."""
        cells = [trial.cells.conditions for trial in self.trials if trial.cells]
        shape = self.classes, 1 + max(int(conditions.max()) for conditions in cells)
        return 100 * np.stack([
            recall_by_cell(trial.predicted[arm][..., among], trial.labels[among], conditions[among], shape)
            for trial, conditions, among in zip(self.trials, cells, about, strict=True)
        ])  # fmt: skip

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
        """One number per test image of each trial that tests it, whose mean is the metric in percent."""
        return [
            100 * METRICS[metric](one.predicted[arm], one.labels, self.classes, one.cells)
            for one in self.trials
            if METRICS[metric].about(one.labels, one.cells).any()
        ]

    def _testing(self, labels: Sequence[int]) -> list[Tested]:
        return [trial for trial in self.trials if bool(np.isin(trial.labels, labels).any())]

    def _mean_recall(self, trial: Tested, arm: str, labels: Sequence[int]) -> NDArray[np.float64]:
        """One number per test image of these classes, whose mean is their mean recall in percent."""
        return self._mean_recall_of(trial, arm, np.isin(trial.labels, labels))

    def _mean_recall_of(self, trial: Tested, arm: str, of_them: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The same of the test images that ``of_them`` says."""
        predicted = trial.predicted[arm][..., of_them]
        return 100 * METRICS["balanced_accuracy"](predicted, trial.labels[of_them], self.classes)

    def _figure(
        self,
        differences: Sequence[NDArray[np.float64]],
        groups: NDArray[np.int64] | None,
        share: float = 1.0,
        by_cell: NDArray[np.float64] | None = None,
    ) -> dict[str, Any]:
        """``differences``: one value per test image of each trial; ``groups``: of the first trial's test images.

        ``share`` of the images have an influence; ``by_cell``: the differences in the recall of cells, where classes
        are a sample.
        """
        by_trial = np.array([values.mean() for values in differences])
        spread = self.mean(differences, groups) if by_cell is None else stats.over_cells(by_cell, self._overlap)
        estimate = stats.not_too_certain(spread, differences, self.shared_test, self.tests_an_image, share)
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
            # Where classes are a sample, more of them under the condition may be what it takes.
            "needed": self._needed(estimate, differences) if said == "cannot tell" and by_cell is None else None,
            "by_trial": [float(value) for value in by_trial],
            "unit": "percentage points",
            "confidence": self.confidence,
            "trials": len(by_trial),
            "method": self.method if by_cell is None else stats.CELLS,
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
        return stats.corrected_resampled(differences, self._overlap, self.tests_an_image)

    @property
    def _overlap(self) -> float:
        """Images that folds are tested on over those that they learn from."""
        return float(np.mean([len(trial.labels) / trial.train_images for trial in self.trials]))

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


def _known_mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def mean_and_sd(scores: Sequence[NDArray[np.float64]]) -> dict[str, float | None]:
    """Over trials; the standard deviation of a single one is None."""
    by_trial = np.array([values.mean() for values in scores])
    return {"mean": float(by_trial.mean()), "sd": float(by_trial.std(ddof=1)) if len(by_trial) > 1 else None}
