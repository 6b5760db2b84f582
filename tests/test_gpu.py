"""What only a CUDA device can show; skipped where there is none."""

import copy
import math
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stages
import test_edit
import test_ways
import torch
from test_resume import ended, fresh, project, resumed_at, start, states, until, whole

from ganaug import config, device, store
from ganaug.check.anogan import scores
from ganaug.classify.fitting import train_classifier
from ganaug.classify.ways import WAYS
from ganaug.edit.inversion import Inverter
from ganaug.gan.loop import train_gan
from ganaug.gan.nets.discriminator import Features
from ganaug.gan.run import read_measures
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.translation import Pairs, TranslateSpec
from ganaug.stages import cost
from ganaug.stages.project import Project
from ganaug.stages.tasks import in_parallel
from ganaug.translate import steps
from ganaug.translate.loop import train_translator

__all__ = ["fresh", "start", "whole"]  # fixtures
CUDA = "cuda"
SEVERAL = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one CUDA device")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (64, 16, 16, 3), np.uint8), np.arange(64) % 4


def test_auto_takes_cuda() -> None:
    assert device.resolve("auto").type == "cuda"


def test_training_ends_in_finite_weights_on_the_cpu() -> None:
    cuda = device.resolve("cuda")
    device.prepare(cuda)
    trained = train_gan(*data(), 4, GanSpec(steps=20, batch_size=16), seed=0, device=cuda)
    weights = list(trained.generator.parameters())
    assert all(weight.device.type == "cpu" and bool(weight.isfinite().all()) for weight in weights)


TRANSLATORS = [
    TranslateSpec(),
    TranslateSpec(back="two-way"),
    TranslateSpec(back="none", contrast=1.0),
    TranslateSpec(pairs=Pairs(downscale=2)),
]


@pytest.mark.parametrize("terms", TRANSLATORS)
def test_a_translator_trains_on_the_device_and_ends_on_the_cpu(terms: TranslateSpec) -> None:
    cuda = device.resolve("cuda")
    device.prepare(cuda)
    images, labels = data()
    spec = GanSpec(steps=20, batch_size=16, translate=terms)
    recognise = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16 * 16 * 3, 4))
    trained = train_translator(
        images, labels, np.arange(64) // 4 % 2, 4, ["old", "new"], [1], spec, 0, cuda, recognise=recognise
    )
    weights = list(trained.translator.parameters())
    assert all(weight.device.type == "cpu" and bool(weight.isfinite().all()) for weight in weights)
    assert next(recognise.parameters()).device.type == "cpu"


@pytest.mark.parametrize("translates", [False, True])
def test_the_loop_does_not_wait_for_the_device(translates: bool) -> None:
    """A step runs under torch's own check, which raises at any synchronising call."""
    cuda = device.resolve("cuda")
    device.prepare(cuda)
    spec = GanSpec(batch_size=16)
    training: Training | steps.Training
    if translates:
        images, labels = data()
        under = np.arange(64) // 4 % 2
        spec = GanSpec(batch_size=16, translate=TranslateSpec(contrast=1.0))
        training = steps.Training(images, labels, under, 2, [1], spec, 0, cuda)
    else:
        training = Training(*data(), 4, spec, 0, cuda)
    previous = torch.cuda.get_sync_debug_mode()
    training.step(1)  # kernels are chosen in the first step
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the check is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(2, 8):  # the default's lazy penalty is due in one of them
            training.step(step)
    finally:
        torch.cuda.set_sync_debug_mode(previous)
    assert training.measured.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("kind", list(WAYS))
def test_a_way_to_train_stays_on_the_device(kind: str) -> None:
    cuda = device.resolve(CUDA)
    device.prepare(cuda)
    way = WAYS[kind](**({"rotation_times": 0.7} if kind == "from-rotation" else {}))
    lesson, spec = test_ways.lesson(way, device=cuda), test_ways.SPEC
    model = train_classifier(test_ways.draw, spec, 1, test_ways.CLASSES, 8, 4, cuda, lesson=lesson)
    assert all(weight.is_cuda and bool(weight.isfinite().all()) for weight in model.parameters())


@pytest.mark.parametrize("codes", [False, True])
def test_an_inversion_and_what_is_odd_by_it_are_those_of_the_cpu(codes: bool) -> None:
    """Of a generator's own images, but for rounding: both find them."""
    net, labels = test_edit.network(codes), test_edit.LABELS
    _, images = test_edit.own(copy.deepcopy(net), labels)
    discriminator = Training(images, labels, 3, GanSpec(batch_size=4), 0, torch.device("cpu")).discriminator
    found = []
    for where in (torch.device("cpu"), device.resolve(CUDA)):
        inverter = Inverter(copy.deepcopy(net), 3, where, encoder_steps=60)
        odd = scores(inverter, copy.deepcopy(Features(discriminator)), images, labels)
        found.append((inverter.invert(images, labels).errors, odd))
    for one, other in zip(*found, strict=True):
        assert np.isfinite(other).all()
        assert np.abs(one - other).mean() < 0.02


# ----------------------------------------------------------------------------------------------------------- the whole


