"""``ganaug check``: planted faults are found, and what is wrong with the command is one line."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import photos
import pytest
import stages
import torch
from expect import refused
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from test_cli import check_refused, ganaug, held
from torch import nn

from ganaug import config
from ganaug.check import command
from ganaug.check.anogan import scores
from ganaug.check.found import Found
from ganaug.check.judge import Judged
from ganaug.classify import fitting
from ganaug.classify.mislabelled import Doubts, doubts
from ganaug.classify.neighbours import distances
from ganaug.data.splits import Items
from ganaug.edit.inversion import Inverter
from ganaug.gan.build import build_discriminator, build_generator
from ganaug.gan.nets.discriminator import Features
from ganaug.gan.spec import GanSpec
from ganaug.stages.cross_fit import cross_fitted, doubts_of, folds_of
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf

DIGITS = load_digits()
PIXELS = (DIGITS.images * 15.9).astype(np.uint8)
SMALL = {
    "classify": {"arms": ["none"], "classical": {"kind": "nothing"}, "curve": []},
}
READS: dict[str, Any] = {"nested": False, "columns": {}, "conditions": None}
CPU = torch.device("cpu")


def digits(label: int, count: int, first: int = 0) -> np.ndarray:
    return PIXELS[DIGITS.target == label][first : first + count]


def write(folder: Path, name: Callable[[int], str] = "{}.png".format) -> Path:
    """15 digits of three classes, a 2 among the 0s, and stripes among the 1s."""
    for label in range(3):
        for number, picture in enumerate(digits(label, 15)):
            photos.save(folder / str(label) / name(number), picture)
    photos.save(folder / "0" / name(15), digits(2, 1, 35)[0])
    photos.save(folder / "1" / name(16), np.tile(np.array([[0, 255], [255, 0]], np.uint8), (4, 4)))
    return folder


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "check.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def regression(draw: Any, spec: Any, channels: int, classes: int, *_: Any) -> nn.Module:
    """A classifier that takes no time to train: logistic regression on the pixels of a few batches."""
    images, labels = map(torch.cat, zip(*map(draw, range(3)), strict=True))
    fitted = LogisticRegression(C=0.05).fit(images.flatten(1).numpy(), labels.numpy())
    layer = nn.Linear(fitted.coef_.shape[1], classes)
    layer.weight.data, layer.bias.data = (torch.tensor(one).float() for one in (fitted.coef_, fitted.intercept_))
    return nn.Sequential(nn.Flatten(), layer).eval()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "choose", lambda *_: SimpleNamespace(settings=config.check(SMALL)))
    monkeypatch.setattr(fitting, "train_classifier", regression)
    monkeypatch.setattr(Inverter, "__init__", partialmethod(Inverter.__init__, encoder_steps=2))
    monkeypatch.setattr(Inverter, "invert", partialmethod(Inverter.invert, steps=30))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared one of the same three classes, with a generator."""
    root = tmp_path_factory.mktemp("project")
    for label in range(3):
        for number, picture in enumerate(digits(label, 15, 50)):
            photos.save(root / "photos" / str(label) / f"{number}.png", picture)
    raw = {
        "data": {"source": {"kind": "folder", "path": str(root / "photos")}},
        "protocol": {"kind": "cv", "folds": 2, "repeats": 1},
        "gan": stages.TINY_GAN,
        "jobs": 1,
        **SMALL,
    }
    (root / "params.yaml").write_text(str(raw), encoding="utf-8")
    stages.run(Project(root, config.load(root / "params.yaml")), "prepare", "train", split="release")
    return root


# -------------------------------------------------------------------------------------------------------- what is found


