"""The ways to train: how an arm's classifier learns, beside what its batches hold. The table of all is ``WAYS``.

Each step has the same labelled images as that of any arm; a way adds a loss, begins from other weights or takes more
steps. What that costs is its ``effort``. Networks of the GAN come with the lesson: classifiers know nothing of GANs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from annotated_types import Ge, Gt, Le
from pydantic import Field

from ganaug import device as devices
from ganaug import seeds
from ganaug.classify.filler import Keys
from ganaug.classify.policies import Affine
from ganaug.classify.way import Lesson, Way

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ganaug.classify.pools import Images
    from ganaug.classify.way import More


@dataclass(frozen=True, kw_only=True)
class FixMatch(Way):
    """FixMatch (Sohn 2020): what the classifier is sure of in a hardly changed image must hold in a distorted one."""

    about = "what it is sure of in an image without a label must hold when that is distorted (FixMatch)"
    unlabelled = "needed"
    distorts = True
    rivals = ("pseudo", "longer")
    kind: Literal["fixmatch"] = "fixmatch"
    times: Annotated[float, Ge(0.1), Le(1000)] = 4.0
    """Steps, as a multiple of classifier.steps: its loss is of use only after many."""
    threshold: Annotated[float, Ge(0), Le(1)] = 0.95
    """Probability of the likeliest class from which on an image counts."""
    weight: Annotated[float, Ge(0), Le(1000)] = 1.0
    """Of the loss of images without labels."""
    ratio: Annotated[float, Gt(0), Le(100)] = 2.0
    """Images without labels per step, as a multiple of classifier.batch_size."""
    shift: Annotated[float, Ge(0), Le(1)] = 0.125
    """Largest shift each way of the hardly changed image, as a share of its side; half of them are mirrored where
    classify.classical mirrors."""
    cutout: Annotated[float, Ge(0), Le(1)] = 0.5
    """Largest side of the square that is blanked in the other one, after classify.classical has distorted it, as a
    share of the image's side (Cutout, DeVries 2017)."""

    @property
    def effort(self) -> float:
        return self.times * (1 + 2 * self.ratio)

    def depends_on(self, keys: Keys) -> Any:
        return keys.unlabelled_digest

    def begin(self, model: nn.Module, lesson: Lesson) -> More:
        import torch

        from ganaug.classify.losses import consistency, cut_out, drawn, placed, unnoticed

        images, rng, side = lesson.unlabelled, seeds.torch_rng(lesson.seed, "unlabelled"), lesson.shape[1]
        count = max(1, round(self.ratio * lesson.spec.batch_size))
        flip, nothing = bool(getattr(lesson.classical, "flip", False)), torch.zeros(count, dtype=torch.int64)
        moved = Affine(rotate_degrees=0, shift=self.shift, scale=0, shear_degrees=0, flip=flip)
        weak, strong = (one.build(side, lesson.classes) for one in (moved, lesson.classical))

        def loss(step: int) -> Tensor:
            batch = drawn(images, count, rng)
            with torch.random.fork_rng(devices=[]):
                seeds.seed_cpu(seeds.derive(lesson.seed, "unlabelled", step))
                weakly, strongly = weak(batch, nothing)[0], cut_out(strong(batch, nothing)[0], self.cutout)
            with torch.no_grad():
                said = model(placed(weakly, lesson.device))
            with unnoticed(model):  # what it is tested on looks like the other ones
                return self.weight * consistency(said, model(placed(strongly, lesson.device)), self.threshold)

        return loss


@dataclass(frozen=True, kw_only=True)
class Sgan(Way):
    """A GAN whose discriminator is the classifier (Salimans 2016, section 5): the sum over all classes says whether an
    image is real. Its generator, which matches features (section 3.1), is thrown away."""

    about = "it learns to tell real images, labelled or not, from those of a GAN of its own, too (SGAN)"
    unlabelled = "used"
    rivals = ("pseudo", "fixmatch", "longer")
    kind: Literal["sgan"] = "sgan"
    times: Annotated[float, Ge(0.1), Le(1000)] = 4.0
    """Steps, as a multiple of classifier.steps: its generator must learn, too."""
    weight: Annotated[float, Ge(0), Le(1000)] = 0.3
    """Of the loss of real and fake."""
    generator_lr: Annotated[float, Gt(0), Le(10)] = 3e-4
    """Learning rate of the generator (Adam with decays 0.5 and 0.999), which is built as gan says, without classes."""

    @property
    def effort(self) -> float:
        return self.times * 5

    def depends_on(self, keys: Keys) -> Any:
        return [keys.unlabelled_digest, keys.untrained]

    def begin(self, model: nn.Module, lesson: Lesson) -> More:
        import torch

        from ganaug.classify.features import with_features
        from ganaug.classify.losses import drawn, placed, real_or_fake, unnoticed
        from ganaug.pixels import to_float

        more, rng, count = lesson.unlabelled, seeds.torch_rng(lesson.seed, "unlabelled"), lesson.spec.batch_size
        images: Images = more if len(more) else lesson.real[0]
        generator: Any = devices.place(lesson.generator(), lesson.device).train()
        adam = torch.optim.Adam(generator.parameters(), self.generator_lr, (0.5, 0.999), fused=True)
        nothing = torch.zeros(count, dtype=torch.int64, device=lesson.device)

        def loss(step: int) -> Tensor:
            of_real, real = with_features(model, placed(to_float(drawn(images, count, rng)), lesson.device))
            made = generator(torch.randn(count, generator.z_dim, generator=rng).to(lesson.device), nothing)
            seen = made.detach().requires_grad_()
            with unnoticed(model):  # what it is tested on is real
                of_fake, fake = with_features(model, seen)
            apart = (of_real.detach().mean(dim=0) - of_fake.mean(dim=0)).square().sum()
            adam.zero_grad()
            made.backward(torch.autograd.grad(apart, seen, retain_graph=True)[0])
            adam.step()
            return self.weight * real_or_fake(real, fake)

        return loss


