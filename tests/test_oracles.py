"""The statistics of gains against other formulations of the same question: where they must agree, and how closely.

Each oracle is scipy's, or a few lines that share nothing with ``stats``. Where one asks a wider or narrower question,
the test states by how much that changes its answer.
"""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from ganaug.measure.stats import corrected_resampled, two_way

seeds = pytest.mark.parametrize("seed", range(5))


def answers(seed: int, trials: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Two arms' right and wrong answers, (trials, images): Gaussian difficulty, trials, luck, no arm is better."""
    rng = np.random.default_rng(seed)
    shared = 1 + rng.normal(size=(trials, 1)) / 5 + 1.5 * rng.normal(size=(1, images))
    own = rng.normal(size=(2, trials, 1)) / 3 + rng.normal(size=(2, trials, images))
    right = 100.0 * (shared + own > 0)
    return right[0], right[1]


def without_image_effect(differences: np.ndarray) -> np.ndarray:
    """Every image with the same mean over trials, the trials' own means kept."""
    return differences - differences.mean(axis=0) + differences.mean()


def trials_alone(seed: int, trials: int, images: int) -> np.ndarray:
    """Differences whose trials differ and whose images do not: the one question that all tests over trials ask.

    The trials' effects are well above the floor that ``corrected_resampled`` takes from the images.
    """
    rng = np.random.default_rng(seed)
    return without_image_effect(2 * rng.normal(size=(trials, 1)) + rng.normal(size=(trials, images)))


@seeds
def test_paired_t_over_trials(seed: int) -> None:
    """The same numbers to rounding: without an image effect, and without overlap, the paired t is what is left."""
    one, other = answers(seed, 9, 50)
    reference = scipy_stats.ttest_rel(one.mean(axis=1), other.mean(axis=1))
    crossed = two_way(without_image_effect(one - other))
    assert crossed.p_two_sided() == pytest.approx(reference.pvalue, rel=1e-9)
    assert crossed.interval(0.95) == pytest.approx(tuple(reference.confidence_interval(0.95)))
    differences = trials_alone(seed, 9, 50)
    reference = scipy_stats.ttest_1samp(differences.mean(axis=1), 0)
    folds = corrected_resampled(list(differences), 0.0)
    assert folds.p_two_sided() == pytest.approx(reference.pvalue, rel=1e-9)
    assert folds.interval(0.95) == pytest.approx(tuple(reference.confidence_interval(0.95)))


@seeds
def test_sign_flips_of_trials(seed: int) -> None:
    """Exact over all 2^10 flips. The t test is its approximation for normal means: p-values within 0.03."""
    differences = trials_alone(seed, 10, 100)
    for shift in (0.0, 1.0, 3.0):
        flipped = scipy_stats.permutation_test(
            ((differences + shift).mean(axis=1),), np.mean, permutation_type="samples", n_resamples=np.inf
        )
        for estimate in (two_way(differences + shift), corrected_resampled(list(differences + shift), 0.0)):
            assert estimate.p_two_sided() == pytest.approx(flipped.pvalue, abs=0.03)


@seeds
def test_bca_bootstrap_of_trials(seed: int) -> None:
    """40 trials. BCa has normal quantiles and divides by T, so it is 4 % narrower; skewness and draws move it too.

    So the ends agree within 15 % of the half width.
    """
    differences = trials_alone(seed, 40, 100)
    boot = scipy_stats.bootstrap(
        (differences.mean(axis=1),), np.mean, confidence_level=0.95, method="BCa", n_resamples=4000,
        random_state=np.random.default_rng(seed),
    )  # fmt: skip
    for estimate in (two_way(differences), corrected_resampled(list(differences), 0.0)):
        low, high = estimate.interval(0.95)
        assert low is not None
        assert high is not None
        slack = 0.15 * (high - low) / 2
        assert low == pytest.approx(boot.confidence_interval.low, abs=slack)
        assert high == pytest.approx(boot.confidence_interval.high, abs=slack)


@seeds
def test_bca_bootstrap_of_images_is_the_floor_of_folds(seed: int) -> None:
    """Folds that agree leave the images' sampling error: that of a bootstrap over all images, within 5 % (draws)."""
    values = np.random.default_rng(seed).choice([-100.0, 0.0, 0.0, 100.0], 60)
    estimate = corrected_resampled([values] * 3, 1 / 9, tests_an_image=3)
    boot = scipy_stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=4000, random_state=np.random.default_rng(seed)
    )
    assert estimate.standard_error == pytest.approx(boot.standard_error, rel=0.05)


