"""Confidence intervals and tests: known answers, properties, and how often an interval covers the truth."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats as scipy_stats
from scipy.stats import binomtest

from ganaug.measure.stats import (
    Estimate,
    by_group,
    change,
    corrected_resampled,
    holm,
    interval_of_gain,
    interval_of_share,
    needed,
    not_too_certain,
    over_cells,
    two_way,
)

finite = st.floats(-100, 100, allow_nan=False, width=32)
folds = st.lists(hnp.arrays(np.float64, st.integers(1, 8), elements=finite), min_size=2, max_size=8)
matrices = hnp.arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(2, 8)), elements=finite)
p_values = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=8)


def paired_t_error(differences: np.ndarray) -> float:
    by_trial = differences.mean(axis=1)
    return float(by_trial.std(ddof=1) / math.sqrt(len(by_trial)))


def test_two_way_by_hand() -> None:
    # Row means 2, 4; column means 0, 3, 6; mean 3. Sums of squares: trials 3 (1 + 1) = 6, images 2 (9 + 0 + 9) = 36.
    # The rest, d - row - column + mean, is [[0, 1, -1], [0, -1, 1]]: 4. Mean squares: 6 / 1, 36 / 2, 4 / 2.
    differences = np.array([[-1.0, 3.0, 4.0], [1.0, 3.0, 8.0]])
    estimate = two_way(differences)
    assert estimate.mean == pytest.approx(3.0)
    total = 6 + 18 - 2
    assert estimate.standard_error == pytest.approx(math.sqrt(total / 6))
    # The quantile of the 95 % interval: of 1 degree of freedom (trials) 12.706, of 2 (images) 4.303, weighted 6 to 16.
    quantile = (6 * 12.7062047 + 16 * 4.3026527) / total
    low, high = estimate.interval(0.95)
    half = quantile * math.sqrt(total / 6)
    assert (low, high) == (pytest.approx(3 - half), pytest.approx(3 + half))


@given(matrices)
def test_degrees_of_freedom_lie_between_those_of_trials_and_of_images(differences: np.ndarray) -> None:
    freedom = two_way(differences).degrees_of_freedom
    assert freedom is not None
    trials, images = differences.shape
    assert min(trials, images) - 1 - 1e-6 <= freedom <= max(trials, images) - 1 + 1e-6


@given(st.integers(2, 8), st.integers(2, 300), st.floats(0, 30), st.integers(0, 10_000))
def test_the_interval_has_cochrans_quantile(trials: int, images: int, effect: float, seed: int) -> None:
    """From the parts of the variance, read off the degrees of freedom of scipy's t by another way."""
    rng = np.random.default_rng(seed)
    differences = (
        rng.normal(size=(trials, 1)) + effect * rng.normal(size=(1, images)) + rng.normal(size=(trials, images))
    )
    estimate = two_way(differences)
    assert estimate.standard_error is not None
    of_trials = min(1.0, paired_t_error(differences) ** 2 / estimate.standard_error**2)
    expected = sum(
        part * scipy_stats.t.ppf(0.975, count - 1) for part, count in ((of_trials, trials), (1 - of_trials, images))
    )
    low, high = estimate.interval(0.95)
    assert low is not None
    assert high is not None
    assert (high - low) / 2 / estimate.standard_error == pytest.approx(expected, rel=1e-6)


def test_two_way_without_image_effect_is_the_paired_t_over_trials() -> None:
    rng = np.random.default_rng(3)
    rest = rng.normal(size=(7, 40))
    rest -= rest.mean(axis=0)  # every image has the same mean over trials
    differences = rest + np.linspace(-1, 3, 7)[:, None]
    estimate = two_way(differences)
    reference = scipy_stats.ttest_1samp(differences.mean(axis=1), 0)
    assert estimate.degrees_of_freedom == 6
    assert estimate.p_two_sided() == pytest.approx(reference.pvalue, rel=1e-12)
    expected = reference.confidence_interval(0.95)
    assert estimate.interval(0.95) == (pytest.approx(expected.low), pytest.approx(expected.high))


@given(matrices)
def test_two_way_is_never_narrower_than_the_paired_t(differences: np.ndarray) -> None:
    error = two_way(differences).standard_error
    assert error is not None
    assert error >= paired_t_error(differences) * (1 - 1e-9) - 1e-12


