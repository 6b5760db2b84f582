"""The two networks of a GAN, from its settings and the shape of the images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from ganaug.gan.described import check_tensors, outline
from ganaug.gan.latents import Codes
from ganaug.gan.nets.codes import CodeBook
from ganaug.gan.nets.discriminator import BodyShape, Discriminator
from ganaug.gan.nets.generator import Generator, GeneratorShape
from ganaug.gan.spec import GanSpec

CODES = "codes."  # the prefix of a generator's tensors that belong to single training images
Shape = tuple[int, int, int]  # (channels, height, width), square


def build_generator(spec: GanSpec, classes: int, image_shape: Shape, images: int = 1) -> Generator:
    """An untrained generator.

    ``spec``, the settings; ``classes``, how many; ``image_shape`` (channels, height, width); ``images``, how many it
    learns from, which is how many codes it has where its latents have any.
    """
    channels, size, _ = image_shape
    build, _ = spec.architecture.networks()
    generator = build(GeneratorShape(spec.z_dim, classes, channels, size, spec.generator_width, spec.conditioning))
    if isinstance(spec.latents, Codes):
        generator.codes = CodeBook(images, classes, spec.z_dim, spec.latents.blend, spec.latents.noise)
    return generator


def restore_generator(spec: GanSpec, classes: int, image_shape: Shape, tensors: Mapping[str, Tensor]) -> Generator:
    """A generator in evaluation mode with the weights of its ``state_dict``, ``tensors``.

    ``spec``, ``classes`` and ``image_shape`` are those it was built with. Raises ValueError if the tensors are of
    another one, before anything of their size is built.
    """
    codes = tensors.get(f"{CODES}rows")
    build = partial(build_generator, spec, classes, image_shape, 1 if codes is None else len(codes))
    check_tensors(tensors, outline(build, len(tensors)))
    generator = build()
    generator.load_state_dict(tensors)
    if generator.codes is not None:
        first, count = generator.codes.first, generator.codes.count
        ends = len(generator.codes.rows) - count.clamp(min=1)
        if spec.z_dim < 3 or bool(((first < 0) | (count < 0) | (first > ends)).any()):
            raise ValueError("codes must be of three numbers at least, and each class's among them")
    return generator.eval()


def build_discriminator(spec: GanSpec, classes: int, image_shape: Shape) -> Discriminator:
    """An untrained discriminator, changed as the regularisers of ``spec`` change it."""
    channels, size, _ = image_shape
    label_inputs = classes if spec.conditioning == "concat" else 0
    _, build = spec.architecture.networks()
    body = build(BodyShape(channels, label_inputs, size, spec.discriminator_width))
    nearness = next((one.nearness for one in spec.regularisers if one.nearness), None)
    discriminator = Discriminator(body, classes, spec.conditioning, nearness)
    for one in spec.regularisers:
        one.change(discriminator)
    return discriminator
