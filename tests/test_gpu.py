"""What only a CUDA device can show; skipped where there is none."""

import warnings

import numpy as np
import pytest
import torch

from ganaug import device
from ganaug.gan.loop import train_gan
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.gan.translation import Pairs, TranslateSpec
from ganaug.translate import steps
from ganaug.translate.loop import train_translator

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
