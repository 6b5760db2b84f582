"""Metrics overall and per class: what is compared with what, and what is said where there is too little to compare."""

from typing import Any

import numpy as np
import pytest

from ganaug.measure import image_metrics as module
from ganaug.measure.image_metrics import Sample, fidelity
from ganaug.report import fidelity_tables as words

NAMES = ["cat", "dog", "yak"]


def sample(counts: list[int], seed: int, shift: float = 0.0, right: float = 1.0) -> Sample:
    """Classes apart in feature 0; the share ``right`` of each class is predicted right, the rest as the next class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    features = np.random.default_rng(seed).normal(size=(len(labels), 6)) + shift
    features[:, 0] += 4 * labels
    told = np.concatenate([np.arange(count) < right * count for count in counts])
    return Sample(features.astype(np.float32), labels, np.where(told, labels, (labels + 1) % len(counts)))


def measure(real: Sample, made: Sample, names: list[str] = NAMES) -> dict[str, Any]:
    return fidelity(real, made, np.full((len(made.labels), 3), 1 / 3), names, 0)


def test_shares_of_images_told_right_overall_and_by_class() -> None:
    found = measure(sample([40, 20, 20], 0, right=0.5), sample([60, 60, 60], 1, right=0.9))
    assert found["overall"]["gan_train"] == pytest.approx(50)
    assert found["overall"]["gan_test"] == pytest.approx(90)
    assert found["classes"]["cat"]["gan_train"] == pytest.approx(50)
    assert found["overall"]["inception_score"] == pytest.approx(1)
    assert {"held_out": 40, "synthetic": 60, "images": 40}.items() <= found["classes"]["cat"].items()


def test_the_proportions_of_the_classes_are_no_fault() -> None:
    """Imbalanced real classes and balanced generated ones of the same distribution: as real as real."""
    found = measure(sample([200, 40, 10], 0), sample([80, 80, 80], 1))
    assert found["overall"]["images"] == 80 + 40 + 10
    assert abs(found["overall"]["kid"]) < 3 * found["overall"]["kid_sd"] + 0.01
    for name in ("precision", "recall", "coverage"):
        assert found["overall"][name] == pytest.approx(found["reference"][name], abs=0.1)


def test_what_is_worse_is_told_apart_from_what_is_as_real() -> None:
    good, bad = (measure(sample([60] * 3, 0), sample([60] * 3, 1, shift)) for shift in (0, 2.0))
    for name in ("kid", "fid"):
        assert bad["overall"][name] > good["overall"][name]
    for name in ("precision", "recall", "density", "coverage"):
        assert bad["overall"][name] < good["overall"][name]


def test_the_unit_of_the_features_plays_no_part() -> None:
    real, made = sample([30] * 3, 0), sample([30] * 3, 1, 0.5)
    larger = [Sample(one.features * 8, one.labels, one.predicted) for one in (real, made)]
    assert measure(*larger)["overall"] == pytest.approx(measure(real, made)["overall"], rel=1e-5)


def test_a_class_without_generated_images_is_left_out_and_named() -> None:
    """As ``balance: fill`` leaves the largest one. Its real images are not asked of GAN-train either."""
    real = sample([40, 30, 30], 0, right=0.6)
    assert real.predicted is not None
    real.predicted[:40] = 1  # what never was shown a cat finds none
    found = measure(real, sample([0, 30, 3], 1))
    assert found["overall"]["gan_train"] == pytest.approx(60)
    assert found["overall"]["images"] == 33
    assert found["classes"]["cat"]["gan_train"] is None
    assert found["classes"]["cat"]["kid"] is None
    assert found["classes"]["yak"]["neighbours"] == 2
    told = " ".join(found["warnings"])
    assert "are left out: cat" in told
    assert "rough: yak" in told


def test_a_generator_without_labels_has_no_classes_to_be_judged_by() -> None:
    real, made = sample([90], 0), sample([50], 1)
    found = measure(Sample(real.features, real.labels), Sample(made.features, made.labels), ["unlabelled"])
    assert found["overall"]["gan_train"] is None
    assert found["overall"]["gan_test"] is None
    assert found["overall"]["precision"] > 0.5
    assert found["classes"] == {}
    assert "has no classes" in " ".join(found["warnings"])


def test_small_samples_are_warned_of() -> None:
    few = " ".join(measure(sample([2] * 3, 0), sample([2] * 3, 1))["warnings"])
    assert "covariance of 6 features needs more than 6 images" in few
    assert "biased upwards with few images (6 of each kind" in few
    many = " ".join(measure(sample([50] * 3, 0), sample([50] * 3, 1))["warnings"])
    assert "covariance" not in many
    assert "at most 3, the number of its classes" in many


def test_many_images_are_thinned_out_in_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 40)
    found = measure(sample([100] * 3, 0), sample([80] * 3, 1))
    assert found["overall"]["images"] == 39
    assert found["reference"]["images"] <= 40
    assert all(one["images"] == 13 for one in found["classes"].values())


def trial(**changes: Any) -> dict[str, Any]:
    found = measure(sample([30] * 3, 0), sample([30] * 3, 1, **changes))
    of_class = {"distance_ratio": 1.2, "near_copies": 1}
    overall = {**of_class, "nearer": 0.4, "drawn_to_train": 0.6, "near_copies_share": 0.01, "near_copies": 2}
    overall["held_out_near_copies_share"] = 0.01
    return {
        **found,
        "encoder": {"kind": "own", "features": 6},
        "judge_accuracy": 80.0,
        "images": {"train": 9, "held_out": 90, "synthetic": 90},
        "memorisation": {"pixels": {"overall": overall, "classes": dict.fromkeys(NAMES, of_class)}, "note": "Note."},
    }


def test_the_summary_is_the_mean_over_trials() -> None:
    trials = [trial(), trial(shift=1.0)]
    found = words.summarise(trials)
    assert found is not None
    values = [one["overall"]["coverage"] for one in trials]
    assert found["coverage"] == {"mean": pytest.approx(np.mean(values)), "sd": pytest.approx(np.std(values, ddof=1))}
    assert (found["near_copies"], found["synthetic_images"]) == (4, 180)
    assert words.summarise(trials[:1])["coverage"]["sd"] is None  # type: ignore[index]
    assert words.summarise([]) is None


def test_words_follow_the_figures() -> None:
    good, far = words.summarise([trial(), trial()]), words.summarise([trial(shift=30.0), trial(shift=30.0)])
    assert good
    assert far
    assert "about as faithful and as varied" in words.sentence(good)
    assert "classifies 100.0 % of unseen real images correctly" in words.sentence(good)
    assert "neither faithful nor varied" in words.sentence(far)
    assert "no sign of copying" in words.memorisation_sentence(good)
    copying = {**good, "near_copies_share": {"mean": 0.2, "sd": None}}
    assert "they repeat training images" in words.memorisation_sentence(copying)
    assert "20.0 % of the generated images" in words.memorisation_sentence(copying)


def test_tables_have_a_row_for_each_figure_and_each_class() -> None:
    found = words.summarise([trial(), trial()])
    assert found
    rows = {name: (mine, real) for name, mine, real, _ in words.overall_rows(found)}
    assert rows["GAN-train, %"] == ("100.0 ± 0.0", "80.0 ± 0.0")
    assert rows["FID"][1] == ""  # of half as many images it would be larger
    header, classes = words.class_rows([trial(), trial()])
    assert [row[0] for row in classes] == NAMES
    assert all(len(row) == len(header) for row in classes)
    assert dict(zip(header, classes[0], strict=True))["near-copies"] == "2"


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([(0.95, 0.7), (0.94, 0.72), (0.96, 0.69)], "lack variety more than fidelity: "),
        ([(0.7, 0.95), (0.72, 0.94), (0.69, 0.96)], "lack fidelity more than variety: "),
        ([(0.95, 0.7), (0.5, 0.92), (0.96, 0.69)], "which these trials do not tell: "),
        ([(0.99, 0.98), (0.98, 0.99), (0.98, 0.98)], "about as faithful and as varied"),
        ([(0.1, 0.02), (0.1, 0.03), (0.1, 0.02)], "neither faithful nor varied: "),  # noise
        ([(0.9, 0.2)], "come from one trial, too few to say"),
        ([], "too few to be compared"),
    ],
)
def test_what_images_lack_is_said_only_where_the_trials_agree(pairs: Any, said: str) -> None:
    reference = {"precision": 1.0, "recall": 1.0}
    trials: Any = []
    for precision, recall in pairs or [(None, None)]:
        one = trial()
        one["overall"] |= {"precision": precision, "recall": recall}
        trials.append({**one, "reference": {**one["reference"], **reference}})
    found = words.summarise(trials)
    assert found
    assert said in words.sentence(found)