@given(matrices)
def test_two_way_does_not_depend_on_the_order_of_trials_or_images(differences: np.ndarray) -> None:
    one, other = two_way(differences), two_way(differences[::-1, ::-1])
    assert other.mean == pytest.approx(one.mean, abs=1e-9)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-6, abs=1e-6)


@given(st.integers(0, 10_000), st.floats(-50, 50))
def test_a_constant_shifts_mean_and_interval(seed: int, constant: float) -> None:
    rng = np.random.default_rng(seed)
    differences = rng.normal(size=(5, 1)) + 2 * rng.normal(size=(1, 20)) + rng.normal(size=(5, 20))
    one, shifted = two_way(differences), two_way(differences + constant)
    assert shifted.mean == pytest.approx(one.mean + constant)
    assert [bound - constant for bound in shifted.interval(0.95)] == pytest.approx(one.interval(0.95))
    assert shifted.p_above(constant) == pytest.approx(one.p_above(0.0))


@given(
    st.floats(-10, 10), st.floats(0, 5).filter(lambda value: value == 0 or value > 1e-6), st.floats(1, 200),
    st.floats(0.5, 0.999),
)  # fmt: skip
def test_p_value_and_interval_agree(mean: float, error: float, freedom: float, confidence: float) -> None:
    estimate = Estimate(mean, error, freedom)
    low, high = estimate.interval(confidence)
    assert low is not None
    assert high is not None
    p = estimate.p_two_sided()
    assert p is not None
    assume(abs(p - (1 - confidence)) > 1e-9)
    assert (p < 1 - confidence) == (low > 0 or high < 0)


@given(st.floats(-10, 10), st.floats(0, 5), st.floats(1, 200), st.floats(-20, 20), st.floats(0, 5))
def test_p_above_grows_with_the_bound(mean: float, error: float, freedom: float, bound: float, more: float) -> None:
    estimate = Estimate(mean, error, freedom)
    lower, higher = estimate.p_above(bound), estimate.p_above(bound + more)
    assert lower is not None
    assert higher is not None
    assert 0 <= lower <= higher <= 1


def test_p_above_at_the_mean_is_one_half() -> None:
    assert Estimate(1.5, 0.4, 7.0).p_above(1.5) == pytest.approx(0.5)


def test_one_trial_leaves_the_spread_unknown() -> None:
    estimate = two_way(np.array([[0.0, 100.0, 100.0]]))
    assert estimate == Estimate(pytest.approx(200 / 3), None, None)
    assert estimate.interval(0.95) == (None, None)
    assert estimate.p_two_sided() is None
    assert estimate.p_above(-1000.0) is None


def test_no_difference_anywhere() -> None:
    estimate = two_way(np.zeros((5, 30)))
    assert (estimate.mean, estimate.standard_error) == (0.0, 0.0)
    assert estimate.interval(0.95) == (0.0, 0.0)
    assert estimate.p_two_sided() == 1.0
    assert estimate.p_above(0.0) == 1.0
    assert estimate.p_above(-0.5) == 0.0


def test_the_same_difference_everywhere() -> None:
    estimate = two_way(np.full((5, 30), 2.0))
    assert estimate.interval(0.95) == (2.0, 2.0)
    assert estimate.p_two_sided() == 0.0
    assert estimate.p_above(1.0) == 0.0
    assert estimate.p_above(2.0) == 1.0


@pytest.mark.parametrize(
    ("trial_sd", "image_sd", "rest_sd"), [(1.0, 8.0, 10.0), (0.3, 20.0, 20.0)], ids=["both", "images-mostly"]
)
def test_the_interval_covers_the_truth_where_the_paired_t_does_not(
    trial_sd: float, image_sd: float, rest_sd: float
) -> None:
    """Crossed trial and image effects: 95 % intervals cover in 92 to 98 % of runs; the paired t does in fewer."""
    rng = np.random.default_rng(20240)
    runs, trials, images, truth = 600, 10, 100, 1.0
    covered = covered_by_paired_t = 0
    for _ in range(runs):
        differences = (
            truth
            + trial_sd * rng.normal(size=(trials, 1))
            + image_sd * rng.normal(size=(1, images))
            + rest_sd * rng.normal(size=(trials, images))
        )
        low, high = two_way(differences).interval(0.95)
        assert low is not None
        assert high is not None
        covered += low <= truth <= high
        half = scipy_stats.t.ppf(0.975, trials - 1) * paired_t_error(differences)
        covered_by_paired_t += abs(differences.mean() - truth) <= half
    assert 0.92 <= covered / runs <= 0.98
    assert covered_by_paired_t / runs < 0.91


