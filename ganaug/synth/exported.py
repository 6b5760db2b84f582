"""What an export tells the writer of the card beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Exported:
    """Images in a folder, or a generator as a file for other programs."""

    description: Mapping[str, Any]  # what the generator's file says of itself
    sha256: str  # of that file
    output_format: str
    file: str = ""  # the name of the new file; of a folder none
    images: Sequence[tuple[Mapping[str, str], int]] = ()  # what the manifest says of so many images, class by class
    shard_size: int | None = None  # images per file, where it was said
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # inputs and outputs of a file, by name


Card = Callable[[Exported], str]  # -> the card's text
