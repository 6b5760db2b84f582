"""The training of a translator and its steps. loop.py decides when to log, save and stop."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug import device as devices
from ganaug import seeds
from ganaug.errors import UserError
from ganaug.gan import combinations
from ganaug.gan.adversarial import Adversarial, Batch, gradient_norm
from ganaug.gan.spec import GanSpec
from ganaug.gan.translation import TranslateSpec
from ganaug.pixels import to_float
from ganaug.translate import draws, losses
from ganaug.translate.networks import BothWays, Helpers, PatchDiscriminator, Projections, Shape, Translator
from ganaug.translate.pairs import degrade

# Means over the steps since the last row of the history, before their weights.
MEASURES = (
    "d_loss",
    "g_loss",
    "d_penalty",
    "d_accuracy_real",  # of patches; the ideal is one half: D cannot tell
    "d_accuracy_fake",
    "d_logit_real",
    "d_logit_fake",
    "d_gradient",
    "g_gradient",
    "cycle",
    "identity",
    "recognition",
    "monotony",  # the term of the weight ``diversity``
    "contrast",
    "reconstruction",
)
_PATCHES = 64  # of an image that are contrasted; CUT has 256 of larger ones
_COMPARED = 64  # images under a condition, at most, whose differences are taken


@dataclass
class Moved(Batch):
    """``real`` and ``labels`` are what D is shown: images under the targets, and as what; ``latents``: noise."""

    sources: Tensor  # (N, C, H, W) in [-1, 1]
    classes: Tensor  # (N,), of the sources
    homes: Tensor  # (N,), the sources' conditions
    reals: Tensor  # (N, C, H, W), the images under the targets
    targets: Tensor  # (N,)


class Training(Adversarial):
    """The training of a translator.

    ``images`` (N, H, W, C) uint8, their ``labels`` (N,) and ``conditions`` (N,), of which ``count`` are known, are all
    that it ever learns from; ``targets``: the conditions to move images to; ``spec``: the settings; ``seed`` of all
    random draws; ``device`` where everything lies; ``recognise``: a classifier (N, C, H, W) -> (N, classes).
    """

    generator: Translator
    average: Translator
    measure_names = MEASURES
    kept = (*Adversarial.kept, "helpers")

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        conditions: NDArray[np.int64],
        count: int,
        targets: Sequence[int],
        spec: GanSpec,
        seed: int,
        device: torch.device,
        recognise: nn.Module | None = None,
    ) -> None:
        combinations.check(spec)
        assert spec.translate is not None
        self.terms = spec.translate
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        self.images = pixels.to(device, memory_format=torch.channels_last)
        self.labels = torch.from_numpy(labels.astype(np.int64)).to(device)
        self.conditions = torch.from_numpy(conditions.astype(np.int64)).to(device)
        self.classes = int(labels.max()) + 1
        shape = (images.shape[3], images.shape[1], images.shape[2])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(seed, "weights"))
            generator = build_translator(spec, shape, targets, count)
            discriminator = build_judges(spec, shape, count, self.classes)
            helpers = build_helpers(spec, shape, np.unique(conditions).tolist())
        for net in (generator, discriminator, helpers):
            devices.place(net, device).train()
        self.helpers = helpers
        learning = [*generator.parameters(), *helpers.parameters()]
        super().__init__(generator, discriminator, [(learning, spec.generator_lr)], spec, seed, device)
        self.recognise = devices.place(copy.deepcopy(recognise), device).eval() if recognise is not None else None
        if self.recognise is not None:
            self.recognise.requires_grad_(False)
        self.active = _active(self.terms, self.recognise is not None)  # the weights of the terms that play a part
        goals = [goal for goal in generator.goals if (conditions == goal).any()]
        self.goals = torch.tensor(goals, device=device)
        reals = [np.flatnonzero(conditions == goal) for goal in goals]
        self.movable = reals if self.terms.pairs else [np.flatnonzero(conditions != goal) for goal in goals]  # per goal
        kinds = draws.kinds(labels, conditions, goals, self.terms.judges_classes)
        self.kind_targets = torch.tensor([kind.target for kind in kinds], device=device)
        self.kind_labels = torch.tensor([kind.label or 0 for kind in kinds], device=device)
        self.reals = draws.Rows([kind.reals for kind in kinds], device)
        self.sources = draws.Rows([kind.sources for kind in kinds], device) if not self.terms.pairs else self.reals
        self.usual = torch.zeros(count, device=device)  # the difference of two images under each condition
        for goal, rows in zip(goals, reals, strict=True):
            self.usual[goal] = _usual_difference(to_float(self.images[rows]))

    @property
    def in_twos(self) -> bool:
        """Whether each source is in a batch twice, with other noise."""
        return "monotony" in self.active

    @property
    def returns(self) -> bool:
        """Whether there is a way back."""
        return self.terms.back != "none" and self.terms.pairs is None

    @property
    def both_ways(self) -> bool:
        """Whether the targets' images are moved to the sources' conditions too, and judged there."""
        return self.terms.back == "two-way" and self.terms.pairs is None

    def plays(self, measure: str) -> bool:
        """Whether there is such a measure, of MEASURES, under these settings."""
        if measure.startswith("d_") or measure == "g_loss":
            return self.terms.adversarial > 0
        return measure == "g_gradient" or measure in self.active

    # ------------------------------------------------------------------------------------------------------ a step

    def draw(self) -> Moved:
        """Targets, an image under each, a source that is under another condition, and noise."""
        times = 2 if self.in_twos else 1
        size = self.ranks.part(max(1, self.spec.batch_size // times), f"gan.batch_size / {times}")
        kind = torch.randint(len(self.kind_targets), (size,), generator=self.rng, device=self.device)
        rows = self.sources.draw(kind, self.rng)
        kind = kind.repeat(times)
        real = self.vary(self.reals.draw(kind, self.rng))
        if self.terms.pairs:
            sources = degrade(real, self.terms.pairs, self.rng)
        else:
            sources = self.vary(rows).repeat(times, 1, 1, 1)
        rows, targets, shared = rows.repeat(times), self.kind_targets[kind], self.kind_labels[kind]
        noise, judged = self.noise(len(targets)), self.judged(targets, shared)
        moved = Moved(real, judged, noise, sources, self.labels[rows], self.conditions[rows], real, targets)
        if self.both_ways:
            moved.real, moved.labels = torch.cat([real, sources]), torch.cat([judged, self.judged(moved.homes, shared)])
        return moved

    def vary(self, rows: Tensor) -> Tensor:
        """The images of ``rows`` (N,), each varied anew as the settings say; (N, C, H, W) in [-1, 1]."""
        return self.spec.vary(to_float(self.images[rows]), self.rng, mirrored=True)

    def judged(self, conditions: Tensor, labels: Tensor) -> Tensor:
        """The outputs of D, (N,), that judge images of ``labels`` under ``conditions``, (N,) each."""
        return conditions * self.classes + labels if self.terms.judges_classes else conditions

    def noise(self, size: int) -> Tensor:
        """(size, numbers per image), standard normal."""
        return torch.randn((size, self.generator.noise_size), generator=self.rng, device=self.device)

    def generate(self, batch: Batch) -> Tensor:
        """The translations of the sources; both ways: and those of the targets' images."""
        assert isinstance(batch, Moved)
        fake = self._move(batch.sources, batch)
        return torch.cat([fake, self.send_back(batch.reals, batch.homes)]) if self.both_ways else fake

    def send_back(self, images: Tensor, homes: Tensor) -> Tensor:
        """``images`` on the way back to the conditions ``homes``; without noise, since a source is one image."""
        net = self.helpers.back or self.generator
        with self.autocast():
            sent: Tensor = net(images, images.new_zeros((len(images), net.noise_size)), homes)
            return sent.float()

    def distort(self, images: Tensor) -> Tensor:
        """Images as D sees them; a border of black would be an object under a condition whose ground is light."""
        return self.spec.augment(images, self.rng, self.probability if self.spec.ada else None, mirrored=True)

    def step_discriminator(self, number: int, batch: Batch, fake: Tensor) -> None:
        """D learns from real images and translations, if it plays a part."""
        if self.terms.adversarial:
            super().step_discriminator(number, batch, fake)

    def step_generator(self, batch: Batch, fake: Tensor) -> None:
        """G, the way back and the projections learn from D's judgement and from the other terms."""
        assert isinstance(batch, Moved)
        found = self.losses(batch, fake)
        parts = [self.active[name] * term for name, term in found.items()]
        if self.terms.adversarial:
            found["g_loss"], _ = self.fooling_loss(batch, fake)
            parts.append(self.terms.adversarial * found["g_loss"])
        self.backward(torch.stack(parts).sum(), self.optimizer_g)
        found["g_gradient"] = gradient_norm(self.weights_g)
        self.optimizer_g.step()
        self.measure(of_generator=True, **found)

    def losses(self, batch: Moved, fake: Tensor) -> dict[str, Tensor]:
        """The ``active`` terms before their weights."""
        found = dict[str, Tensor]()
        there, home = fake.split(len(batch.targets))[0], batch.sources
        if "reconstruction" in self.active:
            found["reconstruction"] = losses.sameness(there, batch.reals)
        if {"cycle", "recognition"} & set(self.active):
            back = self.send_back(there, batch.homes)
            if "cycle" in self.active:
                found["cycle"] = losses.sameness(back, home)
            if "recognition" in self.active:
                found["recognition"] = self._recognition(back, batch.classes)
        if "identity" in self.active and self.returns:
            once = len(home) // (2 if self.in_twos else 1)
            found["identity"] = losses.sameness(self.send_back(home[:once], batch.homes[:once]), home[:once])
        elif "identity" in self.active:  # CUT's: a target's image keeps its patches too
            same = self._move(batch.reals, batch)
            found["identity"] = self._contrast(same, batch.reals, batch.targets)
        if self.both_ways:
            for name, images in (("cycle", fake[len(there) :]), ("identity", batch.reals)):
                if name in found:
                    found[name] = found[name] + losses.sameness(self._move(images, batch), batch.reals)
        if "monotony" in self.active:
            differences = self.ranks.joined(losses.difference(*there.chunk(2)))
            targets = self.ranks.joined(batch.targets.chunk(2)[0])
            found["monotony"] = losses.monotony(differences, targets, self.usual)
        if "contrast" in self.active:
            found["contrast"] = self._contrast(there, home, batch.targets)
        return found

    def _move(self, images: Tensor, batch: Moved) -> Tensor:
        """``images`` to the batch's targets."""
        with self.autocast():
            moved: Tensor = self.generator(images, batch.latents, batch.targets)
            return moved.float()

    def _recognition(self, images: Tensor, classes: Tensor) -> Tensor:
        assert self.recognise is not None
        with self.autocast():
            said = self.recognise(images)
        return F.cross_entropy(said.float(), classes)

    def _contrast(self, moved: Tensor, sources: Tensor, targets: Tensor) -> Tensor:
        """patch_contrast between what the translator's first layers make of both, at places drawn at random."""
        projections = self.helpers.projections
        assert projections is not None
        silence = torch.zeros((len(moved), self.generator.noise_size), device=self.device)
        with self.autocast():
            layers = [self.generator.features(images, silence, targets) for images in (moved, sources)]
            area = layers[0][0][0, 0].numel()
            places = torch.randperm(area, generator=self.rng, device=self.device)[:_PATCHES]
            queries, keys = (projections([one.flatten(2)[:, :, places].transpose(1, 2) for one in of]) for of in layers)
        return losses.patch_contrast(queries, keys)


