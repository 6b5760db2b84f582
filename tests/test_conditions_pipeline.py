"""The real pipeline, small, where conditions lack classes: what the translator sees, what it makes, and for whom."""

import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from PIL import Image
from stages import run

from ganaug import config, store
from ganaug.data.digits import Digits
from ganaug.data.prepared import Prepared, read_prepared
from ganaug.report import confusions
from ganaug.stages import classify, status
from ganaug.stages.project import Project
from ganaug.stages.runs import runs_of
from ganaug.stages.sheets import examples
from ganaug.stages.split import SplitOf
from ganaug.stages.synth import read_synthetic, synthetic_pool, unadversarial_pool
from ganaug.stages.watched import read_by
from ganaug.start.dvc import dvc_yaml
from ganaug.synth.export import export
from ganaug.synth.translate import translate

ARMS = ["classical", "translate+classical+masked", "unadversarial+classical+masked", "oracle+classical"]
CLASSES = 4
SMALL: dict[str, Any] = {
    "data": {"source": {"kind": "npz", "path": "digits.npz"}, "rendered": {"kinds": [{"kind": "texture"}]}},
    "protocol": {
        "kind": "cell-draws", "trials": 2, "train_per_cell": 2, "test_per_cell": 3, "tuning_per_cell": 0,
        "tuning_test_per_cell": 0,
    },
    "gan": {
        "preset": "translate", "steps": 3, "batch_size": 4, "generator_width": 4, "discriminator_width": 4,
    },
    "synth": {"per_class": 5},
    "classifier": {"steps": 8, "width": 4, "batch_size": 16},
    "classify": {"arms": ARMS, "curve": []},
    "device": "cpu",
    "jobs": 1,
}  # fmt: skip
PAIRS: dict[str, Any] = {  # without conditions
    "data": {"source": {"kind": "digits"}},
    "protocol": {"kind": "subsets"},
    "classify": {"arms": ["none"]},
}


def project(root: Path, **changes: Any) -> Project:
    """Of the first of the digits."""
    source = {"kind": "npz", "path": str(root / "digits.npz")}
    return Project(root, config.check({**SMALL, "data": {**SMALL["data"], "source": source}, **changes}))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = project(tmp_path_factory.mktemp("conditions"))
    found = Digits().load()
    rows = np.concatenate([np.flatnonzero(found.labels == label)[:30] for label in range(CLASSES)])
    assert isinstance(found.images, np.ndarray)
    np.savez(made.root / "digits.npz", images=found.images[rows], labels=found.labels[rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confusions, "MOST_CLASSES", CLASSES - 1)  # the page folds away what is more
        run(made, drawn=True)
    return made


@pytest.fixture(scope="module")
def trial(done: Project) -> SplitOf:
    return SplitOf(done, "0")


def manifest(split: SplitOf) -> list[dict[str, str]]:
    return store.read_table(split.project.synth / split.name / "manifest.csv")


def test_images_are_moved_from_other_conditions_of_their_class_each_equally_often(trial: SplitOf) -> None:
    prepared, train = trial.prepared, trial.rows.train
    assert trial.conditions == ["plain", "texture"]
    assert trial.targets == [1]
    assert len(trial.rows.hidden) == 2
    for label, images in enumerate(read_synthetic(trial)):
        rows = [row for row in manifest(trial) if row["class"] == prepared.classes[label]]
        assert len(rows) == len(images) == 5
        assert {row["condition"] for row in rows} == {"texture"}
        assert len({prepared.pixels[row] for row in train}) == len(train)
        sources = [prepared.pixels.index(row["source"]) for row in rows]
        assert set(sources) <= set(train)
        assert set(prepared.labels[sources]) == {label}
        assert prepared.conditions is not None
        assert set(prepared.conditions[sources]) == {0}
        assert sorted(Counter(sources).values()) == [2, 3]
        assert [int(row["number"]) for row in rows] == [0, 0, 1, 1, 2]
        assert len(np.unique(images, axis=0)) == 5  # the noise differs


def test_a_class_is_dealt_evenly_to_several_targets_and_left_out_where_it_has_no_source(trial: SplitOf) -> None:
    """Three conditions, of which two lack a class: 0 is under a alone, 1 under b alone, 2 under a and c."""
    cells = np.array([[0, 0], [0, 0], [1, 1], [2, 0], [2, 2]])
    prepared = Prepared(
        Path(), np.zeros((5, 8, 8, 1), np.uint8), cells[:, 0], list("abcde"), ["0", "1", "2"], {}, None, None,
        cells[:, 1], ["a", "b", "c"],
    )  # fmt: skip
    split = SplitOf(trial.project, "0", prepared)
    split.__dict__["rows"] = type(trial.rows)([0, 1, 2, 3, 4], [])
    assert split.targets == [0, 1, 2]
    assert split.moves(0) == [(1, [0, 1, 0]), (2, [0, 1])]
    assert split.moves(1) == [(0, [2, 2, 2]), (2, [2, 2])]
    assert split.moves(2) == [(0, [4, 4]), (1, [3, 4]), (2, [3])]
    split.__dict__["targets"] = [1]
    del split.__dict__["synthetic_counts"]
    assert split.synthetic_counts == {"0": 5, "1": 0, "2": 5}
    assert split.moves(1) == []


def test_a_condition_whose_only_image_of_a_class_is_tested_lacks_nothing(trial: SplitOf) -> None:
    """a has all classes; b lacks class 1."""
    cells = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [2, 1]])
    prepared = Prepared(
        Path(), np.zeros((5, 8, 8, 1), np.uint8), cells[:, 0], list("abcde"), ["0", "1", "2"], {}, None, None,
        cells[:, 1], ["a", "b"],
    )  # fmt: skip
    split = SplitOf(trial.project, "0", prepared)
    split.__dict__["rows"] = type(trial.rows)([0, 2, 3, 4], [1])
    assert split.targets == [1]
    split.__dict__["rows"] = type(trial.rows)([0, 2, 3], [1, 4], hidden=[(2, 1)])
    del split.__dict__["targets"]
    assert split.targets == [1]


