"""Files are written whole or not at all, and read back as they were written."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from ganaug import store


class Stop(Exception):
    pass


# --------------------------------------------------------------------------------------------------------- replacing


def test_replacing_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    for text in ("one", "two"):
        with store.replacing(path) as part:
            part.write_text(text)
            assert part.parent == path.parent
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(Stop), store.replacing(path) as part:  # noqa: PT012 (what fails is the block)
        part.write_text("half")
        raise Stop
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(Stop), store.replacing(path, folder=True) as part:  # noqa: PT012 (what fails is the block)
        (part / "deep").mkdir(parents=True)
        (part / "deep" / "new").write_text("half")
        raise Stop
    assert [file.name for file in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_a_folder_drops_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    with store.replacing(path, folder=True) as part:
        (part / "new").write_text("new")
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_there_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with store.replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"


def test_what_a_killed_run_left_goes_and_what_another_is_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    killed, old = tmp_path / ".folder.0123abcd.part", tmp_path / ".folder.0123abcd.old"
    others = [tmp_path / ".folder2.0123abcd.part", tmp_path / ".folder.part"]
    for left in (killed, old, *others):
        left.mkdir()
    with store.replacing(path, folder=True) as first:
        assert not killed.exists()
        assert not old.exists()
        (first / "a").write_text("first")
        with store.replacing(path, folder=True) as second:
            (second / "a").write_text("second")
        assert first.is_dir()
    assert (path / "a").read_text() == "first"
    assert set(tmp_path.iterdir()) == {path, *others}


def test_a_failing_row_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    store.write_csv(path, ["x"], [[1]])

    def rows() -> Any:
        yield [2]
        raise Stop

    with pytest.raises(Stop):
        store.write_csv(path, ["x"], rows())
    assert store.read_table(path) == [{"x": "1"}]
    assert list(tmp_path.iterdir()) == [path]


def test_remove(tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "file").write_text("x")
    (tmp_path / "link").symlink_to(keep)
    store.remove(tmp_path / "link")
    store.remove(tmp_path / "nothing")
    assert (keep / "file").exists()
    store.remove(keep)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------- round trips


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\r\0", codec="utf-8")), min_size=2, max_size=2)))
def test_csv_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    store.write_csv(path, ["first", "second"], rows)
    assert [list(row.values()) for row in store.read_table(path)] == rows


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values.filter(lambda value: "\ud800" not in str(value)))
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    store.write_json(path, value)
    assert store.read_json(path, "make it") == value
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.write_json(tmp_path / "a.json", {"x": value})
    assert list(tmp_path.iterdir()) == []


@given(st.dictionaries(st.text(), values, max_size=4))
def test_canonical_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert store.canonical(dict(reversed(value.items()))) == store.canonical(value)
    assert json.loads(store.canonical(value)) == value


def test_array_round_trip(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    store.write_array(tmp_path / "a.npy", array)
    read = store.read_array(tmp_path / "a.npy", "make it", array.dtype, array.ndim)
    assert read.dtype == np.uint8
    assert (read == array).all()
    assert isinstance(read, np.memmap)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_png_round_trip(tmp_path: Path, channels: int, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    store.write_png(tmp_path / "a.png", pixels)
    with Image.open(tmp_path / "a.png") as image:
        assert (image.mode, image.size) == (mode, (7, 5))
        assert (np.asarray(image).reshape(pixels.shape) == pixels).all()


def tensors() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return {
        "b.weight": torch.randn(3, 4, generator=rng),
        "a": torch.arange(5),
        "conv": torch.randn(2, 3, 4, 4, generator=rng).to(memory_format=torch.channels_last),
        "turned": torch.randn(3, 4, generator=rng).T,
        "count": torch.tensor(7),
    }


def test_tensors_round_trip(tmp_path: Path) -> None:
    description = {"classes": ["ä", "b"], "deep": {"x": [1, 2.5, None]}}
    store.write_tensors(tmp_path / "a.safetensors", tensors(), description)
    read, found = store.read_tensors(tmp_path / "a.safetensors", "make it")
    assert found == description
    assert set(read) == set(tensors())
    for name, tensor in tensors().items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_tensors_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    description = {f"key {number}": number for number in range(20)}
    written = set()
    for run in range(10):
        order = dict(sorted(description.items(), reverse=bool(run % 2)))
        store.write_tensors(tmp_path / f"{run}", tensors(), order)
        written.add((tmp_path / f"{run}").read_bytes())
    assert len(written) == 1


# ------------------------------------------------------------------------------------------------------------ errors


def test_missing_files_say_what_makes_them(tmp_path: Path) -> None:
    for read in (store.read_json, store.read_array, store.read_tensors):
        with refused("nowhere", "missing", "make it so"):
            read(tmp_path / "nowhere", "make it so")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"[1, 2"])
def test_broken_files_say_what_makes_them(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken"
    path.write_bytes(data)
    for read in (store.read_json, store.read_array, store.read_tensors):
        with refused("broken", "make it so"):
            read(path, "make it so")


def test_a_cut_array_or_tensor_file_is_refused(tmp_path: Path) -> None:
    store.write_array(tmp_path / "a.npy", np.zeros((10, 10)))
    store.write_tensors(tmp_path / "a.safetensors", tensors(), {})
    for name, read in (("a.npy", store.read_array), ("a.safetensors", store.read_tensors)):
        whole = (tmp_path / name).read_bytes()
        for length in (1, 9, 40, len(whole) // 2, len(whole) - 1):
            (tmp_path / name).write_bytes(whole[:length])
            with refused(name, "make it so"):
                read(tmp_path / name, "make it so")


# ------------------------------------------------------------------------------------------------------------ digest


arrays = hnp.arrays(
    st.sampled_from([np.uint8, np.int64, np.float32]), hnp.array_shapes(max_dims=3, max_side=3), elements=st.just(1)
)


@given(arrays, arrays)
def test_digest_tells_arrays_apart_by_type_and_shape(one: np.ndarray, other: np.ndarray) -> None:
    same = one.dtype == other.dtype and one.shape == other.shape
    assert (store.digest(one) == store.digest(other)) == same


@given(
    st.lists(st.text(max_size=3) | st.binary(max_size=3), max_size=4),
    st.lists(st.text(max_size=3) | st.binary(max_size=3), max_size=4),
)
def test_digest_tells_parts_apart(one: list[str | bytes], other: list[str | bytes]) -> None:
    assert (store.digest(*one) == store.digest(*other)) == (one == other)


def test_digest_sees_boundaries_kinds_and_values() -> None:
    different = [
        store.digest("ab", "c"),
        store.digest("a", "bc"),
        store.digest("abc"),
        store.digest(b"abc"),
        store.digest("abc", ""),
        store.digest("", "abc"),
        store.digest(np.frombuffer(b"abc", np.uint8)),
        store.digest("text:1:a"),
        store.digest(np.array([[1, 2]])),
        store.digest(np.array([[1], [2]])),
        store.digest(np.array([1, 2])),
        store.digest(np.array([2, 1])),
    ]
    assert len(set(different)) == len(different)
    assert all(len(one) == 64 for one in different)


def test_digest_does_not_depend_on_the_memory_layout() -> None:
    array = np.arange(12).reshape(3, 4)
    assert store.digest(np.asfortranarray(array)) == store.digest(array)
    assert store.digest(np.arange(24).reshape(3, 8)[:, ::2]) == store.digest(np.arange(0, 24, 2).reshape(3, 4))


@pytest.mark.parametrize(("files", "one_call"), [(store._MANY + 1, True), (store._MANY + 1, False), (3, True)])
def test_many_files_are_synced_by_one_call_where_the_system_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, one_call: bool
) -> None:
    for number in range(files):
        (tmp_path / str(number)).touch()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    if sys.platform != "linux" or not one_call:
        monkeypatch.setattr(store, "_sync_file_system", lambda folder: False)
    store.sync(tmp_path)
    assert len(synced) == (0 if files > store._MANY and one_call and sys.platform == "linux" else files + 1)
