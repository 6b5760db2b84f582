"""Images in folders: a class is a folder, whatever lies deeper; what is left out is said."""

import os
from pathlib import Path

import numpy as np
import pytest
from expect import refused
from photos import noise, photos, save

from ganaug.data.folder import Folder, is_image
from ganaug.data.gather import look


def test_a_class_is_a_folder_and_its_files_are_in_order(tmp_path: Path) -> None:
    found = Folder(photos(tmp_path / "photos", "dog", "cat", count=2)).load()
    assert found.classes == ["cat", "dog"]
    assert found.files == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.images == [tmp_path / "photos" / file for file in found.files]
    assert not found.official_test.any()
    assert found.groups is None
    assert found.notes == []


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    found = Folder(photos(tmp_path, "10", "9", "1", count=1)).load()
    assert found.classes == ["1", "9", "10"]
    assert [found.classes[label] for label in found.labels] == [file.split("/")[0] for file in found.files]


def test_images_below_a_class_folder_are_of_the_class(tmp_path: Path) -> None:
    photos(tmp_path, "cat", "dog", count=1)
    save(tmp_path / "cat" / "2024" / "may" / "1.jpg", noise())
    found = Folder(tmp_path).load()
    assert found.files == ["cat/0.png", "cat/2024/may/1.jpg", "dog/0.png"]
    assert found.labels.tolist() == [0, 0, 1]


def test_folders_of_folders_of_folders_are_asked_about(tmp_path: Path) -> None:
    """photos/train/cat/0.png: "train" would silently be a class."""
    for part in ("train", "test"):
        photos(tmp_path / "photos" / part, "cat", "dog", count=1)
    with refused("photos/<class>/", "test/cat/0.png", str(tmp_path / "photos" / "test"), "data.source.nested: true"):
        Folder(tmp_path / "photos").load()
    found = Folder(tmp_path / "photos", nested=True).load()
    assert found.classes == ["test", "train"]
    assert found.labels.tolist() == [0, 0, 1, 1]


