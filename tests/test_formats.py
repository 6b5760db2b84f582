"""What is exported is read back with the programs that it is for: the same pixels, the same class names."""

import csv
import gc
import io
import itertools
import json
import shlex
import sys
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML
from typer.testing import CliRunner

from ganaug import store
from ganaug.cli import app
from ganaug.data.folder import Folder
from ganaug.report.exported import render
from ganaug.synth import shards
from ganaug.synth.export import export
from ganaug.synth.format import Sample
from ganaug.synth.generator import Generator, load_generator, save_generator
from ganaug.synth.png import png_of
from ganaug.synth.shards import dealt
from ganaug.synth.tar_shards import write_tar

ASKED = ["3=7", "a/b=120", ".=5"]
NAMES = ["3", "1", "../x", "a/b", "."]
Images = dict[tuple[str, int], np.ndarray]  # {(class, number): pixels (H, W)}


@pytest.fixture(scope="module")
def expected(tiny_model: Path) -> Images:
    import torch

    generator = load_generator(tiny_model)
    return {
        (NAMES[label], number): image[:, :, 0]
        for label, count in ((0, 7), (3, 120), (4, 5))
        for images, numbers in generator.images(label, count, 0, torch.device("cpu"))
        for image, number in zip(images, numbers.tolist(), strict=True)
    }


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Hugging Face's library, which asks no server and keeps its copies in a folder of the test's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
            patch.setenv(name, "1")
        patch.setenv("HF_HOME", str(hub := tmp_path_factory.mktemp("hub")))
        found = pytest.importorskip("datasets")
        patch.setattr(found.config, "HF_DATASETS_CACHE", str(hub))  # another test may have imported it first
        yield found


def exported(model: Path, out: Path, output_format: str, size: int | None = None, **more: Any) -> Path:
    words = {"classes": ASKED, "overwrite": False, **more}
    export(model, out, n=1, balance="equal", seed=0, output_format=output_format, shard_size=size, **words)
    return out


def rows(out: Path, name: str = "manifest.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(found: list[tuple[str, int, Any]], expected: Images) -> None:
    """Raises AssertionError unless (class, number, picture) are those expected, each once."""
    assert {(name, number) for name, number, _ in found} == set(expected)
    assert len(found) == len(expected)
    for name, number, picture in found:
        assert (np.asarray(picture) == expected[name, number]).all()


def test_datasets_reads_parquet(tiny_model: Path, tmp_path: Path, datasets: Any, expected: Images) -> None:
    out = exported(tiny_model, tmp_path / "out", "parquet", 50)
    read = datasets.load_dataset("parquet", data_files=str(out / "*.parquet"), split="train")
    assert isinstance(read.features["image"], datasets.Image)
    assert read.features["label"].names == NAMES
    names = read.features["label"].int2str(read["label"])
    same(list(zip(names, read["index"], read["image"], strict=True)), expected)
    told = [(row["class"], int(row["index"])) for row in sorted(rows(out), key=lambda row: row["file"])]
    assert told == list(zip(names, read["index"], strict=True))  # row for row


def test_datasets_reads_class_folders_with_metadata(
    tiny_model: Path, tmp_path: Path, datasets: Any, expected: Images
) -> None:
    out = exported(tiny_model, tmp_path / "out", "imagefolder-metadata")
    read = datasets.load_dataset("imagefolder", data_dir=str(out), split="train")
    assert set(read.features) == {"image", "label", "seed", "index"}
    same(list(zip(read["label"], read["index"], read["image"], strict=True)), expected)
    assert set(read["seed"]) == {0}


def test_webdataset_reads_shards(tiny_model: Path, tmp_path: Path, expected: Images) -> None:
    webdataset = pytest.importorskip("webdataset")
    out = exported(tiny_model, tmp_path / "out", "webdataset", 50)
    urls = sorted(map(str, out.glob("*.tar")))
    assert [Path(url).name for url in urls] == [f"images-{number:06d}.tar" for number in range(3)]
    with warnings.catch_warnings():  # it leaves its files open until they are collected
        warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
        read = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil").to_tuple("png", "cls", "json"))
        gc.collect()
    same([(told["class"], told["index"], picture.convert("L")) for picture, _, told in read], expected)
    assert all(NAMES[label] == told["class"] for _, label, told in read)
    assert [(row["class"], int(row["index"])) for row in rows(out)] == [
        (told["class"], told["index"]) for *_, told in read
    ]


@pytest.mark.parametrize("output_format", ["parquet", "webdataset"])
def test_shards_hold_the_size_asked_for_and_the_same_bytes_again(
    tiny_model: Path, tmp_path: Path, output_format: str
) -> None:
    out = exported(tiny_model, tmp_path / "out", output_format, 60)
    listed = rows(out, "shards.csv")
    assert [row["images"] for row in listed] == ["60", "60", "12"]
    assert {row["file"] for row in listed} | {"shards.csv", "manifest.csv"} == set(files(out))
    for row in listed:
        assert store.file_digest(out / row["file"]) == row["sha256"]
        assert (out / row["file"]).stat().st_size == int(row["bytes"])
        assert sum(one["file"] == row["file"] for one in rows(out)) == int(row["images"])
    assert files(exported(tiny_model, tmp_path / "again", output_format, 60)) == files(out)


def test_classes_are_mixed_in_a_shard(tiny_model: Path, tmp_path: Path) -> None:
    """As many of each in every shard, and in no order: a reader's buffer need not hold a whole one."""
    export(tiny_model, tmp_path / "out", None, 400, "equal", 0, "webdataset", False, shard_size=500)
    for number in range(4):
        names = [row["class"] for row in rows(tmp_path / "out")[500 * number : 500 * number + 500]]
        assert sorted(names) == sorted(NAMES * 100)
        assert 350 < sum(a != b for a, b in itertools.pairwise(names)) < 450


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=6), st.integers(1, 3000))
def test_every_image_is_dealt_once(counts: list[int], size: int) -> None:
    turns = list(dealt(dict(enumerate(counts)), size))
    assert all(count > 0 for _, count in turns)
    for label, count in enumerate(counts):
        mine = [number for one, number in turns if one == label]
        assert sum(mine) == count
        assert all(number % 100 == 0 for number in mine[:-1])  # no chunk of a generator is made twice


