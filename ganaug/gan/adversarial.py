"""What every adversarial training has: two networks that learn from each other, whatever G makes its images from.

A subclass says what a batch is, how G makes fakes of it, and what else G minimises. steps.py has the GAN of classes;
ganaug/translate/ has the translators.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import device as devices
from ganaug import seeds
from ganaug.gan import ranks
from ganaug.gan.regularisers import Judged
from ganaug.gan.spec import GanSpec

Groups = Sequence[tuple[Sequence[Tensor], float]]  # parameters, and their learning rate


@dataclass
class Batch:
    """What one step of D or G learns from."""

    real: Tensor  # (N, C, H, W) in [-1, 1]
    labels: Tensor  # (N,), of the real images and of the fakes: what D is asked with
    latents: Tensor  # (N, numbers per image)


class Adversarial:
    """The networks, optimisers and random state of a training; ``step`` takes it one step further.

    ``generator`` and ``discriminator``: untrained; ``groups``: what G's optimiser changes; ``spec``: the settings;
    ``seed`` of all random draws; ``device`` where everything lies.
    """

    measure_names: ClassVar[tuple[str, ...]]  # of the history's means; those of D begin with d_
    kept: ClassVar[tuple[str, ...]] = ("generator", "discriminator", "average", "optimizer_g", "optimizer_d")

    def __init__(
        self, generator: nn.Module, discriminator: Any, groups: Groups, spec: GanSpec, seed: int, device: torch.device
    ) -> None:
        self.spec, self.seed, self.device = spec, seed, device
        self.ranks = ranks.of(spec)
        self.batch_size = self.ranks.part(spec.batch_size)  # of this process
        self.generator, self.discriminator = generator, discriminator
        self.average = copy.deepcopy(generator).requires_grad_(False)
        # Listed once: to walk through the modules at each use takes longer than some layers.
        self.weights_g: list[Tensor] = list(generator.parameters())
        self.weights_d: list[Tensor] = list(discriminator.parameters())
        self.weights_average: list[Tensor] = list(self.average.parameters())
        self.rng = torch.Generator(device).manual_seed(seeds.derive(seed, "training"))
        self.optimizer_g = self._optimizer(groups)
        self.optimizer_d = self._optimizer([(self.weights_d, spec.discriminator_lr)])
        self.regularisers = (*spec.objective.built_in(), *spec.regularisers)
        smoothed = [one.real_label for one in self.regularisers if one.real_label is not None]
        self.loss_options = {"real_label": smoothed[0]} if smoothed else {}
        self.logit_decay = next((one.decay for one in self.regularisers if one.decay is not None), None)
        # What a step leaves to the next, besides weights: on the device, so that nothing waits for it.
        self.measures = torch.zeros(len(self.measure_names), device=device)
        self.measured = torch.zeros(2, device=device)  # steps of D, of G
        self.logit_averages = torch.zeros(2, device=device)  # real, fake
        self.probability = torch.zeros((), device=device)  # ADA's
        self.signs = torch.zeros(2, device=device)  # their sum since ADA's last adjustment, and their number

    def _optimizer(self, groups: Groups) -> torch.optim.Optimizer:
        named = [{"params": list(parameters), "lr": rate, "full_lr": rate} for parameters, rate in groups]
        if self.spec.optimizer == "rmsprop":
            return torch.optim.RMSprop(named, alpha=self.spec.beta2, foreach=True)
        return torch.optim.Adam(named, betas=(self.spec.beta1, self.spec.beta2), fused=True)

    def draw(self) -> Batch:
        """What a step learns from."""
        raise NotImplementedError

    def generate(self, batch: Batch) -> Tensor:
        """The batch's fakes, (N, C, H, W)."""
        raise NotImplementedError

    def step_generator(self, batch: Batch, fake: Tensor) -> None:
        """G learns from D's judgement of its fakes; D has just learned from them too."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------ a step

    def step(self, number: int) -> None:
        """Step ``number`` of 1..steps. The last fakes serve both networks; nothing here waits for the device."""
        with self.ranks.drawing():
            self._step(number)

    def _step(self, number: int) -> None:
        self.set_rate(number)
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
        factor = {
            "constant": 1.0,
            "linear": 1 - done,
            "late-linear": min(1.0, 2 * (1 - done)),
            "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        }[self.spec.rate]
        for group in (*self.optimizer_g.param_groups, *self.optimizer_d.param_groups):
            group["lr"] = group["full_lr"] * factor

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
        loss = loss + self.class_loss(of_real, batch.labels) + self.class_loss(of_fake, batch.labels)
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
        self.backward(loss + penalty, self.optimizer_d)
        gradient = gradient_norm(self.weights_d)
        self.optimizer_d.step()
        if objective.clip is not None:
            with torch.no_grad():
                for parameter in self.weights_d:
                    parameter.clamp_(-objective.clip, objective.clip)
        self._follow(real_logits.detach(), fake_logits.detach(), d_loss=loss, d_penalty=penalty, d_gradient=gradient)

    def backward(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """The gradients of ``loss``, over the whole batch, of what ``optimizer`` changes."""
        optimizer.zero_grad()
        loss.backward()
        self.ranks.average_gradients(one for group in optimizer.param_groups for one in group["params"])

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

    def class_loss(self, said: Tensor | None, labels: Tensor) -> Tensor:
        """ACGAN's cross-entropy (Odena 2017, eq. 3); nothing where D does not say the class."""
        if said is None:
            return torch.zeros((), device=self.device)
        losses = F.cross_entropy(said.float(), labels, reduction="sum")
        return losses * float(self.discriminator.class_strength) / len(labels)

    @torch.no_grad()
    def _follow(self, real: Tensor, fake: Tensor, **values: Tensor) -> None:
        """What the history, penalties and ADA need of a step of D: logits (N,) of both kinds, and other measures."""
        real, fake = self.ranks.joined(real), self.ranks.joined(fake)
        boundary = self.spec.objective.boundary
        # Without a zero of its own, a score is compared with the mean score of the other kind.
        above, below = (fake.mean(), real.mean()) if boundary is None else (boundary, boundary)
        self.measure(
            of_generator=False,
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

    def real_logits(self, batch: Batch) -> Tensor:
        """D's logits of the real images, where the generator's loss compares; a zero elsewhere."""
        if not self.spec.objective.pairs:
            return batch.latents.new_zeros(())
        with torch.no_grad():
            logits: Tensor = self.discriminator(self.distort(batch.real), batch.labels)[0]
            return logits.float()

    def fooling_loss(self, batch: Batch, fake: Tensor) -> tuple[Tensor, Tensor]:
        """What G minimises of D's judgement of its fakes: the objective's loss, and the loss of the classes D says."""
        self._learns_d(False)
        with self.autocast():
            fake_logits, said = self.discriminator(self.distort(fake), batch.labels)
            real_logits = self.real_logits(batch)
        self._learns_d(True)
        return self.spec.objective.generator_loss(real_logits, fake_logits.float()), self.class_loss(said, batch.labels)

    def _learns_d(self, learns: bool) -> None:
        for one in self.weights_d:
            one.requires_grad_(learns)

    @torch.no_grad()
    def measure(self, of_generator: bool, **values: Tensor) -> None:
        """Add ``values`` to the measures of these names; one more step of that network was measured."""
        zero = torch.zeros((), device=self.device)
        self.measures += self.ranks.mean(torch.stack([values.get(name, zero) for name in self.measure_names]))
        self.measured[int(of_generator)] += 1

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
        torch._foreach_lerp_(self.weights_average, self.weights_g, weight)

    # ------------------------------------------------------------------------------------------------------ keeping

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, as tensors and plain values; a copy."""
        nets = {name: getattr(self, name).state_dict() for name in self.kept}
        carried = {name: getattr(self, name) for name in _CARRIED}
        return copy.deepcopy({**nets, "random": self.rng.get_state(), **carried})

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``state()`` gave, here or in another process; ``state`` itself is left as it is."""
        for name in self.kept:
            getattr(self, name).load_state_dict(copy.deepcopy(state[name]))
        self.rng.set_state(state["random"].cpu())
        for name in _CARRIED:
            setattr(self, name, state[name].clone().to(self.device))


_CARRIED = ("measures", "measured", "logit_averages", "probability", "signs")


def gradient_norm(parameters: list[Tensor]) -> Tensor:
    """The norm of all gradients of a network's ``parameters``, a scalar."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return cast(Tensor, torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
