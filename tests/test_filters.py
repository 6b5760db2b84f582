"""The filters: each judge against a known answer, and that what was measured is what a user gets."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused
from hypothesis import given
from hypothesis import strategies as st
from stages import run

from ganaug import config, store
from ganaug.classify.policies import Nothing
from ganaug.classify.spec import ClassifierSpec
from ganaug.config import check
from ganaug.gan.build import build_generator
from ganaug.gan.spec import GanSpec
from ganaug.near_copies import Yardstick, nearest
from ganaug.pixels import to_float
from ganaug.stages import synth, train
from ganaug.stages.project import Project
from ganaug.synth.agreement import Agreement
from ganaug.synth.copies import Copies
from ganaug.synth.export import export
from ganaug.synth.filter import Known
from ganaug.synth.filters import FILTERS, Filter
from ganaug.synth.fitted_filters import CANDIDATES, FittedFilters
from ganaug.synth.generator import CHUNK, Generator, load_generator, save_generator
from ganaug.synth.spec import SynthSpec

CPU = torch.device("cpu")
GAN = GanSpec(z_dim=4, generator_width=4, discriminator_width=4)
PLAIN = Nothing()
QUICK = Agreement(policy=PLAIN, repeats=1)
MEMBERS = [QUICK if kind is Agreement else kind() for kind in FILTERS.values()]
every = pytest.mark.parametrize("one", MEMBERS, ids=lambda one: one.kind)


def stripes(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two classes of 8x8 images that anyone can tell apart: a bright left or a bright right half, with noise."""
    labels = np.arange(count, dtype=np.int64) % 2
    images = rng.integers(0, 60, (count, 8, 8, 1))
    images[labels == 0, :, :4] += 150
    images[labels == 1, :, 4:] += 150
    return images.astype(np.uint8), labels


def known(seed: int = 0, steps: int = 3) -> Known:
    images, labels = stripes(24, np.random.default_rng(seed))
    return Known(images, labels, images[:0], 2, ClassifierSpec(width=4, steps=steps, batch_size=16), seed, CPU)


