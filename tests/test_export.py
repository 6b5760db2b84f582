"""Images for the user: what is asked for, where it is asked for, and nothing of the user's own is ever lost."""

import csv
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganaug import store
from ganaug.errors import UserError
from ganaug.synth import archive, png
from ganaug.synth.export import export
from ganaug.synth.folder_names import folder_name
from ganaug.synth.format import Format
from ganaug.synth.formats import FORMATS
from ganaug.synth.generator import load_generator, save_generator

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
    generator = load_generator(tiny_model)
    save_generator(path, generator.network, {**generator.description, **changes})
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
    assert "2 images of each of 5 classes" in make(n=2, seed=9)
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
    beside = set(held) - {row["file"] for row in listed}
    assert {"manifest.csv"} <= beside <= {"manifest.csv", "shards.csv", "metadata.jsonl"}
    assert all(held.values())
    # In the order of the files, which is none of classes in shards: 130 of a class are more than two chunks.
    order = {"1": 0, "a/b": 1, ".": 2}
    listed.sort(key=lambda row: (order[row["class"]], int(row["index"])))
    assert [{**row, "file": ""} for row in listed] == [{**row, "file": ""} for row in rows(tmp_path / "png")]
    make(asked, n=1, output_format=output_format, overwrite=True)
    assert {row["file"] for row in rows(out)} | beside == set(files(out))


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
    assert "137 images of 3 classes (1, 3, a/b) in " in said
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
    assert "18 images of 3 classes (1, a/b, .) in " in said
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


NUMBERED = ["01", "02", "03", "5", "é"]


@pytest.fixture
def numbered(tiny_model: Path, tmp_path: Path) -> Path:
    return described(tiny_model, tmp_path / "numbered.safetensors", classes=NUMBERED)


@pytest.mark.parametrize(
    ("word", "name", "note"),
    [
        ("01", "01", 'took the class named "01" (index 0), not "02"'),
        ("1", "01", 'took the class named "01" (index 0), not "02"'),
        ("5", "5", ""),
        ("005", "5", ""),
        ("4", "é", 'no class has this name; took index 4, "é"'),
        ("0", "01", 'no class has this name; took index 0, "01"'),
        ("e\u0301", "é", ""),
    ],
)
def test_a_number_is_a_name_before_it_is_an_index(
    make: Any, out: Path, numbered: Path, word: str, name: str, note: str
) -> None:
    said = make([f"{word}=2"], model=numbered)
    assert made(out) == {name: 2}
    assert said.count("\n") == bool(note)
    assert note in said


def test_a_number_that_is_two_names_is_neither(make: Any, out: Path, tiny_model: Path, tmp_path: Path) -> None:
    names = ["1", "01", "a", "b", "c"]
    make(["001", "1"], n=1, model=described(tiny_model, tmp_path / "twice", classes=names))
    assert made(out) == {"01": 1, "1": 1}


@pytest.mark.parametrize("word", ["9" * 5000, "\x1b[2J", "a\nb", "x" * 5000, "3=" + "9" * 5000])
def test_words_are_shown_on_one_short_line(make: Any, word: str) -> None:
    with refused("--class") as caught:
        make([word])
    assert len(str(caught.value)) < 600
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("n", [10**9 + 1, 10**400])
def test_at_most_a_thousand_million_images(make: Any, out: Path, n: int) -> None:
    with refused("--n", "at most 1,000,000,000"):
        make(n=n)
    with refused("--class 3=", "at most 1,000,000,000"):
        make([f"3={n}"])
    assert not out.parent.exists()


def test_what_the_disk_cannot_hold_is_refused_before(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**6))
    with refused("--n", "500,000 images", "0.0 GB left", "ask for fewer"):
        make(n=10**5)
    assert not out.parent.exists()
    make(n=1)


@pytest.mark.parametrize("n", [0, -3])
def test_at_least_one_image(make: Any, out: Path, n: int) -> None:
    with refused("--n", "at least 1", str(n)):
        make(n=n)
    assert not out.parent.exists()


