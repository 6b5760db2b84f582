"""Confidence intervals and tests for gains. Pure: arrays in, numbers out.

Distributions are scipy.special's: importing scipy.stats takes longer than all of ``ganaug gate``.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

TWO_WAY = (
    "paired difference over trials and shared test images, two crossed random effects, Cochran's weighted quantile of t"
)

_FEW = 10  # differing predictions; with more the normal approximation holds
_POWER = 0.8
MOST_TIMES = 100.0
_TIMES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, MOST_TIMES)  # as many images

CELLS = (
    "paired difference over trials and classes, two crossed random effects: the classes that are there are a sample of "
    "those that may be missing; variance over trials corrected for overlapping train parts (Nadeau and Bengio 2003), "
    "Cochran's weighted quantile of t"
)

RESAMPLED = (
    "paired difference over the folds of repeated cross-validation, variance corrected for overlapping train parts "
    "(Nadeau and Bengio 2003), t with trials - 1 degrees of freedom"
)


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, in the unit of the values; t-distributed with ``degrees_of_freedom``.

    ``standard_error`` and ``degrees_of_freedom`` are None where one trial leaves the spread unknown. ``of_trials`` is
    the part of the variance that falls with the number of trials; the rest falls with the number of test images alone,
    which have ``image_freedom`` degrees of freedom (None: they add none).
    """

    mean: float
    standard_error: float | None
    degrees_of_freedom: float | None
    of_trials: float = 1.0
    image_freedom: float | None = None

    def interval(self, confidence: float) -> tuple[float | None, float | None]:
        """Two-sided interval; ``confidence`` in (0, 1)."""
        from scipy.special import stdtrit

        if self.standard_error is None or self.degrees_of_freedom is None:
            return None, None
        half = float(stdtrit(self.degrees_of_freedom, (1 + confidence) / 2)) * self.standard_error
        return self.mean - half, self.mean + half

    def p_above(self, bound: float) -> float | None:
        """One-sided p-value of "the true mean is at most ``bound``"."""
        from scipy.special import stdtr

        if self.standard_error is None or self.degrees_of_freedom is None:
            return None
        if self.standard_error == 0:  # every trial and every image agree
            return 0.0 if self.mean > bound else 1.0
        return float(stdtr(self.degrees_of_freedom, -(self.mean - bound) / self.standard_error))

    def p_below(self, bound: float) -> float | None:
        """One-sided p-value of "the true mean is at least ``bound``"."""
        return Estimate(-self.mean, self.standard_error, self.degrees_of_freedom).p_above(-bound)

    def p_two_sided(self) -> float | None:
        """Two-sided p-value of "the true mean is 0"."""
        above = self.p_above(0.0)
        if above is None:
            return None
        return 1.0 if self.standard_error == 0 and self.mean == 0 else min(1.0, 2 * min(above, 1 - above))

    def power(self, truth: float, level: float = 0.05) -> float | None:
        """The probability that the two-sided test of "the true mean is 0" at ``level`` detects a mean of ``truth``.

        |t| exceeds its critical value, where t follows the noncentral t distribution with noncentrality
        truth / standard error (Cohen 1988, Statistical Power Analysis, ch. 2; Johnson, Kotz and Balakrishnan 1995,
        ch. 31). ``truth`` is a size that matters, never the measured mean: power at that only repeats the p-value
        (Hoenig and Heisey 2001).
        """
        from scipy.special import nctdtr, stdtrit

        if self.standard_error is None or self.degrees_of_freedom is None:
            return None
        if self.standard_error == 0:
            return 1.0 if truth else 0.0
        freedom, critical = self.degrees_of_freedom, float(stdtrit(self.degrees_of_freedom, 1 - level / 2))
        away = abs(truth) / self.standard_error
        # By the lower tail: scipy.stats.nct and ncf give NaN, or a wrong number, for some ordinary values. This gives
        # NaN far out only: beyond 5 t is negative with probability below 1e-6, beyond 50 almost nothing is missed.
        missed = float(np.nan_to_num(nctdtr(freedom, min(away, 1e6), critical), nan=0.0))
        wrong_side = 1.0 - float(nctdtr(freedom, -away, critical)) if away < 5 else 0.0
        return min(1.0, max(0.0, 1.0 - missed + wrong_side))


