"""Code for a GPU, run without one: nothing lies on two devices, and no step waits for the device (see fake_gpu.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import CUDA, FakeGpu, Waited, fake_gpu
from torch import Tensor, nn

from ganaug import config
from ganaug.classify.features import look
from ganaug.classify.fitting import predict, probabilities, train_classifier
from ganaug.classify.networks import SmallCNN
from ganaug.classify.policies import POLICIES, Affine
from ganaug.classify.spec import ClassifierSpec
from ganaug.classify.way import Lesson
from ganaug.classify.ways import WAYS
from ganaug.edit.inversion import Inverter
from ganaug.gan import health, watching
from ganaug.gan.build import build_discriminator, build_generator
from ganaug.gan.nets.discriminator import Features
from ganaug.gan.presets import OF_CLASSES, PRESETS
from ganaug.gan.run import is_finite
from ganaug.gan.spec import GanSpec
from ganaug.gan.steps import Training
from ganaug.synth.filter import Known
from ganaug.synth.filters import FILTERS
from ganaug.synth.generator import Generator
from ganaug.synth.translator import Translator
from ganaug.translate import steps
from ganaug.translate import watching as watching_translator

pytestmark = [
    pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor"),
    pytest.mark.filterwarnings("ignore:CUDA is not available"),
]
SMALL = {"batch_size": 4, "z_dim": 4, "generator_width": 4, "discriminator_width": 4, "steps": 8}
IMAGES, LABELS, UNDER = np.zeros((12, 8, 8, 3), np.uint8), np.arange(12) % 3, np.arange(12) // 3 % 2
DISTORT = {
    "shift": 0.1, "rotate_degrees": 9, "scale": 0.1, "shear": 0.1, "brightness": 0.1, "contrast": 0.1,
    "saturation": 0.1, "cutout": 0.1, "flip": True,
}  # fmt: skip
# Whatever is of another path than the presets'.
OPTIONS: dict[str, dict[str, Any]] = {
    "codes": {
        "latents": {"kind": "codes"}, "augment": DISTORT, "vary": DISTORT, "ada": {"interval": 1}, "rate": "cosine",
        "regularisers": [{"kind": "lecam", "from_step": 1}, {"kind": "r1"}, {"kind": "r2"}], "ramp": {"begin": 0.0},
    },
    "nearness": {
        "regularisers": [{"kind": "minibatch-discrimination"}, {"kind": "label-smoothing"}], "conditioning": "none",
        "discriminator_steps": 2, "optimizer": "rmsprop", "ema_half_life_images": 0, "precision": "float32",
        "augment": {**DISTORT, "shift": 0},
    },
}  # fmt: skip
TRANSLATORS: dict[str, dict[str, Any]] = {
    **{name: {"preset": name} for name in PRESETS if name not in OF_CLASSES},
    "noise": {"preset": "translate", "translate": {"pairs": {"noise": 0.1}}, "vary": DISTORT, "ada": {"interval": 1}},
    "blur": {"preset": "translate", "translate": {"pairs": {"blur": 1.0}}},
}


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    with fake_gpu() as found:
        yield found


def spec(**changes: Any) -> GanSpec:
    around = {"data": {"source": {"kind": "digits"}, "rendered": {"kinds": [{"kind": "blur"}]}}}
    return config.check({"gan": {**SMALL, **changes}, "classify": {"arms": ["none"]}, **around}).gan


@pytest.mark.parametrize("name", [*OF_CLASSES, *OPTIONS])
def test_a_training(name: str, gpu: FakeGpu) -> None:
    chosen = spec(**OPTIONS.get(name, {"preset": name}))
    one = Training(IMAGES, LABELS, 3, replace(chosen, discriminator_steps=min(2, chosen.discriminator_steps)), 0, CUDA)
    with gpu.strictly():
        one.step(4)  # in which the lazy penalty of the default is due
    if name in ("dcgan", *OPTIONS):  # what all have in common needs no more
        row = watching.history_row(one, 4, one.on_device(IMAGES, LABELS), health.real_spread(one))
        assert set(row) == set(watching.HISTORY)
        assert is_finite(one)
        assert watching.snapshot(one).shape == (3, 8, 8, 3)
        one.set_state(one.state())
    everything = [*one.generator.parameters(), *one.discriminator.parameters(), *one.average.buffers(), one.measures]
    assert {tensor.device.type for tensor in everything} == {"cuda"}


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translator(name: str, gpu: FakeGpu) -> None:
    chosen = spec(**TRANSLATORS[name])
    assert chosen.translate is not None
    chosen = replace(chosen, discriminator_steps=1, translate=replace(chosen.translate, blocks=1, strides=1))
    recognise = SmallCNN(3, 3, 8, 4, 1)
    one = steps.Training(IMAGES, LABELS, UNDER, 2, [1], chosen, 0, CUDA, recognise)
    with gpu.strictly():
        one.step(1)
    if name not in ("translate", "noise"):
        return
    rows = torch.arange(3, device=CUDA)
    row = watching_translator.history_row(one, 1, rows, torch.ones_like(rows))
    assert set(row) == set(watching_translator.HISTORY)
    assert watching_translator.snapshot(one, rows, torch.ones_like(rows)).shape == (3, 8, 8, 3)
    one.set_state(one.state())
    made = Translator(one.average, ["a", "b", "c"], ["old", "new"], [1], (3, 8, 8), {})
    assert made.translation(IMAGES[:2], ["1", "2"], 1, 0, 0, CUDA).shape == (2, 8, 8, 3)


@pytest.mark.parametrize("latents", ["normal", "codes"])
def test_sampling(latents: str, gpu: FakeGpu) -> None:
    one = Training(IMAGES, LABELS, 3, spec(latents={"kind": latents}), 0, torch.device("cpu"))
    generator = Generator(one.average, ["a", "b", "c"], (3, 8, 8), {})
    assert generator.candidates(1, 5, 0, CUDA).shape == (5, 8, 8, 3)
    assert next(one.average.parameters()).device.type == "cuda"


# Those of a classifier: a class, shares of classes, a class among some.
TARGETS: dict[str, Callable[[], tuple[Tensor, ...]]] = {
    "labels": lambda: (torch.zeros(4, dtype=torch.int64),),
    "mixed": lambda: (torch.full((4, 3), 1 / 3),),
    "masked": lambda: (torch.zeros(4, dtype=torch.int64), torch.ones((4, 3), dtype=torch.bool)),
}


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy in ("classical", "mixstyle")])
@pytest.mark.parametrize("targets", TARGETS)
def test_a_classifier_and_what_it_sees(targets: str, policy: str, gpu: FakeGpu) -> None:
    """Also that of a filter, of teachers and of fidelity. Only its batches come to the device, and nothing back."""

    def draw(step: int) -> tuple[Tensor, ...]:
        return (torch.zeros(4, 3, 8, 8), *TARGETS[targets]())

    few = ClassifierSpec(steps=2, width=4, depth=1)
    with gpu.strictly(fed=True):
        model = train_classifier(draw, few, 3, 3, 8, 0, CUDA, POLICIES[policy]().attach)
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cuda"}
    assert predict(model, IMAGES, CUDA).shape == (12,)
    assert probabilities(model, IMAGES, CUDA).shape == (12, 3)
    assert look(model, IMAGES, CUDA).logits.shape == (12, 3)


@pytest.mark.parametrize("kind", [kind for kind, one in FILTERS.items() if one.learns])
def test_a_filter(kind: str, gpu: FakeGpu) -> None:
    """Its classifiers learn on the device; what it knows travels in the generator's file and judges on the CPU."""
    few = ClassifierSpec(steps=2, width=4, depth=1)
    judge = FILTERS[kind]().fit(Known(IMAGES, LABELS, IMAGES[:0], 3, few, 0, CUDA))
    assert {tensor.device.type for tensor in judge.tensors.values()} == {"cpu"}
    assert judge.scores(IMAGES[:5], 1).shape == (5,)