def test_an_unknown_format_is_refused(make: Any, out: Path) -> None:
    with refused("--format", "png, npz, parquet", '"jpg"'):
        make(output_format="jpg")
    assert not out.parent.exists()


def test_a_missing_generator_is_refused(make: Any, out: Path, tmp_path: Path) -> None:
    with refused("nowhere", "name another file"):
        make(model=tmp_path / "nowhere")
    assert not out.parent.exists()


# ------------------------------------------------------------------------------------------------------- where it goes


def test_a_second_call_needs_overwrite(make: Any, out: Path) -> None:
    make(n=2)
    before = files(out)
    with refused("--out", "10 images already", "--overwrite"):
        make(n=3)
    assert files(out) == before
    make(n=1, output_format="npz", overwrite=True)
    assert set(files(out)) == {"images.npz", "manifest.csv"}
    make(n=1, overwrite=True)
    assert set(files(out)) == {f"{name}/000000.png" for name in FOLDERS.values()} | {"manifest.csv"}


def test_a_class_is_added_to_a_folder_that_holds_others(make: Any, out: Path, tmp_path: Path) -> None:
    said = make(["1", "3"], n=2)
    before = files(out)
    assert "2 images of each of 2 classes (1, 3) in " in said
    assert "2 images of class a/b in" in (said := make(["a/b"], n=2, seed=7))
    assert "next to 4 of other classes" in said
    assert made(out) == {"1": 2, "3": 2, "a/b": 2}
    assert {row["class"]: row["seed"] for row in rows(out)} == {"1": "0", "3": "0", "a/b": "7"}
    now = files(out)
    assert {name: now[name] for name in before if name != "manifest.csv"} == {
        name: content for name, content in before.items() if name != "manifest.csv"
    }
    assert {row["file"] for row in rows(out)} | {"manifest.csv"} == set(now)
    with refused("2 images already", "class a/b"):
        make(["a/b", "."], n=3)
    assert files(out) == now


def test_overwrite_replaces_the_classes_named_and_no_other(make: Any, out: Path, tmp_path: Path) -> None:
    make(["1", "3", "a/b"], n=3)
    before = files(out)
    make(["3"], n=2, seed=5, overwrite=True)
    make(["3"], n=2, seed=5, to=tmp_path / "alone")
    assert made(out) == {"1": 3, "a/b": 3, "3": 2}
    kept = {name: content for name, content in before.items() if name.startswith(("1/", "a%2Fb/"))}
    alone = {name: content for name, content in files(tmp_path / "alone").items() if name.startswith("3/")}
    assert {name: content for name, content in files(out).items() if name != "manifest.csv"} == {**kept, **alone}


def test_a_class_that_is_asked_for_no_images_loses_them_with_overwrite_alone(
    make: Any, out: Path, learned: Path
) -> None:
    make(["3", "1"], n=2, model=learned)
    make(["3", "a/b"], model=learned, balance="fill")
    assert made(out) == {"3": 2, "1": 2, "a/b": 3}
    make(["3", "a/b"], model=learned, balance="fill", overwrite=True)
    assert made(out) == {"1": 2, "a/b": 3}


def test_another_generator_is_told_apart_by_the_manifest(make: Any, out: Path, learned: Path, tiny_model: Path) -> None:
    make(["1"], n=1)
    make(["3"], n=1, model=learned)
    digests = {"1": store.file_digest(tiny_model)[:16], "3": store.file_digest(learned)[:16]}
    assert {row["class"]: row["model"] for row in rows(out)} == digests


def test_a_manifest_of_an_earlier_release_is_added_to(make: Any, out: Path) -> None:
    make(["1"], n=1)
    lines = (out / "manifest.csv").read_text().splitlines()
    (out / "manifest.csv").write_text("".join(line.rpartition(",")[0] + "\n" for line in lines))
    make(["3"], n=1)
    assert [row["model"] != "" for row in rows(out)] == [False, True]


