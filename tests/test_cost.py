"""What a run takes is reckoned, never too high, and refused before anything starts where it is more than there is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stages
import torch
from expect import refused

from ganaug import config, space
from ganaug.gan.build import build_discriminator, build_generator
from ganaug.stages import cost, train
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf

GIB = 2**30


def project(root: Path, **changes: Any) -> Project:
    raw: dict[str, Any] = {
        "protocol": {"kind": "subsets", "trials": 1, "train_per_class": 5, "test_per_class": 3},
        "gan": stages.TINY_GAN,
        "classifier": {"width": 2, "steps": 2},
        "classify": {"arms": ["none", "gan"], "curve": []},
        "device": "cpu",
        "jobs": 1,
    }
    made = Project(root, config.check({**raw, **changes}))
    stages.prepared(made)
    return made


def with_memory(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(space, "memory", lambda: size)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"gan": {"batch_size": 65536}}, ["gan.batch_size: the networks and a batch of 65,536 take at least", "GiB"]),
        ({"gan": {"generator_width": 8192}}, ["gan.generator_width: ", "lower gan.generator_width"]),
        (
            {"gan": {"regularisers": [{"kind": "minibatch-discrimination", "kernels": 1024}], "batch_size": 4096}},
            ["gan.batch_size: ", "of memory, and there are 1.0 GiB; lower gan.batch_size"],
        ),
        ({"classifier": {"batch_size": 65536, "width": 256}}, ["classifier.batch_size: ", "a batch of 65,536"]),
        ({"classifier": {"width": 2048, "depth": 32}}, ["classifier.width: ", "lower classifier.width"]),
    ],
)
def test_networks_that_the_memory_cannot_hold_are_refused_with_the_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], parts: list[str]
) -> None:
    made = project(tmp_path, **changes)
    with_memory(monkeypatch, GIB)
    with refused(*parts):
        train.train(made, "0")
    assert not made.models.exists()


def test_processes_side_by_side_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = SplitOf(project(tmp_path, jobs=8), "0")
    needed = cost._of_gan(split.settings.gan, 10, (1, 8, 8), 50).at_work
    with_memory(monkeypatch, needed)
    cost.check_gan(split, torch.device("cpu"), 1)
    with refused("in 2 processes side by side, take at least", "or jobs"):
        cost.check_gan(split, torch.device("cpu"), 2)


@pytest.mark.parametrize(
    ("memory", "disk", "parts"),
    [
        (1000, 2**40, ["synth.per_class: 5,000 images of a split take at least", "of memory", "lower it"]),
        (2**40, 1000, ["synth.per_class: 5,000 images of 1 split take at least 625.0 KiB of disk", "free at"]),
    ],
)
def test_images_that_memory_or_disk_cannot_hold_are_refused_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, disk: int, parts: list[str]
) -> None:
    made = project(tmp_path)
    with_memory(monkeypatch, memory)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda place: type("", (), {"free": disk}))
    with refused(*parts):
        train.train(made, "0")
    assert not made.models.exists()


def test_rows_of_too_many_splits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganaug.data.cross_validation import CrossValidation

    with_memory(monkeypatch, GIB)
    cost.check_rows(CrossValidation(folds=5, repeats=2), 10_000)
    with refused("protocol: 10,001 splits, each of 10,000 images, take at least 3.7 GiB of memory", "trials"):
        cost.check_rows(CrossValidation(folds=100, repeats=100), 10_000)


def test_a_curve_that_would_lose_a_class_is_refused_before_the_training(tmp_path: Path) -> None:
    made = project(tmp_path, classify={"arms": ["none", "gan"], "curve": [20.0]})
    with refused("classify.curve: 1/20 of a train part must leave an image of every class", "none of the 5 of class"):
        train.train(made, "0")
    assert not made.models.exists()


@pytest.mark.parametrize("preset", ["default", "cgan", "wgan", "r3gan"])
def test_the_weights_are_counted_and_a_batch_in_proportion(preset: str) -> None:
    def spec(batch_size: int) -> Any:
        raw = {"preset": preset, "generator_width": 8, "discriminator_width": 8, "batch_size": batch_size}
        return config.check({"gan": raw}).gan

    networks = (build_generator(spec(8), 3, (1, 16, 16)), build_discriminator(spec(8), 3, (1, 16, 16)))
    generator, discriminator = (sum(one.numel() for one in net.parameters()) for net in networks)
    of_g, of_d = (4, 3) if preset == "wgan" else (5, 4)  # copies: RMSprop has one moment
    fixed, small, files = cost._of_gan(spec(8), 3, (1, 16, 16), 1)
    assert fixed == 4 * (of_g * generator + of_d * discriminator)
    assert files == 4 * (3 * generator + discriminator)
    images = 8 * 16 * 16 * 4  # each network keeps more than one map of its images
    large = cost._of_gan(spec(16), 3, (1, 16, 16), 1).batch
    assert images < small < large <= 2 * small


@pytest.mark.parametrize("preset", ["translate", "stargan", "cyclegan", "cut"])
def test_a_translators_weights_are_counted_with_those_of_its_way_back(preset: str) -> None:
    from ganaug.translate.steps import build_helpers, build_judges, build_translator

    def spec(batch_size: int) -> Any:
        raw = {"preset": preset, "generator_width": 8, "discriminator_width": 8, "batch_size": batch_size}
        needs = {"data": {"source": {"kind": "npz", "path": "photos.npz"}}, "classify": {"arms": ["none"]}}
        return config.check({"gan": raw, **needs}).gan

    shape = (3, 15, 15)
    translator = build_translator(spec(8), shape, [1], 2)
    others = [build_judges(spec(8), shape, 2, 3), build_helpers(spec(8), shape, [0, 1])]
    one, rest = (sum(part.numel() for net in nets for part in net.parameters()) for nets in ([translator], others))
    fixed, small, _ = cost._of_translator(spec(8), shape, (1,), 2, 3)
    assert fixed == 4 * (5 * one + 4 * rest)
    large = cost._of_translator(spec(16), shape, (1,), 2, 3).batch
    assert 8 * 3 * 15 * 15 * 4 < small < large <= 2 * small


def test_what_is_reckoned_is_what_a_forward_pass_keeps() -> None:
    """On the CPU, where tensors have values, the same tensors are kept."""
    spec = config.check({}).gan
    networks = (build_generator(spec, 3, (1, 16, 16)), build_discriminator(spec, 3, (1, 16, 16)))
    real, labels = torch.zeros(spec.batch_size, 1, 16, 16), torch.zeros(spec.batch_size, dtype=torch.int64)

    def step() -> list[Any]:
        fake = networks[0](torch.zeros(spec.batch_size, spec.z_dim), labels)
        return [fake, *(networks[1](one, labels)[0] for one in (real, fake.detach()))]

    here = cost._kept(step, *networks)
    assert here == pytest.approx(cost._of_gan(spec, 3, (1, 16, 16), 1).batch, rel=0.02)


def test_reckoning_draws_no_random_number() -> None:
    before = torch.random.get_rng_state()
    cost._of_gan(config.check({"gan": {"latents": {"kind": "codes"}}}).gan, 3, (1, 8, 8), 7)
    cost._of_classifier(config.check({"classifier": {"model": "resnet18"}}).classifier, 3, (1, 8, 8), 5)
    assert np.array_equal(before.numpy(), torch.random.get_rng_state().numpy())