def floats(images: np.ndarray) -> torch.Tensor:
    return to_float(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(1)
    network = build_generator(GAN, 2, (1, 8, 8)).eval()
    description = {"gan": config.plain(GAN), "classes": ["left", "right"], "image_shape": [1, 8, 8]}
    return Generator(network, ["left", "right"], (1, 8, 8), description)


def fitted_on(generator: Generator, filters: list[Filter]) -> tuple[FittedFilters, list[float]]:
    return FittedFilters.fit(filters, known(), lambda label, count: generator.candidates(label, count, 9, CPU))


def screened(generator: Generator, filters: list[Filter], folder: Path) -> Generator:
    """The generator with filters, by way of a file."""
    fitted, accepted = FittedFilters.fit(
        filters, known(), lambda label, count: generator.candidates(label, count, 9, CPU)
    )
    screening = {"judges": fitted.about, "accepted": accepted}
    save_generator(
        folder / "g.safetensors", generator.network, {**generator.description, "screening": screening}, fitted
    )
    return load_generator(folder / "g.safetensors")


def drawn(generator: Generator, label: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    chunks = list(generator.images(label, count, 0, CPU))
    return np.concatenate([images for images, _ in chunks]), np.concatenate([numbers for _, numbers in chunks])


# ------------------------------------------------------------------------------------------------------------ judges


def test_a_jury_says_how_likely_the_class_is() -> None:
    judge = Agreement(policy=PLAIN).fit(known(steps=30))
    assert judge.about["members"] == 4
    new, labels = stripes(40, np.random.default_rng(99))
    left, right = judge.scores(new, 0), judge.scores(new, 1)
    assert left + right == pytest.approx(np.ones(40), abs=1e-5)
    own = np.where(labels == 0, left, right)
    assert own.min() > 0.8
    members = list(judge._members())
    with torch.no_grad():
        by_hand = sum(member(floats(new)).softmax(dim=1)[torch.arange(40), labels] for member in members) / 4
    assert own == pytest.approx(by_hand.numpy())


def test_the_members_of_a_jury_each_see_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    learned = Agreement._learned

    def watched(self: Agreement, known: Known, about: Any, rows: np.ndarray, number: int) -> Any:
        seen.append(rows)
        return learned(self, known, about, rows, number)

    monkeypatch.setattr(Agreement, "_learned", watched)
    about = known()
    Agreement(policy=PLAIN, folds=3, repeats=2).fit(about)
    for repeat in (seen[:3], seen[3:]):
        assert sorted(np.concatenate(repeat).tolist()) == list(range(24))
        assert all(np.bincount(about.labels[rows]).tolist() == [4, 4] for rows in repeat)
    assert {tuple(rows) for rows in seen[:3]} != {tuple(rows) for rows in seen[3:]}


@pytest.mark.parametrize("percentile", [0.0, 1.0, 50.0])
def test_copies_are_near_copies_by_the_one_definition(percentile: float) -> None:
    about = known()
    flat = about.images.reshape(24, -1).astype(np.float32) / 127.5 - 1  # 64 pixels: no projection
    yardstick = Yardstick.of(flat, about.labels, 2, share=percentile / 100)
    new = np.concatenate([about.images[:3], about.images[3:9] + np.uint8(1), stripes(30, np.random.default_rng(7))[0]])
    distance = nearest(new.reshape(len(new), -1).astype(np.float32) / 127.5 - 1, flat).distance
    judge = Copies(percentile=percentile).fit(about)
    for label in (0, 1):
        labels = np.full(len(new), label)
        passes = judge.scores(new, label) >= 1
        assert (passes == ~yardstick.is_copy(distance, labels)).all()
        assert not passes[:3].any()
        assert passes.any()


def test_a_projection_keeps_distances_and_no_images() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(20) % 2
    about = replace(known(), images=images[:20], labels=labels, unlabelled=images[20:])  # all were learned from
    judge = Copies(percentile=50.0).fit(about)
    assert judge.tensors["real"].shape == (30, 256)
    other, flat = rng.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8), images.reshape(30, -1)
    exact = Yardstick.of(flat[:20], labels, 2, flat[20:], share=0.5)
    of_other = nearest(other.reshape(10, -1), flat).distance
    assert exact.bound is not None
    assert judge.scores(other, 0) == pytest.approx(of_other / exact.scale[0] / exact.bound, rel=0.15)


def test_folds_need_images() -> None:
    with refused("synth.filters: agreement deals 20 folds", "got 12 of class 0; lower its folds"):
        Agreement(folds=20, policy=PLAIN).fit(known())


@every
def test_an_image_is_judged_by_itself(one: Any) -> None:
    judge = one.fit(known())
    new, _ = stripes(12, np.random.default_rng(3))
    together = judge.scores(new, 1)
    alone = np.concatenate([judge.scores(new[row : row + 1], 1) for row in range(12)])
    assert together.shape == (12,)
    assert alone == pytest.approx(together, rel=1e-3, abs=1e-4)


@every
def test_a_judge_comes_back_from_its_tensors(one: Any) -> None:
    judge = one.fit(known())
    back = FILTERS[one.kind].judge(json.loads(json.dumps(judge.about)), judge.tensors)
    images, _ = stripes(12, np.random.default_rng(3))
    assert (back.scores(images, 0) == judge.scores(images, 0)).all()


# ----------------------------------------------------------------------------------------------------------- screens


@given(keep=st.floats(0.05, 0.95), scores=st.lists(st.floats(-5, 5, width=32), min_size=20, max_size=200, unique=True))
def test_a_rank_keeps_its_share(keep: float, scores: list[float]) -> None:
    values = np.array(scores, np.float32)
    kept = (values >= np.float32(Agreement(keep=keep).least(values))).sum()
    assert abs(kept - keep * len(values)) <= 1


@every
def test_what_passes_is_the_same_for_any_number(generator: Generator, one: Any, tmp_path: Path) -> None:
    with_filter = screened(generator, [one], tmp_path)
    many, numbers = drawn(with_filter, 1, 120)
    few, first = drawn(with_filter, 1, 7)
    assert (few == many[:7]).all()
    assert (first == numbers[:7]).all()
    assert (np.diff(numbers) > 0).all()
    raw = generator.candidates(1, int(numbers[-1]) + 1, 0, CPU)
    assert (raw[numbers] == many).all()


def test_the_share_that_passes_is_about_what_was_asked(generator: Generator, tmp_path: Path) -> None:
    with_filter = screened(generator, [replace(QUICK, keep=0.25)], tmp_path)
    assert with_filter.accepted == pytest.approx([0.25, 0.25], abs=0.01)
    _, numbers = drawn(with_filter, 0, 300)  # of other seeds than the candidates of the fit
    assert 300 / (numbers[-1] + 1) == pytest.approx(0.25, abs=0.06)


def test_filters_one_after_the_other(generator: Generator) -> None:
    """A filter ranks what the ones before it let through, and an image must pass them all."""
    both = [QUICK, replace(QUICK, folds=3, keep=0.4)]
    fitted, accepted = fitted_on(generator, both)
    assert accepted == pytest.approx([0.2, 0.2], abs=0.01)
    raw = generator.candidates(0, CANDIDATES, 9, CPU)
    first, second = (
        judge.scores(raw, 0) >= least for judge, least in zip(fitted.judges, fitted.least[:, 0], strict=True)
    )
    assert first.mean() == pytest.approx(0.5, abs=0.01)
    assert (fitted.passes(raw, 0) == first & second).mean() > 0.99  # another batch size rounds otherwise


def test_a_copy_does_not_pass(generator: Generator, tmp_path: Path) -> None:
    with_filter = screened(generator, [Copies()], tmp_path)
    assert with_filter.filters is not None
    about = known()
    assert not with_filter.filters.passes(about.images, 0).any()
    noise = np.random.default_rng(0).integers(0, 256, (CHUNK, 8, 8, 1), dtype=np.uint8)
    assert with_filter.filters.passes(noise, 0).all()


def test_nothing_passes(generator: Generator, tmp_path: Path) -> None:
    with_filter = screened(generator, [QUICK], tmp_path)
    assert with_filter.filters is not None
    with_filter.filters.least[0, 1] = float("inf")
    assert len(drawn(with_filter, 0, 5)[0]) == 5
    assert list(with_filter.images(1, 0, 0, CPU)) == []
    with refused("synth.filters: must let images of every class through", "class right none of 10,000 passed; loosen"):
        list(with_filter.images(1, 5, 0, CPU))


@pytest.mark.parametrize("missing", ["judges", "tensors"])
def test_a_file_whose_filters_are_damaged(generator: Generator, tmp_path: Path, missing: str) -> None:
    screened(generator, [QUICK], tmp_path)
    tensors, description = store.read_tensors(tmp_path / "g.safetensors", "")
    if missing == "judges":
        del description["screening"]["judges"]
    else:
        tensors = {name: tensor for name, tensor in tensors.items() if name != "filter.least"}
    store.write_tensors(tmp_path / "g.safetensors", tensors, description)
    with refused("must be a generator of this version of ganaug"):
        load_generator(tmp_path / "g.safetensors")


@pytest.fixture(scope="module")
def both(generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator's file with both filters."""
    folder = tmp_path_factory.mktemp("both")
    screened(generator, [Copies(), QUICK], folder)
    return folder / "g.safetensors"


def changed(both: Path, folder: Path, change: Any) -> Path:
    """The file with screening and tensors as ``change`` leaves them."""
    tensors, description = store.read_tensors(both, "")
    change(description["screening"], tensors)
    store.write_tensors(folder / "g.safetensors", tensors, description)
    return folder / "g.safetensors"


def jury(**changes: Any) -> Any:
    return lambda screening, tensors: screening["judges"][1].update(changes)


def tensor(name: str, value: torch.Tensor) -> Any:
    return lambda screening, tensors: tensors.update({f"filter.{name}": value})


HOSTILE: dict[str, Any] = {
    "members": jury(members=10**9),
    "no members": jury(members=0),
    "depth": jury(depth=10**6),
    "width": jury(width=10**6),
    "classes": jury(classes=10**9),
    "other images": jury(image_shape=[1, 10**5, 10**5]),
    "words": jury(width="4"),
    "kind": jury(kind="critic"),
    "no kind": lambda screening, tensors: screening["judges"][0].pop("kind"),
    "judges": lambda screening, tensors: screening.update(judges=5),
    "more judges": lambda screening, tensors: screening["judges"].append(screening["judges"][0]),
    "a share above 1": lambda screening, tensors: screening.update(accepted=[0.5, 1.5]),
    "a share less": lambda screening, tensors: screening.update(accepted=[0.5]),
    "a seed in words": lambda screening, tensors: screening["judges"][0].update(seed="0"),
    "images of 3 pixels": tensor("judges.0.real", torch.zeros(4, 3)),
    "no images": tensor("judges.0.real", torch.zeros(0, 64)),
    "NaN images": tensor("judges.0.real", torch.full((4, 64), torch.nan)),
    "a scale of 0": tensor("judges.0.scale", torch.zeros(2, dtype=torch.float64)),
    "a bound of two": tensor("judges.0.bound", torch.ones(2, dtype=torch.float64)),
    "NaN members": tensor("judges.1.members.0.head.bias", torch.full((2,), torch.nan)),
    "thresholds": tensor("least", torch.zeros(2, 3)),
    "whole thresholds": tensor("least", torch.zeros(2, 2, dtype=torch.int64)),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_judges_are_held_against_their_tensors(both: Path, tmp_path: Path, change: Any) -> None:
    with refused("g.safetensors: must be a generator of this version of ganaug", "train it again"):
        load_generator(changed(both, tmp_path, change))


def test_both_filters_are_restored(both: Path) -> None:
    found = load_generator(both).filters
    assert found is not None
    assert found.kinds == ["copies", "agreement"]


# ---------------------------------------------------------------------------------------------------------- settings


def test_settings() -> None:
    spec = check({"synth": {"filters": [{"kind": "agreement", "keep": 0.3}], "drop_copies": True}})
    assert [one.kind for one in spec.synth.screening()] == ["copies", "agreement"]
    assert SynthSpec().screening() == ()
    for keep in (0, 1, 1.5):
        with refused("params.yaml: synth.filters[0].keep: must be"):
            check({"synth": {"filters": [{"kind": "agreement", "keep": keep}]}})
    with refused("params.yaml: synth", "filters of different kinds"):
        check({"synth": {"filters": [{"kind": "copies"}], "drop_copies": True}})
    with refused("synth.filters: agreement needs images of a class", "remove it, or condition the GAN"):
        arms = {"arms": ["none"]}
        check({"gan": {"conditioning": "none"}, "classify": arms, "synth": {"filters": [{"kind": "agreement"}]}})


# ------------------------------------------------------------------------------------------------------ the pipeline


def project(folder: Path, **changed: Any) -> Project:
    return Project(
        folder,
        check(
            {
                "protocol": {"kind": "subsets", "trials": 2, "train_per_class": 4, "test_per_class": 5},
                "gan": {"steps": 4, "batch_size": 8, "z_dim": 4, "generator_width": 4, "discriminator_width": 4},
                "synth": {"per_class": 30, **changed},
                "classifier": {"width": 4, "steps": 4, "batch_size": 8},
                "classify": {"arms": ["none", "gan"], "curve": []},
                "fidelity": {"enabled": False},
                "device": "cpu",
                "jobs": 1,
            }
        ),
    )


def test_the_whole_pipeline_with_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = [{"kind": "agreement", "keep": 0.5, "repeats": 1}]
    made = project(tmp_path / "p", filters=filters, drop_copies=True)
    run(made)
    generator = load_generator(made.generator("0"))
    assert generator.filters is not None
    with (made.synth / "0" / "manifest.csv").open(encoding="utf-8") as file:
        manifest = list(csv.DictReader(file))
    for label, name in enumerate(generator.classes):
        measured = np.load(made.synth / "0" / f"{label}.npy")
        rows = [row for row in manifest if row["class"] == name]
        assert {float(row["accepted"]) for row in rows} == {generator.accepted[label]}
        images, numbers = drawn(generator, label, 30)
        assert (images == measured).all()
        assert [int(row["index"]) for row in rows] == numbers.tolist()

    # The report says what share passed.
    summary = json.loads((made.reports / "summary.json").read_text(encoding="utf-8"))
    assert summary["acceptance"]["3"]["trials"][0] == generator.accepted[3]
    assert summary["acceptance"]["3"]["release"] == load_generator(made.generator("release")).accepted[3]
    page = (made.reports / "report.html").read_text(encoding="utf-8")
    assert "What the filters accepted" in page

    # A user gets what was measured.
    monkeypatch.chdir(tmp_path)
    export(made.generator("0"), Path("out"), ["3"], 30, "equal", 0, "npz", overwrite=False)
    assert (np.load("out/images.npz")["images"] == np.load(made.synth / "0" / "3.npy")).all()

    # Other filters train no GAN, and images of other filters than params.yaml asks for are refused.
    def no_training(*_: Any, **__: Any) -> None:
        raise AssertionError("a GAN was trained")

    monkeypatch.setattr("ganaug.gan.loop.train_gan", no_training)
    for changed in (project(tmp_path / "p", filters=filters), project(tmp_path / "p")):
        with refused("was made with other settings of gan or of synth's filters"):
            synth.synth_all(changed, None)
        train.train(changed, None)
        synth.synth_all(changed, None)
    assert load_generator(made.generator("0")).filters is None
    assert (np.load(made.synth / "0" / "0.npy") == load_generator(made.generator("0")).candidates(0, 30, 0, CPU)).all()


def test_a_filtered_generator_can_be_started_from(generator: Generator, tmp_path: Path) -> None:
    from ganaug.gan.transfer import read_start

    described = {**generator.description, "train_images_sha256": []}
    with_filter = screened(replace(generator, description=described), [QUICK], tmp_path)
    assert with_filter.filters is not None
    start = read_start(tmp_path / "g.safetensors", ["left", "right"])
    assert set(start.tensors) == set(generator.network.state_dict())
