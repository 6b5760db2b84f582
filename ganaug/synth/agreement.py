"""The filter ``agreement``: images that classifiers agree are of their class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray

from ganaug import seeds
from ganaug.classify.arms import ALL_REAL, Arm, batches
from ganaug.classify.policies import PolicySpec, TrivialAugment
from ganaug.errors import UserError, quoted
from ganaug.gan.described import check_tensors, outline, typed
from ganaug.synth.filter import FilterSpec, Judge, Known

if TYPE_CHECKING:
    from ganaug.classify.networks import SmallCNN


@dataclass(frozen=True)
class _Members:
    """What a jury is built from."""

    classes: int
    image_shape: list[int]
    width: Annotated[int, Ge(1)]
    depth: Annotated[int, Ge(1)]
    members: Annotated[int, Ge(1)]


class Jury(Judge):
    """The mean probability that classifiers give to the image's own class, 0 to 1."""

    def check(self, classes: int, image_shape: tuple[int, int, int]) -> None:
        from ganaug.classify.networks import SmallCNN

        about: _Members = typed(_Members, self.about)
        if (about.classes, about.image_shape) != (classes, list(image_shape)):
            raise ValueError("a jury must judge the generator's own images and classes")
        channels, size, _ = image_shape
        build = partial(SmallCNN, channels, classes, size, about.width, about.depth)
        member = outline(build, len(self.tensors))
        if about.members * len(member) != len(self.tensors):
            raise ValueError(f"a jury must have the {quoted(about.members)} members that it says")
        names = ((number, name) for number in range(about.members) for name in member)
        check_tensors(self.tensors, {f"members.{number}.{name}": member[name] for number, name in names})

    def scores(self, images: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
        import torch

        from ganaug.pixels import to_float

        pixels = to_float(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
        with torch.no_grad():
            of_all = torch.stack([member(pixels).softmax(dim=1) for member in self._members()]).mean(dim=0)
        return of_all[:, label].float().numpy()

    def _members(self) -> Iterator[SmallCNN]:
        from ganaug.classify.networks import SmallCNN

        about, (channels, size, _) = self.about, self.about["image_shape"]
        for number in range(about["members"]):
            prefix = f"members.{number}."
            member = SmallCNN(channels, about["classes"], size, about["width"], about["depth"]).eval()
            member.load_state_dict(
                {name.removeprefix(prefix): one for name, one in self.tensors.items() if name.startswith(prefix)}
            )
            yield member


@dataclass(frozen=True, kw_only=True)
class Agreement(FilterSpec):
    """Keeps the images that classifiers, each trained on a part of the real images, are surest to be of their class.

    Cross-fitted: ``repeats`` times the train part is dealt into ``folds``, and a classifier learns from each fold alone
    under ``policy``. The score is the mean probability of the image's own class; a share ``keep`` of each class passes.
    """

    kind: Literal["agreement"] = "agreement"
    keep: Annotated[float, Gt(0), Lt(1)] = 0.5
    """Share of each class that passes."""
    folds: Annotated[int, Ge(2), Le(20)] = 2
    """Parts that the train part is dealt into; a classifier learns from each alone."""
    repeats: Annotated[int, Ge(1), Le(20)] = 2
    """How often it is dealt again."""
    policy: PolicySpec = field(default_factory=TrivialAugment)
    """The classical augmentation of these classifiers."""
    per_class: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    judge: ClassVar[type[Judge]] = Jury

    def fit(self, known: Known) -> Jury:
        parts = [rows for repeat in range(self.repeats) for rows in _folds(known, self.folds, repeat)]
        _, size, _, channels = known.images.shape
        about = {
            "classes": known.classes,
            "image_shape": [channels, size, size],
            "width": known.classifier.width,
            "depth": known.classifier.depth,
            "members": len(parts),
        }
        members = [self._learned(known, about, rows, number) for number, rows in enumerate(parts)]
        tensors = {
            f"members.{number}.{name}": tensor
            for number, member in enumerate(members)
            for name, tensor in member.state_dict().items()
        }
        return Jury(about, tensors)

    def least(self, scores: NDArray[np.float32]) -> float:
        return float(np.quantile(scores, 1 - self.keep))

    def _learned(self, known: Known, about: dict[str, Any], rows: NDArray[np.int64], number: int) -> SmallCNN:
        """A classifier that learned from these rows of the train part alone."""
        import torch

        from ganaug.classify.fitting import train_classifier

        spec, seed = known.classifier, seeds.derive(known.seed, "filter", number)
        arm = Arm("classical", None, self.policy, ALL_REAL, "classical")
        real = known.images[rows], known.labels[rows]
        draw = batches(arm, real, None, known.classes, spec.batch_size, seed)
        channels, size, _ = about["image_shape"]
        trained = train_classifier(draw, spec, channels, known.classes, size, seed, known.device, self.policy.attach)
        return cast("SmallCNN", trained.cpu().to(memory_format=torch.contiguous_format))


def _folds(known: Known, folds: int, repeat: int) -> Iterator[NDArray[np.int64]]:
    """The rows of each fold, as even over the classes as can be."""
    rng = seeds.numpy_rng(known.seed, "filter", "folds", repeat)
    fold = np.empty(len(known.labels), np.int64)
    for label in range(known.classes):
        rows = np.flatnonzero(known.labels == label)
        if len(rows) < folds:
            raise UserError(
                f"synth.filters: agreement deals {folds} folds, so every class must have {folds} images, got "
                f"{len(rows)} of class {label}; lower its folds, or leave it out"
            )
        fold[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return (np.flatnonzero(fold == one) for one in range(folds))