def scrambled(done: Project, root: Path) -> Project:
    """The trial's train part; all other images, labels and conditions are others."""
    made, prepared = Project(root, done.settings), read_prepared(done.prepared)
    assert prepared.conditions is not None
    others = np.setdiff1d(np.arange(len(prepared.images)), prepared.split("0").train)
    assert set(prepared.split("0").truth) <= set(others.tolist())
    images, rng = np.array(prepared.images), np.random.default_rng(0)
    images[others] = rng.integers(0, 256, images[others].shape, np.uint8)
    items = store.read_table(done.prepared / "items.csv")
    for row in others.tolist():
        hidden = prepared.labels[row], prepared.conditions[row]
        items[row]["file"] = f"row {row}"
        if list(hidden) not in [list(cell) for cell in prepared.split("0").hidden]:
            items[row]["class"] = prepared.classes[rng.integers(CLASSES)]
    shutil.copytree(done.prepared, made.prepared)
    store.write_array(made.prepared / "images.npy", images)
    store.write_csv(made.prepared / "items.csv", list(items[0]), [list(item.values()) for item in items])
    return made


def test_nothing_of_test_or_truth_reaches_the_translator(done: Project, tmp_path: Path) -> None:
    made = scrambled(done, tmp_path)
    run(made, "train", split="0")
    for file in ("generator.safetensors", "checkpoint.safetensors", "samples.png", "history.csv"):
        assert (made.models / "0" / file).read_bytes() == (done.models / "0" / file).read_bytes(), file


@pytest.mark.parametrize("stage", ["train", "classify"])
def test_an_arm_that_the_images_do_not_allow_is_refused_before_anything_is_trained(
    stage: str, done: Project, tmp_path: Path
) -> None:
    pasted = {"arms": ["classical", "paste+classical"], "curve": []}
    made = Project(tmp_path, project(done.root, classify=pasted).settings)
    shutil.copytree(done.prepared, made.prepared)
    store.write_array(made.prepared / "images.npy", np.full_like(read_prepared(done.prepared).images, 9))
    with refused("classify.arms: paste must cut the object", 'class "0"; leave the arm out'):
        run(made, stage)
    assert not made.work.root.exists()


def test_the_truth_is_in_the_oracle_alone(trial: SplitOf) -> None:
    hidden, prepared = set(trial.rows.hidden), trial.prepared
    assert prepared.conditions is not None
    assert {(prepared.labels[row], prepared.conditions[row]) for row in trial.rows.truth} == hidden
    table = json.loads((trial.project.trials / "0.json").read_text())
    assert table["filler_images"]["oracle+classical"] == len(trial.rows.truth) == 4
    assert table["filler_images"]["translate+classical+masked"] == 20


