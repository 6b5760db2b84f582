"""The real pipeline, small, on a user's own images: folds, groups, imbalanced classes, an own classifier."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from PIL import Image
from stages import run

from ganaug import config, store
from ganaug.data.prepared import read_prepared
from ganaug.report import verdict
from ganaug.stages import classify, prepare, synth, train
from ganaug.stages.project import Project
from ganaug.stages.runs import runs_of
from ganaug.stages.split import SplitOf

COUNTS = {"dark": 12, "light": 6, "striped": 3}
SMALL: dict[str, Any] = {
    "protocol": {"kind": "cv", "folds": 3, "repeats": 1},
    "gan": {"steps": 4, "batch_size": 8, "generator_width": 4, "discriminator_width": 4},
    "synth": {"balance": "fill"},
    "classifier": {"steps": 8, "width": 4, "batch_size": 8},
    "classify": {"arms": ["none", "gan", "placebo", "oversample", "smote", "mixup", "gan+mixup"], "curve": [2.0]},
    "gate": [{"gain": "gan_vs_placebo", "above": 0.0}],
    "device": "cpu",
    "jobs": 1,
}


def picture(name: str, rng: np.random.Generator) -> np.ndarray:
    level = {"dark": 40, "light": 200, "striped": 120}[name]
    pixels = np.full((10, 10, 3), level) + rng.integers(-30, 30, (10, 10, 3))
    if name == "striped":
        pixels[::2] += 60
    return pixels.astype(np.uint8)


def photos(folder: Path, counts: dict[str, int] = COUNTS) -> Path:
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(picture(name, rng)).save(folder / name / f"{index}.png")
    return folder


def project(root: Path, source: dict[str, Any], **changes: Any) -> Project:
    return Project(root, config.check({"data": {"source": source}, **SMALL, **changes}))


def run_and_read(made: Project) -> dict[str, Any]:
    run(made)
    summary: dict[str, Any] = json.loads((made.reports / "summary.json").read_text())
    return summary


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("own")
    made = project(root, {"kind": "folder", "path": str(photos(root / "photos"))})
    run(made, drawn=True)
    return made


@pytest.fixture(scope="module")
def summary(done: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.reports / "summary.json").read_text())
    return found


def test_an_uneven_set_is_judged_by_balanced_accuracy_and_its_rare_classes(summary: dict[str, Any]) -> None:
    assert summary["dataset"]["primary_metric"] == "balanced_accuracy"
    assert summary["dataset"]["train_per_class"] is None
    assert summary["dataset"]["train_images"] == {"dark": 8, "light": 4, "striped": 2}
    assert summary["dataset"]["test_images"] == 21
    assert verdict.rare_classes(summary) == ["striped", "light"]
    told = verdict.sentences(summary)
    assert "With 2 to 8 images per class" in told[0]
    assert "balanced accuracy" in told[0]
    assert ["macro-F1" in line for line in told] == [False, False, True, True]
    assert summary["gate"][0]["metric"] == "balanced_accuracy"
    assert set(summary["recall_gains"]["gan_vs_none"]) == set(COUNTS)
    assert set(summary["rare_recall_gains"]) == set(summary["gains"])
    of_classes = summary["recall_gains"]["gan_vs_none"]  # every fold tests as many of a class
    both = (of_classes["striped"]["mean"] + of_classes["light"]["mean"]) / 2
    assert summary["rare_recall_gains"]["gan_vs_none"]["mean"] == pytest.approx(both, abs=1e-9)
    assert verdict.rare_rows(summary)[1][-1][0] == "all of them"


def test_the_interval_is_that_of_overlapping_train_parts(summary: dict[str, Any]) -> None:
    figure = summary["gains"]["gan_vs_none"]["accuracy"]
    assert "Nadeau and Bengio" in figure["method"]
    assert figure["degrees_of_freedom"] == 2
    spread = np.var(figure["by_trial"], ddof=1) * (1 / 3 + 7 / 14)
    assert figure["standard_error"] >= np.sqrt(spread) - 1e-9


def test_synthetic_images_top_every_class_up_to_the_largest(done: Project) -> None:
    prepared = read_prepared(done.prepared)
    for name in ("0", "1", "2", "release"):
        train = prepared.counts(prepared.split(name).train)
        split = SplitOf(done, name)
        made = dict(zip(prepared.classes, map(len, synth.read_synthetic(split)), strict=True))
        assert made == split.synthetic_counts
        assert {train[one] + made[one] for one in COUNTS} == {max(train.values())}


def test_gan_images_are_compared_with_each_rival_in_the_same_place(summary: dict[str, Any]) -> None:
    assert {"gan_vs_none", "gan_vs_placebo", "gan_vs_oversample", "gan_vs_smote", "gan+mixup_vs_mixup"} <= set(
        summary["gains"]
    )


def test_the_page_names_the_protocol_and_the_rare_classes(done: Project) -> None:
    html = (done.reports / "report.html").read_text()
    assert "3-fold cross-validation" in html
    assert "Rare classes" in html
    assert "none needed" in html


def test_classes_of_one_size_have_nothing_to_fill(tmp_path: Path) -> None:
    made = project(tmp_path, {"kind": "folder", "path": str(photos(tmp_path / "photos", dict.fromkeys(COUNTS, 3)))})
    prepare.prepare(made)
    for stage in (train.train, synth.synth_all):  # before the training, not after it
        with refused("synth.balance", "as many images", "equal"):
            stage(made, "0")


def test_no_group_is_on_both_sides(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for name in COUNTS:
        for index in range(12):
            file = f"{name}-{index}.png"
            Image.fromarray(picture(name, rng)).save(tmp_path / file)
            rows.append([file, name, f"patient {index % 6}"])
    store.write_csv(tmp_path / "labels.csv", ["file", "label", "group"], rows)
    made = project(tmp_path, {"kind": "table", "path": str(tmp_path / "labels.csv")})
    prepare.prepare(made)
    prepared = read_prepared(made.prepared)
    groups = [row["group"] for row in store.read_table(made.prepared / "items.csv")]
    for trial in made.settings.protocol.trial_names():
        split = prepared.split(trial)
        assert not {groups[row] for row in split.train} & {groups[row] for row in split.test}


def test_holdout_tests_on_the_official_part_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    arrays = {}
    for part, count in (("train", 12), ("val", 6), ("test", 9)):
        names = [list(COUNTS)[index % 3] for index in range(count)]
        arrays[f"{part}_images"] = np.stack([picture(name, rng) for name in names])
        arrays[f"{part}_labels"] = np.array([[index % 3] for index in range(count)], np.uint8)
    np.savez(tmp_path / "set.npz", **arrays)
    made = project(
        tmp_path,
        {"kind": "npz", "path": str(tmp_path / "set.npz"), "classes": list(COUNTS)},
        protocol={"kind": "holdout", "trials": 2},
        synth={"per_class": 5},
        classify={"arms": ["none", "gan"], "curve": []},
        fidelity={"enabled": False},  # measured under the other protocol
        gate=[],
    )
    summary = run_and_read(made)
    assert summary["dataset"]["test_images"] == 9
    assert summary["dataset"]["train_per_class"] == 6
    assert "this one train set" in summary["dataset"]["protocol_text"]
    prepared = read_prepared(made.prepared)
    assert prepared.split("0") == prepared.split("1")
    assert prepared.split("release").train == list(range(18))
    assert all(set(_trial(made, number)["arms"]) == {"none", "gan"} for number in (0, 1))


def _trial(made: Project, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made.trials / f"{number}.json").read_text())
    return found


OWN = """
from torch import nn

def factory(channels, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))
"""


def test_a_changed_classifier_of_ones_own_is_trained_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(OWN)
    made = project(
        tmp_path,
        {"kind": "folder", "path": str(photos(tmp_path / "photos"))},
        classifier={"model": "mine:factory", "steps": 3, "batch_size": 8},
        classify={"arms": ["none"]},
        fidelity={"enabled": False},  # no images are generated here
        gate=[],
    )
    prepare.prepare(made)

    def key() -> str:
        return runs_of(SplitOf(made, "0"))[0].key

    before = key()
    (tmp_path / "mine.py").write_text(OWN + "# other\n")
    after = key()
    assert before != after
    classify.classify(made, None)
    assert set(_trial(made, 0)["arms"]) == {"none"}
