"""Fidelity in the real pipeline, small: what it reads, what it writes, and that it changes nothing else."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from stages import run

from ganaug import config, store
from ganaug.data.prepared import read_prepared
from ganaug.report.card import answer_section
from ganaug.report.fidelity_tables import memorisation_sentence
from ganaug.stages.cards import card_of
from ganaug.stages.fidelity import NEAREST
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf
from ganaug.stages.synth import read_synthetic, synthetic_pool
from ganaug.synth.export import export
from ganaug.synth.generator import load_generator

SMALL: dict[str, Any] = {
    "protocol": {"kind": "subsets", "trials": 2, "test_per_class": 12},
    "gan": {"steps": 4, "batch_size": 8, "generator_width": 4, "discriminator_width": 4},
    "synth": {"per_class": 8},
    "classifier": {"steps": 8, "width": 4, "batch_size": 8},
    "classify": {"arms": ["none", "classical", "gan"], "curve": []},
    "device": "cpu",
    "jobs": 1,
}
LICENCE = "CC BY 4.0 (its authors)"


def project(root: Path, **changes: Any) -> Project:
    return Project(root, config.check({**SMALL, **changes}))


def again(done: Project, root: Path, **changes: Any) -> Project:
    """A copy of a finished project, classified and reported with other settings."""
    shutil.copytree(done.root, root, dirs_exist_ok=True)
    made = project(root, **changes)
    run(made, "classify")
    return made


def read(made: Project, trial: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made.fidelity / f"{trial}.json").read_text())
    return found


def written(made: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(made.fidelity.iterdir())}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = project(tmp_path_factory.mktemp("fidelity"))
    run(made)
    return made


def test_every_trial_has_its_figures(done: Project) -> None:
    assert set(written(done)) == {"0.json", "0.nearest.csv", "1.json", "1.nearest.csv"}
    found = read(done)
    assert found["images"] == {"train": 50, "unlabelled": 0, "held_out": 120, "synthetic": 80}
    assert set(found["classes"]) == {str(digit) for digit in range(10)}
    assert found["overall"]["images"] == 80
    assert found["memorisation"]["primary"] == "pixels"
    assert "no guarantee of privacy" in found["memorisation"]["note"]


def test_the_judge_is_the_classifier_of_the_arm_classical(done: Project, tmp_path: Path) -> None:
    """Kept by its arm or trained again: the same figures."""
    for trial in (0, 1):
        arm = json.loads((done.trials / f"{trial}.json").read_text())["arms"]["classical"]
        assert read(done, trial)["judge_accuracy"] == pytest.approx(arm["accuracy"])
    shutil.copytree(done.root, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / ".ganaug" / "fidelity")
    kept = list((tmp_path / ".ganaug" / "classify").glob("*/classifier.pt"))
    assert len(kept) == 2
    for path in kept:
        path.unlink()
    made = Project(tmp_path, done.settings)
    run(made, "classify")
    assert written(made) == written(done)


def test_gan_train_is_the_accuracy_of_a_classifier_of_generated_images_alone(done: Project) -> None:
    import torch

    from ganaug import seeds
    from ganaug.classify.arms import arm, batches
    from ganaug.classify.fitting import predict, train_classifier

    prepared, spec = read_prepared(done.prepared), done.settings.classifier
    test, seed = prepared.part(prepared.split("1").test), seeds.derive(0, "classify", "1")
    pool = synthetic_pool(SplitOf(done, "1"))
    draw = batches(arm("none", done.settings.classify), pool, None, 10, spec.batch_size, seed)
    pupil = train_classifier(draw, spec, 1, 10, 8, seed, torch.device("cpu"))
    right = predict(pupil, test.images, torch.device("cpu")) == test.labels
    assert read(done, 1)["overall"]["gan_train"] == pytest.approx(100 * right.mean())
    for label, name in enumerate(prepared.classes):
        of_class = 100 * right[test.labels == label].mean()
        assert read(done, 1)["classes"][name]["gan_train"] == pytest.approx(of_class)


def test_each_image_names_the_training_image_next_to_it(done: Project) -> None:
    prepared = read_prepared(done.prepared)
    images, labels = synthetic_pool(SplitOf(done, "0"))
    rows = store.read_table(done.fidelity / "0.nearest.csv")
    assert tuple(rows[0]) == NEAREST
    assert [row["class"] for row in rows] == [prepared.classes[label] for label in labels]
    train = prepared.split("0").train
    reals = prepared.images[train].astype(float)
    for row, image in list(zip(rows, images[:], strict=True))[::7]:
        distances = np.sqrt(((reals - image.astype(float)) ** 2).mean(axis=(1, 2, 3)))
        assert float(row["distance"]) == pytest.approx(distances.min(), abs=1e-3)
        assert distances[train.index(int(row["train_row"]))] == pytest.approx(distances.min())


def test_measuring_changes_nothing_else(done: Project, tmp_path: Path) -> None:
    """The off switch leaves an empty folder, and what all arms predict as it was: they are trained again."""
    shutil.copytree(done.root, tmp_path, dirs_exist_ok=True)
    for stage in ("classify", "fidelity"):
        shutil.rmtree(tmp_path / ".ganaug" / stage)
    off = project(tmp_path, fidelity={"enabled": False})
    run(off, "classify", "report")
    assert written(off) == {}
    assert all(path.read_bytes() == (off.trials / path.name).read_bytes() for path in done.trials.iterdir())
    summaries = [json.loads((made.reports / "summary.json").read_text()) for made in (done, off)]
    assert summaries[1]["fidelity"] is None
    for key in ("arms", "gains", "alarms"):
        assert summaries[0][key] == summaries[1][key]
    assert "Do they repeat training images?" not in (off.reports / "report.html").read_text()
    assert "Not measured" in (off.reports / "MODEL_CARD.md").read_text()


def test_cards_beside_exports_say_what_the_report_does(done: Project, tmp_path: Path) -> None:
    """Of the released generator of this project alone, and only while the report is of these settings."""

    def card(model: Path, folder: str) -> str:
        export(model, tmp_path / folder, None, 1, "equal", 0, "png", False, card=card_of(model))
        return (tmp_path / folder / "README.md").read_text(encoding="utf-8")

    params, release = done.root / "params.yaml", done.generator("release")
    params.write_text(json.dumps({**SMALL, "data": {"source": {"kind": "digits"}, "licence": LICENCE}}))
    try:
        summary = json.loads((done.reports / "summary.json").read_text())
        summary["settings"]["data"]["licence"] = LICENCE
        kept = (done.reports / "summary.json").read_bytes()
        store.write_json(done.reports / "summary.json", summary)
        said = card(release, "release")
        assert "license: cc-by-4.0\n" in said
        assert answer_section(summary) in said
        assert memorisation_sentence(summary["fidelity"]) in said
        (done.reports / "summary.json").write_bytes(kept)  # of another licence: not of these settings
        said = card(release, "no report")
        assert "license: cc-by-4.0\n" in said
        assert "Not known here." in said
        shutil.copy(release, tmp_path / "g.safetensors")
        for model in (done.generator("0"), tmp_path / "g.safetensors"):
            said = card(model, f"of {model.parent.name}")
            assert "license: unknown\n" in said
            assert "Not known here." in said
    finally:
        params.unlink()


def test_the_summary_page_and_card_say_the_same(done: Project) -> None:
    summary = json.loads((done.reports / "summary.json").read_text())["fidelity"]
    both = [read(done, trial)["overall"]["coverage"] for trial in (0, 1)]
    assert summary["coverage"]["mean"] == pytest.approx(np.mean(both))
    page, card = ((done.reports / name).read_text() for name in ("report.html", "MODEL_CARD.md"))
    for text in (page, card):
        assert f"{summary['gan_train']['mean']:.1f} % of unseen real images correctly" in text
        assert "Of real images that no training saw" in " ".join(text.split())
    assert "Licence of the images: not stated" in card
    assert "| gan over none |" in card


def test_a_stale_figure_is_not_reported(done: Project, tmp_path: Path) -> None:
    shutil.copytree(done.root, tmp_path, dirs_exist_ok=True)
    found = read(done)
    store.write_json(tmp_path / "reports" / "fidelity" / "0.json", {**found, "key": "another"})
    with refused("fidelity/0.json", "other settings or images", "ganaug classify"):
        run(Project(tmp_path, done.settings), "report")


def test_a_changed_encoder_trains_no_arm_again(done: Project, tmp_path: Path) -> None:
    import torch
    from torchvision.models import resnet18

    weights = tmp_path / "resnet18.pth"
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), weights)
    encoder = {"kind": "torchvision", "name": "resnet18", "path": str(weights), "image_size": 32}
    arms = {path.name for path in (done.work.root / "classify").iterdir() if path.is_dir()}
    made = again(done, tmp_path / "encoded", fidelity={"encoder": encoder})
    assert {path.name for path in (made.work.root / "classify").iterdir() if path.is_dir()} == arms
    found, own = read(made), read(done)
    assert (found["encoder"]["name"], found["encoder"]["features"]) == ("resnet18", 512)
    assert found["overall"]["gan_train"] == own["overall"]["gan_train"]  # by classifiers, as before
    assert found["memorisation"]["pixels"] == own["memorisation"]["pixels"]
    assert found["overall"]["kid"] != own["overall"]["kid"]
    run(made, "report")
    assert "512 features of torchvision&#39;s resnet18" in (made.reports / "report.html").read_text()


def test_a_generator_without_labels_is_measured_as_one_class(tmp_path: Path) -> None:
    made = project(
        tmp_path,
        protocol={**SMALL["protocol"], "trials": 1},
        gan={**SMALL["gan"], "conditioning": "none"},
        synth={"per_class": 30},
        classify={"arms": ["none", "classical"], "curve": []},
    )
    run(made)
    (images,) = read_synthetic(SplitOf(made, "0"))
    assert images.shape == (30, 8, 8, 1)
    description = load_generator(made.generator("release")).description
    assert (description["classes"], description["train_images"]) == (["unlabelled"], {"unlabelled": 50})
    found = read(made)
    assert found["overall"]["gan_train"] is None
    assert found["overall"]["images"] == 30
    assert found["classes"] == {}
    assert "The model" in (made.reports / "MODEL_CARD.md").read_text()
    assert "trained without labels" in (made.reports / "MODEL_CARD.md").read_text()
    assert "Do they repeat training images?" in (made.reports / "report.html").read_text()
