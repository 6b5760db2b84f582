"""Editing: points of images, directions, moves, and the command. Networks are small, untrained, and far from flat."""

import csv
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused
from PIL import Image

from ganaug import config, store
from ganaug.classify.fillers import Edits
from ganaug.edit.directions import ganspace, sefa, toward
from ganaug.edit.edits import along, between, draw
from ganaug.edit.inversion import Inverted, Inverter
from ganaug.gan.build import build_generator
from ganaug.gan.latents import Codes
from ganaug.gan.nets.generator import Generator
from ganaug.gan.spec import GanSpec
from ganaug.stages import edited
from ganaug.stages.edit import edit as command
from ganaug.synth.generator import load_generator, save_generator

CPU = torch.device("cpu")
LABELS = np.array([0, 1, 2, 2, 1, 0, 0], np.int64)


def network(codes: bool = False, architecture: str = "compact") -> Generator:
    """Of 8x8 gray images in three classes, which differ in more than their class."""
    raw = {"architecture": {"kind": architecture}, "z_dim": 8, "generator_width": 8, "regularisers": []}
    spec = config.check({"gan": raw | ({"latents": {"kind": "codes"}} if codes else {})}).gan
    torch.manual_seed(1)
    made = build_generator(spec, 3, (1, 8, 8), len(LABELS)).eval()
    with torch.no_grad():
        for name, one in made.named_parameters():
            if "to_image.weight" in name:
                one.mul_(4)
    if made.codes is not None:
        made.codes.assign(torch.from_numpy(LABELS))
    return made


@pytest.fixture(scope="module")
def inverter() -> Inverter:
    return Inverter(network(), 3, CPU, encoder_steps=60)


def own(net: Generator, labels: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    """Points of fresh latents, and their images."""
    finder = Inverter(net, 3, CPU, encoder_steps=0)
    latents = torch.randn(len(labels), net.z_dim, generator=torch.Generator().manual_seed(5))
    points = finder.held(finder.drawn(latents, labels))
    return points, finder.render(points, labels)


# --------------------------------------------------------------------------------------------------------- inversion


def test_the_generators_own_images_are_found(inverter: Inverter) -> None:
    _, images = own(inverter.network, LABELS)
    found = inverter.invert(images, LABELS, 80)
    apart = np.abs(images.astype(float) - images[::-1]).mean() / 255
    assert apart > 0.05
    assert found.errors.mean() < apart / 10
    difference = np.abs(found.images.astype(float) - images).reshape(len(images), -1).mean(axis=1) / 255
    assert found.errors == pytest.approx(difference)
    assert (found.images == inverter.render(found.points, LABELS)).all()


def test_the_encoder_knows_more_than_an_untrained_one(inverter: Inverter) -> None:
    _, images = own(inverter.network, LABELS)
    untrained = Inverter(inverter.network, 3, CPU, encoder_steps=0)
    errors = [one.invert(images, LABELS, 0).errors.mean() for one in (inverter, untrained)]
    assert errors[0] < 0.8 * errors[1]


@pytest.mark.parametrize("codes", [False, True])
def test_an_image_has_the_same_point_in_whatever_company(codes: bool) -> None:
    finder = Inverter(network(codes), 3, CPU, encoder_steps=3)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (35, 8, 8, 1), np.uint8), rng.integers(0, 3, 35)
    together = finder.invert(images, labels, 5)
    for row in (0, 20, 33):
        alone = finder.invert(images[row : row + 1], labels[row : row + 1], 5)
        assert torch.equal(alone.points[0], together.points[row])
        assert alone.errors[0] == together.errors[row]


