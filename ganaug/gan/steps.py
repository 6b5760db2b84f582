"""The training of a generator of classes and its steps. loop.py decides when to log, save and stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import device as devices
from ganaug import seeds
from ganaug.gan import combinations
from ganaug.gan.adversarial import Adversarial, Batch, gradient_norm
from ganaug.gan.build import build_discriminator, build_generator
from ganaug.gan.latents import Codes
from ganaug.gan.nets.class_inputs import set_label_strength
from ganaug.gan.nets.generator import Generator
from ganaug.gan.spec import GanSpec
from ganaug.pixels import to_float

# Means over the steps since the last row of the history; losses and logits have no unit.
MEASURES = (
    "d_loss",
    "g_loss",
    "d_penalty",
    "d_accuracy_real",  # the ideal is one half: D cannot tell
    "d_accuracy_fake",
    "d_logit_real",
    "d_logit_fake",
    "d_gradient",  # the norm of all gradients of D
    "g_gradient",
    "g_reconstruction",  # the term of G's loss, where latents are codes
)


class Training(Adversarial):
    """The training of a generator that makes images of a class.

    ``images`` (N, H, W, C) uint8 and ``labels`` (N,) in 0..``classes``-1 are all that it ever learns from; ``spec``:
    the settings; ``seed`` of all random draws; ``device`` where everything lies.
    """

    generator: Generator
    average: Generator
    measure_names = MEASURES

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        classes: int,
        spec: GanSpec,
        seed: int,
        device: torch.device,
    ) -> None:
        combinations.check(spec)
        self.spec, self.seed, self.device, self.classes = spec, seed, device, classes
        self.images, self.labels = self.on_device(images, labels)
        shape = (images.shape[3], images.shape[1], images.shape[2])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(seed, "weights"))
            generator = build_generator(spec, classes, shape, len(images))
            discriminator = build_discriminator(spec, classes, shape)
        self.generator = devices.place(generator, device).train()
        self.code_rows = self.generator.codes.assign(self.labels) if self.generator.codes else None  # of each image
        self.discriminator = devices.place(discriminator, device).train()
        self.has_dropout = any(isinstance(module, nn.Dropout) and module.p for module in self.discriminator.modules())
        codes = self.generator.codes.rows if self.generator.codes else None
        groups = [([one for one in self.generator.parameters() if one is not codes], spec.generator_lr)]
        if codes is not None and isinstance(spec.latents, Codes):
            groups.append(([codes], spec.latents.lr))
        super().__init__(self.generator, self.discriminator, groups, spec, seed, device)
        self.fixed_latents = torch.randn(
            (classes, spec.z_dim), generator=torch.Generator().manual_seed(seeds.derive(seed, "snapshot"))
        ).to(device)

    def on_device(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """uint8 images (N, C, H, W), a quarter of a float's memory, and labels; all 0 where labels play no part."""
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).permute(0, 3, 1, 2)  # no copy on a CPU
        known = np.zeros_like(labels) if self.spec.conditioning == "none" else labels
        return (
            pixels.to(self.device, memory_format=torch.channels_last),
            torch.from_numpy(known.astype(np.int64)).to(self.device),
        )

    # ------------------------------------------------------------------------------------------------------ a step

    def step(self, number: int) -> None:
        """Step ``number`` of 1..steps."""
        self.set_strength(number)
        with self._own_dropout(number) if self.has_dropout else nullcontext():
            super().step(number)

    def set_strength(self, step: int) -> None:
        """How much labels count in this step, 1..steps, where there is a ramp."""
        if self.spec.ramp:
            strength = self.spec.ramp.strength((step - 1) / self.spec.steps)
            for net in (self.generator, self.discriminator, self.average):
                set_label_strength(net, strength)

    def draw(self) -> Batch:
        """Train images at random, varied as ``spec.vary`` says, and latents."""
        size = self.batch_size
        rows = torch.randint(len(self.images), (size,), generator=self.rng, device=self.device)
        latents = torch.randn((size, self.spec.z_dim), generator=self.rng, device=self.device)
        return Batch(self.spec.vary(to_float(self.images[rows]), self.rng), self.labels[rows], latents)

    def generate(self, batch: Batch) -> Tensor:
        """The batch's fakes, (N, C, H, W)."""
        with self.autocast():
            return self.generator(batch.latents, batch.labels).float()

    def step_generator(self, batch: Batch, fake: Tensor) -> None:
        """G learns from D's judgement of its fakes; D has just learned from them too."""
        loss, of_classes = self.fooling_loss(batch, fake)
        recalled = self._reconstruction()
        self.backward(loss + of_classes + recalled, self.optimizer_g)
        gradient = gradient_norm(self.weights_g)
        self.optimizer_g.step()
        self.measure(of_generator=True, g_loss=loss, g_reconstruction=recalled, g_gradient=gradient)

    def _reconstruction(self) -> Tensor:
        """How far G's images of the codes of half a batch are from the training images that the codes belong to."""
        if self.code_rows is None or not isinstance(self.spec.latents, Codes):
            return torch.zeros((), device=self.device)
        count = self.ranks.part(max(2, self.spec.batch_size // 2), "half of gan.batch_size")
        rows = torch.randint(len(self.images), (count,), generator=self.rng, device=self.device)
        with self.autocast():
            recalled = self.generator.recall(self.code_rows[rows], self.labels[rows]).float()
        return self.spec.latents.reconstruction * F.l1_loss(recalled, to_float(self.images[rows]))

    @contextmanager
    def _own_dropout(self, number: int) -> Iterator[None]:
        """Dropout draws from the global random state: set from the step, so that a resumed training draws the same."""
        devices_used = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices_used):
            (seeds.seed_cpu if self.device.type == "cpu" else torch.manual_seed)(
                seeds.derive(self.seed, "dropout", number)
            )
            yield