def interval_of_gain(estimate: Estimate, confidence: float) -> tuple[float | None, float | None]:
    """Two-sided interval of a gain in points: scores lie in 0 to 100, so gains lie in -100 to 100."""
    low, high = estimate.interval(confidence)
    return (None, None) if low is None or high is None else (max(-100.0, low), min(100.0, high))


def most_trials(trials: int) -> int:
    """How many of them ``needed`` thinks of, where there are ``trials`` now."""
    return max(50, 2 * trials)


def needed(
    estimate: Estimate, trials: int, size: float, confidence: float, shared_test: bool
) -> tuple[int, float] | None:
    """(trials, times as many images) with which a gain of ``size`` would be seen, by the spread of ``estimate``.

    Seen: the test at ``confidence`` detects it with a power of 80 % (Cohen's convention). Where the ``trials`` that
    there are have that power already, and the interval leaves open all the same whether there is such a gain: the
    number with which the interval is narrower than ``size``, so that it cannot. More images (of the test part if the
    trials have a ``shared_test``, else of the whole set) are asked for where no affordable number of trials does. None
    if the spread is unknown, or nothing affordable does.
    """
    from scipy.special import chdtri

    if estimate.standard_error is None or estimate.degrees_of_freedom is None:
        return None
    # The variance of few trials is too small more often than not: its median-unbiased estimate (cf. Browne 1995).
    freedom = estimate.degrees_of_freedom
    variance = estimate.standard_error**2 * freedom / float(chdtri(freedom, 0.5))
    part = estimate.of_trials

    def expected(count: int, times: float) -> Estimate:
        of_trials, of_images = part * variance * trials / count, (1 - part) * variance / times
        if not shared_test:  # smaller test parts and train parts both make folds differ
            of_trials /= times
        total = of_trials + of_images
        freedom = float(count - 1)
        if estimate.image_freedom is not None and total > 0:
            freedom = _cochran(of_trials / total, count - 1, times * (estimate.image_freedom + 1) - 1)
        return Estimate(0.0, math.sqrt(total), freedom)

    def detects(found: Estimate) -> bool:
        return (found.power(size, 1 - confidence) or 0.0) >= _POWER

    def is_narrow(found: Estimate) -> bool:
        low, high = found.interval(confidence)
        return low is not None and high is not None and high - low < size

    enough = is_narrow if detects(expected(trials, 1.0)) else detects
    for times in _TIMES:
        counts = range(trials + (times == 1), most_trials(trials) + 1)
        first = bisect.bisect_left(counts, True, key=lambda count: enough(expected(count, times)))
        if first < len(counts):
            return counts[first], times
    return None


def interval_of_share(estimate: Estimate, images: int, confidence: float) -> tuple[float | None, float | None]:
    """Two-sided interval of a share in percent: it stays within 0 and 100, and has a width at the ends too.

    Clopper and Pearson's (1934) for the number of independent images that would have the standard error of
    ``estimate`` (Korn and Graubard 1998, Survey Methodology 24, 193-201), at most ``images``.
    """
    from scipy.special import betaincinv, stdtrit

    if estimate.standard_error is None or estimate.degrees_of_freedom is None:
        return None, None
    share, tail = min(1.0, max(0.0, estimate.mean / 100)), (1 - confidence) / 2
    variance, count = (estimate.standard_error / 100) ** 2, float(images)
    if variance > 0 and images > 1:
        wider = float(stdtrit(images - 1, 1 - tail) / stdtrit(estimate.degrees_of_freedom, 1 - tail))
        count = min(count, share * (1 - share) / variance * wider**2)
    hits = count * share
    low = 100 * float(betaincinv(hits, count - hits + 1, tail)) if share > 0 else 0.0
    high = 100 * float(betaincinv(hits + 1, count - hits, 1 - tail)) if share < 1 else 100.0
    return low, high


