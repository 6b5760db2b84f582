"""The settings of the synthetic images, as ``synth:`` in params.yaml has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from ganaug.settings import Seed, Spec
from ganaug.synth.copies import Copies
from ganaug.synth.filters import Filter

Balance = Literal["none", "equal", "fill"]


@dataclass(frozen=True)
class SynthSpec(Spec):
    """How many synthetic images each class gets, which are used, and the seed of their latents.

    ``balance`` says how, given the images of each class in the train part. ``equal``: ``per_class`` of each. ``none``:
    in the proportions of the train part, ``per_class`` on average. ``fill``: what the class lacks of the largest
    (``per_class`` plays no part).
    """

    per_class: Annotated[int, Ge(1), Le(10**6)] = 500
    """Synthetic images per class; on average, where balance is none."""
    balance: Balance = "equal"
    """How many each class gets. equal: per_class. none: in the proportions of the train part. fill: what the class
    lacks of the largest."""
    seed: Seed = 0
    """Seed of the latents."""
    filters: tuple[Filter, ...] = ()
    """Which images are used: a list of filters, in the order in which they are asked."""
    drop_copies: bool = False
    """Drop near-copies of training images before other filters: the filter copies with its defaults."""

    def __post_init__(self) -> None:
        kinds = [one.kind for one in self.screening()]
        if len(set(kinds)) < len(kinds):
            raise ValueError("filters of different kinds (drop_copies is one of kind copies)")

    def screening(self) -> tuple[Filter, ...]:
        """All filters, in their order."""
        return (Copies(), *self.filters) if self.drop_copies else self.filters

    def counts(self, train: Mapping[str, int]) -> dict[str, int]:
        """{class: synthetic images} from {class: images of the train part}."""
        if self.balance == "fill":
            largest = max(train.values())
            return {name: largest - count for name, count in train.items()}
        if self.balance == "equal":
            return dict.fromkeys(train, self.per_class)
        mean = sum(train.values()) / len(train)
        return {name: max(1, round(self.per_class * count / mean)) for name, count in train.items()}
