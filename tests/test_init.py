"""``ganaug init``: a project that runs at once, whatever the images are called; nothing of the user's is touched."""

import contextlib
import csv
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dvc.utils.serialize import parse_yaml
from expect import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML

from ganaug import config, store
from ganaug.data.folder import Folder
from ganaug.data.prepared import Prepared, read_prepared
from ganaug.data.table import Table
from ganaug.errors import UserError
from ganaug.stages import prepare as stage
from ganaug.stages.project import Project
from ganaug.start import doubtful, estimate, files
from ganaug.start import init as module
from ganaug.start import params as params_text
from ganaug.start.choose import SLOW
from ganaug.start.dvc import dvc_yaml
from ganaug.start.estimate import Pace

REPOSITORY = Path(__file__).parents[1]
FILES = {"params.yaml", "params.schema.json", "dvc.yaml", ".gitignore", "README.md"}
REAL_DVC = module.init_dvc
NAMES = [
    "two words",
    "Zoë",
    "a: b",
    'it\'s "q"',
    "7up",
    "yes",
    "# hash",
    "null",
    "{x}",
    "日本",
    "a=b",
    "-",
    "${x}",
    "~",
]


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, as if of git; no network is timed and no DVC started. A step takes 10 ms, of a classifier 1
    ms."""
    monkeypatch.chdir(tmp_path)
    Path(".git").mkdir()

    def measure(chosen: config.Settings, images: np.ndarray, labels: np.ndarray, classes: int) -> Pace:
        assert len(images) == len(labels)
        return Pace("cpu", 2, 0.01, dict.fromkeys(chosen.classify.arms, 0.001))

    monkeypatch.setattr(estimate, "measure", measure)
    monkeypatch.setattr(doubtful, "look", lambda *of: "")
    monkeypatch.setattr(module, "init_dvc", lambda folder: "DVC: not now")


def start(
    folder: str | Path = "project",
    images: str | Path | None = None,
    dataset: str | None = None,
    minutes: float = 20,
    nested: bool = False,
    conditions: str | None = None,
    unlabelled: str | None = None,
    **columns: str | None,
) -> None:
    path, more = (Path(one) if one is not None else None for one in (images, unlabelled))
    module.init(Path(folder), path, dataset, nested, columns, minutes, conditions=conditions, unlabelled=more)


def prepare(folder: str | Path = "project") -> Prepared:
    """``ganaug prepare`` in the project."""
    with contextlib.chdir(folder):
        project = Project.here()
        stage.prepare(project)
        return read_prepared(project.prepared.resolve())


def params(folder: str | Path = "project") -> config.Settings:
    return config.load(Path(folder) / "params.yaml")


def watched(folder: str | Path = "project") -> list[str]:
    """The dependencies of ``prepare``, as DVC reads them."""
    path = str(Path(folder) / "dvc.yaml")
    stage = parse_yaml(Path(path).read_text(encoding="utf-8"), path)["stages"]["prepare"]
    deps: list[str] = stage.get("deps", [])
    return deps


def held(folder: Path) -> dict[str, bytes | str | None]:
    """{path: content} of all that lies below a folder."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else (path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


def picture(seed: int, height: int = 12, width: int = 12, channels: int = 1) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


def save(path: str | Path, image: Image.Image) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def photos(root: str | Path = "photos", counts: dict[str, int] | None = None, mode: str = "L") -> Path:
    """Gray images of 12x12 pixels: ``root/<class>/0.png``."""
    seed = 0
    for name, count in (counts or {"cat": 4, "dog": 4}).items():
        for index in range(count):
            save(Path(root) / name / f"{index}.png", picture(seed).convert(mode))
            seed += 1
    return Path(root)


def table(path: str | Path, header: list[str], rows: list[list[str]]) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return Path(path)


# ------------------------------------------------------------------------------------------- from images to a project


