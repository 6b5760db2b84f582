"""Latents that are learned: a code for each training image, new images between two of a class."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused

from ganaug import config, store
from ganaug.gan.augment import DiffAugment
from ganaug.gan.latents import Codes
from ganaug.gan.loop import train_gan
from ganaug.gan.nets.codes import CodeBook
from ganaug.gan.presets import OF_CLASSES
from ganaug.gan.run import is_finite, read_measures
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.transfer import read_start
from ganaug.gan.watching import settled_average
from ganaug.synth.generator import load_generator, save_generator

CPU = torch.device("cpu")
LABELS = np.array([2, 0, 2, 0, 0, 2, 2], np.int64)  # three of class 0, none of 1, four of 2
SPEC = GanSpec(
    latents=Codes(),
    regularisers=(),
    steps=2,
    batch_size=6,
    z_dim=8,
    generator_width=4,
    discriminator_width=4,
    augment=DiffAugment(0.0),
    precision="float32",
)


def images(count: int = 7) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), np.uint8)


def book(blend: float = 0.3, noise: float = 0.8, z_dim: int = 8) -> CodeBook:
    torch.manual_seed(0)
    made = CodeBook(len(LABELS), 3, z_dim, blend, noise)
    made.assign(torch.from_numpy(LABELS))
    return made


def cosines(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(one, dim=1) @ torch.nn.functional.normalize(other, dim=1).T


def test_each_image_has_a_code_among_those_of_its_class() -> None:
    made = CodeBook(len(LABELS), 3, 8, 0.3, 0.8)
    rows = made.assign(torch.from_numpy(LABELS))
    assert sorted(rows.tolist()) == list(range(7))
    assert made.count.tolist() == [3, 0, 4]
    for label in (0, 2):
        mine = rows[torch.from_numpy(LABELS).eq(label)]
        assert sorted(mine.tolist()) == list(range(made.first[label], made.first[label] + made.count[label]))


def test_latents_have_the_length_of_normal_numbers() -> None:
    latents = torch.randn(500, 8)
    found = book()(latents, torch.zeros(500, dtype=torch.int64))
    torch.testing.assert_close(found.square().mean(dim=1), torch.ones(500))
    torch.testing.assert_close(book().of(torch.arange(7)).square().mean(dim=1), torch.ones(7))


@pytest.mark.parametrize("label", [0, 2])
def test_without_noise_latents_lie_between_two_codes_of_their_class(label: int) -> None:
    """In the plane of two of them, at a share of the second between ``blend`` and one half."""
    made = book(blend=0.3, noise=0.0)
    found = made(torch.randn(300, 8), torch.full((300,), label)).detach()
    rows = torch.arange(made.first[label].item(), (made.first[label] + made.count[label]).item())
    codes = made.of(rows).detach()
    pairs = set()
    for latent in found:
        told = []
        for one in range(len(rows)):
            for other in range(len(rows)):
                share = torch.linspace(0.3, 0.5, 81)[:, None]
                between = torch.lerp(codes[one], codes[other], share)
                told.append((float(cosines(between, latent[None]).max()), one, other))
        near, one, other = max(told)
        assert near > 0.9999
        pairs.add((one, other))
    assert len(pairs) > len(rows)  # all of them are used


def test_a_blend_of_one_half_and_much_noise_forget_the_images() -> None:
    """The nearest code is then no nearer than to plain normal numbers."""
    torch.manual_seed(1)
    latents, labels = torch.randn(2000, 64), torch.zeros(2000, dtype=torch.int64)
    near = {}
    for noise in (0.0, 0.8, 100.0):
        made = book(0.0, noise, z_dim=64)
        near[noise] = cosines(made(latents, labels), made.of(torch.arange(7))).amax(dim=1).mean().item()
    plain = cosines(latents, book(z_dim=64).of(torch.arange(7))).amax(dim=1).mean().item()
    assert near[0.0] > 0.8
    assert near[0.0] > near[0.8] > near[100.0]
    assert near[100.0] == pytest.approx(plain, abs=0.02)


def test_the_generator_learns_to_draw_its_training_images() -> None:
    shades = np.stack([np.full((8, 8, 1), shade, np.uint8) for shade in (10, 60, 110, 160, 200, 230, 250)])
    spec = replace(SPEC, latents=Codes(reconstruction=50.0), batch_size=14, generator_lr=4e-3)
    one = Training(shades, LABELS, 3, spec, 0, CPU)
    errors = []
    for step in range(1, 121):
        one.step(step)
        errors.append(read_measures(one)["g_reconstruction"] / 50)
    assert np.mean(errors[-20:]) < 0.3 * np.mean(errors[:5])
    assert one.code_rows is not None
    drawn = one.generator.recall(one.code_rows, one.labels).mean(dim=(1, 2, 3))
    assert drawn.argsort().tolist() == list(range(7))  # each its own shade


def test_codes_have_a_rate_of_their_own() -> None:
    spec = replace(SPEC, rate="linear", steps=10)
    one = Training(images(), LABELS, 3, spec, 0, CPU)
    assert one.generator.codes is not None
    groups = one.optimizer_g.param_groups
    assert groups[1]["params"] == [one.generator.codes.rows]
    assert not any(one.generator.codes.rows is parameter for parameter in groups[0]["params"])
    one.set_rate(6)
    assert [group["lr"] for group in groups] == pytest.approx([1.5e-4, 5e-3])
    before = one.generator.codes.rows.detach().clone()
    one.step(1)
    assert not torch.equal(before, one.generator.codes.rows)


def test_a_training_goes_on_from_its_state_with_the_same_weights() -> None:
    whole, first = (Training(images(), LABELS, 3, SPEC, 0, CPU) for _ in range(2))
    for step in (1, 2, 3, 4):
        whole.step(step)
        if step <= 2:
            first.step(step)
    second = Training(images(), LABELS, 3, SPEC, 0, CPU)
    second.set_state(first.state())
    for step in (3, 4):
        second.step(step)
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[name]), name


@pytest.mark.parametrize("preset", OF_CLASSES)
def test_every_preset_goes_with_codes(preset: str) -> None:
    raw: dict[str, Any] = {"preset": preset, "latents": {"kind": "codes"}, "steps": 2, "batch_size": 6}
    raw |= {"generator_width": 4, "discriminator_width": 4}
    one = Training(images(), LABELS, 3, config.check({"gan": raw}).gan, 0, CPU)
    assert one.generator.codes is not None
    before = one.generator.codes.rows.detach().clone()
    for step in (1, 2):
        one.step(step)
    assert is_finite(one)
    assert not torch.equal(one.generator.codes.rows, before)
    assert settled_average(one)(torch.randn(4, one.spec.z_dim), torch.tensor([0, 2, 2, 0])).shape == (4, 1, 8, 8)


def write(folder: Path, spec: GanSpec) -> tuple[Path, Any]:
    made = train_gan(images(), LABELS, 3, spec, 3, CPU, snapshots=1, log_rows=1)
    description = {"gan": config.plain(spec), "classes": ["a", "b", "c"], "image_shape": [1, 8, 8]}
    save_generator(folder / "generator.safetensors", made.generator, {**description, "train_images_sha256": []})
    return folder / "generator.safetensors", made


def test_the_file_alone_is_enough_to_sample_from(tmp_path: Path) -> None:
    path, made = write(tmp_path, SPEC)
    tensors, _ = store.read_tensors(path, "")
    assert tensors["codes.rows"].shape == (7, 8)
    generator = load_generator(path)
    for name, value in made.generator.state_dict().items():
        assert torch.equal(value, generator.network.state_dict()[name])
    found = generator.candidates(2, 5, 0, CPU)
    assert (found[:3] == generator.candidates(2, 3, 0, CPU)).all()


@pytest.mark.parametrize("of", ["codes", "normal"])
def test_another_training_starts_from_the_networks_and_has_codes_of_its_own(tmp_path: Path, of: str) -> None:
    spec = SPEC if of == "codes" else replace(SPEC, latents=GanSpec().latents)
    path, made = write(tmp_path, spec)
    others = Training(images(5), LABELS[:5], 3, SPEC, 99, CPU)
    assert others.generator.codes is not None
    own = others.generator.codes.rows.detach().clone()
    read_start(path, ["a", "b", "c"]).give(others)
    theirs = made.generator.state_dict()
    for name, value in others.generator.state_dict().items():
        if not name.startswith("codes."):
            assert torch.equal(value, theirs[name])
    assert torch.equal(others.generator.codes.rows, own)
    others.step(1)


def test_three_numbers_choose() -> None:
    with refused("gan.z_dim: must be at least 3 for latents of kind codes"):
        config.check({"gan": {"latents": {"kind": "codes"}, "z_dim": 2}})
