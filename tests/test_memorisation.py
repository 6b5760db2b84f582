"""Copies are found, honest images are not taken for copies, and distances are what they say."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from ganaug import near_copies as module
from ganaug.measure.memorisation import Kind, Memorisation, memorisation
from ganaug.near_copies import nearest

PER_CLASS = {"train": 10, "held_out": 100, "made": 200}


def draw(kind: str, seed: int, classes: int = 3, dims: int = 12) -> Kind:
    """Pixels of classes at levels of their own, the first class the least varied."""
    count = PER_CLASS[kind]
    labels = np.repeat(np.arange(classes), count)
    rng = np.random.default_rng([seed, list(PER_CLASS).index(kind)])
    spread = np.array([3, 10, 20])[labels, None]
    pixels = 60 * (labels[:, None] + 1) + spread * rng.normal(size=(len(labels), dims))
    return Kind(pixels.clip(0, 255).astype(np.uint8), labels)


def measure(made: Kind, seed: int = 0, classes: int = 3) -> Memorisation:
    names = [f"class {label}" for label in range(classes)]
    return memorisation(draw("train", seed, classes), draw("held_out", seed, classes), made, names, 0)


def test_images_of_the_same_distribution_are_no_copies() -> None:
    overall = measure(draw("made", 0)).figures["overall"]
    assert overall["distance_ratio"] == pytest.approx(1, abs=0.1)
    assert overall["near_copies_share"] == pytest.approx(0.01, abs=0.01)
    assert overall["nearer"] == pytest.approx(0.5, abs=0.05)
    assert overall["p_nearer"] > 0.01
    assert overall["drawn_to_train"] == pytest.approx(0.5, abs=0.05)


def test_copies_are_found_with_the_training_image_that_each_repeats() -> None:
    train, made = draw("train", 0), draw("made", 0)
    copied = np.arange(0, 600, 20)
    source = made.labels[copied] * 10 + np.arange(len(copied)) % 10
    made.vectors[copied] = train.vectors[source]
    made.vectors[copied[1::2], 0] ^= 1  # every second one is off by a level in one pixel
    found = measure(made)
    assert found.is_copy[copied].all()
    assert (found.nearest.row[copied] == source).all()
    assert (found.nearest.distance[copied[::2]] == 0).all()
    assert found.nearest.distance[copied[1::2]] == pytest.approx(np.full(15, 1 / np.sqrt(12)))
    assert found.figures["overall"]["near_copies"] == found.is_copy.sum()
    by_class = found.figures["classes"].values()
    assert sum(one["near_copies"] for one in by_class) == found.is_copy.sum()


def test_a_generator_that_repeats_its_training_images_is_nearer_to_them_than_to_unseen_ones() -> None:
    train, made = draw("train", 0), draw("made", 0)
    rows = made.labels * 10 + np.arange(600) % 10
    noisy = train.vectors[rows].astype(int) + np.random.default_rng(1).integers(-2, 3, made.vectors.shape)
    overall = measure(Kind(noisy.clip(0, 255).astype(np.uint8), made.labels)).figures["overall"]
    assert overall["drawn_to_train"] > 0.95
    assert overall["nearer"] > 0.95
    assert overall["p_nearer"] < 1e-6
    assert overall["distance_ratio"] < 0.5


def test_smooth_images_look_nearer_but_are_not_drawn_to_the_training_images() -> None:
    """Each pixel halfway to its class's mean: near to everything, copies of nothing."""
    made = draw("made", 0)
    smooth = (made.vectors.astype(float) + 60 * (made.labels[:, None] + 1)) / 2
    overall = measure(Kind(smooth.astype(np.uint8), made.labels)).figures["overall"]
    assert overall["p_nearer"] < 1e-6
    assert overall["drawn_to_train"] == pytest.approx(0.5, abs=0.1)


def test_the_test_is_scipys_on_distances_over_the_usual_one_of_their_class() -> None:
    train, held_out, made = (draw(kind, 0) for kind in PER_CLASS)
    to_train = {
        kind: cdist(some.vectors, train.vectors).min(axis=1) for kind, some in {"made": made, "held": held_out}.items()
    }
    among = cdist(train.vectors, train.vectors)
    np.fill_diagonal(among, np.inf)
    usual = among.min(axis=1)
    medians = np.array([np.median(usual[train.labels == label]) for label in range(3)])
    relative = {"made": to_train["made"] / medians[made.labels], "held": to_train["held"] / medians[held_out.labels]}
    expected = mannwhitneyu(relative["made"], relative["held"], alternative="less")
    overall = measure(made).figures["overall"]
    assert overall["p_nearer"] == pytest.approx(expected.pvalue)
    assert overall["distance_ratio"] == pytest.approx(np.median(relative["made"]) / np.median(relative["held"]))
    assert overall["near_copy_below"] == pytest.approx(np.quantile(usual / medians[train.labels], 0.01))


def test_a_class_without_held_out_images_is_unknown_but_its_exact_copies_are_found() -> None:
    train, made, held_out = draw("train", 0), draw("made", 0), draw("held_out", 0)
    made.vectors[-1] = train.vectors[-1]
    some = Kind(held_out.vectors[held_out.labels < 2], held_out.labels[held_out.labels < 2])
    found = memorisation(train, some, made, ["a", "b", "c"], 0)
    assert np.isfinite(found.relative).all()  # near-copies are a matter of the training images alone
    unknown: dict[str, Any] = {"distance_ratio": None, "nearer": None, "p_nearer": None}
    assert unknown.items() <= found.figures["classes"]["c"].items()
    assert found.is_copy[-1]
    assert found.figures["overall"]["drawn_to_train"] is None  # class c has nothing to compare with


def test_classes_without_generated_images_have_no_figures() -> None:
    made = draw("made", 0)
    found = measure(Kind(made.vectors[made.labels > 0], made.labels[made.labels > 0]))
    assert found.figures["classes"]["class 0"]["near_copies_share"] is None
    assert found.figures["overall"]["distance_ratio"] is not None


def test_a_generator_without_labels_has_overall_figures_alone() -> None:
    found = memorisation(*(draw(kind, 0, classes=1) for kind in PER_CLASS), ["unlabelled"], 0)
    assert found.figures["classes"] == {}
    assert found.figures["overall"]["distance_ratio"] == pytest.approx(1, abs=0.15)


@settings(max_examples=20)
@given(seed=st.integers(0, 200), count=st.integers(1, 30), others=st.integers(1, 30), step=st.integers(1, 7))
def test_the_nearest_is_that_of_all_pairs_however_they_are_parted(
    seed: int, count: int, others: int, step: int
) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.integers(0, 256, (size, 5), np.uint8) for size in (count, others))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROWS", step)
        found = nearest(first, second)
    distances = cdist(first.astype(float), second.astype(float)) / np.sqrt(5)
    assert found.distance == pytest.approx(distances.min(axis=1))
    assert distances[np.arange(count), found.row] == pytest.approx(found.distance)