class Stopped(BaseException):
    """In the place of a kill."""


def stop_at(patch: pytest.MonkeyPatch, shard: int) -> list[int]:
    """The process is gone in the middle of writing the ``shard``; returns the numbers of images that were made."""
    images, made, write = Generator.images, [], shards.Wanted._mixed

    def counted(self: Generator, *arguments: Any) -> Iterator[Any]:
        for chunk in images(self, *arguments):
            made.append(len(chunk[0]))
            yield chunk

    def stopped(self: shards.Wanted, place: int, *arguments: Any) -> Any:
        if place == shard:
            raise Stopped
        return write(self, place, *arguments)

    patch.setattr(Generator, "images", counted)
    patch.setattr(shards.Wanted, "_mixed", stopped)
    return made


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("output_format", ["parquet", "webdataset"])
def test_whole_shards_of_an_interrupted_call_stay(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output_format: str, there: bool
) -> None:
    whole, out = files(exported(tiny_model, tmp_path / "whole", output_format, 30)), tmp_path / "folder" / "out"
    if there:
        out.mkdir(parents=True)
    for shard in (2, 4):
        with monkeypatch.context() as patch:
            stop_at(patch, shard)
            with pytest.raises(Stopped):
                exported(tiny_model, out, output_format, 30)
    assert files(out) == {} or there
    with monkeypatch.context() as patch:
        made = stop_at(patch, -1)
        exported(tiny_model, out, output_format, 30)
    assert sum(made) == len(rows(tmp_path / "whole")) - 4 * 30
    assert files(out.parent) == {f"out/{name}": content for name, content in whole.items()}


