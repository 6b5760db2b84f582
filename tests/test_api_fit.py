"""``ganaug.fit``: the training of the command line, on arrays; stopped and gone on with."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stages
import torch
from expect import refused

import ganaug
from ganaug import config, store
from ganaug.errors import UserError
from ganaug.gan import loop
from ganaug.stages.project import Project

SMALL = {key: value for key, value in stages.TINY_GAN.items() if key != "steps"}


def digits(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 8, 8), np.uint8), np.array(["cat", "dog"])[np.arange(count) % 2]


def weights(generator: ganaug.Generator) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in generator.network.state_dict().items()}


def fitted(**changes: Any) -> ganaug.Generator:
    return ganaug.fit(*digits(), **{"steps": 2, "gan": SMALL, "device": "cpu", **changes})


def test_it_is_the_release_of_a_project(tmp_path: Path) -> None:
    """The same seed, the same bytes."""
    images, labels = digits()
    np.savez(tmp_path / "images.npz", images=images, labels=labels)
    raw = {
        "data": {"source": {"kind": "npz", "path": str(tmp_path / "images.npz")}},
        "protocol": {"kind": "cv", "folds": 2, "repeats": 1, "seed": 7},
        "gan": stages.TINY_GAN,
        "device": "cpu",
    }
    project = Project(tmp_path, config.check(raw))
    stages.run(project, "prepare")
    stages.run(project, "train", split="release")
    generator = fitted(seed=np.int64(7))
    generator.save(tmp_path / "fitted.safetensors")
    assert (tmp_path / "fitted.safetensors").read_bytes() == project.generator("release").read_bytes()
    assert generator.classes == ["cat", "dog"]
    assert weights(fitted(seed=8)) != weights(generator)


def test_a_call_that_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    often = {**SMALL, "save_seconds": 1e-9}
    whole = weights(fitted(steps=6, gan=often))
    step, taken = loop.Training.step, list[int]()

    def stop(self: Any, number: int) -> Any:
        taken.append(number)
        if taken == [1, 2, 3, 4]:
            raise KeyboardInterrupt
        return step(self, number)

    monkeypatch.setattr(loop.Training, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        fitted(steps=6, gan=often, store=tmp_path / "kept")
    assert weights(fitted(steps=6, gan=often, store=tmp_path / "kept")) == whole
    assert taken == [1, 2, 3, 4, 4, 5, 6]
    assert weights(fitted(steps=6, gan=often, store=str(tmp_path / "kept"))) == whole
    assert len(taken) == 7
    assert "resuming" in capsys.readouterr().out


def test_the_callers_program_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    path = ["", *sys.path]
    monkeypatch.setattr(sys, "path", path)
    fitted()
    assert "PYTHONSAFEPATH" not in os.environ  # or the user's own scripts would find no modules beside them
    assert os.environ["PYTHONIOENCODING"] == "ascii"
    assert sys.path is path
    assert path[0] == ""
    assert asked[-1] == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"steps": 0}, "ganaug.fit: gan.steps: must be greater than or equal to 1, got 0"),
        ({"preset": "nope"}, "ganaug.fit: gan.preset: must be one of default, gan"),
        ({"preset": "translate", "gan": {}}, 'preset: must make images of classes, got "translate"'),
        ({"gan": {"steps": 3}}, "gan: must leave out steps, which is an argument of its own, got both"),
        ({"gan": {"widht": 3}}, "ganaug.fit: gan.widht: no such key"),
        ({"seed": 1.5}, "ganaug.fit: protocol.seed: must be a valid integer, got 1.5"),
        ({"device": "tpu"}, "ganaug.fit: device: must be 'auto', 'cuda', 'mps', 'cpu' or one GPU, such as 'cuda:1'"),
    ],
)
def test_settings_are_checked_before_anything_is_written(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with refused(says):
        fitted(**changes, store=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (np.zeros((6, 7, 7), np.uint8), [0, 1] * 3, "images: must be squares of 8 to 128 pixels per side, got 7 high"),
        (np.zeros((6, 9, 8), np.uint8), [0, 1] * 3, "got 9 high and 8 wide; crop or pad them to squares, then resize"),
        (np.zeros((6, 129, 129, 3), np.uint8), [0, 1] * 3, "got 129 high and 129 wide"),
        (np.zeros((6, 8, 8), np.uint8), [0] * 6, 'labels: must have at least 2 classes, got only "0"'),
        (np.zeros((6, 8, 8), np.uint8), [0, 0, 0, 0, 1, 1], 'labels: class "1" must have at least 3 images'),
    ],
)
def test_arrays_are_checked_before_anything_is_written(images: Any, labels: Any, says: str, tmp_path: Path) -> None:
    with refused(says):
        ganaug.fit(images, labels, store=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_the_store_is_a_folder_of_its_own(tmp_path: Path) -> None:
    store.write_text(tmp_path / "params.yaml", "")
    with refused("store: must be a folder of fit's own", "holds a project"):
        fitted(store=tmp_path)
    with refused("store: must be a folder, or a new one in a folder", "name another"):
        fitted(store=tmp_path / "params.yaml" / "kept")
    assert issubclass(UserError, ValueError)
