"""Looking at a training without changing it: rows of its history, and the averaged generator as it will be used.

All of it waits for the device, unlike a step.
"""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganaug import seeds
from ganaug.gan import health
from ganaug.gan.nets.class_inputs import set_label_strength
from ganaug.gan.nets.generator import Generator
from ganaug.gan.run import Row, read_measures
from ganaug.gan.steps import MEASURES, Training
from ganaug.pixels import to_float, to_pixels

# A row of history.csv: None where there is nothing to measure it with.
HISTORY = ("step", *MEASURES, "d_gap_held_out", "d_gap_fake", "diversity", "augment_probability")
_DIVERSITY_IMAGES = 160  # of all classes together, per row


def history_row(training: Training, step: int, held_out: tuple[Tensor, Tensor] | None, spread: Tensor) -> Row:
    """The row of HISTORY after ``step`` of ``training``, since the last call.

    ``held_out``: real images and labels on the device that D does not learn from; ``spread``, health.real_spread.
    """
    row: Row = {"step": float(step), **read_measures(training)}
    # A logit that depends on how many images are in its batch tells nothing here.
    watches = held_out is not None and training.discriminator.nearness is None
    row["d_gap_held_out"], row["d_gap_fake"] = gaps(training, held_out, step) if watches and held_out else (None, None)
    per_class = max(2, _DIVERSITY_IMAGES // training.classes)
    row["diversity"] = health.diversity(sample(training, per_class, "diversity", step), spread)
    row["augment_probability"] = float(training.probability) if training.spec.ada else None
    return row


@torch.no_grad()
def gaps(training: Training, held_out: tuple[Tensor, Tensor], step: int, most: int = 128) -> tuple[float, float]:
    """How much higher D's mean logit is on train images than on held-out real ones, and than on generated ones.

    Of ``training`` after ``step``; ``held_out``: images and labels; ``most``: images of each kind. Overfitting shows in
    the ratio of the two (Karras 2020, r_v): 0, D knows train images no better than others; 1, others seem fake to it.
    """
    device, classes = training.device, training.classes
    rng = torch.Generator(device).manual_seed(seeds.derive(training.seed, "gaps", step))

    def logit(images: Tensor, labels: Tensor) -> float:
        images = training.spec.augment(images, rng, training.probability if training.spec.ada else None)
        return float(training.discriminator(images, labels)[0].float().mean())

    def real(pixels: Tensor, labels: Tensor) -> float:
        rows = torch.randperm(len(pixels), generator=rng, device=device)[:most]
        return logit(training.spec.vary(to_float(pixels[rows]), rng), labels[rows])

    training.discriminator.eval()
    train, held = real(training.images, training.labels), real(*held_out)
    fakes = sample(training, max(1, most // classes), "gaps", step)
    fake = logit(fakes.flatten(0, 1), torch.arange(classes, device=device).repeat_interleave(fakes.shape[1]))
    training.discriminator.train()
    return train - held, train - fake


@torch.no_grad()
def sample(training: Training, per_class: int, purpose: str, step: int) -> Tensor:
    """Images of ``training``'s weights after ``step``, (classes, ``per_class``, C, H, W); ``purpose`` of their seed."""
    rng = torch.Generator(training.device).manual_seed(seeds.derive(training.seed, purpose, step))
    labels = torch.arange(training.classes, device=training.device).repeat_interleave(per_class)
    latents = torch.randn((len(labels), training.spec.z_dim), generator=rng, device=training.device)
    parts = zip(latents.split(256), labels.split(256), strict=True)
    images = torch.cat([training.generator(*part).float() for part in parts])
    return images.view(training.classes, per_class, *images.shape[1:])


@torch.no_grad()
def settled_average(training: Training, batches: int = 20, size: int = 256) -> Generator:
    """A copy of the averaged weights, in evaluation mode, whose batch normalisation has measured statistics.

    The average never saw a batch, so that they are measured here on ``batches`` of ``size``. Labels count fully.
    """
    generator = copy.deepcopy(training.average)
    set_label_strength(generator, 1.0)
    rng = torch.Generator(training.device).manual_seed(seeds.derive(0, "statistics"))
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    generator.train()
    for _ in range(batches if norms else 0):
        rows = torch.randint(len(training.labels), (size,), generator=rng, device=training.device)
        latents = torch.randn((size, training.spec.z_dim), generator=rng, device=training.device)
        generator(latents, training.labels[rows])
    return generator.eval()


@torch.no_grad()
def snapshot(training: Training) -> NDArray[np.uint8]:
    """One image per class, (classes, H, W, C), of the same latents at every call."""
    labels = torch.arange(training.classes, device=training.device)
    generator = settled_average(training, batches=4)
    parts = zip(training.fixed_latents.split(256), labels.split(256), strict=True)
    return np.concatenate([to_pixels(generator(*part)) for part in parts])
