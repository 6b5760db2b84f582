"""Classifiers of a split: one that learns as an arm says, and teachers, which label images for others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.arms import Arm, arm
from ganaug.errors import UserError
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
    those of the real images; of ``split`` only shape, classes and settings count. Raises UserError if the arm masks the
    loss and there are no conditions."""
    from ganaug.classify.arms import batches
    from ganaug.classify.fitting import train_classifier

    if chosen.masked and conditions is None:
        raise UserError(
            f"classify.arms: {chosen.name} needs the condition of each image, but the images have none; give each its "
            "condition, or leave the arm out"
        )
    classes, spec = len(split.prepared.classes), split.settings.classifier
    channels, size, _ = split.prepared.image_shape
    draw = batches(chosen, real, filling, classes, spec.batch_size, seed, conditions)
    return train_classifier(draw, spec, channels, classes, size, seed, where, chosen.policy.attach)


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
