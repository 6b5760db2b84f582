"""Images in a NumPy archive: MedMNIST's layout, and what is refused without running any of its code."""

import io
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st

from ganaug.data.npz import Npz
from ganaug.errors import UserError


def images(count: int = 4, channels: int = 1, seed: int = 0) -> np.ndarray:
    shape = (count, 8, 8, 3) if channels == 3 else (count, 8, 8)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def archive(folder: Path, **arrays: Any) -> Npz:
    np.savez(folder / "set.npz", **arrays)
    return Npz(folder / "set.npz")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_three_parts_of_medmnist(tmp_path: Path, channels: int) -> None:
    held = {part: images(count, channels, count) for part, count in (("train", 5), ("val", 3), ("test", 4))}
    labels = {part: np.arange(len(array))[:, None] % 3 for part, array in held.items()}
    found = archive(
        tmp_path,
        **{f"{part}_images": array for part, array in held.items()},
        **{f"{part}_labels": array.astype(np.uint8) for part, array in labels.items()},
    ).load()
    assert isinstance(found.images, np.ndarray)
    assert found.images.shape == (12, 8, 8, channels)
    assert (found.images == np.concatenate(list(held.values())).reshape(12, 8, 8, channels)).all()
    assert found.labels.tolist() == np.concatenate(list(labels.values())).ravel().tolist()
    assert found.labels.dtype == np.int64
    assert found.classes == ["0", "1", "2"]
    assert found.official_test.tolist() == [False] * 8 + [True] * 4
    assert found.files[4:6] == ["train[4]", "val[0]"]
    assert len(set(found.files)) == 12


def test_images_and_labels_alone(tmp_path: Path) -> None:
    found = archive(tmp_path, images=images(), labels=np.array([7, 5, 5, 7]), classes=np.array(["a", "b"])).load()
    assert found.classes == ["5", "7"]
    assert found.labels.tolist() == [1, 0, 0, 1]
    assert not found.official_test.any()


def test_other_arrays_are_never_opened(tmp_path: Path) -> None:
    unread = np.array([object()], dtype=object)
    assert archive(tmp_path, images=images(), labels=np.array([0, 1, 0, 1]), extra_images=unread).load().files


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array(["cat", "dog", "dog", "cat"]), ["cat", "dog"]),
        (np.array([b"caf\xc3\xa9", b"bar", b"bar", b"bar"]), ["bar", "café"]),
        (np.array([b"caf\xe9", b"caf\xe8", b"bar", b"bar"]), ["bar", "caf\\xe8", "caf\\xe9"]),
        (np.array([True, False, True, False]), ["False", "True"]),
        (np.array([-1, 300, -1, 300], np.int16), ["-1", "300"]),
    ],
)
def test_labels_of_other_types(tmp_path: Path, labels: np.ndarray, classes: list[str]) -> None:
    found = archive(tmp_path, images=images(), labels=labels).load()
    assert found.classes == classes


def test_parts_may_have_labels_of_two_types_of_number(tmp_path: Path) -> None:
    """NumPy makes fractions of signed and unsigned numbers together."""
    both = {"train_labels": np.array([0, 1, 0, 1], np.uint64), "test_labels": np.array([0, 1, 0, 1], np.int64)}
    assert archive(tmp_path, train_images=images(), test_images=images(), **both).load().classes == ["0", "1"]


def test_class_names_are_given_in_the_order_of_the_values(tmp_path: Path) -> None:
    source = archive(tmp_path, images=images(), labels=np.array([7, 5, 5, 7]))
    assert Npz(source.path, classes=("five", "seven")).load().classes == ["five", "seven"]
    for classes in (("five",), ("five", "five"), ("a", "b", "c")):
        with refused("data.source.classes", "2 label values", f"got {len(set(classes))}"):
            Npz(source.path, classes=classes).load()


