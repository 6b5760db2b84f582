"""The training loop: images of the train part in, a generator with averaged weights and a history out."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug import device as devices
from ganaug import seeds
from ganaug.errors import UserError
from ganaug.gan.networks import Discriminator, Generator
from ganaug.gan.spec import GanSpec
from ganaug.pixels import to_float, to_pixels

HISTORY = ("step", "d_loss", "g_loss", "d_accuracy_real", "d_accuracy_fake", "d_logit_real", "d_logit_fake")


@dataclass
class Trained:
    """``generator`` has the averaged weights, on the CPU, in evaluation mode. ``history``: a row per logged step."""

    generator: Generator
    history: list[dict[str, float]] = field(default_factory=list)
    speed: list[tuple[int, float]] = field(default_factory=list)  # (step, images of the train part per second)
    progress: list[NDArray[np.uint8]] = field(default_factory=list)  # the same latents as training goes on


def build_generator(spec: GanSpec, classes: int, image_shape: tuple[int, int, int]) -> Generator:
    """``image_shape`` is (channels, height, width), square."""
    return Generator(spec.z_dim, classes, image_shape[0], image_shape[1], spec.generator_width)


def train_gan(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    spec: GanSpec,
    seed: int,
    device: torch.device,
    on_log: Callable[[int, dict[str, float]], None] = lambda step, row: None,
    snapshots: int = 5,
    log_rows: int = 50,
) -> Trained:
    """Train on ``images`` (N, H, W, C) with ``labels`` (N,) in 0..classes-1. The same arguments give the same bytes."""
    training = Training(images, labels, classes, spec, seed, device)
    out = Trained(training.average)
    log_every, snapshot_every = max(1, spec.steps // log_rows), max(1, spec.steps // snapshots)
    since, logged = time.perf_counter(), 0
    for step in range(1, spec.steps + 1):
        training.step(step)
        if step % log_every == 0 or step == spec.steps:
            row = {"step": float(step), **training.read_measures()}
            if not all(math.isfinite(value) for value in row.values()):
                raise UserError(
                    f"gan: losses must stay finite, got {row['d_loss']} and {row['g_loss']} by step {step}; lower "
                    "gan.generator_lr and gan.discriminator_lr"
                )
            out.history.append(row)
            now = time.perf_counter()
            out.speed.append((step, spec.batch_size * (step - logged) / max(now - since, 1e-9)))
            since, logged = now, step
            on_log(step, row)
        if step % snapshot_every == 0:
            out.progress.append(training.snapshot())
    training.settle_statistics(training.average)
    out.generator = devices.place(training.average, torch.device("cpu")).eval()
    return out


@dataclass
class _Batch:
    real: Tensor  # (N, C, H, W) in [-1, 1]
    labels: Tensor  # (N,), of the real images and of the fakes beside them
    latents: Tensor  # (N, z_dim)


class Training:
    """The state of a training, and its steps."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        classes: int,
        spec: GanSpec,
        seed: int,
        device: torch.device,
    ) -> None:
        self.spec, self.device, self.classes = spec, device, classes
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        self.images = pixels.to(device, memory_format=torch.channels_last)  # uint8: a quarter of the memory
        self.labels = torch.from_numpy(labels.astype(np.int64)).to(device)
        shape = (images.shape[3], images.shape[1], images.shape[2])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(seed, "weights"))
            generator = build_generator(spec, classes, shape)
            discriminator = Discriminator(classes, shape[0], shape[1], spec.discriminator_width)
        self.generator = devices.place(generator, device).train()
        self.discriminator = devices.place(discriminator, device).train()
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.rng = torch.Generator(device).manual_seed(seeds.derive(seed, "training"))
        betas = (spec.beta1, spec.beta2)
        self.adam_g = torch.optim.Adam(self.generator.parameters(), spec.generator_lr, betas, fused=True)
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), spec.discriminator_lr, betas, fused=True)
        self.measures = torch.zeros(6, device=device)
        self.measured = 0
        self.fixed_latents = torch.randn(
            (classes, spec.z_dim), generator=torch.Generator().manual_seed(seeds.derive(seed, "snapshot"))
        ).to(device)

    def step(self, number: int) -> None:
        """Step ``number`` of 1..steps. One batch of fakes serves both networks; nothing here waits for the device."""
        self.set_rate(number)
        batch = self.draw()
        fake = self.generate(batch)
        self.step_discriminator(batch, fake)
        self.step_generator(batch, fake)
        self.update_average(number)

    def autocast(self) -> torch.autocast:
        return devices.autocast(self.device, enabled=self.spec.precision == "auto")

    def set_rate(self, step: int) -> None:
        """Learning rates of this step, 1..steps: constant, or half a cosine from the full rate down to zero."""
        done = (step - 1) / self.spec.steps
        factor = 0.5 * (1 + math.cos(math.pi * done)) if self.spec.rate == "cosine" else 1.0
        self.adam_g.param_groups[0]["lr"] = self.spec.generator_lr * factor
        self.adam_d.param_groups[0]["lr"] = self.spec.discriminator_lr * factor

    def draw(self) -> _Batch:
        size = self.spec.batch_size
        rows = torch.randint(len(self.images), (size,), generator=self.rng, device=self.device)
        latents = torch.randn((size, self.spec.z_dim), generator=self.rng, device=self.device)
        return _Batch(self.spec.vary(to_float(self.images[rows]), self.rng), self.labels[rows], latents)

    def generate(self, batch: _Batch) -> Tensor:
        with self.autocast():
            return cast(Tensor, self.generator(batch.latents, batch.labels)).float()

    def step_discriminator(self, batch: _Batch, fake: Tensor) -> None:
        both = torch.cat([batch.real, fake.detach()])
        with self.autocast():
            logits = self.discriminator(self.spec.augment(both, self.rng), batch.labels.repeat(2)).float()
        real_logits, fake_logits = logits.chunk(2)
        loss = self.spec.objective.discriminator_loss(real_logits, fake_logits)
        self.adam_d.zero_grad()
        loss.backward()
        self.adam_d.step()
        real_logits, fake_logits = real_logits.detach(), fake_logits.detach()
        right = [(real_logits > 0).float().mean(), (fake_logits <= 0).float().mean()]
        self.measures += torch.stack(
            [loss.detach(), loss.new_zeros(()), *right, real_logits.mean(), fake_logits.mean()]
        )

    def step_generator(self, batch: _Batch, fake: Tensor) -> None:
        """The discriminator that judges the fakes here has just learned from them."""
        self.discriminator.requires_grad_(False)
        with self.autocast():
            fake_logits = self.discriminator(self.spec.augment(fake, self.rng), batch.labels).float()
            real_logits = self._real_logits(batch)
        loss = self.spec.objective.generator_loss(real_logits, fake_logits)
        self.adam_g.zero_grad()
        loss.backward()
        self.adam_g.step()
        self.discriminator.requires_grad_(True)
        self.measures[1] += loss.detach()
        self.measured += 1

    def _real_logits(self, batch: _Batch) -> Tensor:
        if not self.spec.objective.pairs:
            return batch.latents.new_zeros(())
        with torch.no_grad():
            return cast(Tensor, self.discriminator(self.spec.augment(batch.real, self.rng), batch.labels)).float()

    def update_average(self, step: int) -> None:
        """Exponential moving average of G's weights; its half-life grows with the images seen (Karras 2020)."""
        seen = step * self.spec.batch_size
        half_life = min(self.spec.ema_half_life_images, 0.05 * seen)
        weight = 1 - 0.5 ** (self.spec.batch_size / half_life)
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), weight)

    def read_measures(self) -> dict[str, float]:
        """Means since the last call. The only place where the loop waits for the device."""
        means = (self.measures / self.measured).tolist()
        self.measures.zero_()
        self.measured = 0
        return dict(zip(HISTORY[1:], means, strict=True))

    @torch.no_grad()
    def settle_statistics(self, generator: Generator, batches: int = 20, size: int = 256) -> None:
        """Batch-normalisation statistics of the averaged weights (which never saw a batch of their own), measured."""
        rng = torch.Generator(self.device).manual_seed(seeds.derive(0, "statistics"))
        norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
        generator.train()
        for _ in range(batches):
            rows = torch.randint(len(self.labels), (size,), generator=rng, device=self.device)
            latents = torch.randn((size, self.spec.z_dim), generator=rng, device=self.device)
            generator(latents, self.labels[rows])
        generator.eval()

    @torch.no_grad()
    def snapshot(self) -> NDArray[np.uint8]:
        """One image a class, (classes, H, W, C), of the same latents at every call."""
        labels = torch.arange(self.classes, device=self.device)
        now = copy.deepcopy(self.average)
        self.settle_statistics(now, batches=4)
        return to_pixels(now(self.fixed_latents, labels))
