"""What a run takes at least, reckoned before it begins: a setting too large is refused with the figure. The whole run's
needs (needs.py) are reckoned from the same figures.

Each figure is a lower bound, so that nothing that would run is refused. Networks are built and run on torch's device
``meta``, which knows shapes and holds no values: what they keep for the backward pass is counted there, whatever the
architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ganaug import device, space
from ganaug.classify.arms import filler_of
from ganaug.classify.pools import at_once
from ganaug.classify.spec import ClassifierSpec
from ganaug.config import Settings
from ganaug.data.splits import Protocol
from ganaug.gan.spec import GanSpec
from ganaug.stages.split import SplitOf
from ganaug.stages.tasks import Task, processes

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_FLOAT = 4  # bytes
_NUMBER = 40  # bytes of a row's number in a list of Python's
_ROW = 200  # bytes of an image's row in the manifest, as Python holds it
COPIES = 2  # of finished work: it is kept, and copied to where it is used


class Networks(NamedTuple):
    """Bytes of networks: of their weights and what goes with them, of what a step keeps of a batch, and as files."""

    held: int
    batch: int
    files: int

    @property
    def at_work(self) -> int:
        """In memory, while they are trained."""
        return self.held + self.batch


def check_gan(split: SplitOf, where: torch.device, tasks: int) -> None:
    """Raises UserError if the networks of a split's GAN, or a batch in them, do not fit the memory of ``where``, with
    ``tasks`` of the kind to do."""
    from ganaug.gan import ranks

    spec, shape = split.settings.gan, split.prepared.image_shape
    spec = replace(spec, batch_size=ranks.of(spec).part(spec.batch_size))
    conditions = len(split.conditions) if split.translates else 1
    goals = tuple(split.goals) if split.translates else ()
    found = of_gan(spec, where, len(split.classes), shape, len(split.learned), goals, conditions)
    key = "gan.batch_size" if found.batch > found.held else "gan.generator_width"
    _check(split, where, found.at_work, f"{key}: the networks and a batch of {spec.batch_size:,}", key, tasks)


def check_classifier(split: SplitOf, where: torch.device) -> None:
    """The same of the classifier. Of a network that the user wrote only running it says what it takes."""
    spec = split.settings.classifier
    found = of_classifier(spec, len(split.prepared.classes), split.prepared.image_shape, len(split.rows.test))
    key = "classifier.batch_size" if found.batch > found.held else "classifier.width"
    tasks = len(split.settings.classify.arms)
    _check(split, where, found.at_work, f"{key}: the network and a batch of {spec.batch_size:,}", key, tasks)


def check_images(splits: Sequence[SplitOf], tasks: Sequence[Task]) -> None:
    """Raises UserError if the synthetic images that are still to be made fit neither memory nor disk.

    ``tasks``: those that make them, one for each of ``splits``.
    """
    counts = [sum(split.synthetic_counts.values()) for split in splits]
    channels, size, _ = splits[0].prepared.image_shape
    pixels, project = channels * size**2, splits[0].project
    todo = [count for count, task in zip(counts, tasks, strict=True) if not task.folder(project.work).is_dir()]
    what, fix = f"synth.per_class: {max(counts):,} images of a split", "lower it"
    held = _ROW + (pixels if are_pooled(project.settings) else pixels // len(splits[0].classes))
    space.check_memory(max(todo, default=0) * held, space.memory(), what, fix)
    what = f"synth.per_class: {sum(todo):,} images of {len(todo)} split{'s' * (len(todo) > 1)}"
    space.check_disk(project.synth, COPIES * sum(todo) * pixels, what, fix)


def check_rows(protocol: Protocol, images: int) -> None:
    """Raises UserError if the row numbers of all splits of so many ``images`` do not fit the memory."""
    if protocol.uses_all:
        splits = len(protocol.names())
        what = f"protocol: {splits:,} splits, each of {images:,} images,"
        space.check_memory(splits * images * _NUMBER, space.memory(), what, "lower the number of trials")


def are_pooled(settings: Settings) -> bool:
    """Whether an arm holds as many images in memory as there are synthetic ones: one that makes them itself."""
    fillers = [filler_of(name) for name in settings.classify.arms]
    return any(one is not None and one.per_class and not one.is_gan for one in fillers)


def of_gan(
    spec: GanSpec,
    where: torch.device,
    classes: int,
    shape: tuple[int, int, int],
    images: int,
    targets: tuple[int, ...] = (),
    conditions: int = 1,
) -> Networks:
    """The networks of a GAN with the settings ``spec``, of so many ``classes``, that learns from so many ``images`` of
    this ``shape`` on the device ``where``; a translator's know so many ``conditions``, and move images to the
    ``targets``."""
    found = (
        _of_translator(spec, shape, targets, conditions, classes)
        if spec.translate
        else _of_gan(spec, classes, shape, images)
    )
    in_halves = spec.precision == "auto" and device.computes_bfloat16(where)
    return found._replace(batch=found.batch // 2) if in_halves else found


def of_classifier(spec: ClassifierSpec, classes: int, shape: tuple[int, int, int], tested: int) -> Networks:
    """The same of the classifier ``spec`` of so many ``classes`` and images of this ``shape``, of which so many are
    ``tested``; of one that the user wrote nothing is known."""
    if spec.is_own:
        return Networks(0, 0, 0)
    return _of_classifier(spec, classes, shape, min(max(1, tested), at_once(shape[1])))


def _check(split: SplitOf, where: torch.device, needed: int, what: str, key: str, tasks: int) -> None:
    """``needed`` in each of the processes side by side on ``where``, as many as there are ``tasks`` at most."""
    import torch

    on_gpu, settings = where.type == "cuda", split.settings
    there = torch.cuda.mem_get_info(where)[1] if on_gpu else space.memory()
    here = settings.jobs or 1 if where.type != "cpu" else processes(settings)
    jobs = 1 if settings.cluster else here  # which of a cluster's workers share a machine is not known
    side_by_side = min(jobs, -(-tasks // device.count(settings.device)))  # on one device
    if side_by_side > 1:
        what, key = f"{what}, in {side_by_side} processes side by side,", f"{key}, or jobs"
    space.check_memory(needed * side_by_side, there, what, f"lower {key}")


@cache
def _of_gan(spec: GanSpec, classes: int, shape: tuple[int, int, int], images: int) -> Networks:
    """In float32."""
    import torch

    from ganaug.gan.build import build_discriminator, build_generator

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        generator = build_generator(spec, classes, shape, images).train()
        discriminator = build_discriminator(spec, classes, shape).train()
        real, labels = torch.zeros(spec.batch_size, *shape), torch.zeros(spec.batch_size, dtype=torch.int64)

        def step() -> list[Tensor]:
            fake = generator(torch.zeros(spec.batch_size, spec.z_dim), labels)
            return [fake, *(discriminator(one, labels)[0] for one in (real, fake.detach()))]

        kept = _kept(step, generator, discriminator)
    return _networks(spec, kept, generator, discriminator)


@cache
def _of_translator(
    spec: GanSpec, shape: tuple[int, int, int], targets: tuple[int, ...], conditions: int, classes: int
) -> Networks:
    """The same of a translator to the ``targets``, of so many ``conditions`` and ``classes``; of its way back the
    weights alone."""
    import torch

    from ganaug.translate.steps import build_helpers, build_judges, build_translator

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        translator = build_translator(spec, shape, targets, conditions).train()
        judges = build_judges(spec, shape, conditions, classes).train()
        helpers = build_helpers(spec, shape, range(conditions))
        size = spec.batch_size // 2 * 2  # two of each source, where they are to differ
        real, goals = torch.zeros(size, *shape), torch.full((size,), targets[0])

        def step() -> list[Tensor]:
            fake = translator(real, torch.zeros(size, translator.noise_size), goals)
            return [fake, *(judges(one, goals)[0] for one in (real, fake.detach()))]

        kept = _kept(step, translator, judges)
    return _networks(spec, kept, translator, judges, helpers)


def _networks(spec: GanSpec, kept: int, generator: nn.Module, *others: nn.Module) -> Networks:
    """With weights, gradients and moments, and of the generator an average; a file has that, another all networks."""
    moments = 2 if spec.optimizer == "adam" else 1
    made, rest = _FLOAT * _weights(generator), _FLOAT * sum(map(_weights, others))
    return Networks((3 + moments) * made + (2 + moments) * rest, kept, 3 * made + rest)


@cache
def _of_classifier(spec: ClassifierSpec, classes: int, shape: tuple[int, int, int], tested: int) -> Networks:
    """Of the classifier, which is also run on ``tested`` images at a time."""
    import torch

    from ganaug.classify import networks

    channels, size, _ = shape
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        if spec.weights is None:
            model = spec.build(channels, classes, size)
        else:  # without reading its weights
            model, channels, size = networks.resnet18(3, classes, max(size, 64)), 3, max(size, 64)
        kept = _kept(lambda: model(torch.zeros(spec.batch_size, channels, size, size)), model)
        largest = _largest(model, torch.zeros(tested, channels, size, size))
    weights = _FLOAT * _weights(model)
    return Networks(4 * weights, max(kept, largest), weights)


def _weights(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def _kept(forward: Callable[[], object], *nets: nn.Module) -> int:
    """Bytes that ``forward`` keeps for the backward pass, besides what the ``nets`` themselves hold."""
    import torch

    own = {one.untyped_storage()._cdata for net in nets for one in (*net.parameters(), *net.buffers())}
    found: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        found[tensor.untyped_storage()._cdata] = tensor  # held, so that no other storage gets its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = forward()
    del result
    return sum(tensor.untyped_storage().nbytes() for storage, tensor in found.items() if storage not in own)


def _largest(net: nn.Module, images: Tensor) -> int:
    """Bytes of the largest map inside a network."""
    import torch

    sizes = [0]
    for module in net.modules():
        module.register_forward_hook(
            lambda _module, _inputs, output: sizes.append(output.numel() * output.element_size())
        )
    with torch.no_grad():
        net(images)
    return max(sizes)
