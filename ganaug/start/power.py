"""How likely a run is to show a gain, reckoned before there are results: from the spread that such sets have had."""

import math

import numpy as np

from ganaug.data.cross_validation import CrossValidation
from ganaug.data.protocols import ProtocolSpec
from ganaug.data.splits import Items
from ganaug.measure.stats import Estimate

# Of gan+classical against classical, and of gan against none, on ten trials of digits and three of Fashion-MNIST.
DIFFER = 0.07  # of the test images are classified correctly in one of the two arms and not in the other: 2 to 7 %
TRIAL_SD = 0.7  # points by which the gain itself differs between trials, one standard deviation: 0.3 to 0.9
_SHARED = 0.05  # of the first: differences that an image shows in every trial: 1 to 8 %

ASSUMED = f"if two arms differ on {DIFFER:.0%} of the test images, as is usual"


def power(protocol: ProtocolSpec, items: Items, balanced: bool, points: float) -> float:
    """The probability that a run under ``protocol`` detects a true gain of so many ``points``, at a level of 5 %.

    ``items``: the images, of which those bound together count once; ``balanced``: the metric weighs classes equally.
    Of cross-validation it is what the report calls power; where gains hardly depend on the train part, it is less.
    """
    images = _tested(items, balanced)
    if isinstance(protocol, CrossValidation):  # Nadeau and Bengio's variance, as the report has it
        of_trial = TRIAL_SD**2 + 10_000 * DIFFER / (images / protocol.folds)
        variance = (1 / protocol.trials + 1 / (protocol.folds - 1)) * of_trial
    else:
        of_images = 10_000 * DIFFER / images
        variance = (TRIAL_SD**2 + (1 - _SHARED) * of_images) / protocol.trials + _SHARED * of_images
    return Estimate(0.0, math.sqrt(variance), protocol.trials - 1.0).power(points) or 0.0


def _tested(items: Items, balanced: bool) -> float:
    """How many independent images are tested; for a mean over classes, as many as would have its sampling error."""
    rows = np.flatnonzero(items.official_test) if items.official_test.any() else np.arange(len(items.labels))
    _, first = np.unique(items.bound()[rows], return_index=True)
    counts = np.bincount(items.labels[rows[first]], minlength=len(items.classes)).astype(np.float64)
    if not balanced:
        return float(counts.sum())
    counts = counts[counts > 0]
    return float(len(counts) ** 2 / (1 / counts).sum())
