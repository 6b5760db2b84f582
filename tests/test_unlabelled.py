"""Images without labels beside a set of one's own: which are taken, and that what is tested on is not among them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from photos import noise, photos, save
from stages import prepared, run

from ganaug import config, device, store
from ganaug.data.prepared import read_prepared
from ganaug.stages import labels
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf
from ganaug.start.dvc import dvc_yaml


def more(folder: Path, count: int = 9) -> Path:
    """``count`` images that are not among ``photos``, the last one in a folder below."""
    for number in range(count - 1):
        save(folder / f"{number}.png", noise(8, 8, seed=1000 + number))
    save(folder / "below" / "last.png", noise(8, 8, seed=2000))
    return folder


def project(root: Path, **data: Any) -> Project:
    arms = ["none", "gan", *(["pseudo"] if data else [])]
    raw = {
        "data": {"source": {"kind": "folder", "path": str(root / "photos")}, **data},
        "protocol": {"kind": "cv", "folds": 2, "repeats": 1},
        "gan": {"steps": 3, "batch_size": 4, "generator_width": 4, "discriminator_width": 4},
        "synth": {"per_class": 4},
        "classifier": {"steps": 4, "width": 4, "batch_size": 8},
        "classify": {"arms": arms, "curve": [], "pseudo": {"teachers": 1, "confidence": 0.0}},
        "fidelity": {"enabled": False},
        "device": "cpu",
        "jobs": 1,
    }
    return Project(root, config.check(raw))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    photos(tmp_path / "photos", "cat", "dog")
    return tmp_path


def test_images_of_a_folder_and_below_it(root: Path) -> None:
    told = prepared(project(root, unlabelled=str(more(root / "more"))))
    assert "9 images without labels" in told
    found = read_prepared(root / "data" / "prepared")
    assert found.beside is not None
    assert found.beside.images.shape == (9, 8, 8, 3)
    want = [noise(8, 8, seed=seed) for seed in (*range(1000, 1008), 2000)]
    assert {image.tobytes() for image in found.beside.images} == {image.tobytes() for image in want}
    for name in ("0", "1", "release"):
        assert found.hashes(found.unlabelled_rows(found.split(name))) == found.beside.pixels


def test_without_such_a_folder_there_are_none(root: Path) -> None:
    prepared(project(root))
    found = read_prepared(root / "data" / "prepared")
    assert found.beside is None
    assert found.unlabelled_rows(found.split("0")) == []
    assert found.images_of([]).shape == (0, 8, 8, 3)


def test_those_that_are_damaged_are_refused(root: Path) -> None:
    prepared(project(root, unlabelled=str(more(root / "more"))))
    folder = root / "data" / "prepared"
    table, images = (folder / "unlabelled.csv").read_text(), np.load(folder / "unlabelled.npy")
    labelled = store.read_table(folder / "items.csv")[0]["sha256"]
    for text, array, told in (
        (table, images[1:], "unlabelled.npy must hold the 9 images of unlabelled.csv, got 8"),
        (table, images[:, :4], "must be of the others' shape"),
        (table.replace("sha256", "hash"), images, "sha256: Field required"),
        (table.replace(table.split()[1].split(",")[1], labelled), images, "and none of them"),
        (None, images, "must hold the images without labels"),
    ):
        (folder / "unlabelled.csv").unlink()
        if text is not None:
            (folder / "unlabelled.csv").write_text(text)
        np.save(folder / "unlabelled.npy", array)
        with refused(told, 'run "ganaug prepare"'):
            read_prepared(folder)


def test_what_is_labelled_too_is_left_out(root: Path) -> None:
    """It may be an image to test on; under another name it is the same image."""
    folder = more(root / "more")
    shutil.copy(root / "photos" / "dog" / "2.png", folder / "who knows.png")
    shutil.copy(folder / "3.png", folder / "again.png")
    told = prepared(project(root, unlabelled=str(folder)))
    assert "9 images without labels" in told
    assert f"2 of {folder} have the pixels of a labelled image or of one another: left out" in told
    found = read_prepared(root / "data" / "prepared")
    assert found.beside is not None
    assert not set(found.beside.pixels) & set(found.pixels)
    assert len(set(found.beside.pixels)) == 9


def test_broken_images_are_refused_or_skipped(root: Path) -> None:
    folder = more(root / "more")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with refused("must be readable, but 1 of 10 are not", "broken.png"):
        prepared(project(root, unlabelled=str(folder)))
    assert not (root / "data").exists() or not (root / "data" / "prepared").exists()
    told = prepared(project(root, unlabelled=str(folder), on_broken="skip"))
    assert "9 images without labels" in told
    assert f"1 of {folder} cannot be read: left out" in told


def test_the_depth_is_that_of_the_labelled_images(root: Path) -> None:
    folder = more(root / "more")
    save(folder / "deep.png", (noise(channels=1, seed=5).astype(np.uint16) << 4) + 15)
    told = prepared(project(root, unlabelled=str(folder)))  # labelled ones have 8 bits
    assert "1 images of 16 bits, with values up to 4" in told
    for number in range(2):
        save(root / "photos" / "cat" / f"wide{number}.png", np.full((8, 8), 200 + number, np.uint16))
    with refused("deep.png: it has pixels above 255, the most of 8 bits"):
        prepared(project(root, unlabelled=str(folder)))


def test_a_folder_of_other_files_names_one(root: Path) -> None:
    (root / "scans").mkdir()
    (root / "scans" / "IM0001.dcm").write_bytes(b"x")
    with refused("data.unlabelled:", "scans holds 1 files, such as IM0001.dcm", "DICOM"):
        prepared(project(root, unlabelled=str(root / "scans")))


def test_folders_that_will_not_do(root: Path) -> None:
    with refused("data.unlabelled: must be a folder of images", "which is not there; correct the path"):
        prepared(project(root, unlabelled=str(root / "nowhere")))
    with refused("data.unlabelled: must be a folder of images", "which is a file"):
        prepared(project(root, unlabelled=str(root / "photos" / "cat" / "0.png")))
    (root / "empty").mkdir()
    with refused("data.unlabelled:", "must hold images, found none"):
        prepared(project(root, unlabelled=str(root / "empty")))
    with refused("data.unlabelled:", "not among the labelled ones, found none"):
        prepared(project(root, unlabelled=str(root / "photos")))


def test_dvc_watches_the_folder(root: Path) -> None:
    made = project(root, unlabelled=str(more(root / "more")))
    assert f"      - {root / 'more'}\n" in dvc_yaml(made.settings)


def test_the_whole_pipeline_learns_from_them(root: Path) -> None:
    made = project(root, unlabelled=str(more(root / "more", 20)))
    run(made)
    first = (made.models / "0" / "generator.safetensors").read_bytes()
    _, description = store.read_tensors(made.generator("0"), "")
    found = read_prepared(made.prepared)
    assert found.beside is not None
    assert set(found.beside.pixels) <= set(description["train_images_sha256"])
    # With a confidence of 0 teachers are sure of all of them; ``gan`` has four images of either class.
    assert store.read_json(made.trials / "0.json", "")["filler_images"] == {"gan": 8, "pseudo": 20}
    images = np.array(found.beside.images)
    save(root / "more" / "0.png", 255 - images[0])
    prepared(made)
    learned(made)
    assert (made.models / "0" / "generator.safetensors").read_bytes() != first


def learning(root: Path, **gan: Any) -> Project:
    """With twenty images without labels; ``gan``: settings beside the small ones."""
    made = project(root, unlabelled=str(more(root / "more", 20)))
    raw = config.plain(made.settings)
    raw["gan"] |= gan
    if gan.get("conditioning") == "none":
        raw["classify"]["arms"] = ["none", "pseudo"]
    made = Project(root, config.check(raw))
    prepared(made)
    return made


def learned(made: Project) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The weights of a split's generator, and what its file says of it."""
    run(made, "train", split="0")
    tensors, description = store.read_tensors(made.generator("0"), "")
    return {name: value.numpy().tobytes() for name, value in tensors.items()}, description


