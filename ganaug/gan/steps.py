"""The state of a GAN's training and its steps: the algorithm itself. loop.py decides when to log, save and stop."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import device as devices
from ganaug import seeds
from ganaug.gan import combinations
from ganaug.gan.build import build_discriminator, build_generator
from ganaug.gan.latents import Codes
from ganaug.gan.nets.class_inputs import set_label_strength
from ganaug.gan.regularisers import Judged
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
_D, _G = 0, 1  # the networks' places in ``measured``


@dataclass
class Batch:
    """What one step of D or G learns from."""

    real: Tensor  # (N, C, H, W) in [-1, 1]
    labels: Tensor  # (N,), of the real images and of the fakes
    latents: Tensor  # (N, z_dim)


class Training:
    """The networks, optimisers and random state of a training; ``step`` takes it one step further.

    ``images`` (N, H, W, C) uint8 and ``labels`` (N,) in 0..``classes``-1 are all that it ever learns from; ``spec``:
    the settings; ``seed`` of all random draws; ``device`` where everything lies.
    """

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
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.rng = torch.Generator(device).manual_seed(seeds.derive(seed, "training"))
        codes = self.generator.codes.rows if self.generator.codes else None
        groups = [([one for one in self.generator.parameters() if one is not codes], spec.generator_lr)]
        if codes is not None and isinstance(spec.latents, Codes):
            groups.append(([codes], spec.latents.lr))
        self.optimizer_g = self._optimizer(groups)
        self.optimizer_d = self._optimizer([(list(self.discriminator.parameters()), spec.discriminator_lr)])
        self.regularisers = (*spec.objective.built_in(), *spec.regularisers)
        smoothed = [one.real_label for one in self.regularisers if one.real_label is not None]
        self.loss_options = {"real_label": smoothed[0]} if smoothed else {}
        self.logit_decay = next((one.decay for one in self.regularisers if one.decay is not None), None)
        # What a step leaves to the next, besides weights: on the device, so that nothing waits for it.
        self.measures = torch.zeros(len(MEASURES), device=device)
        self.measured = torch.zeros(2, device=device)  # steps of D, of G
        self.logit_averages = torch.zeros(2, device=device)  # real, fake
        self.probability = torch.zeros((), device=device)  # ADA's
        self.signs = torch.zeros(2, device=device)  # their sum since ADA's last adjustment, and their number
        self.fixed_latents = torch.randn(
            (classes, spec.z_dim), generator=torch.Generator().manual_seed(seeds.derive(seed, "snapshot"))
        ).to(device)

    def on_device(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """uint8 images (N, C, H, W), a quarter of a float's memory, and labels; all 0 where labels play no part."""
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        known = np.zeros_like(labels) if self.spec.conditioning == "none" else labels
        return (
            pixels.to(self.device, memory_format=torch.channels_last),
            torch.from_numpy(known.astype(np.int64)).to(self.device),
        )

    def _optimizer(self, groups: list[tuple[list[nn.Parameter], float]]) -> torch.optim.Optimizer:
        """``groups``: parameters and their rate."""
        named = [{"params": parameters, "lr": rate, "full_lr": rate} for parameters, rate in groups]
        if self.spec.optimizer == "rmsprop":
            return torch.optim.RMSprop(named, alpha=self.spec.beta2, foreach=True)
        return torch.optim.Adam(named, betas=(self.spec.beta1, self.spec.beta2), fused=True)

    # ------------------------------------------------------------------------------------------------------ a step

    def step(self, number: int) -> None:
        """Step ``number`` of 1..steps. The last fakes serve both networks; nothing here waits for the device."""
        self.set_rate(number)
        self.set_strength(number)
        with self._own_dropout(number) if self.has_dropout else nullcontext():
            for _ in range(self.spec.discriminator_steps - 1):
                batch = self.draw()
                with torch.no_grad():
                    fake = self.generate(batch)
                self.step_discriminator(number, batch, fake)
            batch = self.draw()
            fake = self.generate(batch)
            self.step_discriminator(number, batch, fake)
            self.step_generator(batch, fake)
        self.adjust_probability(number)
        self.update_average(number)

    def set_rate(self, step: int) -> None:
        """Learning rates of this step, 1..steps: constant, or down to zero along a line or half a cosine."""
        done = (step - 1) / self.spec.steps
        factor = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[self.spec.rate]
        for group in (*self.optimizer_g.param_groups, *self.optimizer_d.param_groups):
            group["lr"] = group["full_lr"] * factor

    def set_strength(self, step: int) -> None:
        """How much labels count in this step, 1..steps, where there is a ramp."""
        if self.spec.ramp:
            strength = self.spec.ramp.strength((step - 1) / self.spec.steps)
            for net in (self.generator, self.discriminator, self.average):
                set_label_strength(net, strength)

    def draw(self) -> Batch:
        """Train images at random, varied as ``spec.vary`` says, and latents."""
        size = self.spec.batch_size
        rows = torch.randint(len(self.images), (size,), generator=self.rng, device=self.device)
        latents = torch.randn((size, self.spec.z_dim), generator=self.rng, device=self.device)
        return Batch(self.spec.vary(to_float(self.images[rows]), self.rng), self.labels[rows], latents)

    def generate(self, batch: Batch) -> Tensor:
        """The batch's fakes, (N, C, H, W)."""
        with self.autocast():
            return self.generator(batch.latents, batch.labels).float()

    def distort(self, images: Tensor) -> Tensor:
        """Images as D sees them, augmented: always, or as often as ADA says."""
        return self.spec.augment(images, self.rng, self.probability if self.spec.ada else None)

    def autocast(self, enabled: bool = True) -> torch.autocast:
        """The precision of the settings, or float32 where not ``enabled``."""
        return devices.autocast(self.device, enabled=enabled and self.spec.precision == "auto")

    def step_discriminator(self, number: int, batch: Batch, fake: Tensor) -> None:
        """D learns from real and fake images in step ``number``."""
        objective = self.spec.objective
        real, fake = self.distort(torch.cat([batch.real, fake.detach()])).chunk(2)
        due = [one for one in self.regularisers if one.is_due(number)]
        takes_gradients = any(one.gradient_norm is not None for one in due)
        if takes_gradients:  # a double backward: in float32
            real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
        with self.autocast(not takes_gradients):
            apart = takes_gradients or self.discriminator.mixes_batch
            (real_logits, of_real), (fake_logits, of_fake) = self._judge(real, fake, batch.labels, apart)
        loss = objective.discriminator_loss(real_logits, fake_logits, **self.loss_options)
        loss = loss + self._class_loss(of_real, batch.labels) + self._class_loss(of_fake, batch.labels)
        judged = Judged(
            real,
            fake,
            real_logits,
            fake_logits,
            discriminate=lambda images: self.discriminator(images, batch.labels)[0],
            rng=self.rng,
            real_average=self.logit_averages[0].clone(),
            fake_average=self.logit_averages[1].clone(),
            step=number,
        )
        penalty = torch.stack([loss.new_zeros(()), *(one.penalty(judged) for one in due)]).sum()
        self.optimizer_d.zero_grad()
        (loss + penalty).backward()
        gradient = _gradient_norm(self.discriminator)
        self.optimizer_d.step()
        if objective.clip is not None:
            with torch.no_grad():
                for parameter in self.discriminator.parameters():
                    parameter.clamp_(-objective.clip, objective.clip)
        self._follow(real_logits.detach(), fake_logits.detach(), d_loss=loss, d_penalty=penalty, d_gradient=gradient)

    def _judge(
        self, real: Tensor, fake: Tensor, labels: Tensor, apart: bool
    ) -> tuple[tuple[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]:
        """D's logits and classes of real and of fake images; ``apart``: no batch holds both."""
        if apart:
            (real_logits, of_real), (fake_logits, of_fake) = (self.discriminator(one, labels) for one in (real, fake))
        else:
            logits, said = self.discriminator(torch.cat([real, fake]), labels.repeat(2))
            real_logits, fake_logits = logits.chunk(2)
            of_real, of_fake = said.chunk(2) if said is not None else (None, None)
        return (real_logits.float(), of_real), (fake_logits.float(), of_fake)

    def _class_loss(self, said: Tensor | None, labels: Tensor) -> Tensor:
        """ACGAN's cross-entropy (Odena 2017, eq. 3); nothing where D does not say the class."""
        if said is None:
            return torch.zeros((), device=self.device)
        losses = F.cross_entropy(said.float(), labels, reduction="sum")
        return self.discriminator.class_strength * losses / len(labels)

    @torch.no_grad()
    def _follow(self, real: Tensor, fake: Tensor, **values: Tensor) -> None:
        """What the history, penalties and ADA need of a step of D: logits (N,) of both kinds, and other measures."""
        boundary = self.spec.objective.boundary
        # Without a zero of its own, a score is compared with the mean score of the other kind.
        above, below = (fake.mean(), real.mean()) if boundary is None else (boundary, boundary)
        self._measure(
            _D,
            **values,
            d_accuracy_real=(real > above).float().mean(),
            d_accuracy_fake=(fake <= below).float().mean(),
            d_logit_real=real.mean(),
            d_logit_fake=fake.mean(),
        )
        if self.logit_decay is not None:
            self.logit_averages.lerp_(torch.stack([real.mean(), fake.mean()]), 1 - self.logit_decay)
        if self.spec.ada:
            self.signs[0] += torch.sign(real - (boundary or 0.0)).mean()
            self.signs[1] += 1

    def step_generator(self, batch: Batch, fake: Tensor) -> None:
        """G learns from D's judgement of its fakes; D has just learned from them too."""
        self.discriminator.requires_grad_(False)
        with self.autocast():
            fake_logits, said = self.discriminator(self.distort(fake), batch.labels)
            real_logits = self._real_logits(batch)
        loss = self.spec.objective.generator_loss(real_logits, fake_logits.float())
        recalled = self._reconstruction()
        self.optimizer_g.zero_grad()
        (loss + self._class_loss(said, batch.labels) + recalled).backward()
        gradient = _gradient_norm(self.generator)
        self.optimizer_g.step()
        self.discriminator.requires_grad_(True)
        self._measure(_G, g_loss=loss, g_reconstruction=recalled, g_gradient=gradient)

    def _real_logits(self, batch: Batch) -> Tensor:
        if not self.spec.objective.pairs:
            return batch.latents.new_zeros(())
        with torch.no_grad():
            logits: Tensor = self.discriminator(self.distort(batch.real), batch.labels)[0]
            return logits.float()

    def _reconstruction(self) -> Tensor:
        """How far G's images of the codes of half a batch are from the training images that the codes belong to."""
        if self.code_rows is None or not isinstance(self.spec.latents, Codes):
            return torch.zeros((), device=self.device)
        count = max(2, self.spec.batch_size // 2)
        rows = torch.randint(len(self.images), (count,), generator=self.rng, device=self.device)
        with self.autocast():
            recalled = self.generator.recall(self.code_rows[rows], self.labels[rows]).float()
        return self.spec.latents.reconstruction * F.l1_loss(recalled, to_float(self.images[rows]))

    @torch.no_grad()
    def _measure(self, network: int, **values: Tensor) -> None:
        """Add to the measures of these names; one more step of ``network`` was measured."""
        zero = torch.zeros((), device=self.device)
        self.measures += torch.stack([values.get(name, zero) for name in MEASURES])
        self.measured[network] += 1

    @torch.no_grad()
    def adjust_probability(self, step: int) -> None:
        """ADA's adjustment, where one is due after this step."""
        ada = self.spec.ada
        if ada and step % ada.interval == 0:
            images = self.spec.batch_size * self.spec.discriminator_steps * ada.interval
            self.probability = ada.adjusted(self.probability, self.signs[0] / self.signs[1], images)
            self.signs.zero_()

    @torch.no_grad()
    def update_average(self, step: int) -> None:
        """Exponential moving average of G's weights; its half-life grows with the images seen (Karras 2020)."""
        seen = step * self.spec.batch_size
        half_life = min(self.spec.ema_half_life_images, 0.05 * seen)
        weight = 1 - 0.5 ** (self.spec.batch_size / half_life) if half_life else 1.0
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), weight)

    @contextmanager
    def _own_dropout(self, number: int) -> Iterator[None]:
        """Dropout draws from the global random state: set from the step, so that a resumed training draws the same."""
        devices_used = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices_used):
            torch.manual_seed(seeds.derive(self.seed, "dropout", number))
            yield

    # ------------------------------------------------------------------------------------------------------ keeping

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, as tensors and plain values; a copy."""
        nets = {name: getattr(self, name).state_dict() for name in _NETS}
        carried = {name: getattr(self, name) for name in _CARRIED}
        return copy.deepcopy({**nets, "random": self.rng.get_state(), **carried})

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``state()`` gave, here or in another process; ``state`` itself is left as it is."""
        for name in _NETS:
            getattr(self, name).load_state_dict(copy.deepcopy(state[name]))
        self.rng.set_state(state["random"].cpu())
        for name in _CARRIED:
            setattr(self, name, state[name].clone().to(self.device))


_NETS = ("generator", "discriminator", "average", "optimizer_g", "optimizer_d")
_CARRIED = ("measures", "measured", "logit_averages", "probability", "signs")


def _gradient_norm(net: nn.Module) -> Tensor:
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    return cast(Tensor, torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