def pigeonhole(differences: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Means after drawing trials and images apart, each with replacement, by indices."""
    rng = np.random.default_rng(seed)
    trials, images = differences.shape
    return np.array([
        differences[np.ix_(rng.integers(trials, size=trials), rng.integers(images, size=images))].mean()
        for _ in range(draws)
    ])  # fmt: skip


@seeds
def test_two_way_bootstrap(seed: int) -> None:
    """Trials and images drawn apart (Owen 2007), which counts the rest about three times.

    With mean squares m of trials, images and rest its variance is exactly
    (m_t (T-1)/T + m_i (I-1)/I + m_r (T-1)(I-1)/(T I)) / (T I), where two_way has (m_t + m_i - m_r) / (T I). So the
    draws agree with the first within their own error (4 standard errors of 1.8 %, from 1,500 draws); and where the rest
    is small compared with trial and image effects, the two statistics themselves agree within 10 %.
    """
    rng = np.random.default_rng(seed)
    trials, images = 30, 80
    effects = 3 * rng.normal(size=(trials, 1)) + 6 * rng.normal(size=(1, images))
    differences = effects + rng.normal(size=(trials, images))
    estimate = two_way(differences)
    assert estimate.standard_error is not None
    table = differences - differences.mean(axis=0) - differences.mean(axis=1)[:, None] + differences.mean()
    rest = (table**2).sum() / ((trials - 1) * (images - 1))
    of_trials = images * differences.mean(axis=1).var(ddof=1)
    of_images = trials * differences.mean(axis=0).var(ddof=1)
    exact = (
        of_trials * (trials - 1) / trials
        + of_images * (images - 1) / images
        + rest * (trials - 1) * (images - 1) / (trials * images)
    ) / (trials * images)
    means = pigeonhole(differences, 1500, seed)
    assert means.std() == pytest.approx(math.sqrt(exact), rel=0.08)
    assert estimate.standard_error**2 == pytest.approx((of_trials + of_images - rest) / (trials * images))
    assert means.std() == pytest.approx(estimate.standard_error, rel=0.1)
    low, high = estimate.interval(0.95)
    assert low is not None
    assert high is not None
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx([low, high], abs=0.12 * (high - low))


@seeds
def test_two_way_bootstrap_of_answers_is_the_more_careful(seed: int) -> None:
    """Right and wrong answers: luck is most of the spread, which the bootstrap counts about three times."""
    one, other = answers(seed, 10, 200)
    estimate = two_way(one - other)
    assert estimate.standard_error is not None
    assert 0.95 * estimate.standard_error < pigeonhole(one - other, 600, seed).std() < 2 * estimate.standard_error


@seeds
def test_bootstrap_of_folds_is_narrower_by_the_correction(seed: int) -> None:
    """Drawing folds takes them for independent: its error is the paired t's, sqrt(1 + T n_test / n_train) too small."""
    folds = list(trials_alone(seed, 10, 60))
    by_trial = np.array([row.mean() for row in folds])
    corrected, plain = corrected_resampled(folds, 1 / 4), corrected_resampled(folds, 0.0)
    assert corrected.standard_error is not None
    assert plain.standard_error is not None
    boot = scipy_stats.bootstrap(
        (by_trial,), np.mean, method="percentile", n_resamples=4000, random_state=np.random.default_rng(seed)
    )
    scaled = boot.standard_error * math.sqrt(10 / 9)  # it divides by T where the t test has T - 1
    assert corrected.standard_error == pytest.approx(math.sqrt(1 + 10 / 4) * scaled, rel=0.05)
