"""Which device runs the networks."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from expect import refused

from ganaug import device


@pytest.fixture
def only_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_the_cpu_where_there_is_nothing_else(only_cpu: None) -> None:
    assert device.resolve("auto") == torch.device("cpu")


def test_auto_takes_cuda_first_and_then_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.resolve("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.resolve("auto").type == "mps"


def test_auto_finds_a_device_that_computes() -> None:
    found = device.resolve("auto")
    assert float(torch.ones(2, device=found).sum()) == 2


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_missing_device_is_refused_with_those_that_are_here(only_cpu: None, name: device.DeviceName) -> None:
    with refused("device", f'"{name}"', "here: cpu", "auto"):
        device.resolve(name)


def test_the_cpu_is_always_there(only_cpu: None) -> None:
    assert device.resolve("cpu") == torch.device("cpu")


def test_one_thread_on_a_cpu() -> None:
    torch.set_num_threads(2)
    device.prepare(torch.device("cpu"))
    assert torch.get_num_threads() == 1


def test_placing_keeps_the_weights() -> None:
    module = torch.nn.Conv2d(3, 4, 3)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    placed = device.place(module, torch.device("cpu"))
    assert all(torch.equal(before[name], tensor) for name, tensor in placed.state_dict().items())
    assert placed.weight.is_contiguous(memory_format=torch.channels_last)


def test_float32_where_it_is_asked_for() -> None:
    weights = torch.ones(2, 2)
    with device.autocast(torch.device("cpu"), enabled=False):
        assert (weights @ weights).dtype == torch.float32


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_the_kind_is_that_of_the_device(name: Any) -> None:
    assert device.kind(name) == device.resolve(name).type


def test_without_a_driver_the_kind_is_known_without_torch() -> None:
    """The parent of the workers then starts seconds earlier."""
    code = (
        "import os, sys; os.path.exists = lambda path: False; sys.platform = 'linux'; from ganaug import device; "
        "print(device.kind('auto'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", "False"]