def test_the_control_is_a_translator_without_its_adversarial_loss_trained_once(done: Project, trial: SplitOf) -> None:
    control, kept = trial.unadversarial, done.work
    path = kept.place("train", control.train_key) / "generator.safetensors"
    _, description = store.read_tensors(path, "")
    assert description["gan"]["translate"]["adversarial"] == 0
    (images, labels), (own, _) = unadversarial_pool(trial), synthetic_pool(trial)
    assert (images[:] != own[:]).any()
    assert np.bincount(labels).tolist() == [5] * CLASSES
    before = {path.name: path.stat().st_mtime_ns for path in (kept.root / "train").iterdir()}
    classify.classify(done, None)
    assert {path.name: path.stat().st_mtime_ns for path in (kept.root / "train").iterdir()} == before
    assert len(list((kept.root / "train").glob("*/generator.safetensors"))) == 3 + 2
    assert status.status(done).is_done


def test_the_user_gets_what_was_measured(done: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The translations of a source by the command, those that are exported, and those that an arm has learned from."""
    release, model = SplitOf(done, "release"), done.generator("release")
    (target, sources), images = release.moves(3)[0], read_synthetic(release)[3]
    first = sources[:2]
    paths = [tmp_path / "photos" / place / "1.png" for place in ("b", "a")]
    for path, pixels in zip(paths, release.prepared.images_of(first), strict=True):
        path.parent.mkdir(parents=True)
        Image.fromarray(pixels[:, :, 0]).save(path)
    roundabout = [paths[1].parent / ".." / "b" / "1.png", paths[1]]
    translate(model, roundabout, None, 1, tmp_path / "same", 0)
    assert [row["file"] for row in store.read_table(tmp_path / "same" / "manifest.csv")] == ["b/1.png", "a/1.png"]
    said = translate(model, paths, release.conditions[target], 3, tmp_path / "out", 0)
    assert "6 images of 2 pictures, moved to texture" in said
    with (tmp_path / "out" / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["number"]) for row in rows[:4]] == [
        ("b/1-0.png", "0"), ("b/1-1.png", "1"), ("b/1-2.png", "2"), ("a/1-0.png", "0"),
    ]  # fmt: skip
    assert {row["source"] for row in rows} == set(map(str, paths))
    made = {place: np.asarray(Image.open(tmp_path / "out" / place)) for place in (row["file"] for row in rows)}
    for number in range(2):
        for place, folder in enumerate("ba"):
            assert (made[f"{folder}/1-{number}.png"] == images[2 * number + place, :, :, 0]).all()
    monkeypatch.chdir(done.root)
    export(model.relative_to(done.root), tmp_path / "more", ["3"], 5, "equal", 0, "npz", False, "texture")
    assert (np.load(tmp_path / "more" / "images.npz")["images"] == images).all()
    with (tmp_path / "more" / "manifest.csv").open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    files = [item["file"] for item in store.read_table(done.prepared / "items.csv")]
    assert [(row["condition"], row["source"]) for row in listed] == [("texture", files[row]) for row in sources]


def test_a_class_that_is_under_the_condition_alone_is_left_out(
    done: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(done.prepared, tmp_path / "data" / "prepared")
    monkeypatch.chdir(tmp_path)
    table = Path("data/prepared/items.csv")
    items = [row | {"condition": "texture"} if row["class"] == "3" else row for row in store.read_table(table)]
    store.write_csv(table, list(items[0]), [list(row.values()) for row in items])
    model, out = done.generator("release"), Path("out")
    assert "none of 3: no images under another" in export(model, out, None, 2, "equal", 0, "npz", False, "texture")
    assert {row["class"] for row in store.read_table(out / "manifest.csv")} == {"0", "1", "2"}
    with refused("--class: must have images under another condition than"):
        export(model, out, ["3"], 2, "equal", 0, "npz", False, "texture")


def test_what_cannot_be_moved_is_one_line_and_leaves_nothing(
    done: Project, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done.root)
    model, out = Path("models/release/generator.safetensors"), tmp_path / "out"
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(np.zeros((20, 10), np.uint8) + np.arange(10, dtype=np.uint8)).save(good)
    bad.write_text("text")
    with refused('--to: must be one of texture, got "dusk"'):
        translate(model, [good], "dusk", 1, out, 0)
    with refused(f'"{bad}": must be a readable picture, but it is not an image', "leave it out"):
        translate(model, [good, bad], None, 1, out, 0)
    with refused(f'"{tmp_path}": must be a readable picture, but it is a folder'):
        translate(model, [tmp_path], None, 1, out, 0)
    deep = tmp_path / "deep.png"  # by the brightest of the pictures it would depend on the others what becomes of it
    Image.fromarray(np.arange(100, dtype=np.uint16).reshape(10, 10) * 16).save(deep)
    with refused("12 of its 16 bits are in use, and the training images had 8 in all"):
        translate(model, [good, deep], None, 1, out, 0)
    with refused("must be a translator, but makes images of a class"):
        translate(tiny_model, [good], None, 1, out, 0)
    with refused("--n: must be 1 to"):
        translate(model, [good], None, 0, out, 0)
    with refused("pictures must differ by more than the ending"):
        translate(model, [good, tmp_path / "good.jpg"], None, 1, out, 0)
    with refused("--out: must be a new or an empty folder"):
        translate(model, [good], None, 1, tmp_path, 0)
    with refused("--condition: must be one of texture"):
        export(model, out, ["3"], 2, "equal", 0, "png", False, "plain")
    with refused("--condition: needs a translator"):
        export(tiny_model, out, ["3"], 2, "equal", 0, "png", False, "texture")
    monkeypatch.chdir(tmp_path)
    with refused("data/prepared"):
        export(done.generator("release"), out, ["3"], 2, "equal", 0, "png", False, "texture")
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["cut", "cyclegan", "srgan", "stargan"])
def test_every_preset_of_a_translator_goes_through_the_pipeline(name: str, done: Project, tmp_path: Path) -> None:
    gan = {**SMALL["gan"], "preset": name, "steps": 1}
    made = Project(tmp_path, project(done.root, gan=gan, classify={"arms": ["classical"], "curve": []}).settings)
    shutil.copytree(done.prepared, made.prepared)
    for stage in ("train", "synth"):
        run(made, stage, split="0")
    assert [len(images) for images in read_synthetic(SplitOf(made, "0"))] == [5] * CLASSES


def test_pairs_need_no_conditions(done: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denoising of plain digits: sources are what the pairs are made of, in the arms, on the page and for the user."""
    gan = {**SMALL["gan"], "steps": 1, "translate": {"pairs": {"noise": 0.3}}}
    none_left = {"tuning_per_class": 0, "tuning_test_per_class": 0}
    protocol = {"kind": "subsets", "trials": 1, "train_per_class": 2, "test_per_class": 3, **none_left}
    source = {"kind": "npz", "path": str(done.root / "digits.npz")}
    changes = {**PAIRS, "data": {"source": source}, "protocol": protocol, "gan": gan}
    made = Project(tmp_path, config.check({**SMALL, **changes}))
    for stage in ("prepare", "train", "synth"):
        run(made, stage, split="release")
    split = SplitOf(made, "release")
    assert (split.targets, split.conditions) == ([], ["all"])
    images = read_synthetic(split)
    assert [len(one) for one in images] == [5] * CLASSES
    monkeypatch.chdir(tmp_path)
    export(made.generator("release").relative_to(tmp_path), Path("out"), ["3"], 5, "equal", 0, "npz", False)
    assert (np.load("out/images.npz")["images"] == images[3]).all()
    shown, (_, rows) = examples(split)[3], split.moves(3)[0]
    assert shown.title == "3"
    assert (shown.there == split.prepared.images_of(rows)).all()
    noise = shown.real.astype(int) - split.prepared.images_of(rows)
    assert (noise.std(axis=(1, 2, 3)) > 10).all()  # as the translator saw them
    assert len(np.unique(noise[[0, 2, 4]], axis=0)) == 3  # one source, drawn again for each translation


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": PAIRS["data"], "protocol": PAIRS["protocol"], "classify": {"arms": ["none"]}}, "gan.translate needs"),
        ({"gan": {}}, "translate needs a translator, but gan.translate is not set"),
        ({"classify": {"arms": ["none", "gan"]}}, "gan needs a generator of classes"),
        ({**PAIRS, "gan": {}, "classify": {"arms": ["histogram"]}}, "histogram needs the condition"),
        ({**PAIRS, "gan": {}, "classify": {"arms": ["masked"]}}, "masked needs the condition"),
        ({**PAIRS, "gan": {}, "protocol": {"kind": "cells"}}, "protocol.kind: cells needs the condition"),
        ({"protocol": {"kind": "subsets"}}, "oracle needs a protocol that hides cells, got subsets"),
        ({"synth": {"drop_copies": True}}, "synth.filters: judge images of a generator of classes"),
        ({"data": {**SMALL["data"], "unlabelled": "more"}}, "gan.unlabelled: a translator learns nothing"),
    ],
)
def test_settings_that_do_not_go_together_are_one_line(changes: dict[str, Any], says: str) -> None:
    with refused(says):
        config.check({**SMALL, **changes})