def test_planted_faults_are_found_whatever_files_are_called(tmp_path: Path) -> None:
    assert command.check(write(tmp_path / "a"), None, None, tmp_path / "out", READS)
    found = rows(tmp_path / "out")
    assert len(found) == 47
    assert {(one["file"], one["looks_like"]) for one in found if one["flagged"] == "label"} == {("0/15.png", "2")}
    assert [one["file"] for one in found if one["flagged"] == "unlike"] == ["1/16.png"]
    page = (tmp_path / "out" / "check.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert "<script" not in page
    assert 'src="http' not in page

    other = write(tmp_path / "b", lambda number: f"x{99 - number}.png")
    assert command.check(other, None, None, tmp_path / "out", READS)  # over what an earlier check wrote
    kept = ("flagged", "class", "looks_like", "label_doubt", "unlike")
    assert [[one[key] for key in kept] for one in rows(tmp_path / "out")] == [
        [one[key] for key in kept] for one in found
    ]


def test_incoming_photos_are_judged_by_a_project(tmp_path: Path, project: Path) -> None:
    """Those of classes with their labels, those of one folder without; more than --allow are odd: exit code 1."""
    photos.save(write(tmp_path / "a") / "beside.png", digits(1, 1)[0])  # is left out, as init does
    done = ganaug(tmp_path, "check", "a", "--against", str(project), "--allow", "0.01", "--out", "out")
    assert done.returncode == 1, done.stderr
    assert "0/15.png: looks like 2, not 0" in done.stdout
    found = rows(tmp_path / "out")
    assert {one["file"] for one in found if one["flagged"]} >= {"0/15.png", "1/16.png"}
    assert [one["gan"] > "" for one in found] == [True] * 32 + [False] * 15  # of the surest
    assert "f-AnoGAN" in (tmp_path / "out" / "check.html").read_text(encoding="utf-8")
    (tmp_path / "flat").mkdir()
    shutil.copy(tmp_path / "a" / "1" / "16.png", tmp_path / "flat" / "odd.png")
    shutil.copy(tmp_path / "a" / "2" / "3.png", tmp_path / "flat" / "usual.png")
    done = ganaug(tmp_path, "check", "flat", "--against", str(project), "--allow", "1", "--out", "out")
    assert done.returncode == 0, done.stderr
    odd, usual = rows(tmp_path / "out")
    assert (odd["file"], odd["flagged"], odd["class"]) == ("odd.png", "unlike", "")
    assert (usual["file"], usual["flagged"], usual["looks_like"]) == ("usual.png", "", "2")
    assert "Traceback" not in done.stderr
    assert "labels look wrong" not in done.stdout


def test_a_classifier_of_the_projects_own_is_found_from_another_folder(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(draw: Any, spec: Any, channels: int, classes: int, size: int, *others: Any) -> nn.Module:
        assert str(spec.build(channels, classes, size)).count("Linear") == 1
        return regression(draw, spec, channels, classes)

    shutil.copytree(project, tmp_path / "own")
    text = "from torch import nn\ndef net(channels, classes):\n"
    text += "    return nn.Sequential(nn.Flatten(), nn.Linear(64 * channels, classes))\n"
    (tmp_path / "own" / "mine_alone.py").write_text(text, encoding="utf-8")
    raw = config.plain(config.load(project / "params.yaml"))
    raw["classifier"]["model"] = "mine_alone:net"
    (tmp_path / "own" / "params.yaml").write_text(json.dumps(raw), encoding="utf-8")
    write(tmp_path / "a")
    monkeypatch.setattr(fitting, "train_classifier", built)
    monkeypatch.chdir(tmp_path)
    assert command.check(Path("a"), Path("own"), None, Path("out"), READS)
    assert len(rows(tmp_path / "out")) == 47


def test_the_surest_come_first() -> None:
    judged = Judged(
        np.eye(2)[[0, 1, 0, 1]], np.ones(4), np.array([0.1, 3.0, 0.2, 1.5]),
        Doubts(np.array([0.6, 0.1, 0.9, 0.2]), np.array([True, False, False, False]), np.array([1, 1, 0, 1])),
    )  # fmt: skip
    found = Found(["a", "b", "c", "d"], np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 1, 1]), ["x", "y"], judged)
    assert [found.files[row] for row in found.order()] == ["b", "a", "d", "c"]
    assert found.flagged.mean() == 0.75
    assert found.row(0)["flagged"] == "label"
    assert "of 4 images, 1 labels look wrong, 2 are unlike the others" in found.said("photos", "out")


# ------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["none"], ["PHOTOS: must be a folder", "none is not there"]),
        (["empty"], ["empty: must hold a folder of images", "found no folder"]),
        (["a", "--allow", "1.5"], ["--allow: must be a share of the images, 0 to 1, got 1.5"]),
        (["a", "--allow", "nan"], ["--allow: must be a share of the images, 0 to 1, got nan"]),
        (["a", "--out", "a"], ["--out: must be a new folder", "a is none"]),
        (["a", "--against", "empty"], ["--against: must be a project's folder, but empty has no params.yaml"]),
        (["a", "--against", "fresh"], ["fresh/data/prepared", "is missing", "ganaug prepare"]),
        (["small.npz", "--against", "PROJECT"], ["must be of 8x8 pixels as the project's are, got 9x9"]),
        (["other", "--against", "PROJECT"], ["classes must be of the project's (0, 1, 2), got \"cat\""]),
        (["torn", "--against", "PROJECT"], ["torn: every image must be readable, but 1 of 1 are not"]),
        (["few"], ['class "b" must have at least 3 images']),
    ],
    ids=lambda value: "-".join(value) if "--" in str(value) else None,
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_and_nothing_is_written(
    tmp_path: Path, project: Path, words: list[str], parts: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / "params.yaml").write_text("data: {source: {kind: digits}}")
    photos.photos(tmp_path / "a", "0", "1")
    photos.photos(tmp_path / "other", "0", "cat")
    photos.photos(tmp_path / "few", "a", "b")
    for number in (1, 2, 3):
        (tmp_path / "few" / "b" / f"{number}.png").unlink()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "1.png").write_bytes(b"\x89PNG")
    np.savez(tmp_path / "small.npz", images=np.zeros((6, 9, 9), np.uint8), labels=[0, 1, 2, 0, 1, 2])
    before = held(tmp_path)
    given = [str(project) if one == "PROJECT" else one for one in words]
    check_refused(ganaug(tmp_path, "check", "-q", *given), *parts)
    assert held(tmp_path) == before


