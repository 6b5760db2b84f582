"""Conditions that images were taken under, from a user's folders, tables and archives to the prepared images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stages
from expect import refused
from photos import noise, prepare, project, save
from two_conditions import AT_NIGHT, CLASSES, evening, two_conditions

from ganaug import config, store
from ganaug.data.folder import Folder
from ganaug.data.labelled import Labelled
from ganaug.data.npz import Npz
from ganaug.data.prepared import read_prepared
from ganaug.data.table import Table
from ganaug.stages.project import Project, prepared_with

HOLE = ("dog", "night")  # the cell without images


def cells(folder: Path, levels: str = "above", count: int = 4) -> Path:
    """``folder/<condition>/<class>/<number>.png`` or the other way round, all different, none in HOLE."""
    for seed, (name, condition) in enumerate((n, c) for n in ("cat", "dog", "owl") for c in ("day", "night")):
        place = folder / (f"{condition}/{name}" if levels == "above" else f"{name}/{condition}")
        for number in range(count if (name, condition) != HOLE else 0):
            save(place / f"{number}.png", noise(seed=100 * seed + number))
    return folder


def pairs(found: Labelled) -> list[tuple[str, str]]:
    """(class, condition) of each image."""
    assert found.conditions is not None
    return [(found.classes[label], name) for label, name in zip(found.labels, found.conditions, strict=True)]


# ------------------------------------------------------------------------------------------------------------- folders


def test_a_level_of_folders_is_the_condition_above_or_below_the_class(tmp_path: Path) -> None:
    above = Folder(cells(tmp_path / "a"), conditions="above").load()
    below = Folder(cells(tmp_path / "b", "below"), conditions="below").load()
    assert above.classes == below.classes == ["cat", "dog", "owl"]
    assert sorted(pairs(above)) == sorted(pairs(below))
    for found in (above, below):
        for file, (name, condition) in zip(found.files, pairs(found), strict=True):
            assert set(file.split("/")[:2]) == {name, condition}
    assert not [pair for pair in pairs(above) if pair == HOLE]


def test_an_empty_folder_of_a_missing_cell_is_no_error(tmp_path: Path) -> None:
    for levels in ("above", "below"):
        source = Folder(cells(tmp_path / levels, levels), conditions=levels)  # type: ignore[arg-type]
        there = pairs(source.load())
        (source.path / ("night/dog" if levels == "above" else "dog/night")).mkdir()
        assert pairs(source.load()) == there


@pytest.mark.parametrize("levels", ["above", "below"])
def test_images_outside_the_two_levels_are_refused_or_told(tmp_path: Path, levels: Any) -> None:
    folder = cells(tmp_path / "photos", levels)
    source = Folder(folder, conditions=levels)
    save(folder / "top.png", noise())
    first = sorted(path.name for path in folder.iterdir() if path.is_dir())[0]
    (folder / first / "notes.txt").write_text("none")
    (folder / first / ".hidden").mkdir()
    notes = "\n".join(source.load().notes)
    assert "next to the class folders were left out: 1" in notes
    assert "not images): 2" in notes
    save(folder / first / "loose.png", noise())
    with refused("<condition>", "but 1 do not", f"{first}/loose.png", "move"):
        source.load()


def test_images_deeper_than_the_two_levels_need_nested(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for condition in ("day", "night"):
        for name in ("cat", "dog"):
            save(folder / condition / name / "deep" / "0.png", noise(seed=len(condition + name)))
    with refused("photos/<condition>/<class>/", "4 of 4 lie deeper", "nested"):
        Folder(folder, conditions="above").load()
    assert len(Folder(folder, conditions="above", nested=True).load().files) == 4


def test_folders_of_conditions_that_are_links_are_watched(tmp_path: Path) -> None:
    folder = cells(tmp_path / "photos")
    for name in ("elsewhere/night", "elsewhere/owl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    (folder / "day" / "owl").rename(tmp_path / "elsewhere" / "owl")
    (folder / "night").rename(tmp_path / "elsewhere" / "night")
    (folder / "day" / "owl").symlink_to(tmp_path / "elsewhere" / "owl")
    (folder / "night").symlink_to(tmp_path / "elsewhere" / "night")
    source = Folder(folder, conditions="above")
    assert len(source.load().files) == 20
    assert set(source.watched()) == {folder, tmp_path / "elsewhere/owl", tmp_path / "elsewhere/night"}


def test_folders_without_a_second_level_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photos" / "day").mkdir(parents=True)
    with refused("<condition>/<class>", "found no folder"):
        Folder(tmp_path / "photos", conditions="above").load()


# ------------------------------------------------------------------------------------------------- tables and archives


def table(folder: Path, conditions: list[Any], name: str = "camera", ending: str = "csv") -> Path:
    for number in range(len(conditions)):
        save(folder / f"{number}.png", noise(seed=number))
    files = [f"{number}.png" for number in range(len(conditions))]
    made = pd.DataFrame({"file": files, "label": ["cat", "dog"] * (len(files) // 2), name: conditions})
    path = folder / f"labels.{ending}"
    made.to_parquet(path) if ending == "parquet" else made.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_is_the_condition_where_it_is_named(tmp_path: Path, ending: str) -> None:
    path = table(tmp_path, ["old", "new"] * 4, ending=ending)
    assert Table(path, condition="camera").load().conditions == ["old", "new"] * 4
    assert Table(path).load().conditions is None
    assert Table(path).load().notes == []
    named = table(tmp_path, ["x", "y"] * 2, "condition", ending)
    assert Table(named).load().conditions is None
    assert Table(named).load().notes == [
        "Column condition is not read; name it in data.source.condition (ganaug init: --condition)"
    ]
    assert not Table(named, condition="condition").load().notes


def test_an_image_without_a_condition_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, ["old", "", "new", None])
    with refused('column "camera"', "missing in data row 2 (and 1 more)", "data.source.condition: null", "--condition"):
        Table(path, condition="camera").load()
    with refused('must have a column "scanner"', "data.source.condition"):
        Table(path, condition="scanner").load()


def npz(path: Path, **arrays: Any) -> Npz:
    np.savez(path, **arrays)
    return Npz(path)


def test_an_array_is_the_condition_in_every_part_or_none(tmp_path: Path) -> None:
    images, labels = np.zeros((4, 8, 8), np.uint8), np.arange(4) % 2
    plain = npz(tmp_path / "a.npz", images=images, labels=labels, conditions=np.array(["b", "a", "a", "b"]))
    assert plain.load().conditions == ["b", "a", "a", "b"]
    numbers = {"train_conditions": np.array([[7], [8], [7], [7]]), "test_conditions": np.array([8, 8, 8, 7], np.uint8)}
    both = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    assert npz(tmp_path / "b.npz", **both, **numbers).load().conditions == [*"78778887"]
    with refused("every part or for none", "test_conditions is missing"):
        npz(tmp_path / "c.npz", **both, train_conditions=labels).load()
    with refused("conditions must hold one condition for each of the 4 images", "(3,)"):
        npz(tmp_path / "d.npz", images=images, labels=labels, conditions=np.zeros(3, int)).load()
    with refused("conditions must be whole numbers or text, got Python objects"):
        npz(tmp_path / "e.npz", images=images, labels=labels, conditions=np.array([None] * 4)).load()


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["day"] * 12, ["at least 2 conditions", 'only "day"', "leave the conditions out"]),
        (["day", "Day"] * 6, ["condition names must differ by more than case", '"Day" and "day"']),
        (["é", "e\u0301"] * 6, ["condition names must differ by more than case or Unicode form"]),
        (["a", "x" * 101] * 6, ["condition names must be at most 100 characters"]),
        (["a", ".."] * 6, ["condition names must not be empty nor climb", "rename the condition"]),
    ],
)
def test_conditions_are_held_to_the_rules_of_class_names(tmp_path: Path, names: list[str], parts: list[str]) -> None:
    source = {"kind": "table", "path": str(table(tmp_path, names)), "condition": "camera"}
    with refused("labels.csv", *parts):
        prepare(tmp_path / "p", source)


# --------------------------------------------------------------------------------------------------- prepared and read


def test_what_is_prepared_is_what_the_source_says(tmp_path: Path) -> None:
    folder = cells(tmp_path / "photos")
    (folder / "day/cat/1.png").write_bytes(b"broken")
    prepared, said = prepare(
        tmp_path / "p", {"kind": "folder", "path": str(folder), "conditions": "above"}, on_broken="skip"
    )
    assert "3 classes of 4 to 8, 2 conditions, 1 of 6 cells missing" in said
    assert prepared.condition_names == ["day", "night"]
    assert prepared.conditions is not None
    lines = (prepared.folder / "items.csv").read_text().splitlines()
    assert lines[0] == "file,class,sha256,condition"
    for row, line in enumerate(lines[1:]):
        file, name, hash_, condition = line.split(",")
        assert file.split("/")[:2] == [condition, name]
        assert prepared.condition_names[prepared.conditions[row]] == condition
        assert store.digest(prepared.images[row]) == hash_
    assert prepared.cells(range(19)).tolist() == [[3, 4], [4, 0], [4, 4]]
    assert prepared.cells([0, 1, 2, 3]).sum() == 4
    assert prepared.part([0, 5, 17]).conditions.tolist() == prepared.conditions[[0, 5, 17]].tolist()  # type: ignore[union-attr]
    assert prepared.in_cells([(0, 1), (1, 0)]).sum() == 8


def test_a_condition_that_only_broken_images_have_is_none(tmp_path: Path) -> None:
    folder = cells(tmp_path / "photos")
    save(folder / "dusk" / "cat" / "0.png", noise())
    source = {"kind": "folder", "path": str(folder), "conditions": "above"}
    assert prepare(tmp_path / "p", source)[0].condition_names == ["day", "dusk", "night"]
    (folder / "dusk/cat/0.png").write_bytes(b"broken")
    assert prepare(tmp_path / "q", source, on_broken="skip")[0].condition_names == ["day", "night"]
    for path in (folder / "night").rglob("*.png"):
        path.write_bytes(b"broken")
    with refused("without its 9 broken images", "at least 2 conditions"):
        prepare(tmp_path / "r", source, on_broken="skip")


def test_without_conditions_nothing_speaks_of_them(tmp_path: Path) -> None:
    made = project(tmp_path, {"kind": "folder", "path": str(cells(tmp_path / "photos")), "nested": True})
    stages.prepared(made)
    prepared = read_prepared(made.prepared)
    assert prepared.conditions is None
    assert prepared.part([0]).conditions is None
    assert prepared.condition_names == []
    assert prepared.cells([0, 1]).shape == (2, 0)
    assert (made.prepared / "items.csv").read_text().startswith("file,class,sha256\n")
    assert not (made.prepared / "conditions.json").exists()
    text = json.dumps(prepared_with(made)) + "".join(path.read_text() for path in made.prepared.rglob("*.json"))
    text = text.replace(str(tmp_path), "")
    assert not any(word in text for word in ("condition", "rendered", "hidden", "truth"))


def hidden(root: Path) -> Project:
    raw = {"source": {"kind": "folder", "path": str(cells(root / "photos", count=6)), "conditions": "above"}}
    made = Project(root, config.check({"data": raw, "protocol": {"kind": "cells", "folds": 3, "repeats": 1}}))
    stages.prepared(made)
    return made


def test_splits_are_read_as_they_were_dealt_and_what_no_protocol_deals_is_refused(tmp_path: Path) -> None:
    made = hidden(tmp_path)
    path = made.prepared / "splits" / "0.json"
    dealt = json.loads(path.read_text())
    whole = read_prepared(made.prepared).split("0")
    assert whole.hidden
    assert all(isinstance(cell, tuple) for cell in whole.hidden)
    assert whole.truth == dealt["truth"]
    for change, message in (
        ({"hidden": [[0, 2]]}, "hidden must list classes of 0 to 2 under conditions of 0 to 1"),
        ({"hidden": [[-1, 0]]}, "hidden must list classes of 0 to 2 under conditions of 0 to 1"),
        ({"hidden": []}, "truth must list images of hidden cells"),
        ({"train": sorted(dealt["train"] + dealt["truth"]), "truth": []}, "no image of a hidden cell"),
        ({"truth": dealt["train"][:1], "train": dealt["train"][1:]}, "truth must list images of hidden cells"),
        ({"truth": dealt["test"]}, "in one part, but some are in several"),
        ({"truth": dealt["truth"][1:]}, "was changed since then"),
    ):
        path.write_text(json.dumps({**dealt, **change}))
        with refused("splits/0.json", message, "ganaug prepare"):
            read_prepared(made.prepared).split("0")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ('["day", "noon"]', 'items.csv: every condition must be one of conditions.json, but "night" is not'),
        ('["day", "day"]', "conditions.json: must be JSON as ganaug wrote it"),
        (None, "conditions.json"),
    ],
)
def test_damaged_names_of_conditions_are_refused(tmp_path: Path, names: str | None, message: str) -> None:
    made, _ = prepare(tmp_path, {"kind": "folder", "path": str(cells(tmp_path / "photos")), "conditions": "above"})
    path = made.folder / "conditions.json"
    path.write_text(names) if names else path.unlink()
    with refused(message, "ganaug prepare"):
        read_prepared(made.folder)


def test_cells_with_too_few_images_to_be_hidden_are_told(tmp_path: Path) -> None:
    folder = cells(tmp_path / "photos", count=6)
    save(folder / "night" / "dog" / "0.png", noise())
    save(folder / "day" / "fox" / "0.png", noise(seed=7))
    save(folder / "day" / "fox" / "1.png", noise(seed=8))
    save(folder / "day" / "fox" / "2.png", noise(seed=9))
    raw = {"source": {"kind": "folder", "path": str(folder), "conditions": "above"}}
    made = Project(tmp_path, config.check({"data": raw, "protocol": {"kind": "cells", "folds": 3, "repeats": 1}}))
    assert "Too few images to be hidden and measured: dog under night" in stages.prepared(made)


# --------------------------------------------------------------------------------------------- the set for other tests


def test_the_set_of_photographs_has_two_conditions_with_holes(tmp_path: Path) -> None:
    folder = two_conditions(tmp_path, count=4)
    found = Folder(folder, conditions="above").load()
    listed = Table(tmp_path / "photos.csv", label="label", condition="light").load()
    there = {*((name, "day") for name in CLASSES), *((name, "evening") for name in AT_NIGHT)}
    assert sorted(pairs(found)) == sorted(pairs(listed)) == sorted([*there] * 4)
    bright = np.full((8, 8, 3), 200, np.uint8)
    assert evening(bright, np.random.default_rng(0)).mean() < 150
