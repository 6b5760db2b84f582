"""Which device runs the networks."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from expect import refused

from ganaug import config, device


def gpus(patch: pytest.MonkeyPatch, number: int, mps: bool = False) -> None:
    """As if there were so many."""
    patch.setattr(torch.cuda, "is_available", lambda: number > 0)
    patch.setattr(torch.cuda, "device_count", lambda: number)
    patch.setattr(torch.backends.mps, "is_available", lambda: mps)
    patch.setattr(device.sys, "platform", "other")  # whose drivers nobody looks for
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def only_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0)


def test_auto_takes_the_cpu_where_there_is_nothing_else(only_cpu: None) -> None:
    assert device.resolve("auto") == torch.device("cpu")


def test_auto_takes_cuda_first_and_then_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 1, mps=True)
    assert device.resolve("auto").type == "cuda"
    gpus(monkeypatch, 0, mps=True)
    assert device.resolve("auto").type == "mps"


def test_auto_finds_a_device_that_computes() -> None:
    found = device.resolve("auto")
    assert float(torch.ones(2, device=found).sum()) == 2


@pytest.mark.parametrize("name", ["cuda", "mps", "cuda:0"])
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


# -------------------------------------------------------------------------------------------------------- several GPUs


def test_a_gpu_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    assert device.resolve("cuda:1") == torch.device("cuda", 1)
    with refused('got "cuda:2"; here: cuda:0, cuda:1, cpu'):
        device.resolve("cuda:2")
    assert [device.count(name) for name in ("auto", "cuda", "cuda:1", "cpu")] == [2, 2, 1, 1]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:01", "cuda:-1", "cpu:0", "CUDA"])
def test_a_name_of_no_device_is_refused(name: str) -> None:
    with refused("device: must be 'auto', 'cuda', 'mps', 'cpu' or one GPU, such as 'cuda:1', got", name):
        config.check({"device": name})


def test_settings_take_a_gpu_by_its_number() -> None:
    assert config.check({"device": "cuda:12"}).device == "cuda:12"


@pytest.fixture
def take(tmp_path: Path) -> Iterator[Callable[..., tuple[int | None, Callable[[], None]]]]:
    """Begin a task: the number of its GPU, and how it ends."""
    with ExitStack() as all_of_them:

        def begin(name: str = "cuda") -> tuple[int | None, Callable[[], None]]:
            held = all_of_them.enter_context(ExitStack())
            return held.enter_context(device.least_busy(name, tmp_path)).index, held.close

        yield begin


def test_a_task_gets_the_gpu_with_the_fewest_tasks(take: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 3)
    numbers, ends = zip(*[take() for _ in range(5)], strict=True)
    assert numbers == (0, 1, 2, 0, 1)
    for done in (0, 1, 4):  # the first of the first GPU, both of the second
        ends[done]()
    assert [take()[0] for _ in range(4)] == [1, 0, 1, 2]


def test_a_task_of_a_process_that_was_killed_counts_no_more(take: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 9
    else:
        take()
        os.kill(os.getpid(), 9)
    assert take()[0] == 0


def test_a_gpu_is_the_same_whatever_its_number(take: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that may use some of a machine's number those from 0."""
    gpus(monkeypatch, 2)
    found = []
    for visible in ("3,5", "3, GPU-1/0", "5,4", "GPU-1/0,6"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        found.append(take()[0])
    assert found == [0, 1, 0, 1]


def test_one_gpu_takes_all_tasks_without_a_lock(take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 1)
    assert [take()[0] for _ in range(2)] == [None, None]
    gpus(monkeypatch, 2)
    assert [take("cuda:1")[0] for _ in range(2)] == [1, 1]
    assert not list(tmp_path.iterdir())


def test_what_a_task_held_is_gone_after_it(take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    for _ in range(2):
        take()[1]()
    assert len(list(tmp_path.iterdir())) == 1  # the lock of those who choose
