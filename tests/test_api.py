"""``import ganaug``: what is public, what arrays it takes, and what it reads from a file."""

import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_translator import description, trained

import ganaug
from ganaug.api.arrays import checked
from ganaug.errors import UserError
from ganaug.synth.export import export
from ganaug.synth.translate import translate
from ganaug.synth.translator import save_translator

PUBLIC = {
    "GanOverSampler", "Generator", "SyntheticDataset", "SyntheticStream", "Translator", "Verdict", "errors", "evaluate",
    "fit", "load", "mix", "transforms",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert set(ganaug.__all__) <= PUBLIC
    assert ganaug.__all__ == sorted(ganaug.__all__)
    assert dir(ganaug) == sorted([*ganaug.__all__, "__version__"])
    assert all(getattr(ganaug, name).__doc__ for name in ganaug.__all__)
    with pytest.raises(AttributeError, match="no attribute 'store_'"):
        ganaug.store_  # noqa: B018


def test_no_room_of_the_package_hides_a_public_name() -> None:
    """Python sets a module as an attribute of its package when it is imported, in the place of what had its name."""
    rooms = {module.name for module in pkgutil.iter_modules(ganaug.__path__)}
    assert rooms & set(ganaug.__all__) == {"errors", "transforms"}


def test_the_import_is_light() -> None:
    code = "import sys, ganaug; print({'torch', 'numpy', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --------------------------------------------------------------------------------------------------------------- arrays


def some(count: int = 6, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side), np.uint8)


@pytest.mark.parametrize(
    ("labels", "classes", "rows"),
    [
        ([7, 5, 5, 7, 5, 5], ["5", "7"], [1, 0, 0, 1, 0, 0]),
        (["b", "a", "a", "b", "a", "a"], ["a", "b"], [1, 0, 0, 1, 0, 0]),
        (np.array(["b", "a", "a", "b", "a", "a"], object), ["a", "b"], [1, 0, 0, 1, 0, 0]),  # a column of pandas
        (np.array([[7], [5], [5], [7], [5], [5]], np.uint8), ["5", "7"], [1, 0, 0, 1, 0, 0]),  # MedMNIST's
    ],
)
def test_labels_of_any_kind(labels: Any, classes: list[str], rows: list[int]) -> None:
    pixels, found, names = checked(some(), labels)
    assert (names, found.tolist(), found.dtype) == (classes, rows, np.int64)
    assert (pixels == some()[..., None]).all()


def test_floats_are_levels_of_255() -> None:
    for kind in (np.float16, np.float32, np.float64):
        pixels, _, _ = checked((some() / 255).astype(kind), [0, 1] * 3)
        assert pixels.dtype == np.uint8
        assert (pixels[..., 0] == some()).all()


BAD_IMAGES = [
    (some()[0], "images must be (N, H, W) or (N, H, W, 1 or 3), got (8, 8)"),
    (np.zeros((6, 8, 8, 2), np.uint8), "1 or 3), got (6, 8, 8, 2); reshape the array"),
    (np.zeros((6, 3, 8, 8), np.uint8), "1 or 3), got (6, 3, 8, 8)"),
    (np.zeros((6, 0, 8), np.uint8), "got (6, 0, 8)"),
    (np.zeros((0, 8, 8), np.uint8), "images: must be at least one, got none"),
    (some().astype(np.int64), "images must be uint8 in 0..255, got int64; convert the array"),
    (some() > 9, "got bool"),
    (some().astype(np.complex64), "got complex64"),
    (some().astype(object), "got object"),
    (some().astype(np.float32), "images: floats must be in 0..1, got 0 to 255"),
    (np.full((6, 8, 8), -0.1), "got -0.1 to -0.1"),
    (np.full((6, 8, 8), np.nan), "got some that are not finite"),
    (np.full((6, 8, 8), np.inf), "got some that are not finite"),
    ([some()[0], some()[0][:4]], 'images: must be an array, got "list"'),
    (None, "got object"),
    ("images.npz", "got object"),
]
BAD_LABELS = [
    ([0.0, 1.0] * 3, "labels must hold one label for each of the 6 images, whole numbers or text, got float64 (6,)"),
    ([0, None] * 3, "got object (6,)"),
    ([0, "a"] * 3, "got object (6,)"),
    (None, "got object ()"),
    ([[0, 1]] * 6, "got int64 (6, 2)"),
    ([0, 1], "got int64 (2,)"),
    ([], "got float64 (0,)"),
    ([[0], [1, 2]], 'labels: must be an array, got "list"'),
    (np.array([2**63] * 6, np.uint64), "labels must be below 2**63"),
    (["a", "A"] * 3, 'labels: class names must differ by more than case or Unicode form, got "A" and "a"'),
    (["a", ""] * 3, "labels: class names must not be empty"),
    (["a", "b\x1b"] * 3, "labels: class names must be printable"),
]