def test_without_cleanlab_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganaug.extras.find_spec", lambda name: None)
    with refused("cleanlab must be installed for doubtful labels", 'pip install "ganaug[check]"'):
        command.check(photos.photos(tmp_path / "a", "0", "1"), None, None, tmp_path / "out", READS)


# ------------------------------------------------------------------------------------------------------------ the parts


def test_doubts_by_hand() -> None:
    """Nine sure of their label, one sure of another: it is flagged, with the other suggested; never all of a class."""
    said = np.full((12, 3), 0.05)
    labels = np.repeat([0, 1, 2], 4)
    said[np.arange(12), labels] = 0.9
    said[3] = [0.05, 0.9, 0.05]
    found = doubts(said, labels)
    assert np.flatnonzero(found.flagged).tolist() == [3]
    assert found.suggested.tolist() == [0, 0, 0, 1, *[1] * 4, *[2] * 4]
    assert found.score.argmax() == 3
    said[:4] = [0.05, 0.9, 0.05]
    assert not doubts(said, labels).flagged[:4].all()


def test_distances_are_means_over_the_nearest() -> None:
    others = np.array([[1, 0], [0, 1], [2, 0]], np.float32)
    assert distances(np.array([[3, 0], [0, -1]], np.float32), others) == pytest.approx([1 / 3, 4 / 3])
    assert distances(others, others, same=True) == pytest.approx([1 / 2, 1, 1 / 2])


def test_no_classifier_is_asked_of_what_it_learned() -> None:
    """Each image twice, by classifiers that learned neither it nor its copy, nor one of its group."""
    labels = np.arange(24) % 2
    items = Items(labels, [str(row // 2 * 2 + row % 2 if row > 3 else row % 2) for row in range(24)],
                  np.zeros(24, bool), ["a", "b"], [str(row % 12) for row in range(24)])  # fmt: skip
    bound, times = items.bound(), np.zeros(24, int)
    for _, learned, held_out in cross_fitted(items, lambda *_: nn.Identity(), 0, "here"):
        times[held_out] += 1
        assert set(bound[learned]).isdisjoint(bound[held_out])
        assert len(learned) + len(held_out) == 24
    assert times.tolist() == [2] * 24
    with refused("here: every class must have at least 3 separate groups", "one has 1"):
        folds_of(replace(items, groups=["x"] * 12 + ["y"] * 12, labels=np.arange(24) // 12), 0, "here")


def test_a_trial_doubts_the_labels_of_its_train_part_alone(project: Path) -> None:
    split = SplitOf(Project(project, config.load(project / "params.yaml")), "0")
    rows = split.rows.train
    split.prepared.labels[rows[0]] = 2  # was a 0
    found = doubts_of(split, "none", rows, 0, CPU)
    assert len(found.score) == len(rows)
    assert found.score.argmax() == 0
    assert found.suggested[0] == 0


def test_f_anogan_knows_the_images_of_its_generator() -> None:
    torch.manual_seed(0)
    spec = GanSpec(z_dim=4, generator_width=4, discriminator_width=4)
    generator, discriminator = build_generator(spec, 2, (1, 8, 8)), build_discriminator(spec, 2, (1, 8, 8))
    inverter = Inverter(generator, 2, CPU)
    labels = np.array([0, 1, 1])
    own = inverter.render(inverter.held(torch.randn(3, 4)), labels)
    noise = np.random.default_rng(0).integers(0, 256, own.shape, np.uint8)
    found = scores(inverter, Features(discriminator), np.concatenate([own, noise]), np.tile(labels, 2))
    assert found[:3].max() < found[3:].min()
