"""The real pipeline, small: what is computed again and what is not, who sees which image, what the gate says."""

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from expect import refused
from ruamel.yaml import YAML
from stages import TINY_GAN, run

from ganaug import config, store
from ganaug.classify.arms import gain_pairs
from ganaug.data.prepared import read_prepared
from ganaug.errors import UserError
from ganaug.gan.presets import PRESETS
from ganaug.measure.contributions import metrics
from ganaug.stages import gate, synth, train
from ganaug.stages.project import Project
from ganaug.stages.runs import runs_of
from ganaug.stages.split import SplitOf
from ganaug.start.dvc import dvc_yaml

SMALL: dict[str, Any] = {
    "protocol": {"kind": "subsets", "trials": 2, "test_per_class": 20},
    "gan": {"steps": 6, "batch_size": 8, "generator_width": 4, "discriminator_width": 4},
    "synth": {"per_class": 12},
    "classifier": {"steps": 12, "width": 4, "batch_size": 16},
    "gate": [{"gain": "gan_vs_none", "above": 0.0}],
    "device": "cpu",
    "jobs": 1,
}


# What most tests do without: further classifiers, and measures of the images.
BARE: dict[str, Any] = {"classify": {"arms": ["none", "gan"], "curve": []}, "fidelity": {"enabled": False}}


def project(root: Path, **changes: Any) -> Project:
    """A project with the small settings, whose groups may be changed key by key."""
    raw = {key: dict(value) if isinstance(value, dict) else value for key, value in SMALL.items()}
    for key, change in changes.items():
        raw[key] = {**raw.get(key, {}), **change} if isinstance(change, dict) else change
    return Project(root, config.check(raw))


def artifacts(made: Project) -> dict[str, bytes]:
    """Every file of the outputs, but for the measured times."""
    folders = [made.prepared, made.models, made.synth, made.reports]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(made.root)): path.read_bytes() for path in files if path.stem != "timings"}