def test_a_folder_of_gray_images(capsys: pytest.CaptureFixture[str]) -> None:
    start(images=photos())
    assert {path.name for path in Path("project").iterdir()} == FILES
    made = params()
    assert made.data.source == Folder(Path("../photos"))
    assert (made.data.image_size, made.data.channels, made.data.aspect) == (12, "gray", "squeeze")
    assert watched() == ["../photos"]
    prepared = prepare()
    assert prepared.classes == ["cat", "dog"]
    assert prepared.images.shape == (8, 12, 12, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "reading the images in photos ..."
    assert "DVC: not now" in lines
    assert "next: cd project && dvc repro" in lines


def test_colour_images_of_mixed_sizes() -> None:
    for index in range(8):
        save(f"photos/{'ab'[index % 2]}/{index}.png", picture(index, 20 + index, 30 - index, 3))
    start(images="photos")
    assert (params().data.channels, params().data.aspect) == ("rgb", "pad")
    assert prepare().images.shape == (8, 24, 24, 3)


def test_gray_images_in_colour_files() -> None:
    start(images=photos(mode="RGB"))
    assert params().data.channels == "gray"
    prepared = prepare()
    assert (prepared.images[0, :, :, 0] == np.asarray(picture(0))).all()


def test_images_below_folders_of_a_class() -> None:
    for seed in range(8):
        save(f"photos/{'ab'[seed % 2]}/site {seed // 4}/{seed}.png", picture(seed))
    with refused("--nested"):
        start(images="photos")
    start(images="photos", nested=True)
    assert params().data.source == Folder(Path("../photos"), nested=True)
    assert len(prepare().images) == 8


def two_cameras(where: str, each: int = 6) -> list[tuple[str, str, str]]:
    """(file, class, condition) of saved images: bolts, nuts and pins by an old camera, nuts and pins by a new one too;
    ``where``: their names."""
    cells = [(name, camera) for camera in ("old", "new") for name in ("bolt", "nut", "pin")]
    found = []
    for number, (name, camera) in enumerate(cell for cell in cells if cell != ("bolt", "new") for _ in range(each)):
        found.append((where.format(name=name, camera=camera, number=number), name, camera))
        save(found[-1][0], picture(number))
    return found


@pytest.mark.parametrize(("level", "where"), [("above", "{camera}/{name}"), ("below", "{name}/{camera}")])
def test_folders_of_conditions(level: str, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    two_cameras(f"photos/{where}/{{number}}.png")
    with refused("--conditions above if", "--conditions below if", "--nested"):
        start(images="photos")
    start(images="photos", conditions=level)
    said = capsys.readouterr().out
    assert "    bolt   missing  6\n" in said
    assert "  missing cells: 1 of 6: bolt under new\n" in said
    assert "a gain must be shown" in said
    made = params()
    assert config.plain(made.data.source) == config.plain(Folder(Path("../photos"), conditions=level))  # type: ignore[arg-type]
    assert (made.protocol.kind, made.protocol.trials, made.gan.translate is not None) == ("cells", 10, True)
    assert made.data.image_size == 28  # they have 12 pixels
    prepared = prepare()
    assert prepared.condition_names == ["new", "old"]
    assert all(prepared.split(str(trial)).hidden for trial in range(10))


@pytest.mark.parametrize("minutes", [1000, 0.5])
def test_images_without_labels_are_learned_from_by_an_arm_without_a_gan(
    minutes: float, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        save(f"more: #1/{seed}.png", picture(100 + seed))
    start(images=photos(), unlabelled="more: #1", minutes=minutes)
    made = params()
    assert made.data.unlabelled == Path("../more: #1")
    slow = minutes == 1000
    assert "pseudo+classical" in made.classify.arms
    assert ({*SLOW} & {*made.classify.arms}) == ({*SLOW} if slow else set())
    said = capsys.readouterr().out
    assert said.startswith("more: #1: 3 images without labels\n")
    assert (f"no {', '.join(SLOW)}: whether more steps bring as much" in said) != slow
    assert watched() == ["../photos", "../more: #1"]
    prepared = prepare()
    assert len(prepared.unlabelled_rows(prepared.split("release"))) == 3


@pytest.mark.parametrize(
    ("unlabelled", "others", "parts"),
    [
        ("none", {}, ["--unlabelled: must be a folder that holds images, got none"]),
        ("empty", {}, ["--unlabelled: must be a folder that holds images, got empty"]),
        ("photos/cat", {}, ["--unlabelled: must lie apart from the labelled images, got photos/cat"]),
        ("project/models/more", {}, ["models/", "apart from the images"]),
        ("more", {"images": None, "dataset": "digits"}, ["--unlabelled: is for images of your own"]),
        ("more", {"images": "seen", "conditions": "above"}, ["--unlabelled: must be left out where cells are missing"]),
    ],
)
def test_a_folder_of_unlabelled_images_that_cannot_be_used(
    tmp_path: Path, unlabelled: str, others: dict[str, Any], parts: list[str]
) -> None:
    photos()
    Path("empty").mkdir()
    for folder in ("more", "project/models/more"):
        save(f"{folder}/0.png", picture(100))
    two_cameras("seen/{camera}/{name}/{number}.png")
    before = held(tmp_path)
    with refused(*parts):
        start(**{"images": "photos", "unlabelled": unlabelled, **others})
    assert held(tmp_path) == before


def test_what_only_looks_like_conditions_is_no_obstacle() -> None:
    for seed in range(12):  # one folder of the inner ones repeats; some classes have none
        save(f"photos/{'ab'[seed % 2]}/{'raw/' * (seed > 9)}{seed}.png", picture(seed))
    start(images="photos")


def test_a_table_and_an_archive_with_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    rows = two_cameras("set/{number}.png")
    path = table("set/labels.csv", ["file", "label", "camera"], [[Path(file).name, *more] for file, *more in rows])
    start("one", images=path, condition="camera")
    assert "bolt under new" in capsys.readouterr().out
    assert params("one").data.source == Table(Path("../set/labels.csv"), condition="camera")
    start("two", images=path)
    assert "conditions" not in capsys.readouterr().out
    assert params("two").protocol.kind == "cv"
    _, labels, conditions = map(np.array, zip(*rows, strict=True))
    np.savez(
        "set.npz", images=np.stack([np.asarray(picture(n)) for n in range(30)]), labels=labels, conditions=conditions
    )
    start("three", images="set.npz")
    assert "bolt under new" in capsys.readouterr().out
    assert params("three").protocol.kind == "cells"


@pytest.mark.parametrize(
    ("images", "given", "what"),
    [
        ("photos", {"condition": "camera"}, "--condition: is for a table"),
        ("labels.csv", {"conditions": "above"}, "--conditions: is for a folder"),
        ("photos", {"conditions": "left"}, "--conditions: must be above or below"),
    ],
)
def test_conditions_are_asked_for_as_the_images_have_them(images: str, given: dict[str, str], what: str) -> None:
    photos()
    table("labels.csv", ["file", "label"], [])
    with refused(what):
        start(images=images, **given)  # type: ignore[arg-type]
    assert not Path("project").exists()


def test_a_table_with_groups(capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for seed in range(12):
        save(f"set/scans/{seed}.png", picture(seed))
        rows.append([f"scans/{seed}.png", "ab"[seed % 2], f"patient {seed // 4}"])
    start(images=table("set/labels.csv", ["file", "label", "group"], rows))
    assert "groups: 3" in capsys.readouterr().out
    assert params().data.source == Table(Path("../set/labels.csv"))
    assert watched() == ["../set/labels.csv", "../set/scans"]
    protocol = params().protocol
    assert config.plain(protocol) == {"kind": "cv", "folds": 3, "repeats": 2, "seed": 0}
    split = prepare().split("0")
    assert not {row // 4 for row in split.train} & {row // 4 for row in split.test}


def test_a_table_with_a_test_part_and_columns_of_other_names(capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for seed in range(12):
        save(f"set/{seed}.png", picture(seed))
        rows.append([f"{seed}.png", "ab"[seed % 2], "test" if seed >= 8 else "val" if seed >= 6 else "train"])
    source = table("set/labels.tsv", ["scan"], [])
    source.write_text("scan\tfinding\tpart\n" + "".join("\t".join(row) + "\n" for row in rows))
    start(images=source, file="scan", label="finding", split="part")
    assert "test part: 4 images" in capsys.readouterr().out
    assert params().data.source == Table(Path("../set/labels.tsv"), file="scan", label="finding", split="part")
    assert params().protocol.kind == "holdout"
    assert set(watched()) == {"../set/labels.tsv", *(f"../set/{seed}.png" for seed in range(12))}
    split = prepare().split("0")
    assert (split.train, split.test) == (list(range(8)), [8, 9, 10, 11])


def test_a_parquet_table_with_absolute_files(tmp_path: Path) -> None:
    for seed in range(8):
        save(f"elsewhere/{seed}.png", picture(seed))
    files = [str(tmp_path / "elsewhere" / f"{seed}.png") for seed in range(8)]
    pd.DataFrame({"file": files, "label": [seed % 2 for seed in range(8)]}).to_parquet("labels.parquet")
    start("my/project", "labels.parquet")
    assert watched("my/project") == ["../../labels.parquet", str(tmp_path / "elsewhere")]
    assert prepare("my/project").classes == ["0", "1"]


def test_an_archive_with_a_test_part() -> None:
    """Its test part is uneven and its train part is not, so there would be nothing to fill."""
    rng = np.random.default_rng(0)
    parts = {"train": [0, 1] * 4, "val": [0, 1], "test": [0, 0, 0, 1]}
    arrays: dict[str, Any] = {f"{part}_labels": np.array(labels) for part, labels in parts.items()}
    arrays |= {f"{part}_images": rng.integers(0, 256, (len(n), 10, 10), np.uint8) for part, n in parts.items()}
    np.savez("scans.npz", **arrays)
    start(images="scans.npz")
    assert params().protocol.kind == "holdout"
    assert params().synth.balance == "equal"
    split = prepare().split("0")
    assert (len(split.train), len(split.test)) == (10, 4)


def test_images_that_black_hides_are_put_on_white(capsys: pytest.CaptureFixture[str]) -> None:
    """Black forms on a transparent ground."""
    for name in "ab":
        for number in range(4):
            shape = picture(100 * ord(name) + number)
            save(f"photos/{name}/{number}.png", Image.merge("LA", [Image.new("L", shape.size), shape]))
    start(images="photos")
    assert "broken: none" in capsys.readouterr().out
    assert params().data.background == "white"
    assert "on black nothing of some images can be seen" in Path("project/params.yaml").read_text()
    assert prepare().images.max() == 255


def test_a_set_that_takes_much_memory_needs_the_option() -> None:
    np.savez_compressed("set.npz", images=np.zeros((600, 64, 64), np.uint8), labels=np.arange(600) % 2)
    with refused("set.npz", "at most 1 MiB", "ganaug init: --largest-mib"):
        module.init(Path("project"), Path("set.npz"), None, False, {}, 20, largest_mib=1)
    photos()
    module.init(Path("project"), Path("photos"), None, False, {}, 20, largest_mib=4096)
    assert params().data.source.largest_mib == 4096
    assert "largest_mib: 4096" in Path("project/params.yaml").read_text()
    assert "largest_mib" not in str(config.plain(params()))  # no figure depends on it


def test_class_names_that_mean_something_to_yaml() -> None:
    counts = dict.fromkeys(NAMES, 8)
    for rarest in ("# hash", "a: b", 'it\'s "q"'):
        shutil.rmtree("photos", ignore_errors=True)
        start(f"{len(rarest)}", photos(counts=counts | {rarest: 3}))
        comment = next(line for line in Path(f"{len(rarest)}/params.yaml").read_text().splitlines() if "only" in line)
        assert comment.startswith("protocol:")
        assert f"class {rarest} has only 3 different images" in comment
        assert prepare(f"{len(rarest)}").classes == sorted(NAMES)


@pytest.mark.parametrize("name", ["yes", "2024", "~", "a: b", "a   # b", "[a, b]", "${x}", "*", "mode é"])
def test_paths_that_mean_something_to_yaml(name: str) -> None:
    """The project is the current folder, so the path is the bare name."""
    start(".", photos(name))
    assert params(".").data.source == Folder(Path(name))
    assert [dep.replace("\\${", "${") for dep in watched(".")] == [name]
    assert len(prepare(".").images) == 8


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12))
def test_any_path_stays_what_it_is(name: str) -> None:
    source = {"kind": "folder", "path": f"../{name}", "nested": True}
    text = params_text.aligned(
        f"# about {name!a}\ndata:\n  source: {params_text.flow(source)}\n  image_size: 8     # why\n"
    )
    assert YAML(typ="safe", pure=True).load(text) == {"data": {"source": source, "image_size": 8}}
    made = config.check({"data": {"source": {"kind": "idx", "path": f"../{name}"}}})
    deps = parse_yaml(dvc_yaml(made), "dvc.yaml")["stages"]["prepare"]["deps"]
    assert [dep.replace("\\${", "${") for dep in deps] == [Path(f"../{name}").as_posix()]


@pytest.mark.parametrize("name", ["line\nbreak", "line\u2028break"])
def test_a_line_break_in_a_name_ends_no_comment(name: str) -> None:
    start(images=photos(name))
    assert params().data.source == Folder(Path(f"../{name}"))
    assert len(prepare().images) == 8
    assert Path("project/README.md").read_text(encoding="utf-8").split("\n")[1] == ""
    parse_yaml(Path("project/params.yaml").read_text(encoding="utf-8"), "params.yaml")  # as DVC does


def test_a_relative_path_starts_at_the_project_and_an_absolute_one_stays(tmp_path: Path) -> None:
    photos("sets/photos")
    start("a/b/project", "sets/../sets/photos")
    assert params("a/b/project").data.source == Folder(Path("../../../sets/photos"))
    start("absolute", tmp_path / "sets" / "photos")
    assert params("absolute").data.source == Folder(tmp_path / "sets" / "photos")
    start(tmp_path / "there", "sets/photos")
    assert params("there").data.source == Folder(Path("../sets/photos"))
    Path("link").symlink_to("a/b")
    start("link/linked", "sets/photos")
    for project in ("a/b/project", "absolute", "there", "link/linked"):
        assert len(prepare(project).images) == 8


def test_the_command_to_go_there_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    start(".", photos())
    assert capsys.readouterr().out.splitlines()[-1] == "next: dvc repro"
    start("my project", "photos")
    assert capsys.readouterr().out.splitlines()[-1] == "next: cd 'my project' && dvc repro"


# ------------------------------------------------------------------------------------------------------- what is said


def test_what_was_found_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    photos(counts={"cat": 5, "dog": 12})
    save("photos/dog/copy.bmp", picture(0))
    save("photos/dog/brighter.png", picture(6).point(lambda level: min(255, level + 4)))
    save("photos/dog/wide.png", picture(99, 12, 16))
    Path("photos/dog/broken.png").write_bytes(b"no image")
    Path("photos/dog/notes.txt").write_text("mine")
    start(images="photos")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()][1:]
    assert lines[0] == "photos: 20 images in 2 classes"
    assert lines[1] == "classes: cat 5, dog 15"
    assert lines[2] == "images: 12x12 pixels (19 of them; 1 other sizes), gray"
    assert "broken: dog/broken.png (it is not an image that Pillow can read)" in lines
    assert "exact duplicates: 1 set, such as cat/0.png = dog/copy.bmp" in lines
    assert "the same image under two labels: 1 set, such as cat/0.png = dog/copy.bmp" in lines
    assert "near-duplicates: 1 set, such as dog/1.png = dog/brighter.png" in lines
    assert any(line.startswith("note: ") and "notes.txt" in line for line in lines)
    assert any("data.on_broken: skip" in line for line in lines)
    with refused("every image must be readable", "dog/broken.png"):
        prepare()


def test_a_clean_set_is_said_to_be_clean(capsys: pytest.CaptureFixture[str]) -> None:
    start(images=photos())
    said = capsys.readouterr().out
    for line in ("broken: none", "exact duplicates: none", "under two labels: none", "near-duplicates: none"):
        assert line in said
    assert "on_broken" not in said


def test_what_was_chosen_is_said_and_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """Four folds twice and the release: nine GANs, five rounds of two; eight trials of nine classifiers, one of four
    times the steps, and one more, which learns from generated images, in four rounds."""
    start(images=photos())
    said = capsys.readouterr().out
    settings = params()
    assert settings.gan.steps == 10_000
    assert "cv, 8 trials" in said
    assert "GAN of 10,000 steps" in said
    assert "the gate: no harm may be shown" in said
    seconds = 5.5 * 2 + 5 * 10_000 * 0.01 + 8 * 13 * 300 * 0.001 / 2 + 4 * (300 * 0.001 + 1.5)
    time = f"a run takes about {seconds / 60:.1f} minutes here (2 at a time, cpu)"
    assert re.search(re.escape(time) + r", at least 1\.2 GiB of memory \(train.*\) and about \d+ MiB of disk\n", said)
    assert "more than" not in said
    assert "given up" not in said


def test_a_run_that_cannot_be_so_short_gives_up_what_it_can_and_is_said_to_take_longer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start(images=photos(), minutes=0.5)
    said = capsys.readouterr().out
    assert params().gan.steps == 1000
    assert params().protocol.trials == 3
    assert params().classify.curve == ()
    assert "given up to keep to --minutes 0.5" in said
    assert "3 trials instead of 8: a gain of 2 points is shown with a probability of about" in said
    assert "more than --minutes 0.5: init sets no smaller run" in said


def test_networks_are_timed_at_the_sizes_that_are_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timed: list[int] = []

    def measure(chosen: config.Settings, *rest: Any) -> Pace:
        assert chosen.data.image_size is not None
        timed.append(chosen.data.image_size)
        step = 0.01 * (chosen.data.image_size / 16) ** 2
        return Pace("cpu", 2, step, dict.fromkeys(chosen.classify.arms, step / 10))

    monkeypatch.setattr(estimate, "measure", measure)
    for seed in range(8):
        save(f"photos/{'ab'[seed % 2]}/{seed}.png", picture(seed, 32, 32))
    start("long", images="photos", minutes=60)
    assert timed == [32]
    start("short", images="photos", minutes=1)
    assert timed == [32, 32, 16]
    assert params("short").data.image_size == 16
    assert "images of 16 pixels instead of 32" in capsys.readouterr().out


def test_every_choice_has_its_reason() -> None:
    start(images=photos(counts={"cat": 4, "dog": 9}))
    lines = Path("project/params.yaml").read_text(encoding="utf-8").splitlines()
    for key in ("image_size", "channels", "aspect", "protocol", "steps", "generator_width", "flip", "balance", "arms"):
        line = next(line for line in lines if line.strip().startswith(f"{key}:"))
        assert len(line.partition("# ")[2]) > 10, line
    assert lines[1].startswith("# photos: settings chosen by `ganaug init`")
    assert {line.index("#") for line in lines if line.startswith("  ") and "#" in line[:33]} == {32}


def test_the_readme_names_the_images_and_the_commands() -> None:
    start(images=photos("my photos"))
    text = Path("project/README.md").read_text(encoding="utf-8")
    assert text.startswith("# my photos\n")
    assert "`../my photos`" in text
    for command in ("run", "status", "open", "verdict", "synth --class NAME -n 500", "gate", "sync"):
        assert f"ganaug {command}" in text
    assert "dvc repro" in text


# ------------------------------------------------------------------------------------------------------- the examples


@pytest.mark.parametrize(
    ("dataset", "folder", "files"),
    [
        ("digits", REPOSITORY, ["params.yaml", "params.schema.json", "dvc.yaml"]),
        ("conditions", REPOSITORY / "examples" / "conditions", sorted(FILES)),
        ("fashion-mnist", REPOSITORY / "examples" / "fashion-mnist", sorted(FILES)),
    ],
)
def test_the_repository_holds_what_init_writes(dataset: str, folder: Path, files: list[str]) -> None:
    start(dataset=dataset)
    assert {path.name for path in Path("project").iterdir()} == FILES
    for name in files:
        assert Path("project", name).read_bytes() == (folder / name).read_bytes(), name


def test_the_digits_need_no_further_step(capsys: pytest.CaptureFixture[str]) -> None:
    """Eleven GANs in six rounds of two; ten trials, whose images are measured in five rounds."""
    start(dataset="digits")
    made = params()
    classifiers = len(made.classify.arms) + 2 * 2
    seconds = 5.5 * 2 + 6 * made.gan.steps * 0.01 + 10 * classifiers * 300 * 0.001 / 2 + 5 * (300 * 0.001 + 1.5)
    assert f"a run takes about {seconds / 60:.1f} minutes here" in capsys.readouterr().out
    assert Path("project/README.md").read_text().startswith("# Digits, 5 images per class\n")
    assert prepare().images.shape == (1797, 8, 8, 1)


@pytest.mark.parametrize("name", ["fashion", "my: fashion # files", "mode é"])
def test_fashion_mnist_from_another_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Whose files are still missing, which is said."""
    Path(name).mkdir()
    start(images=name, dataset="fashion-mnist")
    start("absolute", tmp_path / name, "fashion-mnist")
    assert capsys.readouterr().out.count("must hold train-images-idx3-ubyte") == 2
    usual = config.load(REPOSITORY / "examples" / "fashion-mnist" / "params.yaml")
    for folder, path in (("project", f"../{name}"), ("absolute", str(tmp_path / name))):
        expected = config.plain(usual)
        expected["data"]["source"]["path"] = path
        assert config.plain(params(folder)) == expected
        assert watched(folder) == [path]
        assert "Debian" not in Path(folder, "params.yaml").read_text()


# -------------------------------------------------------------------------------------------------- nothing is touched


def test_a_readme_and_a_gitignore_that_are_there_stay(capsys: pytest.CaptureFixture[str]) -> None:
    Path("project").mkdir()
    Path("project/README.md").write_text("mine")
    Path("project/.gitignore").write_text("/mine\n")
    Path("project/thesis.txt").write_text("mine too")
    start(images=photos())
    assert Path("project/README.md").read_text() == "mine"
    assert Path("project/.gitignore").read_text() == "/mine\n"
    assert {path.name for path in Path("project").iterdir()} == {*FILES, "thesis.txt"}
    said = capsys.readouterr().out
    assert (
        "wrote params.yaml, params.schema.json, dvc.yaml in project/; left your .gitignore, README.md as it was" in said
    )


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "dvc.lock"])
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_project_that_is_there_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    Path("project").mkdir()
    path = Path("project", name)
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    before = held(tmp_path)
    with refused("project", f"holds {name}", "nothing is overwritten", "another folder"):
        start(dataset="digits")
    assert held(tmp_path) == before


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()], ids=["OSError", "Ctrl-C"])
@pytest.mark.parametrize(("there", "written"), [(None, 0), (None, 1), (None, 3), ("empty", 2), ("README.md", 2)])
def test_a_failure_half_way_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, there: str | None, written: int
) -> None:
    if there:
        Path("a/b/project").mkdir(parents=True)
    if there == "README.md":
        Path("a/b/project/README.md").write_text("mine")
    before = held(tmp_path)
    write, count = store.write_text, iter(range(99))

    def fails_later(path: Path, text: str) -> None:
        if next(count) == written:
            raise error
        write(path, text)

    monkeypatch.setattr(store, "write_text", fails_later)
    with pytest.raises(type(error)):
        start("a/b/project", dataset="digits")
    assert held(tmp_path) == before


@pytest.mark.parametrize("new", [True, False])
def test_a_dvc_that_cannot_start_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: bool
) -> None:
    if not new:
        Path("project").mkdir()
        Path("project/.dvcignore").write_text("mine")

    def fails(folder: Path) -> str:
        (folder / ".dvc").mkdir()
        (folder / ".dvc" / "config").write_text("half")
        raise UserError("dvc init failed")

    before = held(tmp_path)
    monkeypatch.setattr(module, "init_dvc", fails)
    with refused("dvc init failed"):
        start(dataset="digits")
    assert held(tmp_path) == before


def test_init_writes_nowhere_else(tmp_path: Path) -> None:
    photos()
    before = held(tmp_path)
    start(images="photos")
    after = held(tmp_path)
    assert {path for path in after if path not in before} == {"project", *(f"project/{name}" for name in FILES)}
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("folder", "images", "parts"),
    [
        ("photos", "photos", ["data/prepared/", "apart from the images"]),
        ("photos/project", "photos", ["photos holds it"]),
        (".", ".", ["apart from the images"]),
        (".", "data", ["data/prepared/", "data holds it"]),
        (".", "models", ["models/"]),
        (".", "reports/photos", ["reports/"]),
        ("project", "project/synthetic", ["synthetic/"]),
    ],
)
def test_images_where_a_run_writes_are_refused(tmp_path: Path, folder: str, images: str, parts: list[str]) -> None:
    """Or its own outputs would be classes, and DVC refuses a stage that depends on what it makes."""
    photos(images)
    before = held(tmp_path)
    with refused(*parts, "name another folder for the project"):
        start(folder, images)
    assert held(tmp_path) == before


def test_a_table_beside_its_images_in_the_project() -> None:
    for seed in range(8):
        save(f"{seed}.png", picture(seed))
    table("labels.csv", ["file", "label"], [[f"{seed}.png", "ab"[seed % 2]] for seed in range(8)])
    start(".", "labels.csv")
    assert watched(".") == ["labels.csv", *(f"{seed}.png" for seed in range(8))]
    assert len(prepare(".").images) == 8


# --------------------------------------------------------------------------------------------------------- bad usage


def unlike(kind: str) -> dict[str, Any]:
    """What to call ``start`` with, once the files are there."""
    if kind == "neither":
        return {}
    if kind == "both":
        return {"images": photos(), "dataset": "digits"}
    if kind == "no such data set":
        return {"dataset": "mnist"}
    if kind == "no such path":
        return {"images": "photo"}
    if kind == "no such path of fashion":
        return {"images": "photo", "dataset": "fashion-mnist"}
    if kind == "a text":
        Path("labels.txt").write_text("1.png cat\n")
        return {"images": "labels.txt"}
    if kind == "a file where the folder goes":
        Path("project").write_text("mine")
        return {"images": photos()}
    if kind == "a file above":
        Path("file").write_text("mine")
        return {"folder": "file/project", "images": photos()}
    if kind in ("0 minutes", "-3 minutes", "nan minutes", "inf minutes"):
        return {"images": photos(), "minutes": float(kind.split()[0])}
    if kind == "one class":
        return {"images": photos(counts={"cat": 5})}
    if kind == "one image":
        return {"images": photos(counts={"cat": 5, "dog": 1})}
    if kind == "one different image":
        photos(counts={"cat": 5, "dog": 1})
        for index in range(3):
            shutil.copy("photos/dog/0.png", f"photos/dog/copy{index}.png")
        return {"images": "photos"}
    if kind == "only broken images":
        photos()
        for path in Path("photos").rglob("*.png"):
            path.write_bytes(b"no image")
        return {"images": "photos"}
    if kind == "too few groups":
        for seed in range(8):
            save(f"{seed}.png", picture(seed))
        rows = [[f"{seed}.png", "ab"[seed // 4], "x" if seed > 3 else str(seed)] for seed in range(8)]
        return {"images": table("labels.csv", ["file", "label", "group"], rows)}
    if kind == "missing files":
        return {"images": table("labels.csv", ["file", "label"], [["1.png", "cat"]])}
    if kind == "no text":
        return {"images": photos(os.fsdecode(b"photos \xff"))}
    raise AssertionError(kind)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("neither", ["--images or --dataset", "one of them"]),
        ("both", ["--images or --dataset", "one of them"]),
        ("no such data set", ["--dataset", "digits, conditions, fashion-mnist", '"mnist"']),
        ("no such path", ["--images", "photo is not there"]),
        ("no such path of fashion", ["--images", "IDX", "photo"]),
        ("a text", ["--images", ".csv", "labels.txt"]),
        ("a file where the folder goes", ["project", "is a file"]),
        ("a file above", ["file/project", "file is a file"]),
        ("0 minutes", ["--minutes", "above 0", "got 0"]),
        ("-3 minutes", ["--minutes", "got -3"]),
        ("nan minutes", ["--minutes", "got nan"]),
        ("inf minutes", ["--minutes", "got inf"]),
        ("one class", ["at least 2 classes", "cat"]),
        ("one image", ["dog", "at least 3 images"]),
        ("one different image", ["dog", "1 different images"]),
        ("only broken images", ["readable", "8 of 8"]),
        ("too few groups", ['"b"', "1 separate groups"]),
        ("missing files", ["1.png"]),
        ("no text", ["--images", "UTF-8", "rename it"]),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_left(tmp_path: Path, kind: str, parts: list[str]) -> None:
    words = unlike(kind)
    before = held(tmp_path)
    with refused(*parts):
        start(**words)
    assert held(tmp_path) == before


# --------------------------------------------------------------------------------------------------------------- DVC


@pytest.fixture
def with_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".git").rmdir()
    monkeypatch.setattr(module, "init_dvc", REAL_DVC)


@pytest.fixture
def without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that lacks it."""
    monkeypatch.setattr(shutil, "which", lambda program: None)


def dvc(folder: str, *words: str) -> subprocess.CompletedProcess[str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=folder,
        env={**os.environ, "PATH": programs, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


def dvc_config(folder: str) -> str:
    return Path(folder, ".dvc", "config").read_text()


@pytest.mark.usefixtures("with_dvc", "without_git")
def test_without_git_dvc_runs_the_first_stage_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A path with all that needs quoting, a name that is none, and what DVC itself would fill in."""
    start("my project", photos("photos: ${x} # é"))
    said = capsys.readouterr().out
    assert "DVC: initialised without git" in said
    assert "(dvc exp run) work after: git init && dvc config --unset core.no_scm && git add" in said
    assert "no_scm = True" in dvc_config("my project")
    done = dvc("my project", "repro", "prepare")
    assert done.returncode == 0, done.stderr
    assert "8 images of 12x12 pixels" in done.stdout


def git(folder: str, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.usefixtures("with_dvc")
def test_outside_git_a_repository_is_made_and_experiments_need_a_commit_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also if git is initialised again there. In a temporary workspace the images are found."""
    start("project", photos())
    said = capsys.readouterr().out
    assert "DVC: initialised next to a new git repository" in said
    assert "experiments (dvc exp run) work after: git add . && git commit -m start" in said
    assert params().data.source == Folder(Path("photos").resolve())
    git("project", "init")
    assert "Empty git repo" in dvc("project", "exp", "run", "prepare").stderr
    git("project", "add", ".")
    git("project", "commit", "-m", "start")
    done = dvc("project", "exp", "run", "--temp", "-S", "protocol.seed=1", "prepare")
    assert (done.returncode, "8 images of 12x12 pixels" in done.stdout) == (0, True), done.stderr


@pytest.mark.usefixtures("with_dvc")
def test_experiments_of_a_project_that_was_made_without_git_need_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    git(".", "init")
    git(".", "commit", "--allow-empty", "-m", "first")
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    no_scm = True\n")
    start(dataset="digits")
    assert "(dvc exp run) work after: dvc config --unset core.no_scm\n" in capsys.readouterr().out


def test_images_outside_the_repository_are_named_by_an_absolute_path() -> None:
    Path(".git").rmdir()
    Path("repository/.git").mkdir(parents=True)
    images = photos("elsewhere")
    start("repository/project", images)
    assert params("repository/project").data.source == Folder(images.resolve())
    start("repository/other", photos("repository/photos"))
    assert params("repository/other").data.source == Folder(Path("../photos"))


@pytest.mark.usefixtures("with_dvc")
def test_in_the_root_of_git_and_then_below_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A project below a project that DVC has already made is part of it."""
    subprocess.run(["git", "init", "--quiet"], check=True)
    start(".", dataset="digits")
    assert "DVC: initialised next to git" in capsys.readouterr().out
    assert "no_scm" not in dvc_config(".")
    assert "analytics = false" in dvc_config(".")
    start("deep/inner", dataset="digits")
    assert f"DVC: part of the project at {tmp_path}" in capsys.readouterr().out
    assert {path.name for path in Path("deep/inner").iterdir()} == FILES


@pytest.mark.usefixtures("with_dvc")
def test_below_the_root_of_git(capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "init", "--quiet", "repository"], check=True)
    start("repository/deep/project", dataset="digits")
    assert "DVC: initialised below " in capsys.readouterr().out
    assert not Path("repository/.dvc").exists()
    assert "no_scm" not in dvc_config("repository/deep/project")


@pytest.mark.usefixtures("with_dvc")
def test_a_half_made_dvc_is_said_and_stays(tmp_path: Path) -> None:
    Path("project/.dvc").mkdir(parents=True)
    Path("project/.dvc/mine").write_text("mine")
    before = held(tmp_path)
    with refused('"dvc init" failed', "nothing was written", "try again"):
        start(dataset="digits")
    assert held(tmp_path) == before


@pytest.mark.usefixtures("with_dvc")
def test_nothing_of_the_folder_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A dvc.py there would be imported in the place of DVC."""
    Path("project/dvc").mkdir(parents=True)
    for name in ("project/dvc.py", "project/dvc/__init__.py", "project/random.py"):
        Path(name).write_text("open('was-run', 'w')")
    start(dataset="digits")
    assert "DVC: initialised next to a new git repository" in capsys.readouterr().out
    assert Path("project/.dvc/config").is_file()
    assert not Path("project/was-run").exists()


@pytest.mark.usefixtures("with_dvc")
def test_a_dvc_that_says_nothing_and_does_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_failed", lambda command, folder: [])
    with refused('"dvc init" failed there (it made no .dvc/config)', "nothing was written"):
        start(dataset="digits")
    assert not Path("project").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives a folder away")
@pytest.mark.usefixtures("with_dvc")
def test_a_repository_of_another_owner_is_refused_as_git_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    subprocess.run(["git", "init", "--quiet", "theirs"], check=True)
    for path in (Path("theirs"), Path("theirs/.git")):
        os.chown(path, 12345, 12345)
    with refused("project: git must work there", "dubious ownership", "git config --global --add safe.directory"):
        start("theirs/project", dataset="digits")
    assert not Path("theirs/project").exists()


def test_what_a_failing_command_says_is_told_without_banner_and_colours(tmp_path: Path) -> None:
    says = r"import sys; sys.exit('\x1b[31mERROR\x1b[39m: no\n\n  room\n\nHaving any troubles? Hit us up')"
    assert files._failed([sys.executable, "-c", says], tmp_path) == ["ERROR: no", "room"]
    assert files._failed([sys.executable, "-c", "exit(3)"], tmp_path) == ["exit code 3"]
    assert files._failed([sys.executable, "-c", "print(1)"], tmp_path) == []


def test_dvc_reports_its_use_to_nobody(tmp_path: Path) -> None:
    """The process that does so outlives the command, and makes .dvc/tmp."""
    code = "from dvc.analytics import is_enabled; exit(is_enabled())"
    assert files._failed([sys.executable, "-c", code], tmp_path) == []


def test_no_progress_is_left(tmp_path: Path) -> None:
    """The survey reads into a folder that is gone afterwards."""
    made: list[Path] = []
    real: Callable[..., Any] = module.survey

    def spied(source: Any, folder: Path, *rest: Any) -> Any:
        made.append(folder)
        assert folder.is_dir()
        return real(source, folder, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "survey", spied)
        start(images=photos())
    assert made
    assert not made[0].exists()


def test_of_two_at_once_in_one_folder_the_second_is_refused_and_removes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "project"

    def second() -> str:
        with pytest.raises(UserError) as caught, files.undone_on_error(folder):
            pass
        return str(caught.value)

    with ThreadPoolExecutor() as threads:
        with files.undone_on_error(folder):
            said = threads.submit(second)
            time.sleep(0.2)  # it waits
            (folder / "params.yaml").write_text("of the first")
        assert "holds params.yaml already" in said.result()
    assert (folder / "params.yaml").read_text() == "of the first"