def build_translator(spec: GanSpec, shape: Shape, targets: Sequence[int], count: int) -> Translator:
    """An untrained translator, by ``spec``, of images of ``shape`` to the ``targets`` of ``count`` conditions; one that
    is its own way back goes to all of them."""
    assert spec.translate is not None
    terms = spec.translate
    own = terms.back == "same" and terms.pairs is None
    goals = range(count) if own else sorted(targets)
    return Translator(shape, spec.generator_width, terms.blocks, terms.noise, goals)


def build_judges(spec: GanSpec, shape: Shape, count: int, classes: int) -> nn.Module:
    """An untrained discriminator, by ``spec``, of patches of images of ``shape``, or one for each way, with an output
    for each of ``count`` conditions, or of ``classes`` under each. Regularisers change all of its layers but the last,
    whose scale is that of the logits. Raises UserError if it halves images too often."""
    assert spec.translate is not None
    terms = spec.translate
    if not shape[1] >> (terms.strides + terms.scales - 1):  # what is left of a side that is halved so often
        raise UserError(
            f"gan.translate.strides: must leave a pixel of images of {shape[1]}, got {terms.strides}, and "
            f"{terms.scales} scales; lower one of them"
        )
    outputs = count * classes if terms.judges_classes else count
    ways = 2 if terms.back == "two-way" and terms.pairs is None else 1
    judges = [
        PatchDiscriminator(shape[0], outputs, spec.discriminator_width, terms.scales, terms.strides)
        for _ in range(ways)
    ]
    for judge in judges:
        for one in spec.regularisers:
            one.change(judge.bodies)
    return judges[0] if ways == 1 else BothWays(*judges)


