"""Imbalanced-learn's convention: ``fit_resample`` tops up the rare classes, here with synthetic images."""

import math
import os
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from ganaug.api.arrays import checked
from ganaug.api.datasets import opened_generator
from ganaug.api.fit import fit
from ganaug.errors import UserError, one_line, quoted
from ganaug.synth.generator import Generator


class GanOverSampler(BaseOverSampler):
    """Over-sample images with those of a class-conditional GAN, trained on all that ``fit_resample`` is given.

    X holds images (N, H, W) or (N, H, W, C), or, as in a Pipeline, flattened ones (N, H * W * C) with ``image_shape``
    (H, W) or (H, W, C): uint8, or floats in 0..1. What comes back has its form and dtype: X, then the new images, class
    by class.

    ``sampling_strategy`` is as of imbalanced-learn's over-samplers; a whole ``random_state`` is the seed of
    ``ganaug.fit`` and of the images, any other draws one. ``preset``, ``steps``, ``gan`` and ``device`` are as of
    ``ganaug.fit``. With ``generator``, a file of one or a Generator, nothing is trained; it must know the classes of y
    by name.

    After ``fit_resample``: ``sampling_strategy_`` {class: new images}, ``generator_``, ``n_features_in_``.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseOverSampler._parameter_constraints,
        "image_shape": [tuple, list, None],
        "generator": [str, os.PathLike, Generator, None],
        "preset": [str],
        "steps": [Interval(Integral, 1, None, closed="left")],
        "gan": [Mapping, None],
        "device": [str],
    }

    def __init__(
        self,
        *,
        sampling_strategy: Any = "auto",
        random_state: Any = None,
        image_shape: tuple[int, ...] | None = None,
        generator: str | Path | Generator | None = None,
        preset: str = "default",
        steps: int = 3000,
        gan: Mapping[str, Any] | None = None,
        device: Any = "auto",
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.random_state = random_state
        self.image_shape = image_shape
        self.generator = generator
        self.preset = preset
        self.steps = steps
        self.gan = gan
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, Any, bool]:
        """Images are flattened for the base's checks, which know rows of features alone."""
        shape = np.shape(X)
        flat = np.asarray(X).reshape(shape[0], math.prod(shape[1:])) if len(shape) > 2 else X
        flat, y, binarized = super()._check_X_y(flat, y, accept_sparse=False)
        return flat.reshape(shape), y, binarized

    def _fit_resample(self, X: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        counts = self.sampling_strategy_
        if not any(counts.values()):
            return X.copy(), y.copy()
        images = X if X.ndim > 2 else X.reshape(-1, *self._shape(X.shape[1]))
        labels = y.astype(np.int64) if y.dtype.kind == "f" else y  # scikit-learn takes 1.0 for a class
        pixels, rows, classes = checked(images, labels)
        seed, given = self.random_state, self.generator
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(2**31)
        if given is None:
            self.generator_ = fit(
                pixels, labels, preset=self.preset, steps=self.steps, seed=seed, gan=self.gan, device=self.device
            )
        else:
            self.generator_ = _fitting(opened_generator(given), classes, pixels.shape[1:])
        names = [classes[rows[np.argmax(y == value)]] for value in counts]
        wanted: dict[str | int, int] = dict(
            zip(map(self.generator_.classes.index, names), counts.values(), strict=True)
        )
        new, _ = self.generator_.sample(wanted, seed, self.device)
        scaled = new if X.dtype == np.uint8 else (new / 255).astype(X.dtype)
        more = np.repeat(np.array(list(counts), y.dtype), list(counts.values()))
        return np.concatenate([X, scaled.reshape(-1, *X.shape[1:])]), np.concatenate([y, more])

    def _shape(self, features: int) -> tuple[int, ...]:
        if self.image_shape is None or math.prod(self.image_shape) != features:
            raise UserError(
                f"image_shape: must be (H, W) or (H, W, C) of images with {features} values, as X has them in a row, "
                f"got {self.image_shape}; give it, or X as images (N, H, W)"
            )
        return tuple(self.image_shape)


def _fitting(generator: Generator, classes: list[str], shape: tuple[int, ...]) -> Generator:
    """The ``generator``, if it makes images (H, W, C) of this ``shape``, of all ``classes``."""
    channels, height, width = generator.image_shape
    if shape != (height, width, channels):
        raise UserError(
            f"generator: must make images of X's shape, {shape}, got {(height, width, channels)}; resize X, or train "
            "one of this shape"
        )
    for name in classes:
        if name not in generator.classes:
            raise UserError(
                f"generator: must know every class of y, but {quoted(name)} is none of "
                f"{one_line(', '.join(generator.classes), 300)}; name the classes as it does"
            )
    return generator
