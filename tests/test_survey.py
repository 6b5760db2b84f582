"""A look at a set of images: what is in it, what is wrong with it, and whether images may be mirrored."""

import io
from pathlib import Path

import numpy as np
import pytest
from expect import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from ganaug.data.digits import Digits
from ganaug.data.folder import Folder
from ganaug.data.mirror import Mirrored, compare_mirrored
from ganaug.data.npz import Npz
from ganaug.data.survey import Survey, near_pairs, survey


def cloud(rng: np.random.Generator, size: int = 32, channels: int = 1) -> np.ndarray:
    """A picture (size, size, channels) with forms of its own, in 20..220; as in photographs, colours vary less."""
    noise = rng.normal(size=(size, size, 1)) + 0.3 * rng.normal(size=(size, size, channels))
    field = gaussian_filter(noise, (size / 12, size / 12, 0))
    return (20 + 200 * (field - field.min()) / np.ptp(field)).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    (image.convert(mode) if mode else image).save(path, **options)


def clouds(root: Path, counts: dict[str, int], size: int = 32, channels: int = 1, mode: str | None = None) -> Path:
    rng = np.random.default_rng(5)
    for name, count in counts.items():
        for index in range(count):
            save(root / name / f"{index}.png", cloud(rng, size, channels), mode)
    return root


def look(source: Path, tmp_path: Path, largest: int = 64) -> Survey:
    there = tmp_path / "survey"
    there.mkdir()
    kind = Folder if source.is_dir() else Npz
    return survey(kind(source), there, 1, largest, lambda done, total: None)


# --------------------------------------------------------------------------------------------------- what is in it


def test_classes_sizes_and_broken_files_are_counted(tmp_path: Path) -> None:
    root = clouds(tmp_path / "photos", {"b": 3, "a": 4})
    save(root / "b" / "wide.png", cloud(np.random.default_rng(0), 40)[:30])
    (root / "a" / "empty.png").write_bytes(b"")
    (root / "b" / "text.jpg").write_bytes(b"no image")
    seen = look(root, tmp_path)
    assert seen.counts == {"a": 4, "b": 4}
    assert list(seen.sizes.items()) == [((32, 32), 7), ((40, 30), 1)]
    assert {file for file, _ in seen.data.broken} == {"a/empty.png", "b/text.jpg"}
    assert len(seen.images) == len(seen.data.found.files) == 8
    assert seen.spec.on_broken == "refuse"
    assert (seen.duplicates, seen.conflicts, seen.near) == ([], [], [])


@pytest.mark.parametrize(
    ("size", "largest", "expected"),
    [(5, 64, 8), (28, 64, 28), (29, 64, 28), (31, 64, 32), (200, 64, 64), (200, 128, 128)],
)
def test_the_size_is_the_nearest_sensible_one(tmp_path: Path, size: int, largest: int, expected: int) -> None:
    seen = look(clouds(tmp_path / "photos", {"a": 3, "b": 3}, size), tmp_path, largest)
    assert seen.data.shape.size == seen.spec.image_size == expected
    assert seen.images.shape == (6, expected, expected, 1)


@pytest.mark.parametrize(
    ("heights", "aspect"), [([40, 40], "squeeze"), ([20, 40], "pad"), ([40, 39], "squeeze"), ([40, 37], "pad")]
)
def test_bars_where_the_shapes_of_images_differ(tmp_path: Path, heights: list[int], aspect: str) -> None:
    rng = np.random.default_rng(1)
    for name in "ab":
        for index, height in enumerate([*heights, heights[0]]):
            save(tmp_path / "photos" / name / f"{index}.png", cloud(rng, 40)[:height])
    assert look(tmp_path / "photos", tmp_path).spec.aspect == aspect


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_gray_is_found_whatever_the_files_say(tmp_path: Path, mode: str) -> None:
    seen = look(clouds(tmp_path / "photos", {"a": 3, "b": 3}, mode=mode), tmp_path)
    assert seen.spec.channels == "gray"
    assert seen.images.shape == (6, 32, 32, 1)


def test_one_coloured_pixel_makes_a_set_coloured(tmp_path: Path) -> None:
    root = clouds(tmp_path / "photos", {"a": 3, "b": 3}, mode="RGB")
    pixels = np.asarray(Image.open(root / "b" / "1.png")).copy()
    pixels[3, 4] = (90, 90, 91)
    save(root / "b" / "1.png", pixels)
    seen = look(root, tmp_path)
    assert seen.spec.channels == "rgb"
    assert seen.images.shape == (6, 32, 32, 3)