@pytest.mark.parametrize(("images", "says"), BAD_IMAGES)
def test_bad_images_are_one_line(images: Any, says: str) -> None:
    with refused(says):
        checked(images, [0, 1] * 3)


@pytest.mark.parametrize(("labels", "says"), BAD_LABELS)
def test_bad_labels_are_one_line(labels: Any, says: str) -> None:
    with refused(says):
        checked(some(), labels)


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
ODD = LEAF | st.lists(LEAF | st.lists(LEAF, max_size=2), max_size=3) | st.dictionaries(st.integers(), LEAF, max_size=1)


@settings(max_examples=25)
@given(ODD, ODD)
def test_whatever_is_given_is_one_line(images: Any, labels: Any) -> None:
    for given_images, given_labels in ((images, [0, 1] * 3), (some(), labels)):
        with pytest.raises(UserError) as caught:
            checked(given_images, given_labels)
        assert str(caught.value).isprintable()


# ---------------------------------------------------------------------------------------------------------------- files


def test_a_generator_is_read_and_written(tiny_model: Path, tmp_path: Path) -> None:
    generator = ganaug.load(str(tiny_model))
    assert isinstance(generator, ganaug.Generator)
    generator.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == tiny_model.read_bytes()
    export(tiny_model, tmp_path / "out", ["a/b"], 3, "equal", 5, "npz", False)
    with np.load(tmp_path / "out" / "images.npz") as made:
        assert (generator.sample({"a/b": 3}, seed=5)[0] == made["images"]).all()


def test_a_translation_is_the_command_lines(tmp_path: Path) -> None:
    """Of pictures of another size and of colour, too."""
    model, pictures = tmp_path / "model.safetensors", some(3, 12)
    save_translator(model, trained().translator, description())
    translator = ganaug.load(model)
    assert isinstance(translator, ganaug.Translator)
    files = [tmp_path / f"{row}.png" for row in range(3)]
    for file, picture in zip(files, pictures, strict=True):
        Image.fromarray(picture).save(file)
    translate(model, files, None, 2, tmp_path / "out", 4)
    moved = translator.translate(pictures, "new", n=2, seed=4)
    assert moved.shape == (3, 2, 8, 8, 1)
    for row, k in np.ndindex(3, 2):
        assert (np.asarray(Image.open(tmp_path / "out" / f"{row}-{k}.png")) == moved[row, k, :, :, 0]).all()
    assert (translator.translate(np.repeat(pictures[..., None], 3, axis=3) / 255, n=2, seed=4) == moved).all()
    with refused('to: must be one of new, got "night"'):
        translator.translate(pictures, "night")
    with refused("n: must be a whole number of at least 1, got 0"):
        translator.translate(pictures, n=0)


def test_what_is_no_generator_is_one_line(tmp_path: Path) -> None:
    with refused("must exist, but is missing", "name another file"):
        ganaug.load(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("text")
    with refused("must be a generator of this version of ganaug, but cannot be read"):
        ganaug.load(tmp_path / "text")


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ({9: 1}, ("counts", "9", "0..4")),
        ({"cat": 1}, ("counts", "cat")),
        ({1.5: 1}, ("counts", "1.5")),
        ({0: -1}, ("counts", "-1")),
        ({0: 2.5}, ("counts", "2.5")),
        ({"3": 1, 0: 1}, ("counts", "twice")),
    ],
)
def test_what_cannot_be_sampled_is_one_line(tiny_model: Path, counts: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        ganaug.load(tiny_model).sample(counts)
    assert all(part in str(error.value) for part in parts)
    assert "--class" not in str(error.value)


def test_indices_may_be_numpys(tiny_model: Path) -> None:
    generator = ganaug.load(tiny_model)
    assert (generator.sample({np.int64(1): np.int64(2)})[0] == generator.sample({1: 2})[0]).all()
