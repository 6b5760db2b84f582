"""Translators: their networks, their training (same bytes, resumed too), and that they find translations."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused
from torch import Tensor, nn

from ganaug import store
from ganaug.gan.augment import Ada, DiffAugment
from ganaug.gan.objectives import Hinge, LeastSquares, Relativistic
from ganaug.gan.regularisers import R1, SpectralNorm
from ganaug.gan.resume import Keeper
from ganaug.gan.spec import GanSpec
from ganaug.gan.translation import Pairs, TranslateSpec
from ganaug.pixels import to_float
from ganaug.synth.translator import load_translator, save_translator
from ganaug.translate import steps
from ganaug.translate.draws import kinds
from ganaug.translate.loop import TrainedTranslator, train_translator
from ganaug.translate.networks import PatchDiscriminator, Translator
from ganaug.translate.steps import Training
from ganaug.translate.watching import HISTORY, alarms, as_json

CPU = torch.device("cpu")
SPEC = GanSpec(
    steps=4,
    batch_size=4,
    generator_width=6,
    discriminator_width=4,
    objective=Hinge(),
    regularisers=(SpectralNorm(),),
    translate=TranslateSpec(blocks=1),
)


def data(side: int = 8, channels: int = 1, conditions: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """24 images, labels and conditions, of 3 classes; the last class is missing under the last condition."""
    images = np.random.default_rng(0).integers(0, 256, (24, side, side, channels), np.uint8)
    labels, under = np.arange(24) % 3, np.arange(24) // 3 % conditions
    kept = (labels != 2) | (under != conditions - 1)
    return images[kept], labels[kept], under[kept]


class Recognise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


@pytest.fixture(scope="module")
def recognise() -> nn.Module:
    torch.manual_seed(0)
    return Recognise()


def trained(spec: GanSpec = SPEC, seed: int = 0, **others: Any) -> TrainedTranslator:
    return train_translator(*data(), 3, ["old", "new"], [1], spec, seed, CPU, **others)


def terms(**changes: Any) -> GanSpec:
    assert SPEC.translate is not None
    return replace(SPEC, translate=replace(SPEC.translate, **changes))


def tensors(named: Mapping[str, Tensor]) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in named.items()}


# ------------------------------------------------------------------------------------------------------ the networks


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 15, 28, 128])
def test_an_image_of_any_size_keeps_it_and_nearly_all_of_itself(side: int, channels: int) -> None:
    net = Translator((channels, side, side), 6, 1, 3, [0, 2])
    images, noise = torch.rand(2, channels, side, side) * 2 - 1, torch.randn(2, net.noise_size)
    moved = net(images, noise, torch.tensor([0, 2]))
    assert moved.shape == images.shape
    assert 0 < float((moved - images).abs().mean().detach()) < 0.2


def test_the_measured_recipe_has_as_many_weights_as_it_was_measured_with() -> None:
    def count(net: nn.Module) -> int:
        return sum(one.numel() for one in net.parameters())

    assert count(Translator((1, 28, 28), 24, 2, 3, [1])) == 31_753
    assert count(Translator((1, 28, 28), 12, 1, 0, [0])) == 5_293
    assert count(PatchDiscriminator(1, 1, 24, 1, 1)) == 11_257


def test_noise_enters_as_maps_of_halved_sides() -> None:
    net = Translator((1, 28, 28), 6, 1, 3, [1])
    assert net.noise_size == 28**2 + 14**2 + 7**2
    image, noise = torch.rand(1, 1, 28, 28), torch.randn(1, net.noise_size)
    fine, *coarse = net._maps(image, noise)
    assert torch.equal(fine[:, :1], image)
    assert torch.equal(torch.cat([fine[:, 1:].flatten(), *(one.flatten() for one in coarse)]), noise[0])
    assert [one.shape[2] for one in (fine, *coarse)] == [28, 14, 7]
    assert Translator((1, 15, 15), 6, 1, 2, [1]).noise_size == 15**2 + 8**2


def test_a_ground_has_no_edge_where_the_image_ends() -> None:
    """An image of one tone has nothing that shows where it ends; pixels of one block of four may differ."""
    net = Translator((1, 8, 8), 6, 2, 0, [1])
    moved = net(torch.full((1, 1, 8, 8), 0.6), torch.zeros(1, 0), torch.tensor([1]))
    assert torch.allclose(moved, moved[:, :, 2:4, 2:4].repeat(1, 1, 4, 4), atol=1e-6)


def test_a_translator_of_several_conditions_goes_where_it_is_asked_to() -> None:
    several, single = (Translator((1, 8, 8), 6, 1, 0, goals) for goals in ([0, 2], [2]))
    images, nothing = torch.rand(1, 1, 8, 8), torch.zeros(1, 0)
    for net, differs in ((several, True), (single, False)):
        first, second = (net(images, nothing, torch.tensor([goal])) for goal in (0, 2))
        assert torch.equal(first, second) != differs


@pytest.mark.parametrize(("scales", "strides", "field"), [(1, 1, 12), (1, 2, 22), (1, 3, 42), (1, 4, 82), (2, 1, 24)])
def test_a_patch_discriminator_sees_patches(scales: int, strides: int, field: int) -> None:
    """By the gradient of one logit: what lies outside of its patch has no say."""
    net, images = PatchDiscriminator(1, 2, 4, scales, strides), torch.rand(1, 1, 128, 128, requires_grad=True)
    logits, said = net(images, torch.tensor([1]))
    assert said is None
    sides = [128 // 2**strides // 2**level for level in range(scales)]
    assert logits.shape == (1, sum(side**2 for side in sides))
    logits[0, -(sides[-1] ** 2) :].view(sides[-1], -1)[sides[-1] // 2, sides[-1] // 2].backward()
    assert images.grad is not None
    rows = images.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == field


def test_each_condition_has_an_output_of_d() -> None:
    net, images = PatchDiscriminator(1, 2, 4, 1, 1), torch.rand(2, 1, 8, 8)
    mixed = net(images, torch.tensor([0, 1]))[0]
    assert torch.equal(mixed[0], net(images, torch.tensor([0, 0]))[0][0])
    assert not torch.equal(mixed[1], net(images, torch.tensor([0, 0]))[0][1])


# ------------------------------------------------------------------------------------------------------ the training


def test_the_same_arguments_give_the_same_bytes(recognise: nn.Module) -> None:
    before = torch.get_rng_state()
    once = trained(recognise=recognise)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again = trained(recognise=recognise)
    assert tensors(again.translator.state_dict()) == tensors(once.translator.state_dict())
    assert tensors(again.checkpoint) == tensors(once.checkpoint)
    assert again.history == once.history
    assert tensors(trained(seed=1).translator.state_dict()) != tensors(once.translator.state_dict())


MODES = {
    "light": terms(),
    "same": terms(back="same"),
    "two-way": terms(back="two-way", identity=1.0),
    "none": terms(back="none", contrast=1.0),
    "pairs": terms(pairs=Pairs(noise=0.2)),
    "control": terms(adversarial=0.0),
}


@pytest.mark.parametrize("mode", ["two-way", "none", "pairs"])
def test_a_training_that_was_stopped_ends_with_the_same_bytes(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recognise: nn.Module
) -> None:
    class Stop(Exception):
        pass

    def keeper() -> Keeper:
        return Keeper(tmp_path / "0-1.pt", "0", {"versions": "1"}, 1e9, None)

    def keep(self: Keeper, now: int, state: Callable[[], dict[str, Any]]) -> None:
        if now == 2:
            self.save(state())
            raise Stop

    spec = replace(MODES[mode], ada=Ada(interval=1, speed_images=50.0))
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "keep", keep)
        with pytest.raises(Stop):
            trained(spec, recognise=recognise, keeper=keeper())
    resumed, whole = trained(spec, recognise=recognise, keeper=keeper()), trained(spec, recognise=recognise)
    assert tensors(resumed.checkpoint) == tensors(whole.checkpoint)
    assert resumed.history == whole.history
    assert [step for step, _ in resumed.progress] == [0, 1, 2, 3, 4]
    assert all((a == b).all() for (_, a), (_, b) in zip(resumed.progress, whole.progress, strict=True))


def test_every_setting_of_a_translator_reaches_a_step(recognise: nn.Module) -> None:
    changes: list[dict[str, Any]] = [
        *({"translate": MODES[mode].translate} for mode in MODES),
        *({"translate": terms(**{name: 7.0}).translate} for name in ("cycle", "identity", "recognition", "contrast")),
        {"translate": terms(diversity=0.0).translate},
        {"translate": terms(diversity=50.0).translate},
        {"translate": terms(pairs=Pairs(noise=0.2), reconstruction=1.0).translate},
        {"translate": terms(noise=1).translate},
        {"translate": terms(by_class=False).translate},
        {"translate": terms(blocks=2).translate},
        {"translate": terms(scales=2).translate},
        {"translate": terms(strides=1).translate},
        {"objective": LeastSquares()},
        {"objective": Relativistic(), "regularisers": ()},
        {"regularisers": (R1(),)},
        {"augment": DiffAugment(shift=0.4)},
        {"vary": DiffAugment(shift=0.3)},
        {"rate": "late-linear"},
        {"discriminator_steps": 2},
        {"ema_half_life_images": 0.0},
    ]
    results = []
    for change in changes:
        one = Training(*data(), 2, [1], replace(SPEC, steps=3, **change), 0, CPU, recognise)
        for number in (1, 2, 3):
            one.step(number)
        results.append(tuple(sorted(tensors(one.average.state_dict()).items())))
    assert [results.index(one) for one in results] == list(range(len(results)))


def test_sources_are_under_any_condition_but_the_target_and_real_images_under_it() -> None:
    images, labels, under = data(conditions=3)
    images[:] = (10 * np.arange(len(images), dtype=np.uint8))[:, None, None, None]  # an image says its row
    one = Training(images, labels, under, 3, [0, 2], replace(SPEC, batch_size=800), 0, CPU)
    batch = one.draw()

    def rows(floats: Tensor) -> np.ndarray:
        return np.asarray(((floats[:, 0, 0, 0] + 1) * 127.5 / 10).round().int())

    targets = batch.targets.numpy()
    assert set(targets) == {0, 2}
    assert (under[rows(batch.reals)] == targets).all()
    assert (under[rows(batch.sources)] != targets).all()
    assert (batch.homes.numpy() == under[rows(batch.sources)]).all()
    assert (batch.classes.numpy() == labels[rows(batch.sources)]).all()
    assert (labels[rows(batch.reals)] == labels[rows(batch.sources)]).all()
    for target in (0, 2):  # all of them, sooner or later
        assert set(rows(batch.sources)[targets == target]) == set(
            np.flatnonzero((under != target) & np.isin(labels, labels[under == target]))
        )
    assert torch.equal(batch.sources[:400], batch.sources[400:])  # each twice, with other noise
    assert not torch.equal(batch.latents[:400], batch.latents[400:])


@pytest.mark.parametrize("mode", ["light", "two-way"])
def test_by_class_d_is_shown_no_class_that_a_target_lacks(mode: str) -> None:
    """Class 2 is under old alone, 3 under new alone; each image says its row."""
    labels, under = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([0, 1, 0, 1, 0, 0, 1, 1])
    images = np.broadcast_to((20 * np.arange(8, dtype=np.uint8))[:, None, None, None], (8, 8, 8, 1))
    one = Training(images, labels, under, 2, [1], replace(MODES[mode], batch_size=200), 0, CPU)
    batch = one.draw()
    rows = ((batch.real[:, 0, 0, 0] + 1) * 127.5 / 20).round().int().numpy()
    assert set(rows[:200]) == {1, 3}
    assert set(batch.classes.tolist()) == {0, 1}
    there, back = batch.labels[:200], batch.labels[200:]
    assert (there.numpy() == 4 + labels[rows[:200]]).all()  # one of 4 classes under the target
    assert torch.equal(there, 4 + batch.classes)  # so is the translation that it is compared with
    if mode == "two-way":
        assert torch.equal(back, batch.classes)
        assert (labels[rows[200:]] == batch.classes.numpy()).all()


def test_without_a_class_that_is_under_both_d_is_shown_all() -> None:
    found = kinds(np.array([0, 1, 2]), np.array([0, 1, 1]), [1], by_class=True)
    assert [(kind.target, kind.label, kind.reals.tolist(), kind.sources.tolist()) for kind in found] == [
        (1, None, [1, 2], [0])
    ]


def test_pairs_are_made_of_the_targets_own_images() -> None:
    one = Training(*data(), 2, [1], terms(pairs=Pairs(downscale=2)), 0, CPU)
    batch = one.draw()
    assert set(one.active) == {"reconstruction"}
    assert 0 < float((batch.sources - batch.reals).abs().mean()) < 0.7
    under_target = to_float(one.images[one.conditions == 1])
    assert all(any(torch.equal(real, other) for other in under_target) for real in batch.reals)


def test_the_control_without_an_adversarial_loss_has_no_discriminator(recognise: nn.Module) -> None:
    result = trained(terms(adversarial=0.0), recognise=recognise)
    untrained = Training(*data(), 2, [1], SPEC, 0, CPU).discriminator.state_dict()
    assert all(torch.equal(result.checkpoint[f"discriminator.{name}"], one) for name, one in untrained.items())
    row = result.history[-1]
    assert {name for name in HISTORY if name.startswith("d_")} | {"g_loss"} <= {
        name for name, value in row.items() if value is None
    }
    assert alarms(result.history, None, 4, False) == [] or row["recognised"] is not None


@pytest.mark.parametrize("mode", MODES)
def test_history_has_the_figures_that_there_are(mode: str, recognise: nn.Module) -> None:
    rows = trained(MODES[mode], recognise=recognise).history
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    back = {"cycle", "identity", "recognition", "monotony", "recognised"}
    there = {
        "none": {"contrast", "identity", "monotony"},
        "pairs": {"reconstruction"},
    }.get(mode, back)
    optional = {"cycle", "identity", "recognition", "monotony", "contrast", "reconstruction", "recognised"}
    for row in rows:
        assert tuple(row) == HISTORY
        assert {name for name in optional if row[name] is not None} == there
        assert all(value is None or math.isfinite(value) for value in row.values())
        assert row["diversity"] is not None


def test_what_there_is_nothing_to_learn_from_is_refused() -> None:
    images, labels, under = data()
    for conditions in (np.zeros_like(under), np.ones_like(under)):
        with refused("gan.translate: a target must have images", '"new"', "add images"):
            train_translator(images, labels, conditions, 3, ["old", "new"], [1], SPEC, 0, CPU)


@pytest.mark.parametrize(("strides", "scales"), [(4, 1), (3, 2), (1, 4)])
def test_a_discriminator_that_halves_images_to_nothing_is_refused(strides: int, scales: int) -> None:
    with refused("gan.translate.strides: must leave a pixel of images of 8", f"got {strides}", "lower one"):
        trained(terms(strides=strides, scales=scales))
    steps.build_judges(terms(strides=strides, scales=scales), (1, 16, 16), 2, 3)(
        torch.zeros(2, 1, 16, 16), torch.ones(2).long()
    )


def test_alarms_say_what_is_wrong_with_translations() -> None:
    row: dict[str, float | None] = dict.fromkeys(HISTORY, 0.5)
    assert alarms([row], None, 1, False) == []
    found = alarms([{**row, "diversity": 0.01, "recognised": 0.2}], None, 1, False)
    assert [(one.kind, one.says) for one in found] == [
        ("no diversity", "translations of one image differ 0.01 times as much as two target images do"),
        ("classes lost", "only 20% of the images are recognised after the way there and back"),
    ]
    assert [one.kind for one in alarms([{**row, "d_accuracy_real": 1.0, "d_accuracy_fake": 1.0}], 3, 2, False)] == [
        "diverged",
        "discriminator has won",
    ]
    assert as_json([row], found)["alarms"][0]["mend"].startswith("raise gan.translate.diversity")
    assert as_json([{**row, "diversity": None}], [])["diversity"] is None


# ------------------------------------------------------------------------------------- translations with known answers

CLUSTERS = np.array([[0.7, 0.0], [-0.35, 0.6], [-0.35, -0.6]])  # alike when turned by 120 degrees


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points (N, 2)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return points @ np.array([[cos, sin], [-sin, cos]])


class Plane(nn.Module):
    """A translator of points, as images of one pixel with two channels."""

    noise_size, goals = 0, (1,)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))

    def forward(self, images: Tensor, noise: Tensor, conditions: Tensor) -> Tensor:
        points = images.flatten(1)
        return (points + self.layers(points))[:, :, None, None]


class PlaneJudge(nn.Module):
    mixes_batch, class_strength = False, 0.0

    def __init__(self) -> None:
        super().__init__()
        self.bodies = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2))
        self.head = nn.Linear(32, 6)  # of two conditions, or of three classes under each

    def forward(self, images: Tensor, which: Tensor) -> tuple[Tensor, None]:
        return self.head(self.bodies(images.flatten(1))).gather(1, which[:, None]), None


@pytest.mark.parametrize("by_class", [False, True])
def test_a_rotation_between_two_mixtures_is_recovered(by_class: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three clusters, turned by 30 degrees: found up to their symmetry, a turn by 120 degrees; by class exactly."""
    rng = np.random.default_rng(0)
    cluster, under = np.arange(600) % 3, np.arange(600) // 3 % 2
    points = CLUSTERS[cluster] + 0.05 * rng.normal(size=(600, 2))
    points[under == 1] = turned(points[under == 1], 30)
    images = np.round((points + 1) * 127.5).clip(0, 255).astype(np.uint8)[:, None, None, :]
    monkeypatch.setattr(steps, "build_translator", lambda *_: Plane())
    monkeypatch.setattr(steps, "build_judges", lambda *_: PlaneJudge())
    monkeypatch.setattr(steps, "build_helpers", lambda *_: steps.Helpers(Plane(), None))  # type: ignore[arg-type]
    spec = replace(
        SPEC,
        steps=200,
        batch_size=64,
        generator_lr=2e-3,
        discriminator_lr=4e-3,
        beta1=0.5,
        ema_half_life_images=1000.0,
        regularisers=(R1(gamma=0.1),),
        augment=DiffAugment(shift=0.0),
        translate=TranslateSpec(noise=0, by_class=by_class),
    )
    training = Training(images, cluster, under, 2, [1], spec, 0, CPU)
    for number in range(1, spec.steps + 1):
        training.step(number)
    start = torch.from_numpy(CLUSTERS).float()[:, :, None, None]
    with torch.no_grad():
        moved = training.average(start, torch.zeros(3, 0), torch.ones(3)).flatten(1).numpy()
    turns = (0,) if by_class else (0, 120, 240)
    assert min(np.abs(moved - turned(CLUSTERS, 30 + turn)).max() for turn in turns) < 0.15


