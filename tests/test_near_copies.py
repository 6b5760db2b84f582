"""The one definition of a near-copy: known answers, invariants, and what an honest generator shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganaug import near_copies
from ganaug.near_copies import Yardstick, nearest


def test_the_nearest_other_image_by_hand() -> None:
    images = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    found = nearest(images, images, others_are_images=True)
    assert found.row.tolist() == [2, 2, 0]
    assert found.distance * np.sqrt(2) == pytest.approx([1.0, np.sqrt(18), 1.0])


def test_small_chunks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (23, 5), np.uint8)
    whole = nearest(images, images, others_are_images=True)
    monkeypatch.setattr(near_copies, "_ROWS", 4)
    small = nearest(images, images, others_are_images=True)
    assert small.row.tolist() == whole.row.tolist()
    assert small.distance.tolist() == whole.distance.tolist()


def test_distances_of_pixels_are_exact() -> None:
    """The same in float32 by parts as in float64; the largest that there are, of more pixels than a part has, too."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 5000), np.uint8)
    pixels[[3, 40]], pixels[7], pixels[50] = pixels[20], 0, 255
    found, wide = (nearest(images, images, others_are_images=True) for images in (pixels, pixels.astype(np.float64)))
    assert np.array_equal(found.row, wide.row)
    assert np.array_equal(found.distance, wide.distance)
    assert found.row[[3, 20, 40]].tolist() == [20, 3, 3]
    assert nearest(pixels[7:8], pixels[50:51]).distance == pytest.approx(255, rel=1e-15)


def test_classes_of_another_spread_have_another_unit() -> None:
    """Class 1 is ten times as spread out: a copy that is off by 1 is one there, and honest in class 0."""
    rng = np.random.default_rng(1)
    train = np.concatenate([rng.normal(0, 1, (200, 8)), 1000 + rng.normal(0, 10, (200, 8))])
    labels = np.repeat([0, 1], 200)
    yardstick = Yardstick.of(train, labels, 2)
    off = np.full(1, 0.8)
    assert not yardstick.is_copy(off, np.array([0]))[0]
    assert yardstick.is_copy(off, np.array([1]))[0]


def test_one_percent_of_images_that_were_never_seen_are_near_copies() -> None:
    rng = np.random.default_rng(2)
    train, fresh = rng.normal(0, 1, (3000, 6)), rng.normal(0, 1, (20_000, 6))
    labels = np.zeros(len(train), np.int64)
    is_copy = Yardstick.of(train, labels, 1).is_copy(nearest(fresh, train).distance, np.zeros(len(fresh), np.int64))
    assert 0.006 < is_copy.mean() < 0.014


def test_copies_with_a_little_noise_are_found() -> None:
    rng = np.random.default_rng(3)
    train = rng.normal(0, 1, (100, 50))
    labels = np.arange(100) % 2
    copies = train + rng.normal(0, 0.05, train.shape)
    assert Yardstick.of(train, labels, 2).is_copy(nearest(copies, train).distance, labels).all()


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_the_unit_of_the_vectors_plays_no_part(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    train, made, labels = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)), np.arange(20) % 3
    of_made = rng.integers(0, 3, 30)
    one, other = Yardstick.of(train, labels, 3), Yardstick.of(unit * train, labels, 3)
    a = one.relative(nearest(made, train).distance, of_made)
    b = other.relative(nearest(unit * made, unit * train).distance, of_made)
    assert a == pytest.approx(b)


def test_images_without_labels_are_neighbours_and_an_equal_image_is_a_copy() -> None:
    train, beside = np.array([[0.0], [10.0], [20.0]]), np.array([[1.0], [11.0], [21.0]])
    yardstick = Yardstick.of(train, np.zeros(3, np.int64), 1, beside)
    assert yardstick.scale.tolist() == [1.0]
    is_copy = yardstick.is_copy(np.array([0.0, 0.5, 1.0, 2.0]), np.zeros(4, np.int64))
    assert is_copy.tolist() == [True, True, False, False]


def test_the_only_image_of_a_class_gives_no_distance() -> None:
    """Its neighbours are of other classes: measured by them, every honest image of the class would be a copy."""
    train, labels = np.array([[0.0], [1.0], [100.0]]), np.array([0, 0, 1])
    yardstick = Yardstick.of(train, labels, 2)
    assert np.isnan(yardstick.scale[1])
    assert yardstick.is_copy(np.array([0.0, 50.0]), np.array([1, 1])).tolist() == [True, False]


@pytest.mark.parametrize("train", [np.zeros((1, 4)), np.zeros((3, 4))], ids=["one", "all equal"])
def test_without_a_distance_only_equal_images_are_copies(train: np.ndarray) -> None:
    yardstick = Yardstick.of(train, np.zeros(len(train), np.int64), 1)
    assert yardstick.bound is None
    assert yardstick.is_copy(np.array([0.0, 1e-9]), np.zeros(2, np.int64)).tolist() == [True, False]
