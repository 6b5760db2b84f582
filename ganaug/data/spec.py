"""The settings of the labelled images: ``data:`` in params.yaml."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le

from ganaug.data.digits import Digits
from ganaug.data.pictures import Aspect, Look, Shape, depth_of, nearest_size, parse_background
from ganaug.data.rendered import Rendered
from ganaug.data.sources import SourceSpec
from ganaug.errors import UserError
from ganaug.settings import Later, Spec


@dataclass(frozen=True)
class DataSpec(Spec):
    """Where the images come from, and the shape that they are converted to."""

    source: SourceSpec = field(default_factory=Digits)
    """Where the labelled images come from."""
    image_size: Annotated[int, Ge(8), Le(128)] | None = None
    """Pixels per side that images are brought to. Left out: their own size, which all must share."""
    channels: Literal["auto", "gray", "rgb"] = "auto"
    """Colour or not. auto: gray if every image is."""
    aspect: Aspect = "pad"
    """What becomes of images that are no squares: kept with bars, cropped, or squeezed."""
    background: str = "black"
    """The colour behind transparent pixels and of bars: a name or "#ff8000"."""
    on_broken: Literal["refuse", "skip"] = "refuse"
    """What becomes of files that cannot be read: the run is refused, or they are left out and listed."""
    unlabelled: Path | None = None
    """A folder of images to learn from without labels."""
    rendered: Annotated[Rendered | None, Later] = None
    """Conditions that are rendered onto the images of a benchmark. Left out: the images are as they are."""
    licence: str = "not stated"
    """The licence of the images, for the model card."""

    def __post_init__(self) -> None:
        try:
            parse_background(self.background)
        except ValueError:
            raise ValueError('a colour such as black, white or "#ff8000" for background') from None

    @property
    def may_have_conditions(self) -> bool:
        """Whether the images may have conditions, as far as the settings tell."""
        return self.rendered is not None or self.source.may_have_conditions

    def watched(self) -> list[Path]:
        """The files and folders that the prepared images depend on."""
        watched = self.source.watched()
        return watched + ([self.unlabelled] if self.unlabelled and self.unlabelled not in watched else [])

    def shape(self, looks: Sequence[Look]) -> Shape:
        """The shape of the prepared images, given the headers of all readable ones.

        Raises UserError if the images differ in size and ``image_size`` is not set.
        """
        sizes = {(one.width, one.height) for one in looks}
        size = self.image_size or nearest_size(looks)
        if len(sizes) > 1 and self.image_size is None:
            small, large = (f"{w}x{h}" for w, h in (min(sizes), max(sizes)))
            raise UserError(
                f"data.image_size: must be set where images differ in size, and these have {len(sizes)} sizes, from "
                f"{small} to {large}; set it, for example to {size}, the usual size nearest to their median"
            )
        colour = self.channels == "rgb" or (self.channels == "auto" and any(one.colour for one in looks))
        background = parse_background(self.background)
        return Shape(size, 3 if colour else 1, self.aspect, background, depth_of(looks), self.source.largest_mib)