def test_the_interval_covers_the_truth_without_image_effects() -> None:
    rng = np.random.default_rng(7)
    runs, covered = 600, 0
    for _ in range(runs):
        low, high = two_way(rng.normal(size=(6, 1)) + 5 * rng.normal(size=(6, 80))).interval(0.95)
        assert low is not None
        assert high is not None
        covered += low <= 0 <= high
    assert 0.92 <= covered / runs <= 0.985


# -------------------------------------------------------------------------------------------------------------- power


@pytest.mark.parametrize(("error", "freedom"), [(0.3, 9.0), (0.5, 22.4), (0.45, 3.0), (2.0, 9.0)])
def test_power_is_how_often_a_point_is_seen(error: float, freedom: float) -> None:
    """t statistics as the definition makes them: a normal mean over an independent chi-squared standard error."""
    rng = np.random.default_rng(5)
    runs = 40_000
    t = (1.0 + error * rng.normal(size=runs)) / (error * np.sqrt(rng.chisquare(freedom, runs) / freedom))
    seen = np.mean(np.abs(t) > scipy_stats.t.ppf(0.975, freedom))
    assert Estimate(0.3, error, freedom).power(1.0) == pytest.approx(seen, abs=4 * math.sqrt(0.25 / runs))


def test_power_of_trials_drawn_again() -> None:
    """Eight trials whose differences have standard deviation 1: the paired t sees one point as often as it says."""
    rng = np.random.default_rng(6)
    drawn = 1.0 + rng.normal(size=(20_000, 8))
    seen = np.mean(scipy_stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05)
    assert Estimate(0.0, 1 / math.sqrt(8), 7.0).power(1.0) == pytest.approx(seen, abs=0.014)


def test_power_at_the_ends() -> None:
    assert Estimate(2.0, None, None).power(1.0) is None
    assert Estimate(2.0, 0.0, 4.0).power(1.0) == 1.0
    assert Estimate(2.0, 0.0, 4.0).power(0.0) == 0.0
    for tiny in (1e-3, 1e-9, 1e-15):
        assert Estimate(2.0, tiny, 4.0).power(1.0) == pytest.approx(1.0)


@given(st.floats(0.8, 4000), st.floats(0, 1e4), st.sampled_from([0.01, 0.05, 0.1, 0.2]))
@example(freedom=1.0, away=8.0, level=0.05)  # where the routine beneath gives no number
@example(freedom=2.428813559322034, away=50.0, level=0.2)
def test_power_is_a_number_from_the_level_up(freedom: float, away: float, level: float) -> None:
    power = Estimate(0.0, 1.0, freedom).power(away, level)
    assert power is not None
    assert level - 1e-6 <= power <= 1.0


@given(st.floats(0, 6), st.floats(1, 300))
def test_power_is_that_of_scipys_noncentral_t(away: float, freedom: float) -> None:
    critical = scipy_stats.t.isf(0.025, freedom)
    expected = scipy_stats.nct.sf(critical, freedom, away) + scipy_stats.nct.cdf(-critical, freedom, away)
    assert Estimate(0.0, 1.0, freedom).power(away) == pytest.approx(expected, abs=1e-6)


@given(st.floats(0.01, 50), st.floats(1, 300), st.floats(0, 5), st.floats(0, 5))
def test_power_grows_with_the_truth_from_the_level_up(error: float, freedom: float, truth: float, more: float) -> None:
    estimate = Estimate(0.0, error, freedom)
    lower, higher = estimate.power(truth), estimate.power(truth + more)
    assert lower is not None
    assert higher is not None
    assert 0.05 - 1e-9 <= lower <= higher + 1e-9 <= 1 + 2e-9
    assert estimate.power(0.0) == pytest.approx(0.05)
    assert estimate.power(-truth) == pytest.approx(lower)