def test_hidden_files_and_other_files_are_left_out_with_a_note(tmp_path: Path) -> None:
    photos(tmp_path, "cat", "dog", count=2)
    for name in ("notes.txt", ".DS_Store", "._0.png", "no-suffix"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    save(tmp_path / "cat" / ".thumbnails" / "0.png", noise())
    save(tmp_path / ".git" / "0.png", noise())
    save(tmp_path / "overview.png", noise())
    (tmp_path / "readme.txt").write_text("x")
    found = Folder(tmp_path).load()
    assert found.files == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert found.notes == [
        "Images next to the class folders were left out: 1",
        "Left out (hidden, leftovers, links to folders, or not images): 6, such as cat/.thumbnails",
    ]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        *((f"a{suffix}", True) for suffix in (".png", ".PNG", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")),
        *((f"a{suffix}", True) for suffix in (".webp", ".ppm", ".pgm", ".tar.png", " b.png")),
        *((name, False) for name in (".a.png", ".png", "png", "a.txt", "a.npy", "a.pdf", "a.png.txt", "")),
    ],
)
def test_an_image_is_known_by_its_ending(name: str, image: bool) -> None:
    assert is_image(Path(name)) == image


def test_an_empty_class_folder_is_refused(tmp_path: Path) -> None:
    photos(tmp_path, "cat", "dog")
    (tmp_path / "bird").mkdir()
    with refused('class "bird"', "at least 3 images", "got 0"):
        look(Folder(tmp_path), 1)
    for number in range(30):
        (tmp_path / "bird" / f"IM{number:04}").write_bytes(b"DICM")
    with refused("bird holds 30 files, such as IM0000, none of an ending that is read", "DICOM", "to PNG"):
        Folder(tmp_path).load()


def test_no_folder_a_file_and_no_classes(tmp_path: Path) -> None:
    with refused("data.source.path", "nowhere", "is not there"):
        Folder(tmp_path / "nowhere").load()
    save(tmp_path / "1.png", noise())
    with refused("data.source.path", "1.png", "is a file"):
        Folder(tmp_path / "1.png").load()
    with refused(str(tmp_path), "found no folder"):
        Folder(tmp_path).load()


def test_a_linked_class_folder_is_read(tmp_path: Path) -> None:
    photos(tmp_path / "elsewhere", "dog", count=2)
    photos(tmp_path / "photos", "cat", count=2)
    (tmp_path / "photos" / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    assert Folder(tmp_path / "photos").load().labels.tolist() == [0, 0, 1, 1]


def test_a_folder_that_cannot_be_listed_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(tmp_path, "cat", "dog")
    (tmp_path / "dog" / "private").mkdir()
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("private"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(PermissionError, match="private"):
        Folder(tmp_path).load()


@pytest.mark.parametrize(
    ("name", "shown"), [("a\nb.png", "a\\nb.png"), ("a\r.png", "a\\r.png"), ("né 雪.png", "né 雪.png")]
)
def test_any_file_name_is_shown_in_one_line(tmp_path: Path, name: str, shown: str) -> None:
    photos(tmp_path, "cat", "dog", count=1)
    save(tmp_path / "cat" / name, noise())
    found = Folder(tmp_path).load()
    assert sorted(found.files) == sorted(["cat/0.png", f"cat/{shown}", "dog/0.png"])
    assert isinstance(found.images, list)
    assert all(path.is_file() for path in found.images)


@pytest.mark.parametrize(
    "name", [b"caf\xe9.png", b"cat/caf\xe9.png", b"cat/caf\xe9.txt", b"cat/.caf\xe9", b"caf\xe9/0.png"]
)
def test_file_names_that_are_no_utf8_are_refused(tmp_path: Path, name: bytes) -> None:
    path = photos(tmp_path, "cat", "dog", count=1) / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with refused("file names must be UTF-8", "caf\\udce9"):
        Folder(tmp_path).load()


def test_the_title_is_the_folder_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos(tmp_path / "lesions", "cat"))
    assert Folder(Path()).title() == Folder(tmp_path / "lesions").title() == "lesions"
    assert Folder(tmp_path).watched() == [tmp_path]


def test_labels_are_rows_of_the_classes(tmp_path: Path) -> None:
    found = Folder(photos(tmp_path, "a", "b", "c", count=4)).load()
    assert found.labels.dtype == np.int64
    assert np.bincount(found.labels).tolist() == [4, 4, 4]


def test_hidden_folders_and_links_to_folders_are_left_out_with_a_note(tmp_path: Path) -> None:
    """A link may lead anywhere, in a circle too."""
    photos(tmp_path / "photos", "cat", "dog")
    photos(tmp_path / "elsewhere", "more")
    (tmp_path / "photos" / "cat" / "link").symlink_to(tmp_path / "elsewhere" / "more")
    photos(tmp_path / "photos" / "dog", ".thumbs")
    found = Folder(tmp_path / "photos").load()
    assert len(found.files) == 8
    assert found.notes == ["Left out (hidden, leftovers, links to folders, or not images): 2, such as cat/link"]


# ------------------------------------------------------------------------------------------------------------- links


def linked(tmp_path: Path) -> Path:
    """photos/cat, and photos/dog which is a link to disk/dog; the current directory is where both lie."""
    photos(tmp_path / "disk", "dog")
    photos(tmp_path / "photos", "cat")
    (tmp_path / "photos" / "dog").symlink_to(Path("..", "disk", "dog"))
    return tmp_path / "photos"


def test_what_a_link_leads_to_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC follows no link below the folder that it watches."""
    monkeypatch.chdir(linked(tmp_path).parent)
    assert Folder(Path("photos")).watched() == [Path("photos"), Path("disk", "dog")]
    assert Folder(tmp_path / "photos").watched() == [tmp_path / "photos", tmp_path / "disk" / "dog"]
    (tmp_path / "more").symlink_to("photos")  # DVC follows the watched folder itself
    assert Folder(Path("more")).watched() == [Path("more"), Path("disk", "dog")]


def test_no_place_is_watched_twice(tmp_path: Path) -> None:
    source = linked(tmp_path)
    (source / "bird").symlink_to(tmp_path / "disk" / "dog")
    (source / "fish").symlink_to(tmp_path / "disk")
    (source / "again").symlink_to("cat")
    assert Folder(source).watched() == [source, tmp_path / "disk"]


@pytest.mark.parametrize("name", ["bird", "cat/9.png", "cat/notes.txt", "dog/9.png"])
def test_a_link_to_nowhere_is_refused_by_name(tmp_path: Path, name: str) -> None:
    source = linked(tmp_path)
    (source / name).symlink_to("/nowhere/else")
    with refused(Path(name).name, "is a link to /nowhere/else, which is not there, and DVC would stop at it", "remove"):
        look(Folder(source), 1)


# ---------------------------------------------------------------------------------------------- what lies among images


def test_what_systems_leave_behind_is_no_class_and_no_image(tmp_path: Path) -> None:
    photos(tmp_path, "cat", "dog", "__MACOSX", "@eaDir", ".thumbnails")
    photos(tmp_path / "cat", "@eaDir", ".ipynb_checkpoints")
    (tmp_path / "dog" / "Thumbs.db").write_bytes(b"x")
    found = Folder(tmp_path).load()
    assert found.classes == ["cat", "dog"]
    assert len(found.files) == 8
    assert found.notes == [
        "Left out (hidden, leftovers, links to folders, or not images): 6, such as cat/.ipynb_checkpoints"
    ]


@pytest.mark.parametrize("stray", ["photos/train/1.png", "photos/other/1.png", "photos/1.png"])
def test_a_stray_image_does_not_hide_folders_of_folders(tmp_path: Path, stray: str) -> None:
    for part in ("train", "test"):
        photos(tmp_path / "photos" / part, "cat", "dog")
    save(tmp_path / stray, noise())
    with refused("photos/<class>/", "lie deeper, such as test/cat/0.png", "data.source.nested: true"):
        Folder(tmp_path / "photos").load()


def test_class_names_are_in_one_unicode_form(tmp_path: Path) -> None:
    """A Mac's folders are NFD: the classes and their order are those of any other machine."""
    found = Folder(photos(tmp_path, "cafe\u0301", "cafz")).load()
    assert found.classes == ["cafz", "caf\u00e9"]
    assert found.labels.tolist() == [1] * 4 + [0] * 4
    photos(tmp_path, "caf\u00e9")
    with refused("differ by more than case or Unicode form", "'cafe\\u0301' and 'caf\\xe9'"):
        Folder(tmp_path).load()