GOOD = {"train_images": images(), "train_labels": np.array([0, 1, 0, 1])}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"train_labels": None}, ["train_images and train_labels", "found train_images"]),
        ({"train_images": None}, ["train_images and train_labels", "found train_labels"]),
        ({"train_images": None, "train_labels": None, "x": 1}, ["train_images and train_labels", "found x"]),
        ({"train_images": None, "train_labels": None}, ["found no array"]),
        ({"val_images": images()}, ["train_images and train_labels", "val_images"]),
        ({"train_images": images() / 255}, ["train_images must be uint8", "float64"]),
        ({"train_images": images().astype(np.int16)}, ["train_images must be uint8", "int16"]),
        ({"train_images": np.zeros((4, 64), np.uint8)}, ["(N, H, W)", "(4, 64)"]),
        ({"train_images": np.zeros((4, 3, 8, 8), np.uint8)}, ["(N, H, W, 1 or 3)", "(4, 3, 8, 8)"]),
        ({"train_images": np.zeros((4, 8, 8, 4), np.uint8)}, ["(N, H, W, 1 or 3)", "(4, 8, 8, 4)"]),
        ({"train_images": np.zeros((4, 0, 8), np.uint8)}, ["(N, H, W)", "(4, 0, 8)"]),
        ({"train_labels": np.array([0, 1, 0])}, ["one label for each of the 4 images", "(3,)"]),
        ({"train_labels": np.eye(4, dtype=int)}, ["one label for each of the 4 images", "(4, 4)"]),
        ({"train_labels": np.array(3)}, ["one label for each of the 4 images", "()"]),
        ({"train_labels": np.array([0, 1, 0, 0.5])}, ["whole numbers or text", "float64"]),
        ({"train_labels": np.array([0, "1", 0, None], object)}, ["train_labels", "Python objects", '.astype("U")']),
        ({"train_images": np.array([[1], [2, 3]], object)}, ["train_images must be uint8", "object"]),
        ({"train_labels": np.array([0, 1, 0, 2**63], np.uint64)}, ["train_labels must be below 2**63", str(2**63)]),
        (
            {"test_images": np.zeros((2, 9, 9), np.uint8), "test_labels": [0, 1]},
            ["one shape", "(8, 8, 1)", "(9, 9, 1)"],
        ),
        ({"test_images": images(2, 3), "test_labels": [0, 1]}, ["one shape", "(8, 8, 1)", "(8, 8, 3)"]),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, changes: dict[str, Any], parts: list[str]) -> None:
    source = archive(tmp_path, **{name: array for name, array in (GOOD | changes).items() if array is not None})
    with refused("set.npz", *parts):
        source.load()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "not a zip file"),
        (b"text", "not a zip file"),
        (npy(images()), "not a zip file"),
        (b"PK\x03\x04", "not a zip file"),
    ],
    ids=["zero bytes", "text", "one array", "a zip file's first bytes"],
)
def test_what_is_no_archive(tmp_path: Path, data: bytes, part: str) -> None:
    (tmp_path / "set.npz").write_bytes(data)
    with refused("set.npz", "must be an NPZ archive", part):
        Npz(tmp_path / "set.npz").load()


def test_no_file(tmp_path: Path) -> None:
    with refused("data.source.path", "nowhere.npz", "is not there"):
        Npz(tmp_path / "nowhere.npz").load()
    with refused("data.source.path", "is a folder"):
        Npz(tmp_path).load()


def test_a_zip_file_of_other_things(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as made:
        made.writestr("train_images", b"not an array")
        made.writestr("train_labels", b"not an array")
    with refused("set.npz", "train_images must be uint8"):
        Npz(tmp_path / "set.npz").load()


def test_a_header_of_absurd_sizes_is_refused(tmp_path: Path) -> None:
    whole = npy(np.zeros((4, 8, 8), np.uint8))
    absurd = whole.replace(b"(4, 8, 8), }" + b" " * 12, b"(4, 9999999, 9999999), }")
    assert len(absurd) == len(whole)
    assert absurd != whole
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as made:
        made.writestr("train_images.npy", absurd)
        made.writestr("train_labels.npy", npy(np.zeros(4, int)))
    with refused("set.npz", "must be an NPZ archive of plain arrays"):
        Npz(tmp_path / "set.npz").load()


@given(st.data())
def test_a_damaged_archive_is_read_or_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = archive(Path(folder), **GOOD)
        whole = source.path.read_bytes()
        damaged = bytearray(whole)
        for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=5)):
            damaged[place] ^= data.draw(st.integers(1, 255))
        source.path.write_bytes(damaged[: data.draw(st.integers(0, len(whole)))])
        with suppress(UserError):
            source.load()


def test_the_title_is_the_file_s_name() -> None:
    assert Npz(Path("sets", "bloodmnist.npz")).title() == "bloodmnist"
    assert Npz(Path("a.npz")).watched() == [Path("a.npz")]