def test_the_gan_learns_what_teachers_are_sure_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Teachers learn from what the GAN has labels of, and from nothing that is held out; the GAN then learns from both
    kinds alike."""
    made = learning(root, held_out=0.34, latents={"kind": "codes"})
    found = read_prepared(made.prepared)
    kept, held = SplitOf(made, "0").learned, SplitOf(made, "0").held_out
    assert held
    real_teachers, seen = labels.teachers, []

    def teachers(*given: Any) -> Any:
        seen.append(given)
        return real_teachers(*given)

    monkeypatch.setattr(labels, "teachers", teachers)
    weights, description = learned(made)
    (_, base, (images, classes), _, _), *others = seen
    assert not others
    assert base == "classical"
    assert (images == found.part(kept).images).all()
    assert (classes == found.part(kept).labels).all()
    assert description["pseudo_labelled"] == 20  # with a confidence of 0, all of them
    assert description["train_images"] == found.counts(kept)
    codes = np.frombuffer(weights["codes.rows"], np.float32)
    assert len(codes) == (len(kept) + 20) * made.settings.gan.z_dim
    more_images, classes = labels.labelled_by_teachers(SplitOf(made, "0"), device.resolve("cpu"))
    assert len(seen) == 1  # kept, not taught anew
    assert (more_images == found.images_of(found.unlabelled_rows(found.split("0")))).all()
    assert set(classes.tolist()) <= {0, 1}


def test_a_label_is_the_class_that_the_gan_learns_it_as(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def sure_of(spec: Any, images: np.ndarray, teach: Any) -> tuple[np.ndarray, np.ndarray]:
        return np.array([3, 1]), np.array([1, 0])

    def train_gan(images: np.ndarray, classes: np.ndarray, *rest: Any, **named: Any) -> Any:
        given.update(images=images, labels=classes)
        raise KeyboardInterrupt

    monkeypatch.setattr("ganaug.classify.fillers.sure_of", sure_of)
    monkeypatch.setattr("ganaug.gan.loop.train_gan", train_gan)
    made = learning(root)
    with pytest.raises(KeyboardInterrupt):
        learned(made)
    found = read_prepared(made.prepared)
    part, without = found.part(found.split("0").train), found.unlabelled_rows(found.split("0"))
    assert (given["images"] == np.concatenate([part.images, found.images_of([without[3], without[1]])])).all()
    assert given["labels"].tolist() == [*part.labels.tolist(), 1, 0]


def test_unlabelled_images_can_be_left_out(root: Path) -> None:
    """Then they are as if they were not there, and not among what the GAN learned from."""
    found = {}
    for used in (True, False):
        made = learning(root, unlabelled=used)
        found[used], description = learned(made)
        beside = read_prepared(made.prepared).beside
        assert beside is not None
        assert bool(set(beside.pixels) & set(description["train_images_sha256"])) == used
        assert description.get("pseudo_labelled") == (20 if used else None)
    assert found[True] != found[False]
    made = project(root)
    prepared(made)
    assert learned(made)[0] == found[False]


def test_ignored_images_are_told_of_where_an_arm_learns_from_them(root: Path) -> None:
    raw = config.plain(learning(root, unlabelled=False).settings)
    for arms, count in ((["none", "gan"], 0), (["none", "pseudo"], 20)):
        raw["classify"]["arms"] = arms
        made = Project(root, config.check(raw))
        run(made)
        assert store.read_json(made.reports / "summary.json", "")["dataset"]["unlabelled_images"] == count


def test_a_gan_without_labels_needs_no_teachers(root: Path) -> None:
    made = learning(root, conditioning="none")
    found = read_prepared(made.prepared)
    assert SplitOf(made, "0").labels_key is None
    beside = found.hashes(found.unlabelled_rows(found.split("0")))
    weights, description = learned(made)
    assert set(beside) <= set(description["train_images_sha256"])
    assert "pseudo_labelled" not in description
    assert weights != learned(learning(root, conditioning="none", unlabelled=False))[0]
    assert not (made.work.root / "labels").exists()


def test_what_teachers_depend_on_the_gan_depends_on(root: Path) -> None:
    made = learning(root)
    found = read_prepared(made.prepared)

    def key(of: Project, section: str, **changes: Any) -> str:
        raw = config.plain(of.settings)
        raw[section] |= changes
        return SplitOf(Project(root, config.check(raw)), "0", found).train_key

    usual = key(made, "synth")
    assert key(made, "classifier", steps=5) != usual
    assert key(made, "classify", classical={"kind": "cutmix"}) != usual
    assert key(made, "classify", pseudo={"teachers": 2}) != usual
    assert key(made, "classify", arms=["none", "gan"]) == usual
    alone = learning(root, unlabelled=False)
    assert key(alone, "classifier", steps=5) == key(alone, "synth")


def test_rows_of_both_kinds_are_looked_up_together(root: Path) -> None:
    prepared(project(root, unlabelled=str(more(root / "more"))))
    found = read_prepared(root / "data" / "prepared")
    assert found.beside is not None
    count = len(found.images)
    rows = [count + 8, 0, count, 3]
    want = np.stack([found.beside.images[8], found.images[0], found.beside.images[0], found.images[3]])
    assert (found.images_of(rows) == want).all()
    assert found.hashes(rows) == [found.beside.pixels[8], found.pixels[0], found.beside.pixels[0], found.pixels[3]]


def test_file_names_are_told_as_they_are_below_the_folder(root: Path) -> None:
    """So that the prepared files do not depend on where the folder lies."""
    folder = more(root / "more")
    (folder / "notes.txt").write_text("not an image")
    told = prepared(project(root, unlabelled=str(folder)))
    assert f"1 of {folder} are hidden, links to folders or not images: left out, such as notes.txt" in told
    table = store.read_table(root / "data" / "prepared" / "unlabelled.csv")
    assert [row["file"] for row in table] == [*(f"{number}.png" for number in range(8)), "below/last.png"]
    shutil.copy(folder / "0.png", folder / "caf\udce9.png")
    with refused("file names must be UTF-8"):
        prepared(project(root, unlabelled=str(folder)))


def test_pseudo_labels_need_images_without_labels(root: Path) -> None:
    with refused("classify.arms: pseudo needs images without labels, but there are none"):
        config.check({"classify": {"arms": ["none", "pseudo"]}})
    config.check({"classify": {"arms": ["none", "pseudo"]}, "protocol": {"kind": "subsets", "unlabelled_per_class": 1}})


def test_teachers_that_are_never_sure_are_an_error(root: Path) -> None:
    made = project(root, unlabelled=str(more(root / "more")))
    raw = config.plain(made.settings)
    raw["classify"]["pseudo"]["confidence"] = 0.999999
    with refused("classify.pseudo.confidence", "none of 9 reaches 0.999999; lower it"):
        run(Project(root, config.check(raw)))


def test_near_copies_of_unlabelled_images_are_found(root: Path) -> None:
    """The generator has seen them, labels or not."""
    made = project(root, unlabelled=str(more(root / "more")))
    raw = config.plain(made.settings)
    raw["fidelity"]["enabled"] = True
    made = Project(root, config.check(raw))
    run(made)
    found, table = read_prepared(made.prepared), store.read_table(made.fidelity / "0.nearest.csv")
    train = [*found.split("0").train, *range(len(found.images), len(found.images) + 9)]
    folder = made.synth / "0"
    for row in table:
        image = store.read_array(folder / f"{found.classes.index(row['class'])}.npy", "")[int(row["index"])]
        apart = ((found.images_of(train).astype(float) - image) ** 2).mean(axis=(1, 2, 3)) ** 0.5
        assert float(row["distance"]) == pytest.approx(apart.min(), abs=1e-3)
        assert apart[train.index(int(row["train_row"]))] == pytest.approx(apart.min())
    figures = store.read_json(made.fidelity / "0.json", "")
    assert figures["images"]["unlabelled"] == 9
    summary = store.read_json(made.reports / "summary.json", "")
    assert summary["dataset"]["unlabelled_images"] == 9
    for page in ("report.html", "MODEL_CARD.md"):
        text = (made.reports / page).read_text()
        assert "9 without labels" in text
        assert "own\nimages only" not in text
    assert "training image of no label" in (made.reports / "report.html").read_text()
