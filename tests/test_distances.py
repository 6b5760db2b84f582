"""KID, FID and the inception score against known answers, torchmetrics and torch-fidelity."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from ganaug.measure import distances
from ganaug.measure.distances import fid, inception_score, kid


def features(count: int, dims: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, dims)).astype(np.float32)


def one_class(count: int) -> np.ndarray:
    return np.zeros(count, np.int64)


def whole_kid(real: np.ndarray, made: np.ndarray, labels: np.ndarray | None = None, draws: int = 400) -> float:
    value, _ = kid(real, made, one_class(len(real)) if labels is None else labels, np.random.default_rng(draws))
    assert value is not None
    return value


def test_kid_of_two_images_which_have_no_subsets_is_torchmetrics() -> None:
    from torchmetrics.image.kid import poly_mmd

    real, made = features(2, 7, 0), features(2, 7, 1, 0.5)
    expected = float(poly_mmd(torch.from_numpy(real).double(), torch.from_numpy(made).double()))
    assert whole_kid(real, made) == pytest.approx(expected, rel=1e-4)


def test_kid_is_the_mean_of_torchmetrics_over_subsets() -> None:
    """The subsets' mean is that of all pairs, so many subsets come near the statistic of all images."""
    from torchmetrics.image.kid import poly_mmd

    real, made = features(60, 16, 0), features(60, 16, 1, 1.0)
    expected = float(poly_mmd(torch.from_numpy(real).double(), torch.from_numpy(made).double()))
    found = np.mean([whole_kid(real, made, draws=draws) for draws in range(40)])
    assert found == pytest.approx(expected, rel=0.01)


def test_kid_has_no_bias_where_both_sets_have_the_same_classes() -> None:
    """Means of five classes far apart: without weights for the pairs, two halves of one set get less than zero."""
    labels = np.repeat(np.arange(5), 6)
    centres = features(5, 8, 9) * 2
    values = [
        whole_kid(features(30, 8, seed) + centres[labels], features(30, 8, 1000 + seed) + centres[labels], labels)
        for seed in range(100)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_kid_leaves_out_classes_of_one_image() -> None:
    real, made = features(21, 8, 0), features(21, 8, 1)
    labels = np.array([0] * 20 + [1])
    assert whole_kid(real, made, labels) == whole_kid(real[:20], made[:20])
    assert kid(real[:1], made[:1], one_class(1), np.random.default_rng(0)) == (None, None)


def test_kid_of_many_images_is_the_mean_of_torchmetrics_over_the_same_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no kernels are shared between subsets: products are float32's."""
    from torchmetrics.image.kid import poly_mmd

    monkeypatch.setattr(distances, "LARGEST_SUBSET", 20)
    real, made, rng = features(60, 16, 0), features(60, 16, 1, 0.5), np.random.default_rng(7)
    draws = [rng.choice(60, 20, replace=False) for _ in range(2 * distances.SUBSETS)]
    pairs = zip(draws[::2], draws[1::2], strict=True)
    expected = [float(poly_mmd(*(torch.from_numpy(one) for one in (real[a], made[b])))) for a, b in pairs]
    found = kid(real, made, one_class(60), np.random.default_rng(7))
    assert found == pytest.approx((np.mean(expected), np.std(expected, ddof=1)), rel=1e-4)


def test_kid_tells_its_spread_over_subsets() -> None:
    _, spread = kid(features(40, 8, 0), features(40, 8, 1), one_class(40), np.random.default_rng(0))
    assert spread is not None
    assert spread > 0
    assert kid(features(2, 8, 0), features(2, 8, 1), one_class(2), np.random.default_rng(0))[1] is None


@pytest.mark.parametrize(("count", "dims"), [(200, 12), (20, 30)])  # more images than features, and fewer
def test_fid_is_that_of_scipy_and_torchmetrics(count: int, dims: int) -> None:
    from torchmetrics.image.fid import _compute_fid

    rng = np.random.default_rng(3)
    real = features(count, dims, 0) @ rng.normal(size=(dims, dims))
    made = features(count + 10, dims, 1, 0.3) @ rng.normal(size=(dims, dims))
    means, covariances = zip(*((some.mean(0), np.cov(some, rowvar=False)) for some in (real, made)), strict=True)
    found = fid(real, made)
    parts = [torch.from_numpy(part) for part in (means[0], covariances[0], means[1], covariances[1])]
    # With singular covariances their eigenvalues and roots are rounded: torchmetrics is then a little off.
    assert found == pytest.approx(float(_compute_fid(*parts)), rel=1e-4)
    if count > dims:
        root = np.real(sqrtm(covariances[0] @ covariances[1]))
        by_scipy = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
        assert found == pytest.approx(by_scipy, rel=1e-6)


def test_fid_takes_features_that_are_never_active_and_images_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = features(200, 12, 0), features(150, 12, 1, 0.3)
    whole, dead = fid(real, made), np.zeros((200, 3), np.float32)
    monkeypatch.setattr(distances, "_ROWS", 64)
    assert fid(np.hstack([dead, real]), np.hstack([dead[:150], made])) == pytest.approx(whole, rel=1e-9)
    assert fid(dead, dead + 1) == pytest.approx(3)


def test_fid_of_a_shift_is_its_square() -> None:
    real = features(50, 6, 0)
    assert fid(real, real) == pytest.approx(0, abs=1e-4)
    assert fid(real, real + 3) == pytest.approx(9 * 6, rel=1e-5)
    assert fid(real[:1], real) is None


def test_inception_score_from_none_to_all_classes() -> None:
    assert inception_score(np.full((30, 5), 0.2)) == pytest.approx(1)
    assert inception_score(np.eye(5)[np.arange(30) % 5]) == pytest.approx(5)
    assert inception_score(np.eye(5)[np.zeros(30, int)]) == pytest.approx(1)


@pytest.mark.parametrize(("count", "classes"), [(500, 10), (7, 3)])
def test_inception_score_is_that_of_torch_fidelity_in_one_part(count: int, classes: int) -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = torch.from_numpy(3 * features(count, classes, 1)).double()
    expected = isc_features_to_metric(logits, splits=1)["inception_score_mean"]
    assert inception_score(logits.softmax(dim=1).numpy()) == pytest.approx(expected, rel=1e-4)


@given(seed=st.integers(0, 1000), classes=st.integers(2, 6))
def test_inception_score_lies_between_one_and_the_classes(seed: int, classes: int) -> None:
    p = np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), 20)
    assert 1 - 1e-9 <= inception_score(p) <= classes + 1e-9
