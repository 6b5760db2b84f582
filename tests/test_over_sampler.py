"""GanOverSampler: imbalanced-learn's own checks, and what it does to images."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.pipeline import Pipeline
from imblearn.utils import estimator_checks
from imblearn.utils.estimator_checks import parametrize_with_checks
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from stages import TINY_GAN

import ganaug
from ganaug.errors import UserError

TINY = {key: value for key, value in TINY_GAN.items() if key != "steps"}
CANNOT = {
    "check_samplers_fit": "its X has two features in a row, and no image has two pixels",
    "check_samplers_pandas_sparse": "images are not sparse",
}


def digits(cats: int = 12, dogs: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (cats + dogs, 8, 8), np.uint8), np.repeat(["cat", "dog"], [cats, dogs])


def tiny(**changes: Any) -> ganaug.GanOverSampler:
    return ganaug.GanOverSampler(**{"random_state": 0, "steps": 1, "gan": TINY, "device": "cpu", **changes})
