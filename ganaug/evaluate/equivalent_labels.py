"""A gain in equivalent labels: how many more real images per class its base arm would need for it.

Read off the base arm's learning curve: mean scores at a few numbers of images, made monotone and interpolated linearly
in the logarithm of the number. Pure: arrays in, numbers out.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.evaluate.stats import by_group

Values = NDArray[np.float64]

DRAWS = 2000
_AT_ONCE = 200  # draws, so that memory does not grow with their number
_NOTHING = 1e-9  # points: rounding


@dataclass(frozen=True)
class Curve:
    """Where a base arm was measured. Its scores are passed along, in percent, (..., points)."""

    images: tuple[float, ...]  # mean real images per class of each point, rising
    own: int  # the point that is the trial's own number

    @property
    def reach(self) -> tuple[float, float]:
        """The fewest and the most images per class that the curve covers.

        Where no point is measured on one side, it is extrapolated there by its slope, by the ratio of the other side.
        """
        low, own, high = self.images[0], self.images[self.own], self.images[-1]
        return (low if low < own else own**2 / high), (high if high > own else own**2 / low)

    def more_images(self, scores: Values, gains: Values) -> Values:
        """How many more images per class ``gains`` (draws,) over the own point are worth on ``scores`` (draws, P).

        Negative for a loss. Infinite where the curve does not get there within its reach.
        """
        gains = np.where(np.abs(gains) < _NOTHING, 0.0, gains)
        places, heights = self._whole(monotone(scores))
        own = places.index(math.log(self.images[self.own]))
        wanted = heights[:, own] + gains
        found = np.where(gains > 0, np.inf, np.where(gains < 0, -np.inf, places[own]))
        for left in range(len(places) - 1):
            low, high = heights[:, left], heights[:, left + 1]
            # Of a level stretch the end nearer to the own point counts: the fewest images, the smallest loss.
            here = (low < wanted) & (wanted <= high) if left >= own else (low <= wanted) & (wanted < high)
            here &= (gains > 0) if left >= own else (gains < 0)
            with np.errstate(invalid="ignore", divide="ignore"):
                part = (wanted - low) / (high - low)
            found = np.where(here, places[left] + part * (places[left + 1] - places[left]), found)
        ratio = np.expm1(np.where(np.isfinite(found), found - places[own], 0.0))
        return np.asarray(np.where(np.isfinite(found), self.images[self.own] * ratio, found), np.float64)

    def is_measured(self, gain: float) -> bool:
        """Whether there are points on the side of the own one where ``gain``, or a loss, is read."""
        return self.own < len(self.images) - 1 if gain > 0 else self.own > 0

    def _whole(self, heights: Values) -> tuple[list[float], Values]:
        """(log images of the knots, their heights (draws, knots)): the points, and the ends of extrapolations.

        The slope is that of the least-squares line through all points. Learning curves flatten, so it is too steep
        upward and too flat downward: a gain is worth somewhat more labels than this says, a loss costs somewhat fewer.
        """
        places = [math.log(images) for images in self.images]
        centred = np.array(places) - np.mean(places)
        slope = heights @ centred / (centred @ centred)
        low, high = (math.log(end) for end in self.reach)
        own = heights[:, self.own]
        if self.own == len(places) - 1:
            heights = np.column_stack([heights, own + slope * (high - places[-1])])
            places = [*places, high]
        if self.own == 0:
            heights = np.column_stack([own - slope * (places[0] - low), heights])
            places = [low, *places]
        return places, heights


def monotone(scores: Values) -> Values:
    """Isotonic regression of each row of ``scores`` (rows, P): more labels do no harm, so a fall is noise.

    For thousands of rows of a few points, all at once, by the max-min formula (Robertson, Wright and Dykstra 1988,
    theorem 1.4.4): value i is the maximum over a <= i of the minimum over b >= i of mean(a..b).
    """
    scores = np.atleast_2d(scores)
    rising = np.full_like(scores, -np.inf)
    for first in range(scores.shape[1]):
        means = scores[:, first:].cumsum(axis=1) / np.arange(1, scores.shape[1] - first + 1)
        least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        rising[:, first:] = np.maximum(rising[:, first:], least)
    unchanged = (np.diff(scores) >= 0).all(axis=1, keepdims=True)
    return np.where(unchanged, scores, rising)  # to the last digit


def shared_means(scores: Values, groups: NDArray[np.int64] | None, seed: int, draws: int = DRAWS) -> Values:
    """Bootstrap means (``draws``, K) of ``scores`` (K, trials, images), whose trials share their test images.

    Trials and images (or ``groups`` (images,) of them) are drawn independently, with replacement, by ``seed``: the
    pigeonhole bootstrap (Owen 2007), which treats them as two crossed samples as stats.two_way does. n - 1 of n are
    drawn, so that a mean has the spread of its unbiased estimate, with few trials too.
    """
    if groups is not None:
        scores = np.stack([by_group(one, groups) for one in scores])
    _, trials, images = scores.shape
    rng = seeds.numpy_rng(seed, "worth")
    means = []
    for first in range(0, draws, _AT_ONCE):
        count = min(_AT_ONCE, draws - first)
        by_trial = rng.multinomial(trials - 1, [1 / trials] * trials, count) / (trials - 1)  # (draws, trials)
        by_image = rng.multinomial(images - 1, [1 / images] * images, count) / (images - 1)
        means.append(np.einsum("kbi,bi->bk", by_trial @ scores, by_image))
    return np.concatenate(means)


def fold_means(scores: Values, seed: int, draws: int = DRAWS) -> Values:
    """Bootstrap means (draws, K) of ``scores`` (K, trials), where each trial has test images of its own."""
    trials = scores.shape[1]
    rng = seeds.numpy_rng(seed, "worth")
    return np.asarray(rng.multinomial(trials - 1, [1 / trials] * trials, draws) / (trials - 1) @ scores.T, np.float64)


def spread_like(draws: Values, low: float | None, high: float | None, confidence: float) -> float:
    """The factor on the distances of ``draws`` (N,) from their mean that makes their interval as wide as the gain's.

    ``low`` and ``high``: the gain's interval at ``confidence``, which allows for few trials and overlapping folds as a
    bootstrap does not; None for a single trial.
    """
    if low is None or high is None:
        return 1.0
    ends = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return (high - low) / float(ends[1] - ends[0]) if ends[1] > ends[0] else 1.0


def interval(draws: Values, confidence: float) -> tuple[float, float]:
    """Of ``draws`` that may be infinite: order statistics, rounded outwards, since those cannot be interpolated."""
    found = np.sort(draws)
    first = math.floor((1 - confidence) / 2 * (len(found) - 1))
    return float(found[first]), float(found[-1 - first])