def finished(made: Project, stage: str) -> set[str]:
    return {path.name for path in (made.work.root / stage).iterdir() if path.is_dir() and path.suffix != ".part"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = project(tmp_path_factory.mktemp("done"))
    run(made, drawn=True)
    return made


def copy_of(done: Project, root: Path, **changes: dict[str, Any] | int) -> Project:
    """All that is finished, under other settings."""
    shutil.copytree(done.root, root, dirs_exist_ok=True)
    return project(root, **changes)


def prepared_for(done: Project, root: Path, **changes: Any) -> Project:
    """Its prepared images alone, for settings of the same data and protocol."""
    shutil.copytree(done.prepared, root / "data" / "prepared")
    return project(root, **changes)


def test_every_file_of_the_contract_is_there(done: Project) -> None:
    expected = [
        "data/prepared/images.npy", "data/prepared/items.csv", "data/prepared/classes.json",
        "data/prepared/splits/0.json", "data/prepared/splits/release.json", "models/release/generator.safetensors",
        "models/0/history.csv", "models/1/samples.png", "models/0/health.json", "models/1/checkpoint.safetensors",
        "data/synth/0/manifest.csv", "reports/trials/1.json",
        "reports/fidelity/0.json", "reports/fidelity/1.nearest.csv", "reports/MODEL_CARD.md",
        "reports/summary.json", "reports/metrics.json", "reports/report.html", "reports/timings.json",
        "reports/timings.js",
    ]  # fmt: skip
    assert [path for path in expected if not (done.root / path).is_file()] == []


def test_what_dvc_plots_is_there_and_needs_no_network(done: Project) -> None:
    """DVC shows an image as it is."""
    plots = YAML(typ="safe", pure=True).load(dvc_yaml(done.settings))["plots"]
    for path in plots:
        assert Path(path).suffix in (".svg", ".png")
        assert (done.root / path).is_file()
    for svg in (done.reports / "plots").iterdir():
        root = ElementTree.fromstring(svg.read_text())
        assert float(root.attrib["width"].removesuffix("pt")) > 100
        assert not re.search(r"(href|src)=.http|<script", svg.read_text())
        assert f"reports/plots/{svg.name}" in plots


def test_the_summary_keeps_the_contract(done: Project) -> None:
    summary = json.loads((done.reports / "summary.json").read_text())
    assert summary["schema"] == 1
    assert summary["dataset"]["image_shape"] == [1, 8, 8]
    assert {
        key: summary["dataset"][key] for key in ("name", "protocol", "trials", "train_per_class", "test_images")
    } == {"name": "digits", "protocol": "subsets", "trials": 2, "train_per_class": 5, "test_images": 200}
    assert set(summary["gains"]) == {f"{arm}_vs_{base}" for arm, base in gain_pairs(done.settings.classify.arms)}
    fields = {"mean", "ci_low", "ci_high", "p_value", "power", "unit", "confidence", "trials", "method"}
    for gain in summary["gains"].values():
        assert set(gain) == set(metrics(hides_cells=False))
        assert all(fields <= set(figure) for figure in gain.values())
    assert {"gain", "metric", "above", "p_holm", "passed"} <= set(summary["gate"][0])


def test_arms_that_gan_images_are_added_to_have_a_learning_curve(done: Project) -> None:
    """Two trials of 5 images per class lend one another 3 and 5 more; nothing that is tested on is among them."""
    prepared = read_prepared(done.prepared)
    names = ["none@1.5", "none@2", "classical@1.5", "classical@2"]
    for number in ("0", "1"):
        trial = json.loads((done.trials / f"{number}.json").read_text())
        assert list(trial["curve"]) == names
        assert [trial["curve"][name]["train_images"] for name in names] == [80, 100, 80, 100]
        assert set(trial["keys"]) == {*trial["arms"], *names}
        table = store.read_table(done.trials / f"{number}.predictions.csv")
        right = np.mean([row["classical@2"] == row["label"] for row in table])
        assert trial["curve"]["classical@2"]["accuracy"] == pytest.approx(100 * right)
        split = prepared.split(number)
        own, untouched = set(split.train), {*split.test, *split.spare}
        for run_ in runs_of(SplitOf(done, number)):
            assert own <= set(run_.rows)
            assert not untouched & set(run_.rows)
    summary = json.loads((done.reports / "summary.json").read_text())
    assert {arm: [point["images_per_class"] for point in curve] for arm, curve in summary["curve"].items()} == {
        "none": [5.0, 8.0, 10.0],
        "classical": [5.0, 8.0, 10.0],
    }
    for arm, curve in summary["curve"].items():
        assert curve[0]["accuracy"]["mean"] == pytest.approx(summary["arms"][arm]["accuracy"]["mean"])
    assert set(summary["worth"]) == {"gan_vs_none", "gan+classical_vs_classical"}
    for worth in summary["worth"].values():
        assert {"metric", "more_images", "ci_low", "ci_high", "one_point", "unit", "method"} <= set(worth)
    assert "Gains in equivalent labels" in (done.reports / "report.html").read_text()


def test_repeats_add_classifiers_and_a_trial_scores_their_mean(done: Project, tmp_path: Path) -> None:
    twice = copy_of(done, tmp_path, classify={"repeats": 2})
    before = finished(twice, "classify")
    run(twice, "classify")
    assert len(finished(twice, "classify") - before) == len(before)  # the first ones are not trained again
    once = json.loads((done.trials / "0.json").read_text())
    trial = json.loads((twice.trials / "0.json").read_text())
    table = store.read_table(twice.trials / "0.predictions.csv")
    assert list(trial["arms"]) == list(once["arms"])
    assert list(trial["curve"]) == list(once["curve"])
    assert set(trial["keys"]) == {*once["keys"], *(f"{name}#2" for name in once["keys"])}
    for name, arm in {**trial["arms"], **trial["curve"]}.items():
        first, second = (np.mean([row[column] == row["label"] for row in table]) for column in (name, f"{name}#2"))
        assert arm["accuracy"] == pytest.approx(50 * (first + second))
        assert {**once["arms"], **once["curve"]}[name]["accuracy"] == pytest.approx(100 * first)
    assert any(row["gan"] != row["gan#2"] for row in table)
    run(twice, "report")
    summary = json.loads((twice.reports / "summary.json").read_text())
    for name, arm in summary["arms"].items():
        trials = [json.loads((twice.trials / f"{number}.json").read_text())["arms"][name] for number in (0, 1)]
        for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
            assert arm[metric]["mean"] == pytest.approx(np.mean([one[metric] for one in trials]))
        recall = np.mean([one["recall"]["3"] for one in trials])
        assert summary["recall"][name]["3"]["mean"] == pytest.approx(recall)
    shares = summary["confusion"]["gan+classical"][3]
    assert sum(shares) == pytest.approx(100, abs=0.01)
    assert shares[3] == pytest.approx(summary["recall"]["gan+classical"]["3"]["mean"], abs=0.001)
    with refused("classify.repeats", "greater than or equal to 1"):
        config.check({"classify": {"repeats": 0}})


def test_another_curve_trains_its_new_points_alone_and_none_leaves_no_trace(done: Project, tmp_path: Path) -> None:
    """Two trials have no images for three times as many labels: a third of their own it is."""
    longer = copy_of(done, tmp_path, classify={"curve": [1.5, 2.0, 3.0]})
    before = finished(longer, "classify")
    run(longer, "classify")
    assert len(finished(longer, "classify") - before) == 2 * 2
    trial = json.loads((longer.trials / "0.json").read_text())
    assert trial["curve"]["none@0.333"]["train_images"] == 20
    without = project(tmp_path, classify={"curve": []})
    run(without, "classify", "report")
    assert json.loads((without.trials / "0.json").read_text())["curve"] == {}
    summary = json.loads((without.reports / "summary.json").read_text())
    assert (summary["curve"], summary["worth"]) == ({}, {})
    assert "Gains in equivalent labels" not in (without.reports / "report.html").read_text()


def test_a_report_without_a_point_of_the_curve_is_refused(done: Project, tmp_path: Path) -> None:
    other = copy_of(done, tmp_path, classify={"curve": [1.5, 1.8]})
    with pytest.raises(UserError, match=r"arm none@1\.8 of trial 0 is missing or of other settings"):
        run(other, "report")


def earlier(done: Project, path: Path, **figure: float) -> Path:
    """The summary of ``done`` with another gain of the GAN."""
    summary = json.loads((done.reports / "summary.json").read_text())
    summary["gains"]["gan_vs_none"]["accuracy"] |= figure
    path.write_text(json.dumps(summary))
    return path


@pytest.mark.parametrize("markdown", [True, False])
def test_the_gate_against_an_earlier_run(
    done: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], markdown: bool
) -> None:
    lax = project(done.root, gate=[{"gain": "gan_vs_none", "above": -1000.0}])
    assert gate.gate(lax, markdown) == "pass"
    assert "Against" not in capsys.readouterr().out
    assert gate.gate(lax, markdown, earlier(done, tmp_path / "same.json")) == "pass"
    assert "no fall shown" in capsys.readouterr().out
    better = earlier(done, tmp_path / "better.json", mean=90.0, standard_error=0.5, degrees_of_freedom=9.0)
    assert gate.gate(lax, markdown, better) == "fail"
    said = capsys.readouterr().out
    assert "FELL" in said
    assert "+90.00" in said
    assert ("### ganaug gate: fail" if markdown else "gate: fail") in said


