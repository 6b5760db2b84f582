"""Classifiers of a project: one that learns as an arm says, and teachers, which label images for others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from ganaug import seeds
from ganaug.classify.arms import Arm, arm
from ganaug.data.prepared import Prepared
from ganaug.stages.project import Project

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from ganaug.classify.images import Images
    from ganaug.classify.pools import Pool, Teach


def fit(
    project: Project,
    prepared: Prepared,
    chosen: Arm,
    pool: Pool,
    filling: Pool | None,
    seed: int,
    where: torch.device,
) -> nn.Module:
    """The project's classifier, trained as the arm says on real images (``pool``) and its filler's."""
    from ganaug.classify.arms import batches
    from ganaug.classify.fitting import train_classifier

    classes, spec = len(prepared.classes), project.settings.classifier
    channels, size, _ = prepared.image_shape
    draw = batches(chosen, pool, filling, classes, spec.batch_size, seed)
    return train_classifier(draw, spec, channels, classes, size, seed, where)


def teachers(project: Project, prepared: Prepared, base: str, pool: Pool, seed: int, where: torch.device) -> Teach:
    """Teachers by number, each trained when it is first asked for, as the arm ``base`` on real images."""

    @cache
    def teach(number: int) -> Callable[[Images], NDArray[np.float32]]:
        from ganaug.classify.fitting import probabilities

        chosen = arm(base, project.settings.classify)
        teacher = fit(project, prepared, chosen, pool, None, seeds.derive(seed, "teacher", number), where)
        return lambda images: probabilities(teacher, images, where)

    return teach