def test_dvc_watches_what_the_stages_read() -> None:
    settings = config.check(SMALL)
    reads = read_by(settings, config.plain(settings))
    assert {"classifier", "classify.classical"} <= set(reads["train"].keys)
    assert any(re.match(r"gan\b", key) for key in reads["classify"].keys)  # it trains the control
    assert "The released translator" in dvc_yaml(settings)
    for terms in ({"recognition": 0.0}, {"pairs": {"blur": 1.0}}, {"back": "none", "contrast": 1.0}):  # no way back
        silent = {**SMALL, "gan": {**SMALL["gan"], "translate": terms}, "classify": {"arms": ["classical"]}}
        reads = read_by(config.check(silent), silent)
        assert "classifier" not in reads["train"].keys
        assert not any(key.startswith("gan") for key in reads["classify"].keys)


def test_a_changed_setting_runs_no_more_than_it_must(done: Project, trial: SplitOf) -> None:
    def other(**changes: Any) -> SplitOf:
        return SplitOf(Project(done.root, project(done.root, **changes).settings), "0", trial.prepared)

    def gan(**terms: Any) -> dict[str, Any]:
        return {**SMALL["gan"], "translate": terms}

    before, after = ({run.name: run.key for run in runs_of(one)} for one in (trial, other(gan=gan(cycle=1.0))))
    moved = [name for name in ARMS if name.startswith(("translate", "unadversarial"))]
    assert [name for name in ARMS if before[name] != after[name]] == moved
    wider = {**SMALL["classifier"], "width": 8}
    assert other(classifier=wider).train_key != trial.train_key
    alone = gan(recognition=0.0)
    assert other(classifier=wider, gan=alone).train_key == other(gan=alone).train_key