def two_way(differences: NDArray[np.float64], overlap: float = 0.0) -> Estimate:
    """The mean of ``differences`` (trials, test images) where both trials and test images are samples.

    Model: d[t, i] = mean + trial t + image i + rest. The variance of the mean is then estimated by
    (MS_trials + MS_images - MS_rest) / (T I) (for crossed samples Clark 1973). A paired t over trials ignores the
    images and is anti-conservative: more trials do not make a test set larger. The standard error is never smaller
    than the paired t's.

    The degrees of freedom are those whose quantile of t is Cochran's (1964; Cochran and Cox 1957, sec. 4.14): the
    quantiles of trials and of images, each weighted by its part of the variance. Satterthwaite's are too many where
    trials are few and dominate, since an MS_trials that is small by chance then counts as certainty: with 2 or 3 trials
    a test at 5 % passed a gain of zero in 8 or 6 % of runs (docs/calibration.md).

    ``overlap``: n_test/n_train where the train parts of the trials overlap (``corrected_resampled``).
    """
    trials, images = differences.shape
    mean = float(differences.mean())
    if trials < 2 or images < 2:
        return Estimate(mean, None, None)
    by_trial, by_image = differences.mean(axis=1), differences.mean(axis=0)
    rest = differences - by_trial[:, None] - by_image[None, :] + mean
    ms_trials = images * float(((by_trial - mean) ** 2).sum()) / (trials - 1)
    ms_images = trials * float(((by_image - mean) ** 2).sum()) / (images - 1)
    ms_rest = float((rest**2).sum()) / ((trials - 1) * (images - 1))
    # Below MS_rest images differ no more than by chance: the paired t over trials.
    of_trials = ms_trials * (1 + trials * overlap)
    total = of_trials + max(0.0, ms_images - ms_rest)
    weight = of_trials / total if total > 0 else 1.0
    freedom = _cochran(weight, trials - 1, images - 1)
    falls = weight / (1 + trials * overlap)  # with more trials
    return Estimate(mean, math.sqrt(total / (trials * images)), freedom, falls, images - 1)


def over_cells(differences: NDArray[np.float64], overlap: float) -> Estimate:
    """The mean over trials of the mean over cells, where both trials and classes are samples.

    ``differences`` (trials, classes, conditions): in the recall of each cell, NaN where a trial does not count it, as
    one that it does not hide. The cells that are missing in the end are of other classes than those that are there to
    be hidden, so the classes are a random effect too (Clark 1973): trials alone, which hide the same few cells again
    and again, would agree the more, the fewer there are. A class is one sample, under however many conditions; where
    a trial does not count it, it has no influence. ``overlap``: n_test/n_train of overlapping train parts.
    """
    counted = np.isfinite(differences)
    found = differences[counted.any(axis=(1, 2))][:, counted.any(axis=(0, 2))]
    if not found.size:
        return Estimate(math.nan, None, None)
    mean = float(np.nanmean(found, axis=(1, 2)).mean())
    share = found.shape[1] / np.isfinite(found).sum(axis=(1, 2), keepdims=True)  # of a cell in the mean of its trial
    return two_way(mean + np.nansum(share * (found - mean), axis=2), overlap)