def build_helpers(spec: GanSpec, shape: Shape, homes: Sequence[int]) -> Helpers:
    """What a translator of images of ``shape`` trains with, besides D: its way back to the conditions ``homes``, half
    as wide and deep where it is light, and the projections of patches."""
    assert spec.translate is not None
    terms, width = spec.translate, spec.generator_width
    back = projections = None
    if terms.pairs is None and terms.back in ("light", "two-way"):
        light = 2 if terms.back == "light" else 1
        back = Translator(shape, max(1, width // light), -(-terms.blocks // light), 0, homes)
    if terms.pairs is None and terms.contrast:
        projections = Projections(1 + terms.blocks, width)
    return Helpers(back, projections)


def _active(terms: TranslateSpec, recognises: bool) -> dict[str, float]:
    """The terms of MEASURES that play a part beside D's, and their weights."""
    weights = {"identity": terms.identity, "contrast": terms.contrast, "monotony": terms.diversity * (terms.noise > 0)}
    if terms.back != "none":
        weights |= {"cycle": terms.cycle, "recognition": terms.recognition * recognises}
    if terms.pairs:
        weights = {"reconstruction": terms.reconstruction}
    return {name: weight for name, weight in weights.items() if weight}


def _usual_difference(images: Tensor) -> Tensor:
    """The mean absolute difference of two of these images, from some of them; 0 of fewer than two."""
    some = images[:: max(1, len(images) // _COMPARED)][:_COMPARED]
    shifts = range(1, min(len(some), 9))
    pairs = [losses.difference(some, some.roll(shift, dims=0)).mean() for shift in shifts]
    return torch.stack(pairs).mean() if pairs else torch.zeros((), device=images.device)