# ------------------------------------------------------------------------------------------------------------ files


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("translator") / "generator.safetensors"
    save_translator(path, trained().translator, description())
    return path


def description(**changes: Any) -> dict[str, Any]:
    import json

    from ganaug import config

    plain = json.loads(json.dumps(config.plain(SPEC)))
    about = {"classes": ["a", "b", "c"], "conditions": ["old", "new"], "targets": [1], "image_shape": [1, 8, 8]}
    return {"format": 2, "gan": plain, **about, **changes}


def test_an_image_is_translated_alike_in_any_company(saved: Path) -> None:
    found = load_translator(saved)
    assert (found.classes, found.conditions, found.targets) == (["a", "b", "c"], ["old", "new"], [1])
    images = np.random.default_rng(1).integers(0, 256, (130, 8, 8, 1), np.uint8)
    names = [f"{row:064x}" for row in range(130)]
    whole = found.translation(images, names, 1, 0, 7, CPU)
    assert whole.shape == images.shape
    assert whole.dtype == np.uint8
    some = [129, 3, 64]
    assert (found.translation(images[some], [names[row] for row in some], 1, 0, 7, CPU) == whole[some]).all()
    again = [
        found.translation(images[:5], names[:5], 1, number, seed, CPU) for number, seed in ((0, 7), (1, 7), (0, 8))
    ]
    assert (again[0] == whole[:5]).all()
    assert not (again[0] == again[1]).all()
    assert not (again[0] == again[2]).all()
    assert found.translation(images[:0], [], 1, 0, 7, CPU).shape == (0, 8, 8, 1)


def test_a_translator_is_what_was_trained(saved: Path) -> None:
    assert tensors(load_translator(saved).network.state_dict()) == tensors(trained().translator.state_dict())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"targets": [2]}, "targets must be numbers of its conditions"),
        ({"targets": [1, 1]}, "targets must be in order"),
        ({"targets": []}, "targets must be in order"),
        ({"conditions": ["old", "OLD"]}, "condition names must differ"),
        ({"conditions": ["old", "n\x1bw"]}, "condition names must be printable"),
        ({"targets": [0, 1]}, "stem.weight"),
        ({"image_shape": [3, 8, 8]}, "full.weight"),
        ({"gan": {}}, "a generator, not a translator"),
    ],
)
def test_a_file_that_says_something_else_is_one_line(
    changes: dict[str, Any], says: str, saved: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.safetensors"
    store.write_tensors(path, load_translator(saved).network.state_dict(), description(**changes))
    with refused(str(path), "a translator", says):
        load_translator(path)