@pytest.mark.parametrize("kind", WAYS)
def test_a_way_to_train(kind: str, gpu: FakeGpu) -> None:
    def draw(step: int) -> tuple[Tensor, ...]:
        return torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64)

    few, gan = ClassifierSpec(steps=2, width=4, depth=1, batch_size=4), spec(conditioning="none")
    lesson = Lesson(
        *(WAYS[kind](), few, (IMAGES, LABELS), IMAGES, Affine(), (3, 8, 8), 3, 0, CUDA),
        generator=partial(build_generator, gan, 1, (3, 8, 8)),
        body=lambda trained: Features(build_discriminator(gan, 1, (3, 8, 8))),
    )
    with gpu.strictly(fed=True):
        model = train_classifier(draw, few, 3, 3, 8, 0, CUDA, lesson=lesson)
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cuda"}


@pytest.mark.parametrize("latents", ["normal", "codes"])
def test_an_inversion(latents: str, gpu: FakeGpu) -> None:
    network = Training(IMAGES, LABELS, 3, spec(latents={"kind": latents}), 0, torch.device("cpu")).average
    found = Inverter(network, 3, CUDA, encoder_steps=1).invert(IMAGES[:2], LABELS[:2], steps=2)
    assert (found.points.shape, found.images.shape) == ((2, 4), (2, 8, 8, 3))


# ------------------------------------------------------------------------------------------- that this finds anything


def here(step: Callable[[Tensor], object]) -> Callable[[Training, Tensor], Tensor]:
    """D sees what it saw, after ``step``."""

    def distorted(training: Training, images: Tensor) -> Tensor:
        step(images)
        return images

    return distorted


@pytest.mark.parametrize(
    "step",
    [
        lambda images: images.mean().item(),
        lambda images: bool(images.isfinite().all()),
        lambda images: images.mean(dim=0).tolist(),
        lambda images: images.cpu(),
        lambda images: images[images[:, 0, 0, 0] > 0],
        lambda images: (images > 0).nonzero(),
        lambda images: images + torch.zeros(8).to(images.device),
        lambda images: torch.tensor([1.0, 2.0], device=images.device),
    ],
)
def test_a_step_that_waits_is_found(
    step: Callable[[Tensor], object], gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Training(IMAGES, LABELS, 3, spec(), 0, CUDA)
    monkeypatch.setattr(Training, "distort", here(step))
    with pytest.raises(Waited), gpu.strictly():
        one.step(1)


def test_a_tensor_on_another_device_is_found(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Training(IMAGES, LABELS, 3, spec(), 0, CUDA)
    monkeypatch.setattr(Training, "distort", here(lambda images: images + torch.zeros(8)))
    with pytest.raises(RuntimeError, match="devices, cuda:0 and cpu"), gpu.strictly():
        one.step(1)
    nn.init.zeros_(one.discriminator.score.weight)  # what was built lies where it was asked for
    assert one.discriminator.score.weight.device.type == "cuda"