def not_too_certain(
    estimate: Estimate,
    differences: Sequence[NDArray[np.float64]],
    shared_test: bool,
    tests_an_image: float = 1.0,
    share: float = 1.0,
) -> Estimate:
    """``estimate`` of a gain in points, its error raised where hardly an image is told right by one arm alone.

    ``differences``: those of each trial, in points, (test images,), the same images in each if the trials have a
    ``shared_test``, else each image ``tests_an_image`` times; a ``share`` of them has an influence. Arms that agree on
    every one of 30 images may still differ on a tenth of all images (the "rule of three"), though the spread seen is 0.
    So with fewer than ten differing predictions the error is at least the sampling error of the images, two more of
    which count as differing (cf. Agresti and Min 2005, Statistics in Medicine 24, 729-740).
    """
    differences = [share * one for one in differences]  # those that have count for more than one each
    squares = sum(float(((one / 100) ** 2).sum()) for one in differences)
    if estimate.standard_error is None or squares >= _FEW:
        return estimate
    if shared_test:
        images: float = len(differences[0])
        squares = float(((np.mean(differences, axis=0) / 100) ** 2).sum())
    else:
        images = sum(map(len, differences)) / tests_an_image
        squares /= tests_an_image
    least = 100 * math.sqrt(squares + 2) / (share * images)
    if least <= estimate.standard_error:
        return estimate
    return replace(estimate, standard_error=least, of_trials=0.0)


def _cochran(weight: float, first: float, second: float) -> float:
    """The degrees of freedom whose 97.5 % quantile of t is ``weight`` of that of ``first``, the rest of ``second``."""
    from scipy.special import stdtridf, stdtrit

    if weight == 1 or first == second:
        return float(first)
    quantile = weight * float(stdtrit(first, 0.975)) + (1 - weight) * float(stdtrit(second, 0.975))
    return float(stdtridf(0.975, quantile))


def by_group(differences: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """(trials, images) -> (trials, groups) with the same mean: the images of one group are one sample, not many.

    ``groups`` (images,): each image's group. A group's value is its images' sum, scaled so that it counts by its size.
    """
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    sums = np.stack([np.bincount(group, row, minlength=count) for row in differences])
    return np.asarray(sums * (count / len(groups)), np.float64)


def corrected_resampled(
    differences: Sequence[NDArray[np.float64]], test_over_train: float, tests_an_image: float = 1.0
) -> Estimate:
    """The mean over trials whose train and test parts are drawn from one set again each time.

    ``differences``: each trial's, (its test images,); ``test_over_train``: n_test/n_train; ``tests_an_image``: how
    often each image is tested. Nadeau and Bengio (2003), eq. 9: the variance of the mean is (1/T + n_test/n_train)
    times the sample variance. The plain 1/T treats overlapping train parts as independent and is strongly
    anti-conservative (Dietterich 1998). For the folds of repeated cross-validation: Bouckaert and Frank (2004).
    """
    trials = len(differences)
    by_trial = np.array([values.mean() for values in differences])
    mean = float(by_trial.mean()) if trials else math.nan
    if trials < 2:
        return Estimate(mean, None, None)
    variance = (1 / trials + test_over_train) * float(by_trial.var(ddof=1))
    # Small test parts may agree by chance: the images' own sampling error is a lower bound.
    of_images = np.concatenate(differences)
    floor = float(of_images.var()) / (len(of_images) / tests_an_image)  # repeats test the same images again
    of_trials = 1 / trials / (1 / trials + test_over_train) if variance > floor else 0.0
    return Estimate(mean, math.sqrt(max(variance, floor)), float(trials - 1), of_trials)


def change(before: Estimate, after: Estimate) -> Estimate:
    """How much larger the mean of ``after`` is, the two runs treated as independent (Welch 1947).

    Runs that share test images or trials are positively correlated, so a test on the difference is conservative.
    """
    mean = after.mean - before.mean
    errors = [(one.standard_error, one.degrees_of_freedom) for one in (before, after)]
    known = [(error**2, freedom) for error, freedom in errors if error is not None and freedom is not None]
    if len(known) < 2:
        return Estimate(mean, None, None)
    total = sum(variance for variance, _ in known)
    spread = sum(variance**2 / freedom for variance, freedom in known)
    freedom = total**2 / spread if spread > 0 else min(freedom for _, freedom in known)
    return Estimate(mean, math.sqrt(total), freedom)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979): adjusted p-values in the order given, at most 1."""
    p = np.array(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, p[order] * np.arange(len(p), 0, -1)))
    return [float(one) for one in adjusted]
