"""What ``gan.held_out`` keeps from a split's GAN, to judge by: a checkpoint, or how much its images are used."""

from __future__ import annotations

from ganaug import seeds
from ganaug.data.held_out import inner_fold
from ganaug.data.prepared import Prepared
from ganaug.stages.project import Project


def kept_and_held(project: Project, prepared: Prepared, name: str) -> tuple[list[int], list[int]]:
    """Rows of a split's train part: those that its GAN learns from, and those that are kept from it."""
    return inner_fold(prepared, prepared.split(name).train, project.settings.gan.held_out, gan_seed(project, name))


def gan_seed(project: Project, name: str) -> int:
    return seeds.derive(project.settings.protocol.seed, "gan", name)
