"""gan.select: checkpoints are compared on images that the training never saw, and the best one's weights are kept."""

import copy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stages
import torch
from photos import photos
from torch import Tensor

from ganaug import config, store
from ganaug.data.held_out import inner_fold
from ganaug.data.prepared import Prepared, read_prepared
from ganaug.gan.loop import Trained, pictures, train_gan
from ganaug.gan.nets.generator import Generator
from ganaug.gan.spec import GanSpec
from ganaug.stages import train
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf

SPEC = GanSpec(
    steps=20, batch_size=4, z_dim=3, generator_width=4, discriminator_width=4, held_out=0.2, select="gan-train"
)
CANDIDATES = [10, 12, 14, 16, 18, 20]


class Scripted:
    """A judge whose scores are known before, and who remembers whom it judged."""

    def __init__(self, *scores: float) -> None:
        self.scores, self.judged = list(scores), list[dict[str, Tensor]]()

    def __call__(self, generator: Generator) -> float:
        assert not generator.training
        self.judged.append(copy.deepcopy(generator.state_dict()))
        return self.scores[len(self.judged) - 1]


class Watcher:
    """In the place of a keeper: the averaged weights after each step."""

    def __init__(self) -> None:
        self.averages: dict[int, dict[str, Tensor]] = {}

    def load(self) -> None:
        return None

    def keep(self, step: int, state: Any) -> None:
        self.averages[step] = state()["training"]["average"]


def trained(spec: GanSpec = SPEC, **others: Any) -> Trained:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
    labels = np.arange(9, dtype=np.int64) % 3
    return train_gan(images, labels, 3, spec, 0, torch.device("cpu"), snapshots=1, log_rows=4, **others)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.fixture(scope="module")
def last() -> Trained:
    return trained(replace(SPEC, select="last"))


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ((0.9, 0.1, 0.2, 0.3, 0.4, 0.5), 10),
        ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), 20),
        ((0.2, 0.5, 0.3, 0.5, 0.5, 0.1), 12),  # of equals the first
        ((-3.0, -2.0, -1.0, -2.0, -3.0, -4.0), 14),
    ],
)
def test_the_best_candidates_weights_are_kept(scores: tuple[float, ...], best: int, last: Trained) -> None:
    judge, watcher = Scripted(*scores), Watcher()
    result = trained(judge=judge, keeper=watcher)
    assert result.scores == list(zip(CANDIDATES, scores, strict=True))
    assert result.step == best
    kept = dict(result.generator.state_dict())
    assert same(kept, judge.judged[CANDIDATES.index(best)])
    others = [one for step, one in zip(CANDIDATES, judge.judged, strict=True) if step != best]
    assert not any(same(kept, other) for other in others)
    for name, weights in result.generator.named_parameters():
        assert torch.equal(weights, watcher.averages[best][name])
    # The training itself goes on to its end as if nobody had looked.
    assert same(result.checkpoint, last.checkpoint)
    assert result.history == last.history


def test_without_a_choice_the_last_step_is_kept(last: Trained) -> None:
    never = Scripted()
    result = trained(replace(SPEC, select="last"), judge=never)
    assert never.judged == []
    for one in (result, trained(judge=None), last):
        assert one.step == 20
        assert one.scores == []
        assert same(dict(one.generator.state_dict()), dict(last.generator.state_dict()))


@pytest.mark.parametrize(("steps", "expected"), [(1, [1]), (2, [1, 2]), (3, [2, 3]), (7, [4, 5, 6, 7])])
def test_few_steps_have_few_candidates(steps: int, expected: list[int]) -> None:
    judge = Scripted(*range(9))
    assert [step for step, _ in trained(replace(SPEC, steps=steps), judge=judge).scores] == expected


