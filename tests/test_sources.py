"""Sources: what is read is what was written, and a broken file is one line that says so."""

import gzip
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from photos import photos

from ganaug.data.digits import Digits
from ganaug.data.folder import Folder
from ganaug.data.idx import Idx, read_idx
from ganaug.data.labelled import Labelled
from ganaug.data.npz import Npz
from ganaug.data.source import Source
from ganaug.data.sources import SourceSpec
from ganaug.data.table import Table
from ganaug.data.torchvision import Torchvision
from ganaug.errors import UserError

NAMES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("t10k", "images"): "t10k-images-idx3-ubyte",
    ("t10k", "labels"): "t10k-labels-idx1-ubyte",
}


def idx_bytes(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


def example(count: int, size: int = 28, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random images, and labels that hold every value of 0..9."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, size, size), np.uint8), np.arange(count, dtype=np.uint8) % 10


def write_set(folder: Path, *, suffix: str = "", prefix: str = "", size: int = 28) -> dict[str, np.ndarray]:
    """A data set of 30 train and 20 test images in ``folder``, under MNIST's names."""
    folder.mkdir(parents=True, exist_ok=True)
    held: dict[str, np.ndarray] = {}
    for part, count in (("train", 30), ("t10k", 20)):
        images, labels = example(count, size, seed=count)
        for kind, array in (("images", images), ("labels", labels)):
            data = idx_bytes(array)
            path = folder / f"{prefix}{NAMES[part, kind]}{suffix}"
            path.write_bytes(gzip.compress(data) if suffix == ".gz" else data)
            held[f"{part}-{kind}"] = array
    return held


def check_set(found: Labelled, held: dict[str, np.ndarray]) -> None:
    assert found.images.dtype == np.uint8
    assert found.images.shape == (50, 28, 28, 1)
    assert (found.images[:30, ..., 0] == held["train-images"]).all()
    assert (found.images[30:, ..., 0] == held["t10k-images"]).all()
    assert found.labels.dtype == np.int64
    assert (found.labels == np.concatenate([held["train-labels"], held["t10k-labels"]])).all()
    assert found.official_test.tolist() == [False] * 30 + [True] * 20
    assert len(set(found.files)) == 50


# ------------------------------------------------------------------------------------------------------------ digits


def test_digits_are_all_there_in_the_full_range() -> None:
    found = Digits().load()
    assert found.images.shape == (1797, 8, 8, 1)
    assert found.images.dtype == np.uint8
    assert (found.images.min(), found.images.max()) == (0, 255)
    assert len(np.unique(found.images)) == 17
    assert found.classes == [str(digit) for digit in range(10)]
    assert found.labels.dtype == np.int64
    assert np.bincount(found.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert not found.official_test.any()
    assert found.files[17] == "digits[17]"


# --------------------------------------------------------------------------------------------------------------- idx


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("prefix", ["", "emnist-letters-"])
def test_idx_reads_what_was_written(tmp_path: Path, suffix: str, prefix: str) -> None:
    held = write_set(tmp_path, suffix=suffix, prefix=prefix)
    found = Idx(tmp_path).load()
    check_set(found, held)
    assert found.classes == [str(digit) for digit in range(10)]


def test_idx_takes_a_dot_for_the_dash(tmp_path: Path) -> None:
    held = write_set(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    check_set(Idx(tmp_path).load(), held)


def test_idx_labels_need_not_start_at_zero(tmp_path: Path) -> None:
    """EMNIST's letters are labelled 1..26: classes are rows, names are the values."""
    write_set(tmp_path)
    labels = {"train": np.arange(30) % 3 * 2 + 5, "t10k": np.arange(20) % 3 * 2 + 5}
    for part, values in labels.items():
        (tmp_path / NAMES[part, "labels"]).write_bytes(idx_bytes(values))
    found = Idx(tmp_path).load()
    assert found.classes == ["5", "7", "9"]
    assert found.labels.tolist() == [*(np.arange(30) % 3), *(np.arange(20) % 3)]
    assert Idx(tmp_path, classes=("a", "b", "c")).load().classes == ["a", "b", "c"]
    with refused("data.source.classes", "3 label values", "got 2 different names"):
        Idx(tmp_path, classes=("a", "b")).load()


def test_idx_missing_folder_and_file(tmp_path: Path) -> None:
    with refused("data.source.path", "nowhere", "not there"):
        Idx(tmp_path / "nowhere").load()
    write_set(tmp_path)
    (tmp_path / NAMES["t10k", "labels"]).unlink()
    with refused("t10k-labels-idx1-ubyte", "found neither"):
        Idx(tmp_path).load()


def test_idx_labels_and_images_must_be_as_many(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / NAMES["train", "labels"]).write_bytes(idx_bytes(np.zeros(29)))
    with refused("one label for each image", "29 labels", "30 images"):
        Idx(tmp_path).load()


def test_idx_train_and_test_must_have_one_size(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / NAMES["t10k", "images"]).write_bytes(idx_bytes(np.zeros((20, 27, 27))))
    with refused("one size", "(28, 28)", "(27, 27)"):
        Idx(tmp_path).load()


def test_idx_two_data_sets_in_one_folder(tmp_path: Path) -> None:
    write_set(tmp_path, prefix="emnist-letters-")
    write_set(tmp_path, prefix="emnist-digits-")
    with refused("one data set", "emnist-letters-train-images", "emnist-digits-train-images"):
        Idx(tmp_path).load()


def test_idx_plain_and_gzipped_copies_are_one_data_set(tmp_path: Path) -> None:
    write_set(tmp_path)
    held = write_set(tmp_path, suffix=".gz")
    check_set(Idx(tmp_path).load(), held)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans())
def test_read_idx_round_trip(shape: list[int], gzipped: bool) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.gz" if gzipped else "a")
        path.write_bytes(gzip.compress(idx_bytes(array)) if gzipped else idx_bytes(array))
        read = read_idx(path, array.ndim)
    assert read.dtype == np.uint8
    assert read.shape == array.shape
    assert (read == array).all()


WHOLE = idx_bytes(np.arange(24).reshape(2, 3, 4))
WHOLE_GZ = gzip.compress(WHOLE, mtime=0)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_truncated_file_is_refused(length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut-idx3-ubyte"
        path.write_bytes(WHOLE[:length])
        with refused("cut-idx3-ubyte", "fetch the file again"):
            read_idx(path, 3)


@given(st.integers(0, len(WHOLE_GZ) - 1))
def test_a_truncated_gzip_file_is_refused(length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut-idx3-ubyte.gz"
        path.write_bytes(WHOLE_GZ[:length])
        with refused("cut-idx3-ubyte.gz", "fetch the file again"):
            read_idx(path, 3)


@given(st.integers(0, len(WHOLE_GZ) - 1), st.integers(1, 255))
def test_a_damaged_gzip_file_is_refused_or_read_as_it_was(place: int, change: int) -> None:
    """One wrong byte: in the compressed data it is found; in the header's time stamp and the like it may not matter."""
    damaged = bytearray(WHOLE_GZ)
    damaged[place] ^= change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged-idx3-ubyte.gz"
        path.write_bytes(damaged)
        with suppress(UserError):
            assert (read_idx(path, 3).ravel() == np.arange(24)).all()


def test_a_header_of_absurd_sizes_is_refused(tmp_path: Path) -> None:
    """2**31 * 2**31 * 4 is 0 in 64 bits."""
    path = tmp_path / "absurd"
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 4))
    with refused("absurd", "fetch the file again"):
        read_idx(path, 3)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE + b"\0",
        b"\x00\x00\x09\x03" + WHOLE[4:],
        b"\x00\x00\x08\x02" + WHOLE[4:],
        b"\x89PNG" + WHOLE[4:],
        gzip.compress(WHOLE),
    ],
    ids=["one byte more", "signed bytes", "two dimensions", "a picture", "gzipped without .gz"],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with refused("train-images-idx3-ubyte", "fetch the file again"):
        read_idx(path, 3)


def test_not_a_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "plain.gz"
    path.write_bytes(WHOLE)
    with refused("plain.gz", "fetch the file again"):
        read_idx(path, 3)


def test_an_idx_file_is_read_no_further_than_its_header_promises(tmp_path: Path) -> None:
    """Gzipped zeros are a thousandth of their size."""
    path = tmp_path / "long-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(WHOLE + bytes(50 << 20), 1))
    with refused("promises 24 bytes, but more follow"):
        read_idx(path, 3)


def test_idx_sizes_are_known_from_the_headers(tmp_path: Path) -> None:
    write_set(tmp_path, suffix=".gz")
    (tmp_path / f"{NAMES['train', 'images']}.gz").write_bytes(gzip.compress(idx_bytes(np.zeros((30, 256, 256)))))
    with refused("train-images-idx3-ubyte.gz", "at most 3 MiB", "data.source.largest_mib", "--largest-mib"):
        Idx(tmp_path, largest_mib=3).load()


# ------------------------------------------------------------------------------------------------------- torchvision


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_torchvision_reads_local_copies(tmp_path: Path, name: str) -> None:
    held = write_set(tmp_path / name / "raw")
    source = Torchvision(name, root=tmp_path, download=False)
    found = source.load()
    check_set(found, held)
    assert len(found.classes) == len(set(found.classes)) == 10
    assert source.title() == name


def test_torchvision_names_its_classes(tmp_path: Path) -> None:
    write_set(tmp_path / "FashionMNIST" / "raw")
    assert Torchvision("FashionMNIST", root=tmp_path, download=False).load().classes[9] == "Ankle boot"


@pytest.mark.parametrize("name", ["NoSuchSet", "os", "FakeData", "mnist", "PhotoTour", "Kitti"])
def test_torchvision_unknown_name(tmp_path: Path, name: str) -> None:
    with refused("data.source.name", f'"{name}"', "FashionMNIST", "CIFAR10"):
        Torchvision(name, root=tmp_path, download=False).load()


def test_torchvision_missing_files(tmp_path: Path) -> None:
    with refused("KMNIST", str(tmp_path)):
        Torchvision("KMNIST", root=tmp_path, download=False).load()


@pytest.mark.parametrize("kind", get_args(get_args(SourceSpec)[0]), ids=lambda kind: kind.kind)
def test_every_source_gives_the_same_kind_of_answer(tmp_path: Path, kind: Any) -> None:
    write_set(tmp_path / "KMNIST" / "raw")
    photos(tmp_path / "photos", "cat", "dog")
    (tmp_path / "labels.csv").write_text("file,label\nphotos/cat/0.png,cat\nphotos/dog/0.png,dog\n")
    np.savez(tmp_path / "set.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.array([0, 1]))
    need_settings: dict[Any, Any] = {
        Idx: Idx(tmp_path / "KMNIST" / "raw"),
        Torchvision: Torchvision("KMNIST", root=tmp_path, download=False),
        Folder: Folder(tmp_path / "photos"),
        Table: Table(tmp_path / "labels.csv"),
        Npz: Npz(tmp_path / "set.npz"),
    }
    source = need_settings[kind] if kind in need_settings else kind()
    assert isinstance(source, Source)
    assert source.where() == str(getattr(source, "path", "data.source"))
    assert all(path.exists() for path in source.watched())
    found = source.load()
    count = len(found.images)
    if isinstance(found.images, list):
        assert all(path.is_file() for path in found.images)
    else:
        assert found.images.dtype == np.uint8
        assert found.images.ndim == 4
        assert found.images.flags.c_contiguous
    assert found.labels.shape == found.official_test.shape == (count,)
    assert len(found.files) == count
    assert found.official_test.dtype == bool
    assert set(found.labels.tolist()) == set(range(len(found.classes)))
    assert source.title()