@pytest.mark.slow
def test_the_verdict_is_that_of_the_cpu_within_its_interval(tmp_path: Path) -> None:
    """Of the digits, three trials: each gain's estimate lies in the other's interval."""
    raw = {
        "data": {"source": {"kind": "digits"}},
        "protocol": {"kind": "subsets", "trials": 3, "train_per_class": 10, "test_per_class": 60},
        "gan": {"steps": 300, "batch_size": 32, "generator_width": 16, "discriminator_width": 16},
        "synth": {"per_class": 40},
        "classifier": {"steps": 150},
        "classify": {"arms": ["classical", "gan+classical"]},
        "fidelity": {"enabled": False},
    }
    found = {}
    for name in ("cpu", CUDA):
        (tmp_path / name).mkdir()
        stages.run(made := Project(tmp_path / name, config.check({**raw, "device": name})))
        summary = store.read_json(made.reports / "summary.json", "")
        found[name] = summary["gains"]["gan+classical_vs_classical"]["accuracy"]
    for one, other in (("cpu", CUDA), (CUDA, "cpu")):
        assert found[one]["ci_low"] <= found[other]["mean"] <= found[one]["ci_high"], found


def on_gpu(root: Path, **gan: Any) -> Project:
    made = project(root, **gan)
    made = replace(made, settings=replace(made.settings, device=CUDA))
    store.write_text(root / "params.yaml", (root / "params.yaml").read_text().replace('"cpu"', f'"{CUDA}"'))
    return made


def test_a_training_that_is_killed_goes_on(start: Any, fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And its state is of use to this kind of device alone."""
    made = on_gpu(fresh, steps=5000, save_seconds=0.2)
    first = start(fresh / "first", "--split", "0")
    until(lambda: states(fresh), "a state was saved")
    time.sleep(0.1)
    first.kill()
    assert ended(first) == -signal.SIGKILL
    (made.root / "params.yaml").unlink()
    stages.run(made, "train", split="0")
    assert 0 < resumed_at(capsys.readouterr().out) <= 5000
    timing = store.read_json(next((made.work.root / "train").glob("*/timing.json")), "")
    assert timing["device"] == torch.cuda.get_device_name()
    assert not states(fresh)


def test_bfloat16_is_near_float32() -> None:
    """Of the same weights and the same draws: the first step's losses and gradients, and the images."""
    cuda = device.resolve(CUDA)
    device.prepare(cuda)
    if not device.computes_bfloat16(cuda):
        pytest.skip("no bfloat16")
    found, made = [], []
    for precision in ("auto", "float32"):
        one = Training(*data(), 4, GanSpec(batch_size=32, precision=precision, regularisers=()), 0, cuda)
        batch = one.draw()
        made.append(one.generate(batch).detach())
        one.step(1)
        found.append(read_measures(one))
    assert float((made[0] - made[1]).abs().mean()) < 0.02
    for name in ("d_loss", "g_loss", "d_gradient", "g_gradient"):
        values = [one[name] for one in found]
        assert all(value is not None and math.isfinite(value) for value in values)
        assert values[0] == pytest.approx(values[1], rel=0.05), name


@pytest.mark.parametrize("batch_size", [16, 64])
def test_images_of_128_pixels_take_the_memory_that_was_reckoned(batch_size: int) -> None:
    """What is refused before it begins is a lower bound; it is no more than three times too low, beside the workspaces
    in which cuDNN tries its kernels: 53 MB over that were seen on an H200, with batches of 16."""
    cuda = device.resolve(CUDA)
    device.prepare(cuda)
    spec = GanSpec(batch_size=batch_size, precision="float32")
    images, labels = np.zeros((128, 128, 128, 3), np.uint8), np.arange(128) % 4
    reckoned = cost.of_gan(spec, cuda, 4, (3, 128, 128), len(images), (), 1).at_work
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    one = Training(images, labels, 4, spec, 0, cuda)
    for step in range(1, 5):  # the lazy penalty is due in one of them
        one.step(step)
    assert reckoned <= torch.cuda.max_memory_allocated() <= 3 * reckoned + 2**27


# -------------------------------------------------------------------------------------------------------- several GPUs


def held(seconds: float, name: str, locks: Path, parent: int | None) -> str:
    with device.least_busy(name, locks) as where:
        device.prepare(where)
        time.sleep(seconds)
        return str(torch.ones(1, device=where).device)


@SEVERAL
def test_tasks_are_on_all_gpus(tmp_path: Path) -> None:
    made = Project(tmp_path, config.check({"device": CUDA}))
    count = torch.cuda.device_count()
    found = in_parallel(made, [(held, (5.0, CUDA, tmp_path))] * count)
    assert sorted(found) == [f"cuda:{number}" for number in range(count)]


@SEVERAL
def test_a_gpu_by_its_number() -> None:
    trained = train_gan(*data(), 4, GanSpec(steps=5, batch_size=16), seed=0, device=device.resolve("cuda:1"))
    assert all(bool(weight.isfinite().all()) for weight in trained.generator.parameters())
    assert torch.cuda.memory_allocated(0) == 0 or torch.cuda.max_memory_allocated(1) > 0


@SEVERAL
def test_torchrun_trains_on_two(fresh: Path) -> None:
    made = on_gpu(fresh, steps=50)
    words = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ganaug", "train", "--split", "0"]
    done = subprocess.run([sys.executable, *words], cwd=fresh, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    timing = store.read_json(next((made.work.root / "train").glob("*/timing.json")), "")
    assert timing["processes"] == 2
