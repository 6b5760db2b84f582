"""From a user's own images to prepared ones: what goes in comes out in its row; what is wrong is one line."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from photos import huge_png, noise, photos, prepare, project, save
from PIL import Image

from ganaug import cli, config, store
from ganaug.data.labelled import check_counts, check_names, label_rows, one_line, sort_classes
from ganaug.errors import UserError
from ganaug.start.dvc import dvc_yaml
from ganaug.synth.folder_names import folder_name


def folder(path: Path) -> dict[str, Any]:
    return {"kind": "folder", "path": str(path)}


def table(path: Path, rows: list[tuple[str, str]]) -> dict[str, Any]:
    store.write_csv(path, ["file", "label"], rows)
    return {"kind": "table", "path": str(path)}


def items(root: Path) -> list[tuple[str, str]]:
    return [(row["file"], row["class"]) for row in store.read_table(root / "data" / "prepared" / "items.csv")]


# --------------------------------------------------------------------------------------------------- what comes out


def test_every_row_is_its_picture_and_its_class(tmp_path: Path) -> None:
    prepared, said = prepare(tmp_path, folder(photos(tmp_path / "photos", "b", "a")))
    assert prepared.classes == ["a", "b"]
    assert items(tmp_path) == [(f"{name}/{number}.png", name) for name in "ab" for number in range(4)]
    for row, (file, name) in enumerate(items(tmp_path)):
        assert (prepared.images[row] == np.asarray(Image.open(tmp_path / "photos" / file))).all()
        assert prepared.classes[prepared.labels[row]] == name
    assert "8 images of 8x8 pixels, 3 channels, 2 classes of 4 to 4; 0 exact duplicates; 2 trials" in said


def test_a_table_s_rows_keep_their_order(tmp_path: Path) -> None:
    photos(tmp_path, "a", "b")
    rows = [(f"{name}/{number}.png", name) for number in (2, 0, 3, 1) for name in "ba"]
    prepared, _ = prepare(tmp_path, table(tmp_path / "labels.csv", rows))
    assert items(tmp_path) == rows
    for pixels, (file, _) in zip(prepared.images, rows, strict=True):
        assert (pixels == np.asarray(Image.open(tmp_path / file))).all()


def test_an_archive_goes_through_byte_for_byte(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28), np.uint8)
    np.savez(tmp_path / "set.npz", train_images=images, train_labels=np.array([[0], [1]] * 4))
    prepared, _ = prepare(tmp_path, {"kind": "npz", "path": str(tmp_path / "set.npz"), "classes": ["no", "yes"]})
    assert (prepared.images[..., 0] == images).all()
    assert prepared.classes == ["no", "yes"]
    assert prepared.image_shape == (1, 28, 28)


def test_class_names_of_any_language_are_written_and_read_back(tmp_path: Path) -> None:
    names = ["café", "雪", "Ünï ß", "🦋", "a b", "50 %", 'it\'s "x", y', "مرحبا", "x" * 100]
    prepared, _ = prepare(tmp_path, folder(photos(tmp_path / "photos", *names)))
    assert prepared.classes == sorted(names)
    assert items(tmp_path) == [(f"{name}/{number}.png", name) for name in sorted(names) for number in range(4)]


def test_files_of_any_name_are_written_and_read_back(tmp_path: Path) -> None:
    """No line end in a name may break the table of items, nor a message."""
    source = photos(tmp_path / "photos", "a", "b")
    for name in ("two\r\nlines.png", "one\r.png", "né 雪.png"):
        (source / "a" / name).write_bytes((source / "a" / "0.png").read_bytes())
    (source / "b" / "broken\n.png").write_bytes(b"broken")
    with refused("1 of 12 are not", "b/broken\\n.png: it is not an image"):
        prepare(tmp_path, folder(source))
    prepared, said = prepare(tmp_path, folder(source), on_broken="skip")
    assert len(prepared.images) == 11
    assert {"a/two\\r\\nlines.png", "a/one\\r.png", "a/né 雪.png"} < {file for file, _ in items(tmp_path)}
    assert "3 exact duplicates" in said


@pytest.mark.parametrize(("side", "size"), [(7, 8), (8, 8), (27, 28), (28, 28), (100, 96), (128, 128), (300, 128)])
def test_the_size_left_out_is_the_nearest_sensible_one(tmp_path: Path, side: int, size: int) -> None:
    prepared, _ = prepare(tmp_path, folder(photos(tmp_path / "photos", "a", "b", size=side)))
    assert prepared.image_shape == (3, size, size)


@pytest.mark.parametrize("size", [8, 29, 128])
def test_any_size_from_8_to_128_can_be_asked_for(tmp_path: Path, size: int) -> None:
    source = photos(tmp_path / "photos", "a", "b", size=10)
    save(source / "a" / "wide.jpg", noise(10, 40))
    prepared, _ = prepare(tmp_path, folder(source), image_size=size, aspect="crop")
    assert prepared.images.shape == (9, size, size, 3)


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ({"image_size": 7}, ["data.image_size", "got 7"]),
        ({"image_size": 129}, ["data.image_size", "got 129"]),
        ({"background": "blackish"}, ["data", "a colour such as black", "blackish"]),
    ],
)
def test_shapes_that_are_refused(data: dict[str, Any], parts: list[str]) -> None:
    with refused(*parts):
        config.check({"data": data})


@pytest.mark.parametrize(
    ("channels", "coloured", "expected"), [("auto", False, 1), ("auto", True, 3), ("gray", True, 1), ("rgb", False, 3)]
)
def test_channels(tmp_path: Path, channels: str, coloured: bool, expected: int) -> None:
    source = tmp_path / "photos"
    for row in range(8):
        save(source / "ab"[row % 2] / f"{row}.png", noise(channels=3 if coloured and row == 3 else 1, seed=row))
    prepared, _ = prepare(tmp_path, folder(source), channels=channels)
    assert prepared.image_shape == (expected, 8, 8)


def test_the_bars_have_the_background_s_colour(tmp_path: Path) -> None:
    for row in range(8):
        save(tmp_path / "photos" / "ab"[row % 2] / f"{row}.png", np.full((8, 16, 3), 10 * row, np.uint8))
    prepared, _ = prepare(tmp_path, folder(tmp_path / "photos"), image_size=8, background="#ff8000")
    assert (prepared.images[:, [0, 1, 6, 7]] == (255, 128, 0)).all()
    assert prepared.images[:, 4, 4, 0].tolist() == [0, 20, 40, 60, 10, 30, 50, 70]


# ----------------------------------------------------------------------------------------------------- broken pictures


def with_broken(path: Path) -> Path:
    """Classes a and b of five pictures each, and b/x.jpg; a/1 is cut short, b/x.jpg is text."""
    photos(path, "a", "b", count=5)
    whole = (path / "a" / "1.png").read_bytes()
    (path / "a" / "1.png").write_bytes(whole[:-60])
    (path / "b" / "x.jpg").write_text("not a picture")
    return path


def test_broken_pictures_are_refused_by_name(tmp_path: Path) -> None:
    with refused("2 of 11 are not", "a/1.png: image file is truncated", "b/x.jpg: it is not an image", "broken: skip"):
        prepare(tmp_path, folder(with_broken(tmp_path / "photos")))


def test_broken_pictures_are_skipped_only_when_asked(tmp_path: Path) -> None:
    prepared, said = prepare(tmp_path, folder(with_broken(tmp_path / "photos")), on_broken="skip")
    assert items(tmp_path) == [(f"a/{n}.png", "a") for n in (0, 2, 3, 4)] + [(f"b/{n}.png", "b") for n in range(5)]
    for pixels, (file, _) in zip(prepared.images, items(tmp_path), strict=True):
        assert (pixels == np.asarray(Image.open(tmp_path / "photos" / file))).all()
    assert "2 broken images were skipped" in said
    skipped = {row["file"]: row["reason"] for row in store.read_table(tmp_path / "data" / "prepared" / "skipped.csv")}
    assert list(skipped) == ["a/1.png", "b/x.jpg"]
    assert "not an image" in skipped["b/x.jpg"]


def test_nothing_is_listed_where_nothing_was_skipped(tmp_path: Path) -> None:
    prepare(tmp_path, folder(photos(tmp_path / "photos", "a", "b")), on_broken="skip")
    assert not (tmp_path / "data" / "prepared" / "skipped.csv").exists()


def test_what_is_left_must_be_enough(tmp_path: Path) -> None:
    source = with_broken(tmp_path / "photos")
    for number in (2, 3, 4):
        (source / "a" / f"{number}.png").write_bytes(b"")
    with refused("without its 5 broken images", 'class "a"', "got 1"):
        prepare(tmp_path, folder(source), on_broken="skip")


@pytest.mark.parametrize("cut", [20, 120], ids=["in the header", "in the pixels"])
def test_no_readable_picture_at_all(tmp_path: Path, cut: int) -> None:
    source = photos(tmp_path / "photos", "a", "b")
    for path in source.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:cut])
    for on_broken in ("refuse", "skip"):
        with refused(str(source) if (cut, on_broken) == (120, "skip") else "8 of 8"):
            prepare(tmp_path, folder(source), on_broken=on_broken)


# ------------------------------------------------------------------------------------------------------ class names


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (["cat", "Cat"], "differ by more than case"),
        (["STRASSE", "straße"], "differ by more than case"),
        (["caf\u00e9", "cafe\u0301"], "differ by more than case"),
        (["x" * 101, "y"], "at most 100 characters"),
        (["9" * 5000, "1"], "at most 100 characters"),
        (["a\tb", "c"], '"a\\tb"'),
        (["a\0b", "c"], '"a\\x00b"'),
        (["a\nb", "c"], '"a\\nb"'),
        (["a\u2028b", "c"], '"a\\u2028b"'),
        (["a\udce9", "c"], '"a\\udce9"'),
        (["../x", "y"], 'climb out of a folder, got "../x"'),
        (["..\\x", "y"], "climb out of a folder"),
        (["a/../../x", "y"], "climb out of a folder"),
        (["/etc", "y"], "climb out of a folder"),
        (["..", "y"], "climb out of a folder"),
        ([".", "y"], "climb out of a folder"),
        (["", "y"], "must not be empty"),
        ([" ", "y"], "must not be empty"),
    ],
)
def test_class_names_that_are_refused(names: list[str], part: str) -> None:
    with refused("labels.csv: class names", part):
        check_names(names, "labels.csv")


def test_class_names_that_are_allowed() -> None:
    check_names(["cat", "cats", "a/b", "a.b", "...", "é", "e", "x" * 100, "01", "1"], "here")


def test_class_names_are_in_the_order_of_numbers_or_of_text() -> None:
    assert sort_classes({"10", "9", "01"}) == ["01", "9", "10"]
    assert sort_classes({"10", "9", "x"}) == ["10", "9", "x"]
    assert sort_classes({"\u0661", "2"}) == ["2", "\u0661"]  # an Arabic digit is text
    classes, labels = label_rows(["10", "9", "10"])
    assert (classes, labels.tolist()) == (["9", "10"], [1, 0, 1])


def test_every_class_needs_as_many_images_as_the_least_that_a_protocol_deals() -> None:
    check_counts(np.array([0, 1, 0, 1, 0, 1]), ["a", "b"], "here")
    with refused("here", 'class "b"', "at least 3 images, two to train on and one to test on", "got 2"):
        check_counts(np.array([0, 1, 0, 1, 0]), ["a", "b"], "here")
    with refused('class "c"', "got 0"):
        check_counts(np.array([0, 1, 0, 1, 0, 1]), ["a", "b", "c"], "here")
    with refused("at least 2 classes", 'only "a"'):
        check_counts(np.array([0, 0]), ["a"], "here")
    with refused("at least 2 classes", "got none"):
        check_counts(np.array([], int), [], "here")


def test_one_line() -> None:
    assert one_line("né 雪 🦋") == "né 雪 🦋"
    assert one_line("a\r\nb\0\udce9\u2029") == "a\\r\\nb\\x00\\udce9\\u2029"
    assert one_line("abcdef", 3) == "abc..."
    assert one_line("abc", 3) == "abc"


def test_counts_are_checked_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("ganaug.data.pictures.look_at", decode)
    source = photos(tmp_path / "photos", "a")
    with refused("at least 2 classes"):
        prepare(tmp_path, folder(source))


# -------------------------------------------------------------------------------------------------- the command line


def one_image(root: Path) -> dict[str, Any]:
    source = photos(root / "photos", "a", "b")
    save(source / "c" / "0.png", noise())
    return folder(source)


def mixed_sizes(root: Path) -> dict[str, Any]:
    source = photos(root / "photos", "a", "b", size=30)
    save(source / "a" / "large.png", noise(60, 90))
    return folder(source)


def bomb(root: Path) -> dict[str, Any]:
    source = photos(root / "photos", "a", "b")
    (source / "a" / "9.png").write_bytes(huge_png(100_000))
    return folder(source)


def empty_class(root: Path) -> dict[str, Any]:
    (photos(root / "photos", "a", "b") / "c").mkdir()
    return folder(root / "photos")


def no_utf8(root: Path) -> dict[str, Any]:
    photos(root / "photos", "a", "b")
    return folder(photos(root / "photos", os.fsdecode(b"caf\xe9")))


BAD: list[tuple[Callable[[Path], dict[str, Any]], list[str]]] = [
    (lambda root: folder(with_broken(root / "photos")), ["2 of 11", "a/1.png", "b/x.jpg"]),
    (lambda root: folder(root / "nowhere"), ["data.source.path", "is not there"]),
    (lambda root: folder(photos(root / "photos", "a")), ["at least 2 classes", 'only "a"']),
    (lambda root: folder(photos(root / "photos", "a\nb", "y")), ["printable"]),
    (one_image, ['class "c"', "got 1"]),
    (empty_class, ['class "c"', "got 0"]),
    (mixed_sizes, ["data.image_size", "2 sizes", "30x30", "90x60", "set it, for example to 32"]),
    (bomb, ["a/9.png: it is too large"]),
    (no_utf8, ["file names must be UTF-8", "caf\\udce9"]),
]


@pytest.mark.parametrize(("make", "parts"), BAD)
def test_bad_input_is_one_line_exit_code_2_and_nothing_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], dict[str, Any]],
    parts: list[str],
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    raw = {"data": {"source": make(tmp_path)}, "protocol": {"kind": "cv", "folds": 2, "repeats": 1}, "jobs": 1}
    (root / "params.yaml").write_text(store.canonical(raw), encoding="utf-8")
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["ganaug", "prepare"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert said.out == "prepare ...\n"
    assert len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("ganaug: ")
    assert all(part in said.err for part in parts), said.err
    made = {path.name for path in root.rglob("*") if path.is_file()}
    assert made in ({"params.yaml"}, {"params.yaml", ".gitignore", "prepare.lock"})
    assert not (root / "data" / "prepared").exists()


def test_a_failure_leaves_what_was_prepared_before(tmp_path: Path) -> None:
    source = photos(tmp_path / "photos", "a", "b")
    prepare(tmp_path, folder(source))
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    (source / "a" / "0.png").write_bytes(b"")
    with pytest.raises(UserError):
        prepare(tmp_path, folder(source))
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()} == before


def test_a_split_is_read_once(tmp_path: Path) -> None:
    prepared, _ = prepare(tmp_path, folder(photos(tmp_path / "photos", "a", "b")))
    first = prepared.split("0")
    shutil.rmtree(prepared.folder / "splits")
    assert prepared.split("0") is first
    with refused('split "1"'):
        prepared.split("1")


# ---------------------------------------------------------------------------------------- what DVC watches, and disks


def test_a_place_that_dvc_yaml_lacks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dvc.yaml is written once; then a class folder becomes a link."""
    monkeypatch.chdir(tmp_path)
    photos(Path("photos"), "a", "b")
    source = {"kind": "folder", "path": "photos"}
    Path("dvc.yaml").write_text(dvc_yaml(project(Path(), source).settings))
    prepare(Path(), source)
    Path("disk").mkdir()
    Path("photos", "a").rename("disk/a")
    Path("photos", "a").symlink_to("../disk/a")
    with refused("dvc.yaml", "lacks disk/a", 'run "ganaug sync"'):
        prepare(Path(), source)
    Path("dvc.yaml").write_text(dvc_yaml(project(Path(), source).settings))
    prepare(Path(), source)
    with refused("lacks more"):
        prepare(Path(), source, unlabelled="more")
    for text in ("", "stages: {}", "stages: {prepare: {cmd: x, deps: ['${data.source.path}']}}", "stages: [5]"):
        Path("dvc.yaml").write_text(text)
        prepare(Path(), source)