def test_gray_pixels_of_an_archive_with_three_channels(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    images = np.stack([np.repeat(cloud(rng, 16), 3, axis=2) for _ in range(8)])
    np.savez(tmp_path / "set.npz", train_images=images, train_labels=np.arange(8) % 2)
    assert look(tmp_path / "set.npz", tmp_path).spec.channels == "gray"


def test_too_little_is_refused(tmp_path: Path) -> None:
    with refused("at least 2 classes", 'only "a"'):
        look(clouds(tmp_path / "one", {"a": 4}), tmp_path)
    root = tmp_path / "broken"
    for name in "ab":
        (root / name).mkdir(parents=True)
        for number in (1, 2, 3):
            (root / name / f"{number}.png").write_bytes(b"no image")
    with refused("every image must be readable", "6 of 6"):
        survey(Folder(root), tmp_path, 1, 64, lambda done, total: None)


# ------------------------------------------------------------------------------------------------------- duplicates


def test_duplicates_and_conflicts_go_by_pixels(tmp_path: Path) -> None:
    root = clouds(tmp_path / "photos", {"cat": 3, "dog": 3})
    pixels = np.asarray(Image.open(root / "cat" / "0.png"))[..., np.newaxis]
    save(root / "cat" / "copy.bmp", pixels)
    save(root / "dog" / "cat.tif", pixels)
    save(root / "dog" / "twin.png", np.asarray(Image.open(root / "dog" / "2.png"))[..., np.newaxis], "RGB")
    seen = look(root, tmp_path)
    assert seen.duplicates == [["cat/0.png", "cat/copy.bmp", "dog/cat.tif"], ["dog/2.png", "dog/twin.png"]]
    assert seen.conflicts == [["cat/0.png", "cat/copy.bmp", "dog/cat.tif"]]
    assert seen.near == []  # the same, not alike


def brighter(pixels: np.ndarray) -> np.ndarray:
    return np.clip(pixels * 1.1 + 6, 0, 255).astype(np.uint8)


def recompressed(pixels: np.ndarray) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, "jpeg", quality=75)
    return np.asarray(Image.open(out)).reshape(pixels.shape)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("change", [brighter, recompressed])
def test_a_copy_that_was_changed_a_little_is_found(tmp_path: Path, change: object, channels: int) -> None:
    assert callable(change)
    root = clouds(tmp_path / "photos", {"a": 6, "b": 6}, channels=channels)
    original = np.asarray(Image.open(root / "a" / "3.png")).reshape(32, 32, channels)
    save(root / "b" / "copy.png", change(original))
    seen = look(root, tmp_path)
    assert seen.near == [("a/3.png", "b/copy.png")]
    assert seen.duplicates == []


def test_a_near_duplicate_of_a_duplicate_is_said_once(tmp_path: Path) -> None:
    root = clouds(tmp_path / "photos", {"a": 4, "b": 4})
    original = np.asarray(Image.open(root / "a" / "3.png"))[..., np.newaxis]
    save(root / "b" / "copy.png", brighter(original))
    save(root / "b" / "same.png", original)
    assert look(root, tmp_path).near == [("a/3.png", "b/copy.png")]


@pytest.mark.parametrize("size", [8, 28, 64])
def test_unlike_images_are_not_near_duplicates(size: int) -> None:
    rng = np.random.default_rng(3)
    assert near_pairs(np.stack([cloud(rng, size) for _ in range(200)]), range(200)) == []


def test_two_people_write_the_same_digit_alike_but_not_the_same() -> None:
    """scikit-learn's digits hold no copies: 17 strokes on 8x8 pixels may come out alike once in a thousand."""
    images = Digits().load().images
    assert isinstance(images, np.ndarray)
    assert len(near_pairs(images, range(len(images)))) <= 2


def test_images_of_one_colour_are_no_copies_of_each_other() -> None:
    levels = np.arange(0, 250, 10, dtype=np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (25, 8, 8, 1))
    assert near_pairs(images, range(25)) == []


def test_pairs_are_found_however_far_apart_and_named_by_their_rows() -> None:
    rng = np.random.default_rng(4)
    images = np.stack([cloud(rng, 16) for _ in range(600)])
    images[599], images[300], images[299] = brighter(images[0]), brighter(images[256]), images[7]
    rows = [row for row in range(600) if row != 7]
    assert near_pairs(images, rows) == [(0, 599), (256, 300)]
    assert near_pairs(images, rows, most=1) == [(0, 599)]


# -------------------------------------------------------------------------------------------------------- mirroring


