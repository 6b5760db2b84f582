"""Precision, recall, density and coverage against scikit-learn's neighbours, torch-fidelity and known answers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from ganaug.measure import manifolds
from ganaug.measure.manifolds import manifold


def points(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, 4)).astype(np.float32)


def by_neighbours(real: np.ndarray, made: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """As the papers word them, from scikit-learn's balls."""

    def radii(images: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k + 1).fit(images).kneighbors(images)[0][:, -1]

    def inside(images: np.ndarray, centres: np.ndarray) -> np.ndarray:
        distances = np.linalg.norm(images[:, None].astype(float) - centres[None], axis=2)
        return np.asarray(distances <= radii(centres)[None])

    in_real, in_made = inside(made, real), inside(real, made)
    return in_real.any(1).mean(), in_made.any(1).mean(), in_real.sum(1).mean() / k, in_real.any(0).mean()


@pytest.mark.parametrize("memory", [64, 1])
def test_it_is_what_scikit_learns_neighbours_give(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the distances are taken in parts, of which the last has radii of its own."""
    monkeypatch.setattr(manifolds, "_WORKING_MEMORY", memory)
    real, made = points(400, 0), points(400, 1, 0.7)
    made[300:] = 0.7 + (made[300:] - 0.7) / 20
    found = manifold(real, made)
    assert found is not None
    assert found.neighbours == 5
    expected = by_neighbours(real, made, 5)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("count", "shift", "neighbours"), [(400, 0.7, 5), (60, 1.5, 5), (4, 0.5, 3)])
def test_precision_and_recall_are_those_of_torch_fidelity(count: int, shift: float, neighbours: int) -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    real, made = points(count, 2), points(count, 3, shift)
    found = manifold(real, made)
    assert found is not None
    tensors = (torch.from_numpy(one).double() for one in (made, real))
    expected = prc_features_to_metric(*tensors, prc_neighborhood=neighbours, verbose=False)
    assert found.precision == pytest.approx(expected["precision"], abs=1e-4)
    assert found.recall == pytest.approx(expected["recall"], abs=1e-4)


def test_the_real_images_themselves_have_all_of_it() -> None:
    real = points(50, 0)
    found = manifold(real, real)
    assert found is not None
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_one_image_over_and_over_is_precise_and_covers_nothing() -> None:
    real = points(60, 0)
    found = manifold(real, np.repeat(real[:1], 60, axis=0))
    assert found is not None
    assert found.precision == 1
    assert found.recall <= 1 / 60
    assert found.coverage < 0.5


def test_what_is_far_away_has_nothing() -> None:
    found = manifold(points(40, 0), points(40, 1, 100))
    assert found is not None
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_small_classes_have_fewer_neighbours_and_one_image_none() -> None:
    found = manifold(points(3, 0), points(3, 1))
    assert found is not None
    assert found.neighbours == 2
    assert manifold(points(1, 0), points(1, 1)) is None
    assert manifold(points(0, 0), points(0, 1)) is None


@given(seed=st.integers(0, 500), count=st.integers(2, 30), factor=st.floats(0.1, 10))
def test_scale_and_order_play_no_part(seed: int, count: int, factor: float) -> None:
    real, made = points(count, seed), points(count, seed + 1, 0.5)
    mixed = np.random.default_rng(seed).permutation(count)
    first, second = manifold(real, made), manifold(real[mixed], made[::-1])
    assert first == second
    grown = manifold(real.astype(np.float64) * 2.0 ** round(factor), made.astype(np.float64) * 2.0 ** round(factor))
    assert grown == manifold(real.astype(np.float64), made.astype(np.float64))