def test_a_link_to_nowhere_among_unlabelled_images(tmp_path: Path) -> None:
    save(tmp_path / "more" / "1.png", noise(seed=77))
    (tmp_path / "more" / "2.png").symlink_to("/nowhere")
    with refused("2.png: is a link to /nowhere"):
        prepare(tmp_path, folder(photos(tmp_path / "photos", "a", "b")), unlabelled=str(tmp_path / "more"))


@pytest.mark.parametrize("system", ["has posix_fallocate", "has none"])
def test_a_full_disk_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    resource = pytest.importorskip("resource")
    if system == "has none":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    source = folder(photos(tmp_path / "photos", "a", "b", size=64))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"images\.npy") as caught:
            prepare(tmp_path, source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.strerror
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_reserved_arrays_are_those_of_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "numpy.npy", np.zeros((3, 8, 8, 1), np.uint8))
    store.new_array(tmp_path / "one.npy", (3, 8, 8, 1))
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    store.new_array(tmp_path / "other.npy", (3, 8, 8, 1))
    same = {(tmp_path / f"{name}.npy").read_bytes() for name in ("numpy", "one", "other")}
    assert len(same) == 1


@given(st.text(max_size=100))
def test_an_allowed_class_name_fits_a_folder_s_name(name: str) -> None:
    with contextlib.suppress(UserError):
        check_names([name], "here")
        assert len(folder_name(name).encode()) <= 255


def test_a_class_name_of_too_many_bytes_is_refused() -> None:
    check_names(["日" * 85], "here")
    with refused("at most 255 bytes as a folder's name, got 300"):
        check_names(["日" * 100], "here")