def test_digits_may_not_be_mirrored() -> None:
    found = Digits().load()
    assert isinstance(found.images, np.ndarray)
    told = compare_mirrored(found.images[:600], found.labels[:600])
    assert not told.flips
    assert told.told_apart > 0.7
    assert "tells images from their mirror images" in told.reason()
    assert f"{told.told_apart:.0%}" in told.reason()


@pytest.mark.parametrize("each", [3, 5, 10])
def test_nor_may_a_few_digits(each: int) -> None:
    found = Digits().load()
    rows = np.concatenate([np.flatnonzero(found.labels == label)[:each] for label in range(10)])
    assert isinstance(found.images, np.ndarray)
    assert not compare_mirrored(found.images[rows], found.labels[rows]).flips


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.sampled_from([1, 3]))
def test_symmetric_images_may_be_mirrored(seed: int, each: int, channels: int) -> None:
    """An image that is its own mirror image: told from it as by a coin, and its neighbours stay what they are."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], each)
    half = rng.integers(0, 256, (3 * each, 8, 4, channels), np.uint8)
    told = compare_mirrored(np.concatenate([half, half[:, :, ::-1]], axis=2), labels)
    assert told.flips
    assert told.told_apart == 0.5
    assert told.neighbours == told.neighbours_mirrored
    assert "cannot be told" in told.reason()


def test_textures_may_be_mirrored() -> None:
    """Waves of three lengths, of any phase: no image is symmetric, but no side is special."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60)
    y, x = np.mgrid[:16, :16]
    images = []
    for label in labels:
        phases, waves = rng.uniform(0, 2 * np.pi, 2), (0.5, 1.0, 1.6)[label]
        wave = np.sin(waves * x + phases[0]) + np.sin(waves * y + phases[1])
        images.append(np.clip(128 + 50 * wave + rng.normal(0, 10, (16, 16)), 0, 255))
    told = compare_mirrored(np.stack(images).astype(np.uint8)[..., np.newaxis], labels)
    assert told.flips
    assert told.told_apart == pytest.approx(0.5, abs=0.1)


def test_classes_that_mirroring_swaps_may_not_be_mirrored() -> None:
    """A mirrored b is a d: told apart by no classifier of "mirrored or not", since both are there as often."""
    rng = np.random.default_rng(1)
    b = np.zeros((10, 10))
    b[1:9, 3] = b[5, 3:7] = b[8, 3:7] = b[5:9, 6] = 200
    labels = np.repeat([0, 1], 40)
    images = np.stack([np.roll(b if label == 0 else b[:, ::-1], rng.integers(-1, 2, 2), (0, 1)) for label in labels])
    noisy = np.clip(images + rng.normal(0, 10, images.shape), 0, 255).astype(np.uint8)[..., np.newaxis]
    told = compare_mirrored(noisy, labels)
    assert told.told_apart <= 0.6
    assert told.neighbours > 0.95
    assert told.neighbours_mirrored < 0.05
    assert not told.flips
    assert "nearer to other classes" in told.reason()


def test_neighbours_by_hand() -> None:
    """Four images of one row: a and A are alike, b and B; mirrored, a is nearest to b."""
    rows = [[200, 0, 0, 0], [190, 0, 0, 0], [0, 0, 0, 200], [0, 0, 0, 190]]
    told = compare_mirrored(np.array(rows, np.uint8)[:, np.newaxis, :, np.newaxis], np.array([0, 0, 1, 1]))
    assert (told.neighbours, told.neighbours_mirrored) == (1.0, 0.0)


def test_an_image_is_not_its_own_neighbour() -> None:
    """Two copies under two labels: the other copy is the neighbour, and its label is wrong."""
    rng = np.random.default_rng(6)
    pixels = rng.integers(0, 256, (4, 8, 8, 1), np.uint8)
    told = compare_mirrored(np.concatenate([pixels, pixels]), np.repeat([0, 1], 4))
    assert told.neighbours == 0.0


def test_images_that_are_all_the_same() -> None:
    told = compare_mirrored(np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 0, 1, 1]))
    assert told.told_apart == 0.5


@pytest.mark.parametrize(
    ("told_apart", "neighbours", "mirrored", "flips"),
    [
        (0.5, 0.9, 0.9, True),
        (0.6, 0.9, 0.86, True),
        (0.61, 0.9, 0.9, False),
        (0.5, 0.9, 0.84, False),
        (0.4, 0.5, 1, True),
    ],
)
def test_when_flips_are_allowed(told_apart: float, neighbours: float, mirrored: float, flips: bool) -> None:
    assert Mirrored(told_apart, neighbours, mirrored).flips is flips