@dataclass(frozen=True, kw_only=True)
class FromUntrained(Way):
    """The GAN's discriminator with a new last layer, untrained: the control of the architecture."""

    about = "it is the GAN's discriminator with a new last layer, untrained: a control"
    lends = True
    kind: Literal["from-untrained"] = "from-untrained"
    body_lr: Annotated[float, Ge(0), Le(100)] = 1.0
    """Learning rate of all layers but the last, as a multiple of classifier.lr; 0: they stay as they are."""

    def network(self, lesson: Lesson) -> nn.Module:
        return _with_head(lesson.body(self.trained), lesson.classes)

    def groups(self, model: nn.Module, lr: float) -> list[dict[str, Any]]:
        body, head = model.children()
        return [{"params": list(body.parameters()), "lr": self.body_lr * lr}, {"params": list(head.parameters())}]

    def depends_on(self, keys: Keys) -> Any:
        return keys.untrained


@dataclass(frozen=True, kw_only=True)
class FromDiscriminator(FromUntrained):
    """The classifier starts from the GAN's discriminator, as that of DADA (Zhang 2018) does, without its fakes."""

    about = "it is the GAN's discriminator with a new last layer, and starts from what that has learned"
    trained = True
    rivals = ("from-untrained", "from-rotation", "longer")
    kind: Literal["from-discriminator"] = "from-discriminator"  # type: ignore[assignment]

    def depends_on(self, keys: Keys) -> Any:
        return keys.train_key


@dataclass(frozen=True, kw_only=True)
class FromRotation(FromUntrained):
    """The same network, which has learned by how many quarters real images, labelled or not, are turned (Gidaris 2018):
    the control of what it learned first."""

    about = "it is the GAN's discriminator with a new last layer, and has first told how images are turned: a control"
    unlabelled = "used"
    rivals = ("from-untrained",)
    kind: Literal["from-rotation"] = "from-rotation"  # type: ignore[assignment]
    rotation_times: Annotated[float, Ge(0.01), Le(1000)] = 3.0
    """Steps in which it learns that, as a multiple of classifier.steps."""

    @property
    def effort(self) -> float:
        return self.times + self.rotation_times

    def depends_on(self, keys: Keys) -> Any:
        return [keys.unlabelled_digest, keys.untrained]

    def network(self, lesson: Lesson) -> nn.Module:
        import numpy as np
        import torch

        from ganaug.classify.fitting import train_classifier
        from ganaug.classify.losses import drawn
        from ganaug.pixels import to_float

        images, rng = np.concatenate([lesson.real[0][:], lesson.unlabelled]), seeds.torch_rng(lesson.seed, "rotation")
        count, (channels, side, _) = -(-lesson.spec.batch_size // 4), lesson.shape

        def draw(step: int) -> tuple[Tensor, Tensor]:
            batch = to_float(drawn(images, count, rng))
            turned = [batch.rot90(quarters, (2, 3)) for quarters in range(4)]
            return torch.cat(turned), torch.arange(4).repeat_interleave(count)

        spec = replace(lesson.spec, steps=max(1, round(lesson.spec.steps * self.rotation_times)))
        first = replace(lesson, way=FromUntrained(), classes=4)
        body, _ = train_classifier(draw, spec, channels, 4, side, lesson.seed, lesson.device, lesson=first).children()
        return _with_head(body, lesson.classes)


@dataclass(frozen=True, kw_only=True)
class Longer(Way):
    """The plain classifier with more steps: the control of what computes more."""

    about = "it learns for more steps: a control"
    kind: Literal["longer"] = "longer"
    times: Annotated[float, Ge(0.1), Le(1000)] = 4.0
    """Steps, as a multiple of classifier.steps."""


WaySpec = Annotated[
    FixMatch | Sgan | FromDiscriminator | FromUntrained | FromRotation | Longer, Field(discriminator="kind")
]

WAYS: dict[str, Any] = {member.kind: member for member in get_args(get_args(WaySpec)[0])}


def _with_head(body: Any, classes: int) -> nn.Module:
    """``body`` and a new linear layer on its ``features``: images -> logits (N, ``classes``)."""
    from torch import nn

    return nn.Sequential(body, nn.Linear(body.features, classes))