@pytest.mark.parametrize(("old", "new"), [("png", "npz"), ("npz", "png")])
def test_formats_are_not_mixed(make: Any, out: Path, old: str, new: str) -> None:
    make(["1", "3"], n=1, output_format=old)
    before = files(out)
    for overwrite in (False, True):
        with refused(f"--format: must be {old}", '"1"', new):
            make(["3" if overwrite else "a/b"], n=1, output_format=new, overwrite=overwrite)
    assert files(out) == before


def test_a_class_is_added_to_an_archive(make: Any, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what a folder of single images would be, read in pieces."""
    monkeypatch.setattr(archive, "_AT_ONCE", 2)
    for to, output_format in ((out, "npz"), (tmp_path / "png", "png")):
        make(["1", "3", "a/b"], n=3, output_format=output_format, to=to)
        make([".=5"], output_format=output_format, to=to)
        make(["3=4"], seed=6, output_format=output_format, to=to, overwrite=True)
    assert [{**row, "file": ""} for row in rows(out)] == [{**row, "file": ""} for row in rows(tmp_path / "png")]
    with np.load(out / "images.npz") as held:
        names = [str(held["classes"][label]) for label in held["labels"]]
        for image, name, row in zip(held["images"], names, rows(tmp_path / "png"), strict=True):
            assert name == row["class"]
            with Image.open(tmp_path / "png" / row["file"]) as picture:
                assert (np.asarray(picture) == image[:, :, 0]).all()


def test_an_archive_of_a_class_that_the_generator_lacks(make: Any, out: Path, tiny_model: Path, tmp_path: Path) -> None:
    other = described(tiny_model, tmp_path / "other.safetensors", classes=["v", "w", "x", "y", "z"])
    make(["1"], n=2, output_format="npz")
    make(["w"], n=2, output_format="npz", model=other)
    with np.load(out / "images.npz") as held:
        assert [str(held["classes"][label]) for label in held["labels"]] == ["1", "1", "w", "w"]
        assert (held["images"][0] == held["images"][2]).all()  # of the same label, latent and weights


@pytest.mark.parametrize("damage", ["cut", "other", "more"])
def test_an_archive_that_is_not_what_the_manifest_lists_is_left_alone(make: Any, out: Path, damage: str) -> None:
    make(["1"], n=3, output_format="npz")
    archive = out / "images.npz"
    if damage == "cut":
        archive.write_bytes(archive.read_bytes()[:-300])
    else:
        np.savez(archive, images=np.zeros((3, 9, 9, 1) if damage == "other" else (4, 8, 8, 1), np.uint8))
    before = files(out)
    with refused("--out", "images.npz must hold the images that the manifest lists"):
        make(["3"], n=1, output_format="npz")
    assert files(out) == before


@pytest.mark.parametrize("gone", [["1/000001.png"], ["1/000000.png", "1/000001.png"]])
def test_images_that_were_sorted_out_are_listed_no_longer(make: Any, out: Path, gone: list[str]) -> None:
    make(["1", "3"], n=2)
    for name in gone:
        (out / name).unlink()
    said = make(["a/b"], n=1).splitlines()
    count = "1 image" if len(gone) == 1 else "2 images"
    assert said[0] == f"{count} of other classes that {out / 'manifest.csv'} listed: gone, so no longer listed"
    assert said[1] == f"1 image of class a/b in {out}/, next to {4 - len(gone)} of other classes"
    assert {row["file"] for row in rows(out)} | {"manifest.csv"} == set(files(out))
    if len(gone) == 2:
        make(["1"], n=1)  # nothing of it is there any more
    else:
        with refused("holds 1 image already"):
            make(["1"])
        assert make(["1"], n=1, overwrite=True).startswith("1 image of class 1 in ")


def test_an_archive_that_is_gone(make: Any, out: Path) -> None:
    make(["1"], n=2, output_format="npz")
    (out / "images.npz").unlink()
    make(["3"], n=1)
    assert made(out) == {"3": 1}


@pytest.mark.parametrize("overwrite", [False, True])
def test_names_that_differ_by_case_alone_are_refused(
    make: Any, out: Path, tiny_model: Path, tmp_path: Path, overwrite: bool
) -> None:
    other = described(tiny_model, tmp_path / "other.safetensors", classes=["3", "1", "x", "A/B", "\u00e9"])
    make(["a/b"], n=1)
    before = files(out)
    with refused('differ by more than case or Unicode form, got "A/B" and "a/b", which', "name another folder"):
        make(["1", "A/B"], n=1, model=other, overwrite=overwrite)
    assert files(out) == before
    make(["\u00e9"], n=1, model=other)


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "@eaDir/1.png@SynoEAStream"])
@pytest.mark.parametrize("output_format", FORMATS)
def test_what_systems_leave_is_in_no_ones_way(make: Any, out: Path, name: str, output_format: str) -> None:
    for place in (out, out / "1") if output_format == "png" else (out,):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("the system's")
        make(["1"], n=1, output_format=output_format, overwrite=True)
    make(["1"], n=1, output_format=output_format, overwrite=True)
    assert made(out) == {"1": 1}
    assert (out / name).read_text() == "the system's"


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

    monkeypatch.setattr(png, "png_of", fails_later)
    with pytest.raises(OSError, match="No space"):
        make(n=3)
    assert files(tmp_path) == {}


def test_a_failure_half_way_leaves_the_earlier_images(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(n=2)
    before = files(out.parent)

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(FORMATS, "npz", Format("npz", fails))
    with pytest.raises(KeyboardInterrupt):
        make(n=3, output_format="npz", overwrite=True)
    assert files(out.parent) == before


class Killed(BaseException):
    """In the place of a kill: nothing is tidied up."""


def kill_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """The process is gone at the n-th change of the disk, and with it what it would have removed."""
    left = call

    def counted(function: Any) -> Any:
        def change(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed
            return function(*arguments, **named)

        return change

    for owner, names in (
        (Path, ("mkdir", "rename", "replace", "rmdir", "unlink", "write_bytes")),
        (shutil, ["rmtree"]),
        (png, ["png_of"]),  # before each image is written
    ):
        for name in names:
            monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


def attempt(call: Callable[[], object]) -> str:
    """Whether it is made, or refused because there are images; any other error is one."""
    try:
        call()
    except UserError as error:
        return "refused" if "images already; add --overwrite" in str(error) else str(error)
    except Killed:
        return "killed"
    return "made"


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "images"])
def test_a_kill_at_any_moment_is_repaired_by_the_same_command(
    make: Any, out: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    def again(overwrite: bool) -> None:
        make(["1", "3"], n=2, seed=2, overwrite=overwrite)

    if there == "images":
        make(["a/b"], n=2, seed=1)
    again(False)
    new = files(out)
    kept = {f"{out.name}/{name}": content for name, content in new.items() if name.startswith("a%2Fb")}
    for call in range(1, 60):
        shutil.rmtree(out.parent)
        old: dict[str, bytes] = {}
        if there == "images":
            make(["1", "a/b"], n=2, seed=1)
            old = files(out)
        elif there == "an empty folder":
            out.mkdir(parents=True)
        with monkeypatch.context() as patch:
            kill_at(patch, call)
            if attempt(lambda: again(there == "images")) == "made":
                break
        there_now = files(out.parent)
        held = there_now.values()
        assert set(old.values()) <= set(held) or set(new.values()) <= set(held)  # the old or the new are all there
        assert kept.items() <= there_now.items()  # and the class that is not named is where it was
        end = attempt(lambda: again(False))
        assert end in ("made", "refused")
        if end == "refused":
            assert files(out) in (old, new)
            again(True)
        assert files(out.parent) == {f"{out.name}/{name}": content for name, content in new.items()}
        assert [path.name for path in out.parent.iterdir()] == [out.name]
        assert {path.name for path in out.iterdir()} == {"1", "3", "manifest.csv"} | ({"a%2Fb"} if kept else set())
    else:
        raise AssertionError("it goes on and on")


def test_what_the_user_puts_there_meanwhile_stays(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a kill and the next call: nothing of it is overwritten, and the images are there when it has moved."""
    make(["1"], n=2)
    with monkeypatch.context() as patch:
        kill_at(patch, 12)  # the new ones are whole; the old ones are gone, but for their folder and the manifest
        assert attempt(lambda: make(["1"], n=2, seed=1, overwrite=True)) == "killed"
    mine = out / "1" / "000001.txt"
    mine.write_text("mine")
    with refused("--out", '"1", which ganaug did not write', "move it"):
        make(["1"], n=2, seed=1, overwrite=True)
    assert mine.read_text() == "mine"
    shutil.rmtree(out / "1")
    make(["1"], n=2, seed=1, overwrite=True)
    assert made(out) == {"1": 2}


def test_links_in_the_folder_are_left_alone(make: Any, out: Path, tmp_path: Path) -> None:
    make(["1"], n=1)
    elsewhere = tmp_path / "elsewhere"
    (out / "1").rename(elsewhere)
    (out / "1").symlink_to(elsewhere)
    with refused("--out", '"1"', "did not write"):
        make(["1"], n=1, overwrite=True)
    assert (elsewhere / "000000.png").is_file()


@pytest.mark.parametrize("name", ["../victim", "../000000.png", "..", "1/own.txt", "", "\0", "1/../../victim"])
def test_a_manifest_cannot_name_files_elsewhere(make: Any, out: Path, name: str) -> None:
    make(["1"], n=1)
    (out.parent / "victim").write_text("mine")
    (out.parent / "000000.png").write_text("mine")
    (out / "1" / "own.txt").write_text("mine")
    manifest = out / "manifest.csv"
    manifest.write_text(manifest.read_text() + f"{name},1,0,1,1.0\n")
    before = files(out.parent)
    with refused("--out", "did not write"):
        make(["1"], n=1, overwrite=True)
    assert files(out.parent) == before


@pytest.mark.parametrize("exists", [False, True])
def test_two_at_once_are_never_mixed(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch, exists: bool) -> None:
    """The second begins and ends while the first is at its images: of another class, both are there; of the same, the
    second wins, and the first is refused."""
    if exists:
        out.mkdir(parents=True)
    encode, inner = png.png_of, []

    def other_first(pixels: np.ndarray) -> bytes:
        if not inner:
            inner.append(1)
            make(["3"], n=1)
        return encode(pixels)

    monkeypatch.setattr(png, "png_of", other_first)
    make(["1"], n=2)
    assert made(out) == {"3": 1, "1": 2}
    inner.clear()
    shutil.rmtree(out)
    if exists:
        out.mkdir()
    with refused("--out", "1 image already"):
        make(["3"], n=2)
    assert made(out) == {"3": 1}
    assert {path.name for path in out.iterdir()} == {"3", "manifest.csv"}
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(("there", "why"), [([], "in a file of the same name"), (["a/b"], "that the manifest lists")])
def test_two_at_once_into_one_archive(
    make: Any, out: Path, monkeypatch: pytest.MonkeyPatch, there: list[str], why: str
) -> None:
    """The copy of what was there lacks what the second has added meanwhile: the first is refused."""
    if there:
        make(there, n=1, output_format="npz")
    write, inner = archive.write_npz, []

    def other_first(*arguments: Any) -> Any:
        if not inner:
            inner.append(1)
            make(["3"], n=1, output_format="npz")
        return write(*arguments)

    monkeypatch.setitem(FORMATS, "npz", Format("npz", other_first, archive.read_npz))
    with refused("--out", why):
        make(["1"], n=2, output_format="npz")
    assert made(out) == {**dict.fromkeys(there, 1), "3": 1}
    with np.load(out / "images.npz") as held:
        assert len(held["images"]) == len(there) + 1


def test_a_folder_that_is_a_disk_of_its_own(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is renamed over its edge, whether it is empty or holds images."""
    out.mkdir(parents=True)
    inside = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.is_relative_to(out) != Path(target).is_relative_to(out) or Path(target) == out:
            raise OSError(18, "Invalid cross-device link")
        return inside(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    make(["1"], n=1)
    make(["3"], n=1)
    make(["1"], n=2, overwrite=True)
    assert made(out) == {"3": 1, "1": 2}
    assert set(files(out)) == {"3/000000.png", "1/000000.png", "1/000001.png", "manifest.csv"}


def test_a_full_disk_is_named(make: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(pixels: np.ndarray) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(png, "png_of", fails)
    with pytest.raises(OSError, match="No space") as caught:
        make(n=1)
    assert Path(caught.value.filename).is_relative_to(out)


def test_npz_is_what_numpy_writes_and_never_whole_in_memory(make: Any, out: Path, tmp_path: Path) -> None:
    make(["1=250", "3=120"], output_format="npz")
    with np.load(out / "images.npz") as held:
        np.savez_compressed(tmp_path / "whole.npz", **{name: held[name] for name in ("images", "labels", "classes")})
    assert (out / "images.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    read = []

    def chunks() -> Any:
        for number in range(3):
            read.append(number)
            yield 0, np.full((2, 8, 8, 1), number, np.uint8), np.arange(2)

    (tmp_path / "lazy").mkdir()
    rows = archive.write_npz(tmp_path / "lazy", ["a"], chunks(), {0: 6})
    assert [(len(read), *row) for row in rows] == [(turn, "images.npz", 0, i) for turn in (1, 2, 3) for i in (0, 1)]


def test_nothing_is_written_outside_the_folder(make: Any, out: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "made").mkdir()
    make(n=2)
    assert {path.name for path in tmp_path.iterdir()} == {"x", "made"}
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["synthetic"]
    assert not list((tmp_path / "x").iterdir())
    assert {path.name for path in out.iterdir()} == {*FOLDERS.values(), "manifest.csv"}


@pytest.mark.parametrize(
    "name",
    ["é" * 100, "日" * 100, "%" * 100, "\U0001f600" * 100, "CON", "nul", "aux.txt", "com1", "a.", "a ", "Manifest.CSV"],
)
def test_any_name_is_a_folder_and_stays_whole_in_the_manifest(
    make: Any, out: Path, tiny_model: Path, tmp_path: Path, name: str
) -> None:
    make([name], n=1, model=described(tiny_model, tmp_path / "g", classes=[name, "b", "c", "d", "e"]))
    (folder,) = (path.name for path in out.iterdir() if path.is_dir())
    assert [row["class"] for row in rows(out)] == [name]
    assert len(folder.encode()) <= 255
    assert folder[-1] not in ". "
    assert folder.partition(".")[0].upper() not in ("CON", "NUL", "AUX", "COM1")
    assert folder.lower() != "manifest.csv"


def test_names_that_are_cut_still_differ() -> None:
    names = ["é" * 99 + end for end in "abc"] + ["%" * 100, "%" * 99 + "a", "CON", "%43ON", "a.", "a%2E", "a "]
    assert len({folder_name(name).casefold() for name in names}) == len(names)


@pytest.mark.parametrize("name", ["..", ".", "...", "/etc", "a\\b", "c:d", "tab\t", "%2F", " ", "ä", "x.y", "con|*?"])
def test_folder_names_stay_one_level_down(tmp_path: Path, name: str) -> None:
    folder = folder_name(name)
    assert (tmp_path / folder).resolve().parent == tmp_path.resolve()
    assert not set('/\\:*?"<>|\t') & set(folder)


def test_folder_names_of_different_classes_differ() -> None:
    names = ["a/b", "a%2Fb", "a\\b", "ab", "..", "%2E%2E", ".", "a%b", "a%25b"]
    assert len({folder_name(name) for name in names}) == len(names)