def test_pictures_are_by_class_and_repeatable(last: Trained) -> None:
    made = pictures(last.generator, 3, 300, 5)
    assert made.shape == (3, 300, 8, 8, 1)
    assert (pictures(last.generator, 3, 300, 5) == made).all()
    assert (pictures(last.generator, 3, 300, 6) != made).any()
    latents = torch.randn((900, 3), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        alone = last.generator(latents[600:], torch.full((300,), 2))
    assert (made[2].astype(int) - ((alone.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round()).max() <= 1


# -------------------------------------------------------------------------------------------------- the pipeline


def project(root: Path, **gan: Any) -> Project:
    small = {"steps": 10, "batch_size": 4, "z_dim": 2, "generator_width": 4, "discriminator_width": 4}
    small |= {"held_out": 0.3, "select": "gan-train", **gan}
    raw = {
        "data": {"source": {"kind": "folder", "path": str(root / "photos")}},
        "protocol": {"kind": "cv", "folds": 2, "repeats": 1},
        "gan": small,
        "classifier": {"steps": 4, "width": 4, "batch_size": 8},
        "device": "cpu",
        "jobs": 1,
    }
    return Project(root, config.check(raw))


def run(made: Project) -> dict[str, bytes]:
    stages.run(made, "train", split="0")
    return {path.name: path.read_bytes() for path in (made.models / "0").iterdir()}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("select")
    photos(root / "photos", "ant", "bee", count=10)
    made = project(root)
    stages.prepared(made)
    return made


def copy_of(ready: Project, root: Path, **gan: Any) -> Project:
    shutil.copytree(ready.prepared, root / "data" / "prepared")
    made = project(root, **gan)
    return replace(made, settings=replace(made.settings, data=ready.settings.data))


def folds(made: Project) -> tuple[Prepared, list[int], list[int]]:
    from ganaug import seeds

    prepared = read_prepared(made.prepared)
    seed = seeds.derive(made.settings.protocol.seed, "gan", "0")
    return prepared, *inner_fold(prepared, prepared.split("0").train, made.settings.gan.held_out, seed)


def scramble(made: Project, rows: list[int]) -> None:
    """Other pixels under the same names, so that nothing else changes."""
    path = made.prepared / "images.npy"
    images = np.array(np.load(path))
    images[rows] = np.random.default_rng(9).integers(0, 256, images[rows].shape, np.uint8)
    store.write_array(path, images)


@pytest.fixture(scope="module")
def judged(ready: Project) -> dict[str, bytes]:
    return run(ready)


@pytest.mark.slow
def test_the_judge_sees_the_inner_fold_and_generated_images_only(
    ready: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ganaug.classify.arms as arms
    import ganaug.classify.fitting as classifying

    tested: list[np.ndarray] = []
    learned: list[Any] = []
    predict, batches = classifying.predict, arms.batches

    def watched_predict(model: Any, images: np.ndarray, *others: Any) -> Any:
        tested.append(images)
        return predict(model, images, *others)

    def watched_batches(arm: Any, real: Any, synthetic: Any, *others: Any) -> Any:
        learned.append((real, synthetic))
        return batches(arm, real, synthetic, *others)

    monkeypatch.setattr(classifying, "predict", watched_predict)
    monkeypatch.setattr(arms, "batches", watched_batches)
    made = copy_of(ready, tmp_path)
    files = run(made)
    prepared, kept, held = folds(made)
    assert len(held) == 4  # of 5 images of each class, 30 %: two
    assert len(tested) == len(learned) == 6
    assert all((images == prepared.images[held]).all() for images in tested)
    real = {image.tobytes() for image in prepared.images}
    for (images, labels), synthetic in learned:
        assert synthetic is None
        assert images.shape == (200, 8, 8, 3)
        assert labels.tolist() == [0] * 100 + [1] * 100
        assert real.isdisjoint(image.tobytes() for image in images)
    health = store.read_json(made.models / "0" / "health.json", "")
    assert [step for step, _ in health["scores"]] == [5, 6, 7, 8, 9, 10]
    assert all(0 <= score <= 1 for _, score in health["scores"])
    assert health["step"] == max(health["scores"], key=lambda pair: pair[1])[0]
    description = store.read_tensors(made.generator("0"), "")[1]
    assert description["train_images"] == prepared.counts(kept)
    assert set(description["train_images_sha256"]) == {prepared.pixels[row] for row in (*kept, *held)}
    assert files["history.csv"].count(b"\n") == 11


def test_no_test_image_reaches_the_choice(ready: Project, judged: dict[str, bytes], tmp_path: Path) -> None:
    made = copy_of(ready, tmp_path)
    prepared, kept, held = folds(made)
    scramble(made, sorted(set(range(len(prepared.images))) - {*kept, *held}))
    assert run(made) == judged


@pytest.mark.slow
@pytest.mark.parametrize("select", ["gan-train", "last"])
def test_held_out_images_never_reach_the_training(
    select: str, ready: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "_judge", lambda *arguments: lambda generator: 0.5)
    first, second, third = (copy_of(ready, tmp_path / str(number), select=select, steps=4) for number in range(3))
    _, kept, held = folds(second)
    scramble(second, held)
    before, after = run(first), run(second)
    for name in ("generator.safetensors", "checkpoint.safetensors", "samples.png", "progress.png"):
        assert before[name] == after[name]
    assert before["history.csv"] != after["history.csv"]  # but they are watched
    scramble(third, kept[:1])  # and the check can fail
    assert run(third)["generator.safetensors"] != before["generator.safetensors"]


def test_a_real_judge_looks_at_them(ready: Project, tmp_path: Path) -> None:
    """Labels of the held-out images turned round: what was right is wrong."""
    made = copy_of(ready, tmp_path)
    prepared, _, held = folds(made)

    def judge(labels: np.ndarray) -> float:
        part = replace(prepared.part(held), labels=labels)
        return train._judge(SplitOf(made, "0"), part, torch.device("cpu"))(trained_rgb())

    right = prepared.labels[held]
    assert judge(right) == pytest.approx(1 - judge(1 - right))


def trained_rgb() -> Generator:
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    spec = replace(SPEC, steps=2, select="last")
    return train_gan(images, np.arange(8, dtype=np.int64) % 2, 2, spec, 0, torch.device("cpu"), snapshots=1).generator


def test_the_key_follows_what_decides_the_inner_fold(ready: Project) -> None:
    prepared = read_prepared(ready.prepared)
    names = [f"group {row}" for row in range(len(prepared.images))]
    grouped, paired = replace(prepared, groups=names), replace(prepared, groups=[names[row // 2] for row in range(20)])

    def keys(made: Project) -> list[str]:
        return [SplitOf(made, "0", one).train_key for one in (prepared, grouped, paired)]

    assert len(set(keys(ready))) == 3
    assert len(set(keys(project(ready.root, held_out=0.0, select="last")))) == 1


def test_the_key_follows_the_classifier_only_where_it_judges(ready: Project) -> None:
    prepared = read_prepared(ready.prepared)

    def key(steps: int, select: str) -> str:
        made = project(ready.root, select=select)
        other = replace(made.settings, classifier=replace(made.settings.classifier, steps=steps))
        return SplitOf(replace(made, settings=other), "0", prepared).train_key

    assert key(4, "gan-train") != key(5, "gan-train")
    assert key(4, "last") == key(5, "last")
