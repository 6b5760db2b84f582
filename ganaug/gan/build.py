"""The two networks of a GAN, from its settings and the shape of the images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganaug.gan.latents import Codes
from ganaug.gan.nets.codes import CodeBook
from ganaug.gan.nets.parts import Discriminator, Generator, normalise_spectrally
from ganaug.gan.regularisers import MinibatchDiscrimination, SpectralNorm
from ganaug.gan.spec import GanSpec

CODES = "codes."  # the names of a generator's tensors that are of single training images
Shape = tuple[int, int, int]  # (channels, height, width), square


def build_generator(spec: GanSpec, classes: int, image_shape: Shape, images: int = 1) -> Generator:
    """``images``: how many it learns from, which is how many codes it has where its latents have any."""
    channels, size, _ = image_shape
    generator = spec.architecture.generator(
        spec.z_dim, classes, channels, size, spec.generator_width, spec.conditioning
    )
    if isinstance(spec.latents, Codes):
        generator.codes = CodeBook(images, classes, spec.z_dim, spec.latents.blend, spec.latents.noise)
    return generator


def restore_generator(spec: GanSpec, classes: int, image_shape: Shape, tensors: Mapping[str, Any]) -> Generator:
    """A generator with the weights of its ``state_dict``, in evaluation mode."""
    codes = tensors.get(f"{CODES}rows")
    generator = build_generator(spec, classes, image_shape, 1 if codes is None else len(codes))
    generator.load_state_dict(tensors)
    return generator.eval()


def build_discriminator(spec: GanSpec, classes: int, image_shape: Shape) -> Discriminator:
    channels, size, _ = image_shape
    label_inputs = classes if spec.conditioning == "concat" else 0
    body = spec.architecture.body(channels, label_inputs, size, spec.discriminator_width)
    nearness = next(
        ((one.kernels, one.dims) for one in spec.regularisers if isinstance(one, MinibatchDiscrimination)), None
    )
    discriminator = Discriminator(body, classes, spec.conditioning, nearness)
    if any(isinstance(one, SpectralNorm) for one in spec.regularisers):
        normalise_spectrally(discriminator)
    return discriminator
