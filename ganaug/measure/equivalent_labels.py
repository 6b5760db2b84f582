"""A gain in equivalent labels: how many more real images per class its base arm would need for it.

Read off the base arm's learning curve: mean scores at a few numbers of images, made monotone and interpolated linearly
in the logarithm of the number. Pure: arrays in, numbers out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ganaug.measure.stats import Estimate

Values = NDArray[np.float64]

_LOOKS = 64  # numbers of images, evenly in their logarithm, at which an interval is looked for
_NOTHING = 1e-9  # points: rounding


@dataclass(frozen=True)
class Curve:
    """A base arm's learning curve: its mean ``scores`` in percent at the mean real ``images`` per class of each point,
    rising; ``own`` is the point that is the trial's own number."""

    images: tuple[float, ...]
    own: int
    scores: tuple[float, ...]

    @property
    def reach(self) -> tuple[float, float]:
        """The fewest and the most images per class that the curve covers.

        Where no point is measured on one side, it is extrapolated there by its slope, by the ratio of the other side.
        """
        low, own, high = self.images[0], self.images[self.own], self.images[-1]
        return (low if low < own else own**2 / high), (high if high > own else own**2 / low)

    @cached_property
    def _knots(self) -> tuple[Values, Values]:
        """(log images of the knots, the weights of the measured scores there (knots, P)): the points, made monotone,
        and the ends of extrapolations.

        The slope is that of the least-squares line through all points. Learning curves flatten, so it is too steep
        upward and too flat downward: a gain is worth somewhat more labels than this says, a loss costs somewhat fewer.
        """
        places = np.log(self.images)
        weights = _pooled(np.array(self.scores))
        centred = places - places.mean()
        slope = centred @ weights / (centred @ centred)
        low, high = np.log(self.reach)
        own_place, own = places[self.own], weights[self.own]
        if self.own == len(places) - 1:
            places, weights = np.append(places, high), np.vstack([weights, own + slope * (high - own_place)])
        if self.own == 0:
            places, weights = np.append(low, places), np.vstack([own - slope * (own_place - low), weights])
        return places, weights

    def weights(self, more: float) -> Values:
        """The curve at ``more`` images per class than the own number, as weights (P,) of the measured scores."""
        places, weights = self._knots
        at = math.log(self.images[self.own] + more)
        return np.array([np.interp(at, places, column) for column in weights.T])

    def more_images(self, gain: float) -> float:
        """How many more images per class a ``gain`` over the own point is worth: negative for a loss, infinite where
        the curve does not get there within its reach."""
        if abs(gain) < _NOTHING:
            return 0.0
        places, weights = self._knots
        heights = weights @ np.array(self.scores)
        own = int(np.searchsorted(places, math.log(self.images[self.own])))
        wanted = heights[own] + gain
        # Outward from the own point: of a level stretch the nearer end counts, the fewest images, the smallest loss.
        outward = range(own, len(places) - 1) if gain > 0 else range(own, 0, -1)
        for near in outward:
            far = near + (1 if gain > 0 else -1)
            if (heights[far] - wanted) * gain >= 0:
                part = (wanted - heights[near]) / (heights[far] - heights[near])
                return float(
                    self.images[self.own] * math.expm1(places[near] + part * (places[far] - places[near]) - places[own])
                )
        return math.copysign(math.inf, gain)

    def is_measured(self, gain: float) -> bool:
        """Whether there are points on the side of the own one where ``gain``, or a loss, is read."""
        return self.own < len(self.images) - 1 if gain > 0 else self.own > 0

    def interval(self, gain: float, lead: Callable[[float], Estimate], confidence: float) -> tuple[float, float]:
        """The numbers of more images per class that agree with the data; infinite where they leave the curve's reach.

        ``lead``: more images -> by how much the arm is ahead of its base with so many more, the estimate of a linear
        contrast of scores. A number belongs to the interval where that contrast's own ``confidence`` interval holds 0:
        the test of a gain, inverted (Fieller 1954). So a gain whose interval lies above 0 is worth more than 0 images,
        and the estimate, at which the contrast is 0, always lies inside.
        """
        own = self.images[self.own]
        low, high = self.reach
        found = self.more_images(gain)
        looks = {0.0, low - own, high - own, *(images - own for images in self.images)}
        looks |= set(np.geomspace(low, high, _LOOKS) - own) | ({found} if math.isfinite(found) else set())
        places = sorted(min(max(place, low - own), high - own) for place in looks)
        leads = [lead(place) for place in places]
        outside = [_outside(one, confidence) for one in leads]
        if math.isfinite(found):
            outside[places.index(found)] = min(0.0, outside[places.index(found)])  # but for rounding it is 0
        nought = places.index(0.0)
        sides = range(len(places))
        if outside[nought] > 0:  # more labels do no harm: what is worth having is worth more labels, never fewer
            sides = range(nought, len(places)) if gain > 0 else range(nought)
        inside = [index for index in sides if outside[index] <= 0]
        first = _crossing(places, outside, inside[0], -1) if inside else math.copysign(math.inf, gain)
        last = _crossing(places, outside, inside[-1], 1) if inside else math.copysign(math.inf, gain)
        # Ahead of all that the curve covers, or behind: the truth may lie beyond its ends.
        if leads[-1].mean > _NOTHING and len(places) - 1 in sides:
            last = math.inf
        if leads[0].mean < -_NOTHING and 0 in sides:
            first = -math.inf
        return first, last


def _outside(lead: Estimate, confidence: float) -> float:
    """How far 0 is outside the interval of ``lead``: at most 0 inside it."""
    low, high = lead.interval(confidence)
    if low is None or high is None:
        raise ValueError("a lead must have an interval")
    return max(low, -high)


def _crossing(places: list[float], outside: list[float], index: int, step: int) -> float:
    """Where the interval ends between the place of ``index``, which is inside, and its neighbour towards ``step``."""
    if not 0 <= index + step < len(places):
        return step * math.inf
    here, there = outside[index], outside[index + step]
    return places[index] + (places[index + step] - places[index]) * here / (here - there)


def _pooled(scores: Values) -> Values:
    """Isotonic regression of ``scores`` (P,) as weights (P, P) of them: more labels do no harm, so a fall is noise.

    Pool adjacent violators (Barlow 1972): each block's score is the mean of its points.
    """
    blocks: list[tuple[float, int]] = []  # sum, points
    for score in scores:
        blocks.append((float(score), 1))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            (total, points), (last_total, last_points) = blocks[-2:]
            blocks[-2:] = [(total + last_total, points + last_points)]
    weights, first = np.zeros((len(scores), len(scores))), 0
    for _, points in blocks:
        weights[first : first + points, first : first + points] = 1 / points
        first += points
    return weights
