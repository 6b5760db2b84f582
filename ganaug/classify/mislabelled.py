"""Which labels are doubtful: confident learning (Northcutt 2021, doi 10.1613/jair.1.12125), by cleanlab.

It asks classifiers that did not learn an image. How many labels are wrong: of images that reach another class's mean
probability over the images that bear its label. Which they are: those whose label is least likely against the likeliest
other class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganaug.extras import need

FOLDS, REPEATS = 5, 2  # of the cross-fitting
CLASSIFIERS = FOLDS * REPEATS


@dataclass(frozen=True)
class Doubts:
    """Of the labels of N images."""

    score: NDArray[np.float64]  # (N,), 0 to 1: the higher, the less likely is the label
    flagged: NDArray[np.bool_]  # (N,), as wrong; never all of a class
    suggested: NDArray[np.int64]  # (N,), the likeliest class, or the likeliest other one where the label is flagged


def doubts(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Doubts:
    """What ``probabilities`` (N, K) by classifiers that did not learn the images say of their ``labels`` (N,).

    Each class must be in the labels. Raises UserError without cleanlab.
    """
    check_installed()
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    said = np.clip(probabilities, 1e-6, 1)  # a class that nobody thinks of is no division by zero
    said /= said.sum(axis=1, keepdims=True)
    score = 1 - get_label_quality_scores(labels, said, method="normalized_margin")
    flagged = find_label_issues(labels, said, filter_by="low_normalized_margin", n_jobs=1)
    for label in range(said.shape[1]):
        own = np.flatnonzero(labels == label)
        if flagged[own].all():
            flagged[own[score[own].argmin()]] = False
    others = said.copy()
    others[np.flatnonzero(flagged), labels[flagged]] = 0
    return Doubts(score, flagged, others.argmax(axis=1))


def check_installed() -> None:
    """Raises UserError without cleanlab: asked before anything is trained."""
    need("cleanlab", extra="check", what="doubtful labels")
