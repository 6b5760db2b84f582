"""Which labels are doubtful: confident learning (Northcutt 2021, doi 10.1613/jair.1.12125), by cleanlab.

How many are wrong: images that reach another class's mean probability over the images that bear its label. Which they
are: those whose label is least likely against the likeliest other class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaug.extras import need

FOLDS, REPEATS = 5, 2  # of the classifiers that are asked, each about what it did not learn
CLASSIFIERS = FOLDS * REPEATS


@dataclass(frozen=True)
class Doubts:
    """Of the labels of N images."""

    score: NDArray[np.float64]  # (N,), 0 to 1: the higher, the less likely is the label
    flagged: NDArray[np.bool_]  # (N,), as wrong; never all of a class
    suggested: NDArray[np.int64]  # (N,), the likeliest class, but not the label where that is flagged


def doubts(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Doubts:
    """What ``probabilities`` (N, K) by classifiers that did not learn the images say of their ``labels`` (N,), in which
    each class is. Raises UserError without cleanlab."""
    check_installed()
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    score = 1 - get_label_quality_scores(labels, probabilities, method="normalized_margin")
    flagged = find_label_issues(labels, probabilities, filter_by="low_normalized_margin", n_jobs=1)
    for label in range(probabilities.shape[1]):
        own = np.flatnonzero(labels == label)
        flagged[own[score[own].argmin()]] = False
    likely = np.where(flagged[:, None] & (np.arange(probabilities.shape[1]) == labels[:, None]), 0, probabilities)
    return Doubts(score, flagged, likely.argmax(axis=1))


def check_installed() -> None:
    """Raises UserError without cleanlab: asked before anything is trained."""
    need("cleanlab", extra="check", what="doubtful labels")