def test_the_same_seed_finds_the_same_points() -> None:
    _, images = own(network(), LABELS)
    torch.manual_seed(3)
    one, same, other = (Inverter(network(), 3, CPU, seed, 3).invert(images, LABELS, 2).points for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_training_image_starts_from_its_own_code() -> None:
    net = network(codes=True)
    assert net.codes is not None
    rows = net.codes.assign(torch.from_numpy(LABELS))
    finder = Inverter(net, 3, CPU)
    images = finder.render(net.codes.of(rows).detach(), LABELS)
    found = finder.invert(images, LABELS, 0)
    assert torch.equal(found.points, net.codes.of(rows).detach())
    assert (found.errors == 0).all()


def test_a_class_without_codes_starts_from_those_of_others() -> None:
    net = network(codes=True)
    assert net.codes is not None
    net.codes.assign(torch.zeros(len(LABELS), dtype=torch.int64))
    found = Inverter(net, 3, CPU).invert(np.zeros((1, 8, 8, 1), np.uint8), np.array([2]), 0)
    assert any(torch.equal(found.points[0], code) for code in net.codes.of(torch.arange(7)))


@pytest.mark.parametrize("codes", [False, True])
def test_points_keep_a_length_that_the_generator_knows(codes: bool) -> None:
    net = network(codes)
    finder = Inverter(net, 3, CPU, encoder_steps=0)
    shorter, longer = (finder.held(torch.full((1, 8), size)).norm().item() for size in (1e-3, 1e3))
    trained = finder.drawn(torch.randn(2000, 8), np.zeros(2000, np.int64)).norm(dim=1)
    inside = (trained >= shorter - 1e-4) & (trained <= longer + 1e-4)
    assert inside.float().mean() > 0.98
    if codes:
        assert shorter == pytest.approx(longer)
    else:
        assert longer < 1.2 * trained.quantile(0.99)
        usual = torch.full((1, 8), 1.0)
        assert torch.allclose(finder.held(usual), usual)


# -------------------------------------------------------------------------------------------------------- directions


def weight_of(net: Any) -> np.ndarray:
    """The first layer's weight on the latent, (outputs, z_dim)."""
    if hasattr(net, "seed_map"):
        first = net.seed_map.weight
    elif hasattr(net, "weigh"):
        first = net.weigh.weight
    elif hasattr(net, "hidden"):
        first = net.hidden[0].joined[0].weight
    else:
        first = net.convolutions[0].weight.flatten(2).movedim(0, 2).flatten(0, 1)
    found: np.ndarray = first.detach().double().numpy()[:, : net.z_dim]
    return found


@pytest.mark.parametrize("architecture", ["compact", "dcgan", "mlp", "resnet", "r3gan"])
def test_sefa_gives_the_eigenvectors_of_the_first_layer(architecture: str) -> None:
    net = network(architecture=architecture)
    matrix = weight_of(net)
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    found = sefa(net, 3).double().numpy()
    assert found.shape == (3, 8)
    for direction, vector, value in zip(found, vectors.T[::-1], values[::-1], strict=False):
        assert abs(direction @ vector) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(matrix @ direction) == pytest.approx(value**0.5, rel=1e-5)
        assert direction[np.abs(direction).argmax()] > 0


def test_ganspace_finds_what_images_change_most_along() -> None:
    """Of a linear generator those of its one weight, whatever its classes look like."""

    class Linear(Generator):
        def __init__(self) -> None:
            super().__init__(4)
            torch.manual_seed(0)
            self.layer, self.label = torch.nn.Linear(4, 64), torch.nn.Embedding(3, 64)
            with torch.no_grad():
                self.layer.weight *= torch.tensor([4.0, 1.0, 0.5, 2.0])

        def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return (self.layer(latents) + 30 * self.label(labels)).view(-1, 1, 8, 8)

    finder = Inverter(Linear(), 3, CPU, encoder_steps=0)
    found, closed = ganspace(finder, 4), sefa(finder.network, 4)
    assert (found * closed).sum(dim=1).abs().min() > 0.98
    assert torch.equal(found, ganspace(finder, 4))
    assert not torch.equal(found, ganspace(finder, 4, seed=1))


def test_an_attribute_points_from_one_set_to_the_other() -> None:
    ones, others = torch.zeros(2, 4), torch.tensor([[1.0, 1, 0, 0], [3.0, 3, 0, 0]])
    half = 0.5**0.5
    assert torch.allclose(toward(ones, others), torch.tensor([[half, half, 0, 0]]))


# ------------------------------------------------------------------------------------------------------------- moves


@pytest.mark.parametrize("codes", [False, True])
def test_a_way_between_two_images_ends_in_both(codes: bool) -> None:
    finder = Inverter(network(codes), 3, CPU, encoder_steps=3)
    rng = np.random.default_rng(1)
    ones, others = (finder.invert(rng.integers(0, 256, (3, 8, 8, 1), np.uint8), rng.integers(0, 3, 3), 3) for _ in "ab")
    frames = between(ones, others, 5)
    drawn = draw(finder, ones.labels, frames)
    assert drawn.shape == (3, 5, 8, 8, 1)
    assert (drawn[:, 0] == ones.images).all()
    assert (drawn[:, -1] == others.images).all()
    assert [frame.title for frame in frames] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    for frame in frames:
        assert torch.allclose(frame.points, finder.held(frame.points), atol=1e-5)


def test_another_class_keeps_the_point_and_goes_there_gradually(inverter: Inverter) -> None:
    points, images = own(inverter.network, LABELS[:2])
    ones = Inverted(points, LABELS[:2], images, np.zeros(2, np.float32))
    drawn = draw(inverter, ones.labels, between(ones, replace(ones, labels=np.array([2, 2])), 3)).astype(float)
    assert (drawn[:, 0] == images).all()
    assert (drawn[:, 2] == inverter.render(points, np.array([2, 2]))).all()
    steps = [np.abs(drawn[:, at] - drawn[:, 0]).mean() for at in range(3)]
    assert 0 < steps[1] < steps[2]


@pytest.mark.parametrize("codes", [False, True])
def test_a_move_along_a_direction_keeps_a_known_length(codes: bool) -> None:
    finder = Inverter(network(codes), 3, CPU, encoder_steps=0)
    points, images = own(finder.network, LABELS)
    ones = Inverted(points, LABELS, images, np.zeros(7, np.float32))
    frames = along(finder, ones, sefa(finder.network, 1)[0], [-9.0, 0.0, 1.0])
    assert torch.allclose(frames[1].points, points, atol=1e-6)
    for frame in frames:
        assert torch.allclose(frame.points, finder.held(frame.points), atol=1e-5)
    drawn = draw(finder, LABELS, frames).astype(float)
    assert np.abs(drawn[:, 0] - images).mean() > np.abs(drawn[:, 2] - images).mean() > 0


# ------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short descent, and few moves to judge: so that tests are quick."""
    monkeypatch.setattr(Inverter, "invert", partialmethod(Inverter.invert, steps=10))
    monkeypatch.setattr(edited, "_DIRECTIONS", 2)
    monkeypatch.setattr(Edits, "strengths", (0.0, 0.3, 3.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of codes, which needs no encoder: so that tests are quick."""
    path = tmp_path_factory.mktemp("model") / "generator.safetensors"
    gan = config.plain(replace(GanSpec(), z_dim=8, generator_width=8, regularisers=(), latents=Codes()))
    save_generator(path, network(codes=True), {"gan": gan, "classes": list("abc"), "image_shape": [1, 8, 8]})
    return path


@pytest.fixture
def photos(model: Path, tmp_path: Path, hasty: None) -> list[Path]:
    """Images of the generator's own, of classes b and c, and one in colour of another size."""
    made = load_generator(model)
    store.write_png(tmp_path / "x" / "one.png", made.candidates(1, 1, 0, CPU)[0])
    store.write_png(tmp_path / "x" / "two.png", made.candidates(2, 1, 0, CPU)[0])
    store.write_png(tmp_path / "y" / "three.png", np.full((20, 12, 3), 90, np.uint8))
    return [tmp_path / "x" / "one.png", tmp_path / "x" / "two.png", tmp_path / "y" / "three.png"]


def read_png(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).reshape(8, 8, 1)


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def asked(model: Path, photos: list[Path], out: Path, **others: Any) -> str:
    moves = {"to": None, "to_class": None, "toward": None, "direction": None, "by": "sefa"}
    named = others.pop("named", None)
    return command(model, photos, named, out, 0, {**moves, "strength": 2.0, "steps": None, **others})


def test_the_command_writes_a_sheet_single_files_and_what_was_done(
    model: Path, photos: list[Path], tmp_path: Path
) -> None:
    said = asked(model, photos, tmp_path / "out", to=photos[1], steps=3)
    lines = said.splitlines()
    assert lines[0].startswith(f"{photos[0]}: no --class, so that of the lowest error: b, inversion error 0.0")
    assert lines[-1] == f"12 images, sheet.png and manifest.csv in {tmp_path / 'out'}/"
    rows = rows_of(tmp_path / "out")
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert files == {row["file"] for row in rows} | {"sheet.png"}
    first = rows[:4]
    assert [row["file"] for row in first] == ["x/one/inverted.png", *(f"x/one/to_{step}.png" for step in range(3))]
    assert [row["step"] for row in first] == ["", "0.00", "0.50", "1.00"]
    assert {(row["class"], row["class_from"], row["source"]) for row in first} == {("b", "inversion", str(photos[0]))}
    ends = [read_png(tmp_path / "out" / name) for name in ("x/one/to_2.png", "x/two/inverted.png")]
    assert (ends[0] == ends[1]).all()
    images = [read_png(tmp_path / "x" / name)[None] for name in ("one.png", "two.png")]
    by_api = load_generator(model).edit(images[0], to=images[1][0], steps=3)
    assert (by_api.images[0, 0, 1] == read_png(tmp_path / "out" / "x/one/to_1.png")).all()
    assert f"{by_api.inverted.errors[0]:.4f}" == first[0]["inversion_error"]


def test_without_a_move_the_first_directions_are_shown(model: Path, photos: list[Path], tmp_path: Path) -> None:
    assert "inversion error" in asked(model, photos[:1], tmp_path / "out", named="b")
    rows = rows_of(tmp_path / "out")
    assert {row["move"] for row in rows} == {"inverted", *(f"sefa-{number}" for number in range(6))}
    assert [row["step"] for row in rows[1:6]] == ["-2", "-1", "+0", "+1", "+2"]
    assert {row["class_from"] for row in rows} == {"--class"}


def test_toward_goes_from_one_folder_to_the_other(model: Path, photos: list[Path], tmp_path: Path) -> None:
    asked(model, photos[:1], tmp_path / "out", toward=(tmp_path / "x", tmp_path / "y"), steps=2)
    assert [(row["move"], row["step"]) for row in rows_of(tmp_path / "out")] == [
        ("inverted", ""), ("toward", "+0"), ("toward", "+2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"steps": 1}, "steps: must be 2 to 100, got 1; ask for that many"),
        ({"strength": 0.0}, "strength: must be above 0 and at most 100, got 0; "),
        ({"strength": float("nan")}, "strength: must be above 0 and at most 100, got nan; "),
        ({"direction": 8}, "direction: must be 0 to 7, got 8; 0 changes most"),
        ({"by": "pca"}, 'by: must be sefa or ganspace, got "pca"; '),
        ({"to_class": "z"}, '--to-class: must be a class name or an index of 0..2, got "z"; '),
        ({"named": "z"}, '--class: must be a class name or an index of 0..2, got "z"; '),
        ({"to_class": "a", "direction": 1}, "direction: must be the only move, but there is to_class too; "),
        ({"to": Path("none.png")}, '"none.png": must be a readable picture, but '),
        ({"toward": (Path("none"), Path("none"))}, '--toward: must be two folders of pictures, but "none" is none; '),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_written(
    model: Path, photos: list[Path], tmp_path: Path, others: Any, said: str
) -> None:
    with refused(said):
        asked(model, photos, tmp_path / "out", **others)
    assert not list(tmp_path.glob("*out*"))


def test_a_folder_in_use_an_empty_one_and_a_translator_are_refused(
    model: Path, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refused("--out: must be a new or an empty folder, but "):
        asked(model, photos, tmp_path / "x")
    (tmp_path / "empty").mkdir()
    with refused("--toward: must be two folders of pictures, but ", "holds none; add some"):
        asked(model, photos, tmp_path / "out", toward=(tmp_path / "empty", tmp_path / "x"))
    monkeypatch.setattr("ganaug.stages.edit.load", lambda path: object())
    with refused("must be a generator of classes, but is a translator, which has no latents; use "):
        asked(model, photos, tmp_path / "out")


# -------------------------------------------------------------------------------------------------------- the filler


def test_edits_are_moved_as_far_as_cross_fitted_classifiers_allow(
    model: Path, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load_generator(model)
    labels = np.repeat(np.arange(3), 4)
    images = np.concatenate([made.candidates(label, 4, 0, CPU) for label in range(3)])
    limit, asked = 6.0, []  # levels

    def judges(split: Any, base: str, own: list[int], seed: int, *others: Any, repeats: int) -> Any:
        """They are sure of an image as long as that is near to one that they did not learn."""
        asked.append((own, repeats))
        for held in np.random.default_rng(seed).permutation(12).reshape(4, 3):

            def judge(some: np.ndarray, held: np.ndarray = held) -> np.ndarray:
                apart = np.abs(some.astype(float)[:, None] - images[held]).reshape(len(some), 3, -1).mean(axis=2)
                right = np.eye(3)[labels[held][apart.argmin(axis=1)]]
                return np.where(apart.min(axis=1, keepdims=True) < limit, right, 1 - right)

            yield judge, held

    monkeypatch.setattr(edited, "judges", judges)
    split: Any = SimpleNamespace(
        project=SimpleNamespace(work=SimpleNamespace(place=lambda *_: model.parent)), train_key="k",
        classes=list("abc"), synthetic_counts={"a": 8, "b": 4, "c": 0},
        prepared=SimpleNamespace(part=lambda rows: SimpleNamespace(images=images[rows], labels=labels[rows])),
    )  # fmt: skip
    rows = list(range(12))
    pool, of = edited.edited_pool(split, "none", rows, 0, CPU)
    assert np.bincount(of, minlength=3).tolist() == [8, 4, 0]
    assert asked == [(rows, 1)]
    moved = [np.abs(pool.astype(float)[:, None] - images).reshape(len(pool), 12, -1).mean(axis=2).min(axis=1).mean()]
    again, _ = edited.edited_pool(split, "none", rows, 0, CPU)
    assert (again == pool).all()
    assert (edited.edited_pool(split, "none", rows, 1, CPU)[0] != pool).any()
    limit = 255.0
    free, _ = edited.edited_pool(split, "none", rows, 0, CPU)
    moved.append(
        np.abs(free.astype(float)[:, None] - images).reshape(len(pool), 12, -1).mean(axis=2).min(axis=1).mean()
    )
    assert 0 < moved[0] < 0.6 * moved[1]
