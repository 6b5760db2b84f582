"""What a gain is worth in labels: how many more real images a class its base arm would need for it.

Read off the base arm's learning curve: mean scores at a few numbers of images, made monotone, joined by lines in the
logarithm of the number. Pure: arrays in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganaug import seeds
from ganaug.evaluate.stats import by_group

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

DRAWS = 2000
_AT_ONCE = 200  # draws, so that memory does not grow with their number
_NOTHING = 1e-9  # points: a difference of sums in another order


@dataclass(frozen=True)
class Curve:
    """Where a base arm was measured: the mean real images a class of each point, rising, and which point is its own.

    Scores come beside it, in percent, (..., points).
    """

    images: tuple[float, ...]
    own: int

    @property
    def reach(self) -> tuple[float, float]:
        """The fewest and the most images a class that a worth can speak of.

        Where no point is measured on one side, the curve goes on there by its slope, as far in ratio as on the other.
        """
        low, own, high = self.images[0], self.images[self.own], self.images[-1]
        return (low if low < own else own**2 / high), (high if high > own else own**2 / low)

    def more_images(self, scores: Values, gains: Values) -> Values:
        """How many more images a class give ``gains`` (draws,) over the own point, by curves of ``scores`` (draws, P).

        Fewer than none for a loss. Infinite where the curve does not come so far within its reach.
        """
        gains = np.where(np.abs(gains) < _NOTHING, 0.0, gains)
        places, heights = self._whole(monotone(scores))
        own = places.index(math.log(self.images[self.own]))
        wanted = heights[:, own] + gains
        found = np.where(gains > 0, np.inf, np.where(gains < 0, -np.inf, places[own]))
        for left in range(len(places) - 1):
            low, high = heights[:, left], heights[:, left + 1]
            # Of a level stretch the end that is nearer to the own point counts: the fewest images, the smallest loss.
            here = (low < wanted) & (wanted <= high) if left >= own else (low <= wanted) & (wanted < high)
            here &= (gains > 0) if left >= own else (gains < 0)
            with np.errstate(invalid="ignore", divide="ignore"):
                part = (wanted - low) / (high - low)
            found = np.where(here, places[left] + part * (places[left + 1] - places[left]), found)
        ratio = np.expm1(np.where(np.isfinite(found), found - places[own], 0.0))
        return np.asarray(np.where(np.isfinite(found), self.images[self.own] * ratio, found), np.float64)

    def is_measured(self, gain: float) -> bool:
        """Whether there are points on the side of the own one where a gain, or a loss, is read."""
        return self.own < len(self.images) - 1 if gain > 0 else self.own > 0

    def _whole(self, heights: Values) -> tuple[list[float], Values]:
        """(log images of the knots, their heights (draws, knots)): the points, and the ends where it goes on by slope.

        The slope is the least-squares line's through all points. Learning curves flatten out, so upward it is too steep
        and downward too flat: a gain is worth rather more labels than it says, a loss costs rather fewer.
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


@dataclass(frozen=True)
class MoreImages:
    """Images a class, more (or fewer) than there are, and an interval's ends; infinite beyond the curve's reach."""

    images: float
    low: float | None = None  # None: one trial
    high: float | None = None


def monotone(scores: Values) -> Values:
    """Each row's nearest values that never fall (isotonic regression): more labels do no harm, a fall is noise.

    ``scores`` (rows, P), any number of rows and few points: by the max-min formula (Robertson, Wright and Dykstra 1988,
    theorem 1.4.4), value i is the maximum over a <= i of the minimum over b >= i of mean(a..b).
    """
    rising = np.atleast_2d(scores).copy()
    falling = (np.diff(rising) < 0).any(axis=1)
    rows = rising[falling]
    fitted = np.full_like(rows, -np.inf)
    for first in range(rows.shape[1]):
        means = rows[:, first:].cumsum(axis=1) / np.arange(1, rows.shape[1] - first + 1)
        least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        fitted[:, first:] = np.maximum(fitted[:, first:], least)
    rising[falling] = fitted
    return rising


def shared_means(scores: Values, groups: NDArray[np.int64] | None, seed: int, draws: int = DRAWS) -> Values:
    """Bootstrap means (draws, K) of ``scores`` (K, trials, images), whose trials share their test images.

    Trials and images (or the groups of images) are drawn apart, with replacement: the pigeonhole bootstrap (Owen 2007),
    which takes them for two crossed samples as stats.two_way does. Of n there are n - 1 drawn, so that the spread of a
    mean is that of its unbiased estimate, also with few trials.
    """
    if groups is not None:
        scores = np.stack([by_group(one, groups) for one in scores])
    _, trials, images = scores.shape
    rng = seeds.numpy_rng(seed, "worth")
    means = []
    for count in _portions(draws):
        by_trial = rng.multinomial(trials - 1, [1 / trials] * trials, count) / (trials - 1)  # (draws, trials)
        by_image = rng.multinomial(images - 1, [1 / images] * images, count) / (images - 1)
        means.append(np.einsum("kbi,bi->bk", by_trial @ scores, by_image))
    return np.concatenate(means)


def fold_means(scores: Values, seed: int, draws: int = DRAWS) -> Values:
    """Bootstrap means (draws, K) of ``scores`` (K, trials), where each trial brings test images of its own."""
    trials = scores.shape[1]
    rng = seeds.numpy_rng(seed, "worth")
    return np.asarray(rng.multinomial(trials - 1, [1 / trials] * trials, draws) / (trials - 1) @ scores.T, np.float64)


def spread_like(draws: Values, low: float | None, high: float | None, confidence: float) -> float:
    """What to multiply the draws' distances from their mean by for an interval as wide as ``low`` to ``high``.

    That interval knows what a bootstrap of few trials or of overlapping folds does not.
    """
    if low is None or high is None:
        return 1.0
    ends = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return (high - low) / float(ends[1] - ends[0]) if ends[1] > ends[0] else 1.0


def more_images(
    curve: Curve, scores: Values, gain: float, drawn: Values | None, drawn_gains: Values | None, confidence: float
) -> MoreImages:
    """From the means ``scores`` (P,) and ``gain``; the interval from their draws (draws, P) and (draws,), if any."""
    value = float(curve.more_images(scores[None], np.array([gain]))[0])
    if drawn is None or drawn_gains is None:
        return MoreImages(value)
    found = np.sort(curve.more_images(drawn, drawn_gains))
    # An order statistic of the draws, outwards: between a number and infinity there is no other.
    first = math.floor((1 - confidence) / 2 * (len(found) - 1))
    return MoreImages(value, float(found[first]), float(found[-1 - first]))


def _portions(draws: int) -> Iterator[int]:
    yield from (min(_AT_ONCE, draws - first) for first in range(0, draws, _AT_ONCE))
