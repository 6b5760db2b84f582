"""Images for the user: what is asked for, where it is asked for, and nothing of the user's own is ever lost."""

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganaug import store
from ganaug.errors import UserError
from ganaug.synth.export import export
from ganaug.synth.formats import FORMATS, folder_name
from ganaug.synth.sampler import load_sampler, save_generator

FOLDERS = {"3": "3", "1": "1", "../x": "..%2Fx", "a/b": "a%2Fb", ".": "%2E"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made" / "synthetic"


@pytest.fixture
def make(tiny_model: Path, out: Path) -> Any:
    def call(
        classes: Sequence[str] | None = None,
        n: int = 3,
        seed: int = 0,
        output_format: str = "png",
        overwrite: bool = False,
        model: Path = tiny_model,
        to: Path = out,
        balance: str = "equal",
    ) -> str:
        return export(model, to, classes, n, balance, seed, output_format, overwrite)

    return call


def described(tiny_model: Path, path: Path, **changes: Any) -> Path:
    """The tiny generator with another description."""
    sampler = load_sampler(tiny_model)
    save_generator(path, sampler.generator, {**sampler.description, **changes})
    return path


LEARNED = {"3": 10, "1": 4, "../x": 10, "a/b": 7, ".": 1}  # images of each class that the generator learned from


@pytest.fixture
def learned(tiny_model: Path, tmp_path: Path) -> Path:
    return described(tiny_model, tmp_path / "learned.safetensors", train_images=LEARNED)


def made(out: Path) -> dict[str, int]:
    """{class: images} by the manifest, whose indices must count up from 0 in each class."""
    found: dict[str, int] = {}
    for row in rows(out):
        assert int(row["index"]) == found.get(row["class"], 0)
        found[row["class"]] = int(row["index"]) + 1
    return found


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ----------------------------------------------------------------------------------------------------- what is made


def test_the_manifest_lists_every_image(make: Any, out: Path) -> None:
    assert "10 images" in make(n=2, seed=9)
    header = (out / "manifest.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.split(",")[:4] == ["file", "class", "seed", "index"]
    listed = rows(out)
    assert {row["file"] for row in listed} | {"manifest.csv"} == set(files(out))
    assert [(row["class"], row["seed"], row["index"]) for row in listed] == [
        (name, "9", str(index)) for name in FOLDERS for index in range(2)
    ]
    for row in listed:
        assert row["file"] == f"{FOLDERS[row['class']]}/{int(row['index']):06d}.png"


def test_more_images_begin_with_the_same_ones(make: Any, out: Path, tmp_path: Path) -> None:
    make(["1"], n=120)
    make(["1", "3"], n=5, to=tmp_path / "few")
    many, few = files(out / "1"), files(tmp_path / "few" / "1")
    assert len(many) == 120
    assert len(few) == 5
    assert few.items() <= many.items()


def test_seeds_give_other_images(make: Any, out: Path, tmp_path: Path) -> None:
    make(["1"])
    make(["1"], seed=1, to=tmp_path / "other")
    assert set(files(out / "1").values()).isdisjoint(files(tmp_path / "other" / "1").values())


@pytest.mark.parametrize("output_format", FORMATS)
def test_every_format_lists_the_same_images(make: Any, out: Path, tmp_path: Path, output_format: str) -> None:
    asked = ["1=3", "a/b=130", "."]
    make(asked, n=2, output_format=output_format)
    make(asked, n=2, to=tmp_path / "png")
    listed, held = rows(out), files(out)
    assert {row["file"] for row in listed} | {"manifest.csv"} == set(held)
    assert all(held.values())
    assert [{**row, "file": ""} for row in listed] == [{**row, "file": ""} for row in rows(tmp_path / "png")]
    make(["1"], n=1, output_format=output_format, overwrite=True)
    assert {row["file"] for row in rows(out)} | {"manifest.csv"} == set(files(out))


def test_png_and_npz_hold_the_same_pixels(make: Any, out: Path, tmp_path: Path) -> None:
    asked, npz = ["1=3", "3=101", ".=2"], tmp_path / "npz"
    make(asked)
    make(asked, output_format="npz", to=npz)
    assert set(files(npz)) == {"images.npz", "manifest.csv"}
    with np.load(npz / "images.npz") as held:
        images, labels, classes = held["images"], held["labels"], held["classes"]
    assert images.shape == (106, 8, 8, 1)
    assert images.dtype == np.uint8
    assert labels.tolist() == [1] * 3 + [0] * 101 + [4] * 2
    assert classes.tolist() == list(FOLDERS)
    listed, pictures = rows(npz), rows(out)
    assert made(out) == made(npz) == {"1": 3, "3": 101, ".": 2}
    assert [(row["class"], row["index"]) for row in listed] == [(row["class"], row["index"]) for row in pictures]
    for image, row in zip(images, pictures, strict=True):
        with Image.open(out / row["file"]) as picture:
            assert picture.mode == "L"
            assert (np.asarray(picture) == image[:, :, 0]).all()


# ---------------------------------------------------------------------------------------------- how many of which class


def test_each_class_may_have_a_number_of_its_own(make: Any, out: Path) -> None:
    said = make(["1=5", "3", "a/b=130"], n=2)
    assert "137 images of class 1, 3, a/b" in said
    assert made(out) == {"1": 5, "3": 2, "a/b": 130}
    named = [f"{FOLDERS[row['class']]}/{int(row['index']):06d}.png" for row in rows(out)]
    assert [row["file"] for row in rows(out)] == named
    assert set(files(out)) == {"manifest.csv", *named}


@given(st.lists(st.integers(1, 6), min_size=5, max_size=5))
@settings(max_examples=5)
def test_image_i_is_the_same_whatever_number_each_class_has(tiny_model: Path, numbers: list[int]) -> None:
    asked = [f"{name}={number}" for name, number in zip(FOLDERS, numbers, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        many, some = Path(folder, "many"), Path(folder, "some")
        export(tiny_model, many, None, 6, "equal", 0, "png", False)
        export(tiny_model, some, asked, 1, "equal", 0, "png", False)
        assert files(some).keys() - {"manifest.csv"} == {
            f"{folder_name(name)}/{index:06d}.png"
            for name, number in zip(FOLDERS, numbers, strict=True)
            for index in range(number)
        }
        assert all(files(many)[name] == content for name, content in files(some).items() if name != "manifest.csv")


def test_an_index_may_have_a_number_too(make: Any, out: Path) -> None:
    make(["2=4", "0=1"])
    assert made(out) == {"../x": 4, "3": 1}


def test_a_class_asked_for_twice_has_the_last_number(make: Any, out: Path) -> None:
    make(["1=5", "1=2", "3=5", "3"], n=4)
    assert made(out) == {"1": 2, "3": 4}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a=b", {"a=b": 2}),
        ("a=b=4", {"a=b": 4}),
        ("a=5", {"a=5": 2}),
        ("a=6", {"a": 6}),
        ("a=5=3", {"a=5": 3}),
        ("=", {"=": 2}),
        ("==3", {"=": 3}),
        ("a", {"a": 2}),
    ],
)
def test_a_class_name_may_hold_the_sign(
    make: Any, out: Path, tiny_model: Path, tmp_path: Path, word: str, expected: dict[str, int]
) -> None:
    names = ["a", "a=b", "a=5", "=", "x"]
    make([word], n=2, model=described(tiny_model, tmp_path / "signs", classes=names))
    assert made(out) == expected


@pytest.mark.parametrize("word", ["1=0", "1=-3", "1=", "1=x", "1=1.5", "1= 5", "1=1e3", "1=2="])
def test_a_wrong_number_is_refused(make: Any, out: Path, word: str) -> None:
    with refused(f"--class {word}:", "a number of images", f'"{word.rpartition("=")[2]}"'):
        make([word])
    assert not out.parent.exists()


def test_a_number_of_an_unknown_class_is_refused(make: Any, out: Path) -> None:
    with refused("--class", '"cat"', "0..4", "a/b"):
        make(["1=3", "cat=50"])
    assert not out.parent.exists()


def test_fill_tops_every_class_up_to_the_largest(make: Any, out: Path, learned: Path) -> None:
    """The generator's file has the counts in the order of the names, not in that of the classes."""
    said = make(n=7, balance="fill", model=learned)
    assert made(out) == {"1": 6, "a/b": 3, ".": 9}
    assert "18 images of class 1, a/b, ." in said
    assert {path.name for path in out.iterdir()} == {"1", "a%2Fb", "%2E", "manifest.csv"}
    assert {name: made(out).get(name, 0) + count for name, count in LEARNED.items()} == dict.fromkeys(LEARNED, 10)


def test_none_keeps_the_proportions(make: Any, out: Path, learned: Path) -> None:
    """32 images in 5 classes, 6.4 on the average, and 16 images of each asked for on the average: 2.5 times as many."""
    make(n=16, balance="none", model=learned, output_format="npz")
    assert made(out) == {"3": 25, "1": 10, "../x": 25, "a/b": 18, ".": 2}
    with np.load(out / "images.npz") as archive:
        assert np.bincount(archive["labels"]).tolist() == [25, 10, 25, 18, 2]


def test_a_number_of_its_own_goes_before_the_balance(make: Any, out: Path, learned: Path) -> None:
    make(["3=2", "1", "."], balance="fill", model=learned)
    assert made(out) == {"3": 2, "1": 6, ".": 9}


def test_equal_needs_no_counts(make: Any, out: Path, learned: Path, tiny_model: Path) -> None:
    for model in (learned, tiny_model):
        make(n=2, model=model, overwrite=True)
        assert made(out) == dict.fromkeys(FOLDERS, 2)


@pytest.mark.parametrize("balance", ["none", "fill"])
def test_a_generator_that_does_not_say_what_it_learned_from(make: Any, out: Path, balance: str) -> None:
    with refused("generator.safetensors", f"--balance {balance}", "older", "train it again"):
        make(balance=balance)
    assert not out.parent.exists()


@pytest.mark.parametrize("classes", [["3"], ["../x", "3"]])
def test_nothing_to_fill_is_refused(make: Any, out: Path, learned: Path, classes: list[str]) -> None:
    with refused("--balance fill", "no class asked for lacks images", "use equal"):
        make(classes, balance="fill", model=learned)
    assert not out.parent.exists()


@pytest.mark.parametrize("balance", ["filled", "", "Fill"])
def test_an_unknown_balance_is_refused(make: Any, out: Path, balance: str) -> None:
    with refused("--balance", "none, equal, fill", f'"{balance}"'):
        make(balance=balance)
    assert not out.parent.exists()


# ---------------------------------------------------------------------------------------------------------- classes


def test_a_name_wins_over_an_index_and_it_is_said(make: Any, out: Path) -> None:
    """Class "3" is row 0 and row 3 is "a/b": the name wins."""
    said = make(["3"])
    assert {row["class"] for row in rows(out)} == {"3"}
    assert '"3" (index 0)' in said
    assert '"a/b"' in said


def test_no_note_where_name_and_index_agree(make: Any, out: Path) -> None:
    assert "took" not in make(["1"])
    assert {row["class"] for row in rows(out)} == {"1"}


def test_a_class_asked_for_twice_is_made_once(make: Any, out: Path) -> None:
    assert "3 images" in make(["3", "0", "3"])
    assert len(rows(out)) == 3


@pytest.mark.parametrize("word", ["5", "12", "-1", "cat", "", "1.0", " 1"])
def test_an_unknown_class_is_refused(make: Any, out: Path, word: str) -> None:
    with refused("--class", f'"{word}"', "0..4", "a/b"):
        make([word])
    assert not out.parent.exists()


@pytest.mark.parametrize("n", [0, -3])
def test_at_least_one_image(make: Any, out: Path, n: int) -> None:
    with refused("--n", "at least 1", str(n)):
        make(n=n)
    assert not out.parent.exists()


def test_an_unknown_format_is_refused(make: Any, out: Path) -> None:
    with refused("--format", "png or npz", '"jpg"'):
        make(output_format="jpg")
    assert not out.parent.exists()


def test_a_missing_generator_is_refused(make: Any, out: Path, tmp_path: Path) -> None:
    with refused("nowhere", "--model"):
        make(model=tmp_path / "nowhere")
    assert not out.parent.exists()


# ------------------------------------------------------------------------------------------------------- where it goes


def test_a_second_call_needs_overwrite(make: Any, out: Path) -> None:
    make(n=2)
    before = files(out)
    with refused("--out", "10 images already", "--overwrite"):
        make(n=3)
    assert files(out) == before
    make(["1"], n=1, seed=4, overwrite=True)
    assert set(files(out)) == {"1/000000.png", "manifest.csv"}
    make(["1"], n=2, output_format="npz", overwrite=True)
    assert set(files(out)) == {"images.npz", "manifest.csv"}
    make(["1"], n=2, overwrite=True)
    assert set(files(out)) == {"1/000000.png", "1/000001.png", "manifest.csv"}


def test_an_empty_folder_is_used(make: Any, out: Path) -> None:
    out.mkdir(parents=True)
    make(["1"], n=1)
    assert set(files(out)) == {"1/000000.png", "manifest.csv"}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["thesis.txt", "1/000000.png", "deep/er/notes.md", ".hidden"])
def test_a_folder_with_foreign_files_is_left_alone(make: Any, out: Path, name: str, overwrite: bool) -> None:
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    with refused("--out", "did not write", Path(name).name):
        make(overwrite=overwrite)
    assert files(out) == {name: b"mine"}


def test_a_foreign_file_among_images_is_left_alone(make: Any, out: Path) -> None:
    make(["1"], n=1)
    (out / "1" / "notes.txt").write_text("mine")
    before = files(out)
    with refused("--out", "notes.txt"):
        make(overwrite=True)
    assert files(out) == before


@pytest.mark.parametrize("text", [b"name,price\npear,3\n", b"", b"\xff\xfe\x00binary", b"file,label\npear.png,fruit\n"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_manifest_of_another_program_is_left_alone(make: Any, out: Path, text: bytes, overwrite: bool) -> None:
    out.mkdir(parents=True)
    (out / "manifest.csv").write_bytes(text)
    (out / "pear.png").write_bytes(b"mine")
    with refused("--out"):
        make(overwrite=overwrite)
    assert files(out) == {"manifest.csv": text, "pear.png": b"mine"}


def test_the_folder_one_is_in(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--out .`` in an empty folder: it is filled, or refused in a line."""
    out.mkdir(parents=True)
    monkeypatch.chdir(out)
    expected = {"1/000000.png", "manifest.csv"}
    try:
        make(["1"], n=1, to=Path())
    except UserError:
        expected = set()
    assert set(files(out)) == expected


def test_the_folder_may_not_be_a_file(make: Any, out: Path) -> None:
    out.parent.mkdir()
    out.write_text("mine")
    with refused("--out", "is a file"):
        make(overwrite=True)
    assert out.read_text() == "mine"


def test_a_failure_half_way_leaves_nothing_behind(
    make: Any, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def fails_later(pixels: np.ndarray) -> bytes:
        written.append(1)
        if len(written) > 4:
            raise OSError("No space left on device")
        return b"picture"

    monkeypatch.setattr(store, "png_bytes", fails_later)
    with pytest.raises(OSError, match="No space"):
        make(n=3)
    assert files(tmp_path) == {}


def test_a_failure_half_way_leaves_the_earlier_images(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(n=2)
    before = files(out.parent)

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(FORMATS, "npz", fails)
    with pytest.raises(KeyboardInterrupt):
        make(n=3, output_format="npz", overwrite=True)
    assert files(out.parent) == before


def test_nothing_is_written_outside_the_folder(make: Any, out: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "made").mkdir()
    make(n=2)
    assert {path.name for path in tmp_path.iterdir()} == {"x", "made"}
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["synthetic"]
    assert not list((tmp_path / "x").iterdir())
    assert {path.name for path in out.iterdir()} == {*FOLDERS.values(), "manifest.csv"}


@pytest.mark.parametrize("name", ["..", ".", "...", "/etc", "a\\b", "c:d", "tab\t", "%2F", " ", "ä", "x.y", "con|*?"])
def test_folder_names_stay_one_level_down(tmp_path: Path, name: str) -> None:
    folder = folder_name(name)
    assert (tmp_path / folder).resolve().parent == tmp_path.resolve()
    assert not set('/\\:*?"<>|\t') & set(folder)


def test_folder_names_of_different_classes_differ() -> None:
    names = ["a/b", "a%2Fb", "a\\b", "ab", "..", "%2E%2E", ".", "a%b", "a%25b"]
    assert len({folder_name(name) for name in names}) == len(names)