# ----------------------------------------------------------------------------------------- a little file, a great cost


def test_sizes_are_known_from_the_headers(tmp_path: Path) -> None:
    """Zeros of any number are a few bytes in the file."""
    source = archive(tmp_path, train_images=np.zeros((600, 64, 64), np.uint8), train_labels=np.zeros(600, int))
    with refused("set.npz", "at most 2 MiB", "--largest-mib"):
        Npz(source.path, largest_mib=2).load()
    assert len(Npz(source.path, largest_mib=3).load().files) == 600


def test_only_arrays_that_are_needed_count(tmp_path: Path) -> None:
    source = archive(tmp_path, images=images(), labels=np.array([0, 1, 0, 1]), other=np.zeros(4 << 20, np.uint8))
    assert Npz(source.path, largest_mib=1).load().files


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_must_be_what_their_headers_say_and_only_once(tmp_path: Path) -> None:
    def written(*members: tuple[str, bytes]) -> Npz:
        with zipfile.ZipFile(tmp_path / "set.npz", "w") as made:
            for name, data in members:
                made.writestr(name, data)
        return Npz(tmp_path / "set.npz")

    pixels, labels = ("images.npy", npy(images())), ("labels.npy", npy(np.array([0, 1, 0, 1])))
    assert written(pixels, labels).load().files
    with refused('it holds "images" twice'):
        written(pixels, labels, pixels).load()
    for name, data in (("images.npy", pixels[1] + b"x"), ("images.npy", pixels[1][:-1])):
        with refused("images promises 256 bytes and holds"):
            written((name, data), labels).load()


def test_columns_first_and_several_parts_read_the_same(tmp_path: Path) -> None:
    parts = {"train_images": np.asfortranarray(images()), "test_images": images()[:2]}
    found = archive(tmp_path, train_labels=np.array([0, 1, 0, 1]), test_labels=np.array([0, 1]), **parts).load()
    assert isinstance(found.images, np.ndarray)
    assert (found.images[..., 0] == np.concatenate([images(), images()[:2]])).all()


# --------------------------------------------------------------------------------------------------------------- names


def test_what_synth_wrote_keeps_its_class_names(tmp_path: Path) -> None:
    names = np.array(["cat", "dog", "owl"])
    found = archive(tmp_path, images=images(), labels=np.array([2, 0, 0, 2]), classes=names).load()
    assert found.classes == ["cat", "owl"]
    assert found.labels.tolist() == [1, 0, 0, 1]
    source = Npz(tmp_path / "set.npz", classes=("a", "b"))
    assert source.load().classes == ["a", "b"]


def test_names_of_labels_are_in_one_unicode_form(tmp_path: Path) -> None:
    labels = np.array(["cafe\u0301", "b", "b", "cafe\u0301"])
    assert archive(tmp_path, images=images(), labels=labels).load().classes == ["b", "caf\u00e9"]
    labels[0] = "caf\u00e9"
    with refused("differ by more than case or Unicode form"):
        archive(tmp_path, images=images(), labels=labels).load()
    numbers = archive(tmp_path, images=images(), labels=np.array([0, 1, 0, 1]))
    assert Npz(numbers.path, classes=("cafe\u0301", "b")).load().classes == ["caf\u00e9", "b"]


@pytest.mark.parametrize(("groups", "as_text"), [(np.array([7, 7, 5, 5]), "7 7 5 5"), (np.array(["a"] * 4), "a a a a")])
def test_groups_stand_beside_the_images(groups: np.ndarray, as_text: str, tmp_path: Path) -> None:
    """Such as patients, in every part or in none."""
    found = archive(tmp_path, images=images(), labels=np.arange(4) % 2, groups=groups).load()
    assert found.groups == as_text.split()
    both = {
        "train_images": images(),
        "train_labels": np.arange(4) % 2,
        "test_images": images(3),
        "test_labels": [0, 1, 0],
    }
    named = archive(tmp_path, **both, train_groups=groups, test_groups=groups[:3]).load()
    assert named.groups == [*as_text.split(), *as_text.split()[:3]]
    with refused("groups must be given for every part or for none, but test_groups is missing"):
        archive(tmp_path, **both, train_groups=groups).load()
    with refused("groups must hold one group for each of the 4 images", "got int64 (3,)"):
        archive(tmp_path, images=images(), labels=np.arange(4) % 2, groups=np.arange(3)).load()