# ----------------------------------------------------------------------------------------------- one run and another


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 12), st.floats(0.1, 5))
def test_a_change_between_runs_is_welchs_test(seed: int, first: int, second: int, wider: float) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=first), wider * rng.normal(size=second)
    one, other = (
        Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)), len(values) - 1.0)
        for values in (before, after)
    )
    found = change(one, other)
    reference = scipy_stats.ttest_ind(after, before, equal_var=False, alternative="less")
    assert found.mean == pytest.approx(after.mean() - before.mean())
    assert found.degrees_of_freedom == pytest.approx(reference.df)
    assert found.p_below(0.0) == pytest.approx(reference.pvalue)


def test_a_change_is_unknown_where_one_run_is() -> None:
    known, unknown, sure = Estimate(1.0, 0.5, 4.0), Estimate(3.0, None, None), Estimate(0.0, 0.0, 4.0)
    assert change(known, unknown) == Estimate(2.0, None, None)
    assert change(unknown, known).p_below(0.0) is None
    assert change(sure, Estimate(1.0, 0.0, 9.0)) == Estimate(1.0, 0.0, 4.0)
    assert change(sure, sure).p_below(0.0) == 1.0


# ------------------------------------------------------------------------------------- overlapping train parts


def test_corrected_resampled_by_hand() -> None:
    """Means 1, 2, 6 of test parts of different sizes; variance 7; one test image to four train images (eq. 9)."""
    differences = [np.array([0.0, 2.0]), np.array([2.0]), np.array([5.0, 6.0, 7.0])]
    estimate = corrected_resampled(differences, 1 / 4)
    assert estimate.mean == pytest.approx(3.0)
    assert estimate.standard_error == pytest.approx(math.sqrt((1 / 3 + 1 / 4) * 7))
    assert estimate.degrees_of_freedom == 2


@given(folds)
def test_without_overlap_it_is_the_paired_t_over_trials(differences: list[np.ndarray]) -> None:
    differences = [values + 1000 * trial for trial, values in enumerate(differences)]  # far above the floor
    by_trial = [values.mean() for values in differences]
    reference = scipy_stats.ttest_1samp(by_trial, 0)
    estimate = corrected_resampled(differences, 0.0)
    assert estimate.p_two_sided() == pytest.approx(reference.pvalue, rel=1e-9)
    expected = reference.confidence_interval(0.95)
    assert estimate.interval(0.95) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_equal_gains_in_all_trials_leave_the_sampling_error_of_the_images() -> None:
    """Each test part of 4 images gains 50 by chance; the 12 values have standard deviation 50."""
    estimate = corrected_resampled([np.array([100.0, 0.0, 0.0, 100.0])] * 3, 1 / 2)
    assert estimate.mean == pytest.approx(50.0)
    assert estimate.standard_error == pytest.approx(50 / math.sqrt(12))


@given(folds, st.floats(0, 2))
def test_the_floor_only_widens(differences: list[np.ndarray], test_over_train: float) -> None:
    error = corrected_resampled(differences, test_over_train).standard_error
    assert error is not None
    by_trial = np.array([values.mean() for values in differences])
    images = np.concatenate(differences)
    slack = 1 + 1e-9
    assert error * slack >= math.sqrt((1 / len(by_trial) + test_over_train) * by_trial.var(ddof=1))
    assert error * slack >= images.std() / math.sqrt(len(images))


@given(folds, st.floats(0, 2), st.floats(0, 2))
def test_more_overlap_never_narrows(differences: list[np.ndarray], one: float, other: float) -> None:
    narrow, wide = (corrected_resampled(differences, ratio).standard_error for ratio in sorted((one, other)))
    assert narrow is not None
    assert wide is not None
    assert narrow <= wide


def test_one_fold_leaves_the_spread_unknown_and_none_the_mean_too() -> None:
    estimate = corrected_resampled([np.array([0.0, 100.0])], 0.25)
    assert estimate == Estimate(50.0, None, None)
    assert estimate.interval(0.95) == (None, None)
    assert estimate.p_above(-1000.0) is None
    nothing = corrected_resampled([], 0.25)
    assert math.isnan(nothing.mean)
    assert nothing.standard_error is None