def test_settings_without_a_translator_say_nothing_of_one() -> None:
    """So that finished work of earlier versions keeps its keys, and generators their bytes."""
    assert "translate" not in config.plain(config.check({}).gan)


def test_the_page_and_the_card_show_cells_and_images_above_their_translations(done: Project) -> None:
    release = SplitOf(done, "release")
    prepared, learned = release.prepared, set(release.rows.train)
    for (label, made), one in zip(enumerate(read_synthetic(release)), examples(release), strict=True):
        assert (one.name, one.condition) == (prepared.classes[label], "texture")
        sources = release.moves(label)[0][1]
        assert (one.real == prepared.images_of(sources)).all()
        assert (one.made == made).all()
        assert prepared.conditions is not None
        there = [row for row in learned if (prepared.labels[row], prepared.conditions[row]) == (label, 1)]
        assert one.there is not None
        assert sorted(image.tobytes() for image in one.there) == sorted(
            image.tobytes() for image in prepared.images_of(there)
        )
    page, card = ((done.reports / name).read_text() for name in ("report.html", "MODEL_CARD.md"))
    for said in (
        "How should the missing cells be filled?",
        "2 of 4 classes have no images under texture.",
        "3 under texture",
        "% hidden",
        "real images, above their translations: 3 to texture",
        "Is it the adversarial loss?",
        "What would real images bring?",
    ):
        assert said in page
    assert page.count('<span class="note">missing cell</span>') == sum(not len(one.there) for one in examples(release))
    shown, folded = page.split("<summary>cells: 1 more</summary>")
    title = 'alt="real images, above their translations: '
    assert shown.count(title) == CLASSES - 1
    assert f'{title}3 to texture"' in folded.partition("</details>")[0]
    for image in re.findall(r'alt="real images of ([^"]*)"><img src="[^"]*" alt="their translations"', page):
        assert image.endswith(" to texture")
    assert "a translator from condition to condition" in card
    assert "What fills the missing cells" in card
