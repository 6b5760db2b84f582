"""What a conversion loses is said: with how many images, and an example."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from photos import noise, photos, prepare, save
from PIL import Image


def made(root: Path, draw: Callable[[str, int], np.ndarray | Image.Image], suffix: str = "png", **data: Any) -> str:
    """What ``prepare`` says of two classes of six images."""
    for name in "ab":
        for number in range(6):
            options = (
                {"save_all": True, "append_images": [Image.fromarray(noise(seed=number))]} if "+" in suffix else {}
            )
            save(root / "photos" / name / f"{number}.{suffix.strip('+')}", draw(name, number), **options)
    return prepare(root, {"kind": "folder", "path": str(root / "photos")}, **data)[1]


def gray(low: int, high: int, name: str, number: int) -> np.ndarray:
    rng = np.random.default_rng(10 * ord(name) + number)
    return rng.integers(low, high, (8, 8)).astype(np.uint16)


def test_nothing_is_said_of_ordinary_images_and_of_copies(tmp_path: Path) -> None:
    source = photos(tmp_path / "photos", "a", "b")
    (source / "a" / "copy.png").write_bytes((source / "a" / "0.png").read_bytes())
    save(source / "b" / "copy.bmp", Image.open(source / "b" / "0.png"))
    _, said = prepare(tmp_path, {"kind": "folder", "path": str(source)})
    assert "2 exact duplicates" in said
    assert len(said.splitlines()) == 1


def test_the_depth_in_use_is_said(tmp_path: Path) -> None:
    said = made(tmp_path, lambda *one: gray(0, 4096, *one))
    assert "12 images of 16 bits" in said
    assert "12 bits in use, scaled to 8" in said


@pytest.mark.parametrize(("of_a", "bits"), [(4096, "12 of 16 bits"), (0, "8-bit files")])
def test_classes_of_different_depth_are_told(tmp_path: Path, of_a: int, bits: str) -> None:
    def draw(name: str, number: int) -> np.ndarray:
        pixels = gray(0, of_a or 256, name, number) if name == "a" else gray(0, 65536, name, number)
        return pixels.astype(np.uint8) if name == "a" and not of_a else pixels

    said = made(tmp_path, draw)
    assert f'Classes differ in depth: {bits} in class "a" and 16 of 16 bits in class "b"' in said


def test_images_of_one_colour_are_counted(tmp_path: Path) -> None:
    said = made(tmp_path, lambda name, number: noise(seed=number) if name == "a" else np.full((8, 8), number, np.uint8))
    assert "6 images are of one colour alone after conversion (within 2 of 255), such as b/0.png" in said


def test_images_that_are_nearly_black_are_told(tmp_path: Path) -> None:
    said = made(tmp_path / "all", lambda *one: gray(0, 16, *one).astype(np.uint8))
    assert 'All images of class "a" are nearly black, with values below 32 of 255 (2 of 2 classes are)' in said
    said = made(tmp_path / "one", lambda *one: gray(0, 16 if one[0] == "b" else 256, *one).astype(np.uint8))
    assert 'All images of class "b" are nearly black, with values below 32 of 255 (1 of 2 classes are)' in said


def test_pages_are_told_once(tmp_path: Path) -> None:
    said = made(tmp_path, lambda name, number: Image.fromarray(noise(seed=10 * ord(name) + number)), "tiff+")
    assert "Not read: pages or frames after the first of 12 images, such as a/0.tiff" in said


def between(name: str, number: int) -> np.ndarray:
    """An image of the class between edges of its own."""
    edges = [np.full((8, 8), value, np.uint8) for value in (9 * number, number)]
    return np.hstack([edges[0], noise(channels=1, seed=ord(name)), edges[1]])


def behind(name: str, number: int) -> np.ndarray:
    """Pixels of the class where it is opaque, of the image where it is transparent."""
    mask = np.eye(8)[..., np.newaxis]
    return np.dstack([np.where(mask > 0, noise(seed=ord(name)), noise(seed=number)), mask * 255]).astype(np.uint8)


LOST: dict[str, tuple[Callable[[str, int], np.ndarray | Image.Image], str, dict[str, Any]]] = {
    "a later page": (lambda name, number: Image.fromarray(noise(seed=ord(name))), "tiff+", {}),
    "what is cut off": (between, "png", {"aspect": "crop", "image_size": 8}),
    "colours hidden by transparency": (behind, "png", {}),
}


@pytest.mark.parametrize("kind", LOST)
def test_different_images_that_became_equal_are_told_where_the_protocol_refuses_them(tmp_path: Path, kind: str) -> None:
    draw, suffix, data = LOST[kind]
    with refused("different images", "10 images became equal to another one", "a/1."):
        made(tmp_path, draw, suffix, **data)


def test_a_set_that_conversion_empties_says_why(tmp_path: Path) -> None:
    """Stripes of two phases are one gray at an eighth of the size."""
    stripes = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    with refused("protocol.folds", "12 images are of one colour alone after conversion", "data.image_size"):
        made(tmp_path, lambda name, number: stripes if name == "a" else 255 - stripes, image_size=8)