def test_folds_that_agree_in_every_image_have_no_spread() -> None:
    assert corrected_resampled([np.zeros(5)] * 10, 0.25).p_two_sided() == 1.0
    assert corrected_resampled([np.full(5, 2.0)] * 10, 0.25).interval(0.95) == (2.0, 2.0)


def nearest_mean_hits(values: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Whether the class whose mean over the other rows is nearer is the label, of each test row."""
    train = np.setdiff1d(np.arange(len(labels)), test)
    means = [values[train[labels[train] == label]].mean() for label in (0, 1)]
    nearer = np.abs(values[test] - means[0]) > np.abs(values[test] - means[1])
    return np.asarray(nearer == labels[test], np.float64)


def test_overlapping_train_parts_do_not_make_it_too_sure() -> None:
    """Two classifiers that see features of the same distribution are equally good: a test at 5 % rejects as rarely.

    Repeated 5-fold cross-validation; a paired t over its 25 trials takes them for independent and rejects often.
    """
    rng = np.random.default_rng(11)
    runs, images = 150, 40
    labels = np.arange(images) % 2
    rejected = rejected_by_paired_t = 0
    for _ in range(runs):
        features = labels + rng.normal(size=(2, images))
        differences = []
        for test in [fold for _ in range(5) for fold in np.array_split(rng.permutation(images), 5)]:
            one, other = (nearest_mean_hits(values, labels, test) for values in features)
            differences.append(one - other)
        p = corrected_resampled(differences, 1 / 4).p_two_sided()
        assert p is not None
        rejected += p < 0.05
        rejected_by_paired_t += scipy_stats.ttest_1samp([values.mean() for values in differences], 0).pvalue < 0.05
    assert rejected / runs <= 0.06
    assert rejected_by_paired_t / runs > 0.25


# ---------------------------------------------------------------------------------------------- several rules


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.03, 0.03]) == pytest.approx([0.06, 0.06])
    assert holm([0.2]) == [0.2]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def naive_holm(values: list[float]) -> list[float]:
    """The adjusted p of i: the largest, over all j with p_j <= p_i, of p_j times how many are not below it."""
    return [
        min(1.0, max(one * sum(other >= one for other in values) for one in values if one <= value)) for value in values
    ]


@given(p_values)
def test_holm_equals_its_definition(values: list[float]) -> None:
    assert holm(values) == pytest.approx(naive_holm(values))


@given(p_values, st.randoms(use_true_random=False))
def test_holm_properties(values: list[float], random: object) -> None:
    adjusted = holm(values)
    assert all(raw <= high <= 1 for raw, high in zip(values, adjusted, strict=True))
    ordered = [high for _, high in sorted(zip(values, adjusted, strict=True))]
    assert ordered == sorted(ordered)
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert holm([values[row] for row in order]) == [adjusted[row] for row in order]


@given(p_values)
def test_holm_rejects_less_than_no_correction_and_no_less_than_bonferroni(values: list[float]) -> None:
    for raw, high in zip(values, holm(values), strict=True):
        assert high <= min(1.0, raw * len(values)) + 1e-12


# ------------------------------------------------------------------------------------------------------------ groups


@given(matrices, st.integers(1, 4), st.integers(0, 5))
def test_groups_keep_the_mean_of_every_trial(differences: np.ndarray, count: int, seed: int) -> None:
    groups = np.random.default_rng(seed).integers(0, count, differences.shape[1])
    grouped = by_group(differences, groups)
    assert grouped.shape == (len(differences), len(set(groups.tolist())))
    assert grouped.mean(axis=1) == pytest.approx(differences.mean(axis=1), abs=1e-9)


def test_copies_of_one_image_in_a_group_bring_no_certainty() -> None:
    rng = np.random.default_rng(0)
    patients = rng.normal(size=12) + 0.1 * rng.normal(size=(5, 12))
    images = np.repeat(patients, 30, axis=1)
    grouped = two_way(by_group(images, np.repeat(np.arange(12), 30)))
    assert grouped.standard_error == pytest.approx(two_way(patients).standard_error)
    assert grouped.standard_error > 1.2 * two_way(images).standard_error


def test_repeats_that_test_the_same_images_bring_the_floor_no_lower() -> None:
    folds = [np.array([100.0, 0.0, 0.0, 0.0, 0.0])] * 10
    once = corrected_resampled(folds, 0.1)
    four_times = corrected_resampled(folds * 4, 0.1, tests_an_image=4)
    assert four_times.standard_error == pytest.approx(once.standard_error)


# ---------------------------------------------------------------------------------------------------------- shares


@given(st.integers(1, 300), st.data(), st.sampled_from([0.8, 0.95]))
def test_of_independent_images_it_is_clopper_and_pearsons(images: int, data: st.DataObject, confidence: float) -> None:
    hits = data.draw(st.integers(0, images))
    share = hits / images
    estimate = Estimate(100 * share, 100 * (share * (1 - share) / images) ** 0.5, max(1.0, images - 1.0))
    exact = binomtest(hits, images).proportion_ci(confidence, "exact")
    assert interval_of_share(estimate, images, confidence) == pytest.approx((100 * exact.low, 100 * exact.high))


def test_images_that_are_alike_count_as_fewer_and_none_as_more_than_there_are() -> None:
    alone = interval_of_share(Estimate(80.0, 4.0, 99.0), 100, 0.95)
    alike = interval_of_share(Estimate(80.0, 8.0, 99.0), 100, 0.95)
    sure = interval_of_share(Estimate(80.0, 0.4, 99.0), 100, 0.95)
    few = interval_of_share(Estimate(80.0, 4.0, 2.0), 100, 0.95)
    assert None not in (*alone, *alike, *sure, *few)
    assert alike[0] < alone[0] < alone[1] < alike[1]
    assert few[0] < alone[0]
    assert sure == pytest.approx(alone)
    assert interval_of_share(Estimate(80.0, None, None), 100, 0.95) == (None, None)


# -------------------------------------------------------------------------------------------- what would settle it


def test_the_trials_needed_are_the_fewest_that_detect_it() -> None:
    """The spread is of trials alone: by brute force, with the median-unbiased estimate of the variance."""
    seen = Estimate(0.3, 2.0, 4.0)
    found = needed(seen, 5, 2.0, 0.95, shared_test=True)
    assert found is not None
    assert found[1] == 1

    def power(trials: int) -> float:
        error = 2.0 * math.sqrt(5 / trials * 4 / scipy_stats.chi2.median(4))
        return Estimate(0.0, error, trials - 1.0).power(2.0) or 0.0

    assert power(found[0]) >= 0.8 > power(found[0] - 1)


def test_where_the_test_images_are_too_few_more_are_asked_for() -> None:
    seen = Estimate(0.3, 2.0, 50.0, of_trials=0.1, image_freedom=99.0)
    found = needed(seen, 5, 2.0, 0.95, shared_test=True)
    assert found is not None
    assert found[1] > 1
    settled = math.sqrt(4 * (0.1 * 5 / found[0] + 0.9 / found[1]))
    assert Estimate(0.0, settled, 50.0).power(2.0) == pytest.approx(0.8, abs=0.15)


def test_enough_trials_that_leave_it_open_need_a_narrower_interval() -> None:
    """With an interval narrower than the size, 0 and the size cannot both lie in it."""
    seen = Estimate(1.2, 0.6, 9.0)
    found = needed(seen, 10, 2.0, 0.95, shared_test=True)
    assert found is not None
    assert found[0] > 10
    low, high = Estimate(1.2, 0.6 * math.sqrt(10 / found[0]), found[0] - 1.0).interval(0.95)
    assert low is not None
    assert high is not None
    assert high - low < 2.0


def test_folds_need_more_images_where_repeats_do_not_do() -> None:
    """The part of the variance that is Nadeau and Bengio's correction falls with no repeat."""
    rng = np.random.default_rng(0)
    folds = [rng.normal(0, 40, size=12) for _ in range(10)]
    seen = corrected_resampled(folds, 0.25, 2)
    assert seen.of_trials == pytest.approx(0.1 / 0.35)
    trials, times = needed(seen, 10, 2.0, 0.95, shared_test=False) or (0, 0.0)
    assert times > 1
    assert seen.standard_error is not None
    error = seen.standard_error * math.sqrt((0.1 / 0.35 * 10 / trials + 0.25 / 0.35) / times)
    assert (Estimate(0.0, error, trials - 1.0).power(2.0) or 0.0) >= 0.8


def test_arms_that_agree_on_few_images_may_still_differ_on_others() -> None:
    """Nothing differs among 30 images, or one other image in each of two trials: by the spread alone, certainty."""
    for cells in (np.zeros((2, 30)), np.eye(2, 30) * 100):
        seen = two_way(cells)
        found = not_too_certain(seen, cells, shared_test=True)
        low, high = found.interval(0.95)
        assert seen.standard_error == 0
        assert low is not None
        assert high is not None
        assert low < 0
        assert high > 100 * 2.5 / 30  # the rule of three says 3 of 30
    folds = [np.zeros(15)] * 4  # 30 images, each tested twice
    assert not_too_certain(Estimate(0.0, 0.0, 3.0), folds, False, 2.0).standard_error == pytest.approx(
        141.42 / 30, rel=1e-3
    )


def test_where_enough_predictions_differ_the_error_is_what_it_was() -> None:
    rng = np.random.default_rng(0)
    cells = 100.0 * rng.choice([-1, 0, 1], size=(5, 200), p=[0.03, 0.94, 0.03])
    assert not_too_certain(two_way(cells), cells, shared_test=True) == two_way(cells)


def test_nothing_is_asked_for_where_nothing_is_known_or_would_do() -> None:
    assert needed(Estimate(1.0, None, None), 1, 2.0, 0.95, shared_test=True) is None
    assert needed(Estimate(1.0, 1e4, 4.0), 5, 2.0, 0.95, shared_test=True) is None


@given(st.floats(-100, 100), st.floats(0.001, 500), st.floats(1, 100))
def test_an_interval_of_a_gain_stays_where_gains_live(mean: float, error: float, freedom: float) -> None:
    low, high = interval_of_gain(Estimate(mean, error, freedom), 0.95)
    assert low is not None
    assert high is not None
    assert -100 <= low <= mean <= high <= 100
    assert interval_of_gain(Estimate(mean, None, None), 0.95) == (None, None)


# ------------------------------------------------------------------------------------------------ trials and classes


def test_overlapping_train_parts_multiply_what_trials_add() -> None:
    """Mean squares of the example: 6 for trials, 18 for images, 2 for the rest; two trials, so 6 (1 + 2/4)."""
    found = two_way(np.array([[-1.0, 3.0, 4.0], [1.0, 3.0, 8.0]]), overlap=1 / 4)
    assert found.standard_error == pytest.approx(math.sqrt((6 * 1.5 + 18 - 2) / 6))
    assert found.of_trials == pytest.approx(6 / (6 * 1.5 + 18 - 2))


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_over_cells_keeps_the_mean_and_counts_a_class_once(seed: int, overlap: float) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(4, 3, 2))
    cells[rng.random(cells.shape) < 0.4] = np.nan
    cells[:, 0, 0] = rng.normal(size=4)
    found = over_cells(cells, overlap)
    assert found.mean == pytest.approx(np.nanmean(cells, axis=(1, 2)).mean())
    twice = over_cells(np.concatenate([cells, cells], axis=2), overlap)  # the same under two further conditions
    assert twice.standard_error == pytest.approx(found.standard_error)
    one = over_cells(np.nan_to_num(cells[..., :1]), overlap)
    assert one.standard_error == pytest.approx(two_way(np.nan_to_num(cells[..., 0]), overlap).standard_error)


def test_classes_that_differ_are_seen_also_where_each_trial_has_one() -> None:
    """Trials hide class after class: the error of the mean is at least that of three classes."""
    of_class = np.array([0.0, 30.0, 60.0])
    hidden = np.where(np.eye(3, dtype=bool)[np.arange(9) % 3], of_class, np.nan)[..., None]
    found = over_cells(hidden, overlap=1 / 4)
    assert found.mean == pytest.approx(30)
    assert found.standard_error is not None
    assert found.standard_error > of_class.std(ddof=1) / math.sqrt(3)
    alone = corrected_resampled([np.array([of_class[trial % 3]]) for trial in range(9)], 1 / 4)
    assert alone.standard_error is not None
    assert alone.standard_error < of_class.std(ddof=1) / math.sqrt(3)  # trials alone are too sure
    assert over_cells(hidden[:, :1], 0.25).standard_error is None  # one class does not show how classes differ
    assert math.isnan(over_cells(np.full((2, 3, 1), np.nan), 0.25).mean)
