"""gan.select: several checkpoints are kept as one generator, and each image comes from one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_select import CANDIDATES, SPEC, Watcher, project, run, same
from test_select import ready as ready
from test_select import trained as train_select
from torch import Tensor

from ganaug import store
from ganaug.gan.latents import Codes, Latents, Normal
from ganaug.gan.loop import Trained, pictures
from ganaug.gan.nets.several import Several, members_of
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.transfer import read_start
from ganaug.stages.project import Project
from ganaug.synth.sampler import Sampler, export, load_sampler, save_generator

SEVERAL = replace(SPEC, select="several", held_out=0.0)


def trained(latents: Latents | None = None, **others: Any) -> Trained:
    return train_select(replace(SEVERAL, latents=latents or Normal()), **others)


def several(result: Trained) -> Several:
    assert isinstance(result.generator, Several)
    return result.generator


def sampler(result: Trained, spec: GanSpec) -> Sampler:
    from ganaug import config

    about = {"classes": ["a", "b", "c"], "image_shape": [1, 8, 8], "gan": config.plain(spec)}
    about |= {"train_images_sha256": ["x"], "train_images": {"a": 3, "b": 3, "c": 3}}
    return Sampler(result.generator, ["a", "b", "c"], (1, 8, 8), about)


def drawn(one: Sampler, count: int) -> np.ndarray:
    return np.concatenate([images for images, _ in one.images(1, count, 0, torch.device("cpu"))])


@pytest.mark.parametrize("latents", [Normal(), Codes()], ids=["normal", "codes"])
def test_every_candidate_is_kept_as_it_was_then(latents: Latents) -> None:
    watcher = Watcher()
    result = trained(latents, keeper=watcher)
    members = several(result).members
    assert result.steps == CANDIDATES
    assert len(members) == len(CANDIDATES)
    for step, member in zip(CANDIDATES, members, strict=True):
        assert not member.training
        for name, weights in member.named_parameters():
            assert torch.equal(weights, watcher.averages[step][name]), f"step {step}, {name}"
    last = train_select(replace(SEVERAL, select="last", latents=latents))
    assert same(dict(members[-1].state_dict()), dict(last.generator.state_dict()))
    assert (result.history, result.step, result.scores) == (last.history, last.step, [])
    assert same(result.checkpoint, last.checkpoint)


@pytest.fixture(scope="module")
def generator() -> Several:
    return several(trained())


@torch.no_grad()
def test_an_image_is_of_the_member_whose_turn_its_last_number_says(generator: Several) -> None:
    labels, latents = torch.arange(600) % 3, torch.randn((600, 4), generator=torch.Generator().manual_seed(0))
    assert generator.z_dim == 4
    made = generator(latents, labels)
    theirs = torch.stack([member(latents[:, :3], labels) for member in generator.members])
    turns = (torch.special.ndtr(latents[:, 3]) * 6).long()
    assert (made - theirs[turns, torch.arange(600)]).abs().max() < 1e-5
    assert torch.bincount(turns, minlength=6).min() > 70  # of 100 that chance gives
    away = (made[None] - theirs).flatten(2).abs().amax(dim=2)
    assert (away.argmin(dim=0) == turns).float().mean() > 0.99  # and members differ


@torch.no_grad()
@pytest.mark.parametrize("last", [-40.0, 0.0, 40.0])
def test_one_image_whatever_the_number(last: float, generator: Several) -> None:
    made = generator(torch.tensor([[0.1, 0.2, 0.3, last]]), torch.tensor([1]))
    assert made.shape == (1, 1, 8, 8)
    assert made.isfinite().all()


@pytest.mark.parametrize("latents", [Normal(), Codes()], ids=["normal", "codes"])
def test_the_file_alone_makes_the_same_images(latents: Latents, tmp_path: Path) -> None:
    spec = replace(SEVERAL, latents=latents)
    one = sampler(trained(latents), spec)
    save_generator(tmp_path / "generator.safetensors", one.generator, one.description)
    back = load_sampler(tmp_path / "generator.safetensors")
    assert isinstance(back.generator, Several)
    assert (drawn(back, 230) == drawn(one, 230)).all()
    assert (drawn(back, 40) == drawn(one, 230)[:40]).all()


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    from expect import refused

    one = sampler(trained(), SEVERAL)
    tensors = dict(one.generator.state_dict())
    del tensors[next(name for name in tensors if name.startswith("members.3."))]
    store.write_tensors(tmp_path / "generator.safetensors", tensors, one.description)
    with refused("generator.safetensors", "does not fit"):
        load_sampler(tmp_path / "generator.safetensors")


def test_members_come_back_in_their_order() -> None:
    tensors = {f"members.{number}.a.b": torch.tensor(number) for number in (10, 2, 0)}
    assert [int(member["a.b"]) for member in members_of(tensors)] == [0, 2, 10]
    assert members_of({"a.b": torch.tensor(1), "members.x.a": torch.tensor(1)}) == []


def test_a_training_that_starts_from_it_takes_the_last(tmp_path: Path) -> None:
    result = trained()
    one = sampler(result, SEVERAL)
    save_generator(tmp_path / "generator.safetensors", one.generator, one.description)
    start = read_start(tmp_path / "generator.safetensors", ["a", "b", "c"])
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
    begun = Training(images, np.arange(9) % 3, 3, SEVERAL, 1, torch.device("cpu"))
    start.give(begun)
    last = dict(several(result).members[-1].named_parameters())
    for name, weights in begun.generator.named_parameters():
        assert torch.equal(weights, last[name])


def test_a_training_that_diverges_keeps_those_that_were_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Training.step

    def step(self: Training, number: int) -> None:
        real(self, number)
        if number == broken:
            with torch.no_grad():
                next(self.generator.parameters()).fill_(torch.nan)

    monkeypatch.setattr(Training, "step", step)
    broken = 15  # the last row that was sound is that of step 10, so 12 and 14 may not be
    result = trained()
    assert (result.steps, result.step) == ([10], 10)
    assert len(several(result).members) == 1
    broken = 19  # ... of step 15, no candidate: the last sound state is kept as it always is
    result = trained()
    assert (result.steps, result.step, result.diverged_at) == ([10, 12, 14, 15], 15, 20)
    broken = 6
    early = trained()
    assert not isinstance(early.generator, Several)
    assert (early.steps, early.step) == ([], 5)
    assert all(bool(value.isfinite().all()) for value in early.generator.state_dict().values())


class StopAt:
    """In the place of a keeper: the state after so many calls, then no more."""

    def __init__(self, call: int, state: dict[str, Any] | None = None) -> None:
        self.left, self.state = call, state

    def load(self) -> dict[str, Any] | None:
        return self.state

    def keep(self, step: int, state: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.state = state()
            raise InterruptedError


@pytest.mark.parametrize("call", [9, 10, 13, 20])
def test_a_resumed_training_has_the_same_members(call: int) -> None:
    stopped = StopAt(call)
    with pytest.raises(InterruptedError):
        trained(keeper=stopped)
    resumed = trained(keeper=StopAt(0, stopped.state))
    whole: dict[str, Tensor] = dict(trained().generator.state_dict())
    assert same(dict(resumed.generator.state_dict()), whole)


def test_pictures_are_of_all_members(generator: Several) -> None:
    assert pictures(generator, 3, 20, 0).shape == (3, 20, 8, 8, 1)


@pytest.mark.slow
def test_a_project_uses_what_it_gives_out(ready: Project, tmp_path: Path) -> None:
    """The stages and ``ganaug synth`` make the same images from the same file."""
    from ganaug.stages import synth
    from ganaug.stages.progress import Progress

    made = project(ready.root, select="several", held_out=0.0)
    made = replace(made, settings=replace(made.settings, data=ready.settings.data))
    run(made)
    assert isinstance(load_sampler(made.generator("0")).generator, Several)
    assert store.read_json(made.models / "0" / "health.json", "")["steps"] == [5, 6, 7, 8, 9, 10]
    synth.synth_all(made, "0", Progress(made.work.root / "progress"))
    export.export(made.generator("0"), tmp_path / "out", ["bee"], 500, "equal", 0, "npz", False)
    images = np.load(tmp_path / "out" / "images.npz")["images"]
    assert (images == np.load(made.synth / "0" / "1.npy")[:500]).all()