@pytest.mark.parametrize("damage", ["a shard", "its digest", "the manifest", "the shards' list"])
def test_what_is_damaged_of_an_interrupted_call_is_made_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    whole, out = files(exported(tiny_model, tmp_path / "whole", "webdataset", 30)), tmp_path / "folder" / "out"
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        with pytest.raises(Stopped):
            exported(tiny_model, out, "webdataset", 30)
    (kept,) = out.parent.iterdir()
    name = {"a shard": "images-000001.tar", "the manifest": "manifest.csv"}.get(damage, "shards.csv")
    text = (kept / name).read_bytes()
    (kept / name).write_bytes(text.replace(b",30,", b",31,") if damage == "its digest" else text[: len(text) // 2])
    exported(tiny_model, out, "webdataset", 30)
    assert files(out.parent) == {f"out/{name}": content for name, content in whole.items()}


def test_another_call_takes_nothing_of_an_interrupted_one(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "folder" / "out"
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(Stopped):
            exported(tiny_model, out, "webdataset", 30)
    export(tiny_model, out, ASKED, 1, "equal", 1, "webdataset", False, shard_size=30)
    alone = tmp_path / "alone"
    export(tiny_model, alone, ASKED, 1, "equal", 1, "webdataset", False, shard_size=30)
    assert files(out) == files(alone)
    assert [path.name for path in out.parent.iterdir()] == ["out"]  # what nobody asked for again is gone


def test_shards_are_replaced_as_a_whole(tiny_model: Path, tmp_path: Path) -> None:
    out = exported(tiny_model, tmp_path / "out", "webdataset", 30)
    before = files(out)
    for more in ({"classes": ["1"]}, {"classes": ["3"], "overwrite": True}, {"classes": ["1"], "output_format": "png"}):
        words = {"classes": ASKED, "output_format": "webdataset", "overwrite": False, **more}
        with refused("--out", "classes are mixed", "name another folder, or all classes with --overwrite"):
            export(tiny_model, out, n=1, balance="equal", seed=1, **words)
        assert files(out) == before
    with refused("--out", "132 images already", "--overwrite"):
        exported(tiny_model, out, "webdataset", 30)
    export(tiny_model, out, None, 1, "equal", 1, "png", overwrite=True)
    assert {Path(name).suffix for name in files(out)} == {".png", ".csv"}
    assert not (out / "shards.csv").exists()


@pytest.mark.parametrize(("name", "output_format"), [("metadata.jsonl", "png"), ("shards.csv", "png")])
def test_a_file_of_the_users_beside_the_images_is_left_alone(
    tiny_model: Path, tmp_path: Path, name: str, output_format: str
) -> None:
    out = exported(tiny_model, tmp_path / "out", output_format)
    (out / name).write_text("mine")
    before = files(out)
    with refused("--out", f'"{name}"', "did not write"):
        exported(tiny_model, out, output_format, overwrite=True)
    assert files(out) == before


def test_metadata_is_that_of_all_images_of_the_folder(tiny_model: Path, tmp_path: Path) -> None:
    out = exported(tiny_model, tmp_path / "out", "imagefolder-metadata")
    with refused("--format: must be imagefolder-metadata", '"png"'):
        export(tiny_model, out, ["1"], 2, "equal", 0, "png", False)
    export(tiny_model, out, ["1"], 2, "equal", 4, "imagefolder-metadata", False)
    told = [json.loads(line) for line in (out / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(one["file_name"], one["label"], one["index"]) for one in told] == [
        (row["file"], row["class"], int(row["index"])) for row in rows(out)
    ]
    assert told[-1] == {"file_name": "1/000001.png", "label": "1", "seed": 4, "index": 1}
    export(tiny_model, out, None, 1, "equal", 0, "png", True)
    assert not (out / "metadata.jsonl").exists()


@pytest.mark.parametrize(
    ("size", "output_format", "parts"),
    [
        (30, "png", ("--shard-size", "parquet or webdataset", "png")),
        (0, "parquet", ("--shard-size: must be 1 to", "0")),
    ],
)
def test_a_wrong_shard_size_is_refused(
    tiny_model: Path, tmp_path: Path, size: int, output_format: str, parts: tuple[str, ...]
) -> None:
    with refused(*parts):
        exported(tiny_model, tmp_path / "out", output_format, size)
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_said_before_anything_is_made(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with refused("pyarrow must be installed for --format parquet", 'pip install "ganaug[parquet]"'):
        exported(tiny_model, tmp_path / "out", "parquet")
    assert not (tmp_path / "out").exists()


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_png_is_what_pillow_reads(height: int, width: int, channels: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    with Image.open(io.BytesIO(png_of(pixels))) as picture:
        assert picture.mode == {1: "L", 3: "RGB"}[channels]
        assert (np.asarray(picture).reshape(pixels.shape) == pixels).all()


def test_a_tar_is_what_tarfile_writes(tmp_path: Path) -> None:
    samples = [Sample(f"{one:09d}", bytes(one), one, 7) for one in (0, 1, 511, 512, 513, 9000)]
    write_tar(tmp_path / "ours.tar", samples, [f"é{label}" for label in range(9001)])
    with tarfile.open(tmp_path / "theirs.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for one in samples:
            told = json.dumps({"class": f"é{one.label}", "index": 7}, ensure_ascii=False).encode()
            for name, data in (("png", one.png), ("cls", str(one.label).encode()), ("json", told)):
                member = tarfile.TarInfo(f"{one.key}.{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "theirs.tar").read_bytes()


@pytest.mark.parametrize("first", [0, 1, 99, 100, 150, 399])
def test_images_may_begin_anywhere(tiny_model: Path, first: int) -> None:
    import torch

    generator, device = load_generator(tiny_model), torch.device("cpu")
    found = list(generator.images(1, 30, 0, device, first))
    images, numbers = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert numbers.tolist() == list(range(first, first + 30))
    assert (images == generator.candidates(1, first + 30, 0, device)[first:]).all()


# -------------------------------------------------------------------------------------------------- the card beside it


def carded(model: Path, out: Path, output_format: str, **more: Any) -> str:
    exported(model, out, output_format, card=lambda about: render(about, None), **more)
    return (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("output_format", ["parquet", "webdataset", "imagefolder-metadata"])
def test_the_card_says_how_the_folder_is_read(
    tiny_model: Path, tmp_path: Path, datasets: Any, output_format: str
) -> None:
    carded(tiny_model, tmp_path / "out", output_format)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
        read = datasets.load_dataset(str(tmp_path / "out"), split="train")
        gc.collect()
    assert len(read) == 132
    images = "png" if output_format == "webdataset" else "image"
    assert isinstance(read.features[images], datasets.Image)
    assert read[0][images].size == (8, 8)


@pytest.mark.parametrize(("output_format", "size"), [("png", None), ("webdataset", 50)])
def test_the_cards_command_makes_the_same_again(
    tiny_model: Path, tmp_path: Path, output_format: str, size: int | None
) -> None:
    said = carded(tiny_model, tmp_path / "out", output_format, size=size)
    (command,) = (line for line in said.splitlines() if line.startswith("ganaug synth"))
    words = [*shlex.split(command)[1:], "--model", str(tiny_model), "--out", str(tmp_path / "again")]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert files(tmp_path / "again") == files(tmp_path / "out")


def test_a_card_tells_of_all_images_of_the_folder(tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    carded(tiny_model, out, "png")
    export(tiny_model, out, ["1"], 2, "equal", 4, "png", False, card=lambda about: render(about, None))
    said = (out / "README.md").read_text(encoding="utf-8")
    digest = store.file_digest(tiny_model)
    assert f"| 3 | 7 | 0 | 1.0 | {digest[:16]} |" in said
    assert f"| 1 | 2 | 4 | 1.0 | {digest[:16]} |" in said
    assert f"SHA-256 of its file: `{digest}`" in said
    assert "ganaug synth --format png --seed 0 --class 3=7 --class a/b=120 --class .=5\n" in said
    assert "ganaug synth --format png --seed 4 --class 1=2\n" in said


def test_a_card_that_someone_changed_is_theirs(tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    carded(tiny_model, out, "png")
    carded(tiny_model, out, "png", overwrite=True)
    (out / "README.md").write_text((out / "README.md").read_text().replace("None\nof them", "All\nof them"))
    before = files(out)
    with refused("--out", '"README.md"', "did not write"):
        carded(tiny_model, out, "png", overwrite=True)
    assert files(out) == before


def test_what_a_strangers_generator_says_is_only_text(tiny_model: Path, tmp_path: Path) -> None:
    generator, evil = load_generator(tiny_model), "\n---\n# x <script>alert(1)</script> [x](http://x) `|"
    path = tmp_path / "g.safetensors"
    for number, more in enumerate(
        ({"dataset": evil}, {"dataset": ["x"]}, {"dataset": "", "ganaug": {}}, {"ganaug": evil})
    ):
        save_generator(path, generator.network, {**generator.description, **more, "classes": [evil[5:], *NAMES[1:]]})
        said = carded(path, tmp_path / str(number), "png", classes=["1"])
        front, body = said.removeprefix("---\n").split("\n---\n", 1)
        assert YAML(typ="safe").load(front)["license"] == "unknown"
        assert "<script" not in body
        assert "# x" not in body.splitlines()


def test_a_folder_with_a_card_is_a_source_of_images(tiny_model: Path, tmp_path: Path) -> None:
    for output_format in ("png", "imagefolder-metadata"):
        carded(tiny_model, tmp_path / output_format, output_format)
        assert len(Folder(path=tmp_path / output_format).load().labels) == 132
