"""Classifiers of a split: one that learns as an arm says, and teachers, which label images for others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds, store
from ganaug.classify.arms import Arm, arm
from ganaug.errors import UserError
from ganaug.gan.latents import Normal
from ganaug.stages.split import SplitOf

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ganaug.classify.pools import Pool, Teach


def fit(
    split: SplitOf,
    chosen: Arm,
    real: Pool,
    filling: Pool | None,
    seed: int,
    where: torch.device,
    conditions: NDArray[np.int64] | None = None,
) -> nn.Module:
    """The project's classifier, trained as the arm ``chosen`` says on ``real`` images and those of its filler,
    ``filling``. ``seed`` gives its initial weights and its batches; ``where`` is the device; ``conditions`` (N,) are
    those of the real images; of ``split`` only shape, classes and settings count, and for a way to train its images
    without labels and its GAN. Raises UserError if the arm masks the loss and there are no conditions, or starts from a
    discriminator that is missing or of other settings."""
    from ganaug.classify.arms import batches
    from ganaug.classify.fitting import train_classifier
    from ganaug.classify.way import Lesson

    if chosen.masked and conditions is None:
        raise UserError(
            f"classify.arms: {chosen.name} needs the condition of each image, but the images have none; give each its "
            "condition, or leave the arm out"
        )
    classes, spec = len(split.prepared.classes), split.settings.classifier
    channels, size, _ = shape = split.prepared.image_shape
    draw = batches(chosen, real, filling, classes, spec.batch_size, seed, conditions)
    lesson, way = None, chosen.way
    if way:
        more = split.prepared.images_of(split.unlabelled if way.unlabelled else [])
        networks = partial(_generator, split), partial(discriminator_body, split)
        classical = split.settings.classify.classical
        lesson = Lesson(way, spec, real, more, classical, shape, classes, seed, where, *networks)
        spec = replace(spec, steps=max(1, round(spec.steps * way.times)))
    return train_classifier(draw, spec, channels, classes, size, seed, where, chosen.policy.attach, lesson)


def _generator(split: SplitOf) -> nn.Module:
    """Untrained, of the GAN's settings, but of one class."""
    from ganaug.gan.build import build_generator

    gan = replace(split.settings.gan, conditioning="none", latents=Normal())
    return build_generator(gan, 1, split.prepared.image_shape)


def discriminator_body(split: SplitOf, trained: bool) -> nn.Module:
    """Of the split's discriminator. Raises UserError if it must be ``trained`` and is not, with these settings."""
    from ganaug.gan.build import build_discriminator
    from ganaug.gan.nets.discriminator import Features

    found = build_discriminator(split.settings.gan, len(split.classes), split.prepared.image_shape)
    if not trained:
        return Features(found)
    path, prefix = split.project.generator(split.name).with_name("checkpoint.safetensors"), "discriminator."

    def restore(tensors: dict[str, torch.Tensor], description: dict[str, Any]) -> nn.Module:
        if description.get("key") != split.train_key:
            raise ValueError("it is of other settings of gan or other images than there are now")
        own = {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
        found.load_state_dict(own)
        return Features(found)

    return store.read_from_tensors(
        path, "the checkpoint of the split's GAN", 'run "ganaug train" (or "dvc repro")', restore
    )


def teachers(split: SplitOf, base: str, real: Pool, seed: int, where: torch.device) -> Teach:
    """Teachers by number, each trained when it is first asked for, as the arm ``base`` on the images of ``real``.

    ``seed`` is the root of their seeds, ``where`` the device; of ``split`` only shape, classes and settings count.
    """

    @cache
    def teach(number: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
        from ganaug.classify.fitting import probabilities

        chosen = arm(base, split.settings.classify)
        teacher = fit(split, chosen, real, None, seeds.derive(seed, "teacher", number), where)
        return lambda images: probabilities(teacher, images, where)

    return teach