def test_the_gate_refuses_what_is_no_earlier_run(done: Project, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    for name, rule in (("missing.json", "must exist, but is missing"), ("other.json", "must be a summary of schema 1")):
        with pytest.raises(UserError, match=rule):
            gate.gate(done, False, tmp_path / name)


def test_the_page_and_the_summary_say_how_the_generators_trained(done: Project) -> None:
    found = {name: json.loads((done.models / name / "health.json").read_text()) for name in ("0", "1", "release")}
    summary = json.loads((done.reports / "summary.json").read_text())
    assert summary["alarms"] == {name: [alarm["kind"] for alarm in one["alarms"]] for name, one in found.items()}
    page = (done.reports / "report.html").read_text()
    for one in found.values():
        for alarm in one["alarms"]:
            assert alarm["kind"].capitalize() in page
            assert alarm["mend"] in page.replace("&#39;", "'")
    assert "real images it never saw" in page  # the tuning test images watch the discriminator


@pytest.mark.parametrize(
    "name", [name for name in PRESETS if name != "default" and "translate" not in PRESETS[name].values]
)
def test_every_preset_goes_through_the_pipeline(name: str, done: Project, tmp_path: Path) -> None:
    """Trained, sampled: one trial of each."""
    gan = {"preset": name, "steps": 2, "batch_size": 8, "generator_width": 8, "discriminator_width": 8}
    shutil.copytree(done.prepared, tmp_path / "data" / "prepared")
    made = Project(tmp_path, config.check({**SMALL, **BARE, "gan": gan}))
    run(made, "train", "synth", split="0")
    assert [images.shape for images in synth.read_synthetic(SplitOf(made, "0"))] == [(12, 8, 8, 1)] * 10
    assert made.settings.gan.preset == name


def test_gains_are_differences_of_the_arms_as_scikit_learn_scores_them(done: Project) -> None:
    summary = json.loads((done.reports / "summary.json").read_text())
    trials = [json.loads((done.trials / f"{trial}.json").read_text())["arms"] for trial in (0, 1)]
    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        for name, figures in summary["gains"].items():
            arm, base = name.split("_vs_")
            mean = np.mean([trial[arm][metric] - trial[base][metric] for trial in trials])
            assert figures[metric]["mean"] == pytest.approx(mean, abs=1e-9)


def test_a_second_project_and_more_processes_give_the_same_bytes(done: Project, tmp_path: Path) -> None:
    again = project(tmp_path, jobs=2)
    run(again, drawn=True)
    first, second = artifacts(done), artifacts(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def weights(made: Project) -> dict[str, bytes]:
    """Of all three networks. (The description in the same file names the key, which spare images are part of.)"""
    tensors, _ = store.read_tensors(made.models / "0" / "checkpoint.safetensors", "")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def test_no_image_outside_the_train_part_reaches_a_generator(done: Project, tmp_path: Path) -> None:
    """Scramble every image and label that the train part does not hold: the generator's weights stay the same."""
    changed = copy_of(done, tmp_path)
    shutil.rmtree(changed.work.root)
    prepared = read_prepared(changed.prepared)
    learned = prepared.split("0").train
    others = np.setdiff1d(np.arange(len(prepared.images)), learned)
    images, labels = np.array(prepared.images), np.array(prepared.labels)
    rng = np.random.default_rng(0)
    images[others] = rng.integers(0, 256, images[others].shape, np.uint8)
    labels[others] = rng.integers(0, 10, len(others))
    store.write_array(changed.prepared / "images.npy", images)
    rows = [[f"row {row}", prepared.classes[labels[row]], prepared.pixels[row]] for row in range(len(images))]
    store.write_csv(changed.prepared / "items.csv", ["file", "class", "sha256"], rows)
    run(changed, "train", split="0")
    assert weights(changed) == weights(done)
    images[learned] ^= 255  # and the check can fail: the train part does change the generator
    store.write_array(changed.prepared / "images.npy", images)
    for row in learned:
        rows[row][2] = store.digest(images[row])
    store.write_csv(changed.prepared / "items.csv", ["file", "class", "sha256"], rows)
    run(changed, "train", split="0")
    assert weights(changed) != weights(done)


def test_the_labels_of_unlabelled_images_reach_nothing(tmp_path: Path) -> None:
    """Their pixels do: the generator learns from them, and teachers label them for the arm ``pseudo``."""
    arms = {"arms": ["none", "gan", "pseudo"], "curve": [], "pseudo": {"teachers": 1, "confidence": 0.0}}
    protocol = {"trials": 1, "unlabelled_per_class": 10}
    changes: dict[str, Any] = {**BARE, "protocol": protocol, "classify": arms}
    made = project(tmp_path / "p", **changes)
    run(made, "prepare", "train", "synth", "classify")
    before = artifacts(made)
    prepared = read_prepared(made.prepared)
    split = prepared.split("0")
    assert split.unlabelled == prepared.split("release").unlabelled
    assert len(split.unlabelled) == 100
    arms_of_trial = json.loads((made.trials / "0.json").read_text(encoding="utf-8"))["arms"]
    assert arms_of_trial["pseudo"] != arms_of_trial["none"]

    def again(relabel: bool, repaint: bool) -> dict[str, bytes]:
        changed = copy_of(made, tmp_path / f"{relabel}{repaint}", **changes)
        shutil.rmtree(changed.work.root)
        images, labels = np.array(prepared.images), np.array(prepared.labels)
        if relabel:
            labels[split.unlabelled] = (labels[split.unlabelled] + 1) % 10
        if repaint:
            images[split.unlabelled] ^= 255
        store.write_array(changed.prepared / "images.npy", images)
        hashes = [store.digest(images[row]) if repaint else prepared.pixels[row] for row in range(len(images))]
        rows = [[f"row {row}", prepared.classes[labels[row]], hashes[row]] for row in range(len(images))]
        store.write_csv(changed.prepared / "items.csv", ["file", "class", "sha256"], rows)
        run(changed, "train", "synth", "classify")
        return artifacts(changed)

    relabelled = again(relabel=True, repaint=False)
    same = [name for name in before if name.startswith(("models/", "data/synth/", "reports/trials/"))]
    assert {"models/0/generator.safetensors", "reports/trials/0.predictions.csv"} <= set(same)
    assert all(relabelled[name] == before[name] for name in same)
    repainted = again(relabel=False, repaint=True)
    assert repainted["models/0/generator.safetensors"] != before["models/0/generator.safetensors"]
    assert repainted["reports/trials/0.predictions.csv"] != before["reports/trials/0.predictions.csv"]


def test_one_more_trial_trains_one_more_gan(done: Project, tmp_path: Path) -> None:
    more = copy_of(done, tmp_path, protocol={"trials": 3})
    before = finished(more, "train")
    run(more, "prepare", "train")
    assert len(finished(more, "train") - before) == 1
    assert more.generator("1").read_bytes() == done.generator("1").read_bytes()


def test_a_changed_classifier_trains_no_gan(done: Project, tmp_path: Path) -> None:
    other = copy_of(done, tmp_path, classifier={"steps": 13})
    before = finished(other, "train")
    run(other, "prepare", "train", "synth", "classify")
    assert finished(other, "train") == before
    assert len(finished(other, "classify")) == 2 * len(finished(done, "classify"))


def test_finished_splits_are_not_done_again_after_an_interruption(
    done: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepared_for(done, tmp_path)
    real = train._train
    trained: list[str] = []

    def interrupted(split: SplitOf, *others: Any) -> dict[str, Any]:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(split.name)
        return real(split, *others)

    monkeypatch.setattr(train, "_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(made, "train")
    kept = finished(made, "train")
    assert len(kept) == 1
    times = {key: (made.work.place("train", key) / "generator.safetensors").stat().st_mtime_ns for key in kept}
    monkeypatch.setattr(train, "_train", real)
    run(made, "train")
    assert len(finished(made, "train")) == 3
    for key, time in times.items():
        assert (made.work.place("train", key) / "generator.safetensors").stat().st_mtime_ns == time


def test_the_placebo_does_not_pass_the_gate(tmp_path: Path) -> None:
    """The trial's own real images in the place of synthetic ones: whatever the gate lets through here is a fault."""
    made = project(
        tmp_path,
        **{**BARE, "classify": {"arms": ["none", "placebo"], "curve": []}},
        gan=TINY_GAN,
        classifier={"steps": 60, "width": 8, "batch_size": 64},
        protocol={"trials": 3},
        gate=[{"gain": "placebo_vs_none"}],
    )
    run(made)
    assert gate.gate(made, markdown=False) != "pass"


def test_the_gate_refuses_figures_of_other_settings(done: Project, tmp_path: Path) -> None:
    other = copy_of(done, tmp_path, classifier={"steps": 99})
    with pytest.raises(UserError, match="classifier"):
        gate.gate(other, markdown=False)


def test_the_gate_refuses_figures_of_an_earlier_recipe(done: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "RECIPES", {**gate.RECIPES, "train": 99})
    with pytest.raises(UserError, match="dvc repro -f"):
        gate.gate(done, markdown=False)


def test_a_report_without_trials_is_one_line(done: Project, tmp_path: Path) -> None:
    empty = copy_of(done, tmp_path)
    shutil.rmtree(empty.trials)
    with pytest.raises(UserError, match="ganaug classify"):
        run(empty, "report")


def test_an_unknown_split_is_named(done: Project) -> None:
    with pytest.raises(UserError, match="must be one of 0, 1, release"):
        run(done, "train", split="7")


def test_the_page_needs_no_network(done: Project) -> None:
    html = (done.reports / "report.html").read_text()
    body = re.sub(r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>', "", html)  # names of SVG's vocabulary, not addresses
    assert "http://" not in body
    assert "https://" not in body
    # of each class: real ones, generated ones, and first ones above their neighbours; then the twelve nearest pairs;
    # in the card, real and generated ones of four classes; and what the generator's first directions do
    assert html.count("data:image/png;base64,") == 3 * 10 + 12 + 2 * 4 + 1


def test_an_earlier_protocols_images_do_not_stay(done: Project, tmp_path: Path) -> None:
    fewer = copy_of(done, tmp_path, **BARE, protocol={"trials": 1})
    run(fewer, "prepare", "train", "synth", "classify")
    assert {path.name for path in fewer.synth.iterdir()} == {"0", "release"}
    assert {path.name for path in fewer.models.iterdir()} == {"0", "release"}
    assert {path.name for path in fewer.trials.iterdir()} == {"0.json", "0.predictions.csv"}


def test_a_report_of_trials_that_other_settings_made_is_refused(done: Project, tmp_path: Path) -> None:
    """`ganaug report` alone, after a change: without the check the old figures would bear the new settings."""
    other = copy_of(done, tmp_path, classifier={"steps": 13})
    with pytest.raises(UserError, match="of other settings"):
        run(other, "report")


def test_splits_of_another_protocol_are_refused(done: Project, tmp_path: Path) -> None:
    """Tuning draws must not be published as reported ones by a change of the word alone."""
    other = copy_of(done, tmp_path, protocol={"draws": "tuning"})
    with pytest.raises(UserError, match="other settings of data or protocol"):
        run(other, "report")


def test_synthetic_images_of_other_settings_are_refused(done: Project, tmp_path: Path) -> None:
    """Their key lies next to them: no arm learns from images that another seed made."""
    other = copy_of(done, tmp_path, synth={"seed": 1})
    with refused("data/synth/0: was made with other settings", 'run "ganaug synth --all"'):
        run(other, "classify")
    run(other, "synth", "classify")
    (tmp_path / "data" / "synth" / "0" / "key.json").unlink()
    shutil.rmtree(other.work.root / "classify")
    with refused("key.json: the file must exist, but is missing"):
        run(other, "classify")


def test_images_of_a_generator_of_other_settings_are_refused(done: Project, tmp_path: Path) -> None:
    other = copy_of(done, tmp_path, gan={"steps": 7})
    with pytest.raises(UserError, match="other settings of gan"):
        run(other, "synth")


def test_the_gate_does_not_judge_tuning_draws(tmp_path: Path) -> None:
    made = project(tmp_path, **BARE, gan=TINY_GAN, protocol={"draws": "tuning", "trials": 1})
    run(made)
    with pytest.raises(UserError, match=r"protocol\.draws"):
        gate.gate(made, markdown=False)


def test_a_training_that_diverges_is_not_a_verdict(done: Project, tmp_path: Path) -> None:
    deep = {"architecture": {"kind": "mlp", "layers": 64}, "objective": {"kind": "least-squares"}, "steps": 200}
    made = prepared_for(done, tmp_path, gan={**deep, "generator_lr": 10, "discriminator_lr": 10})
    with pytest.raises(UserError, match="must stay finite"):
        run(made, "train", split="0")
    assert not made.generator("0").exists()
