"""Which synthetic images are used: the union of all filters."""

from typing import Annotated, get_args

from pydantic import Field

from ganaug.synth.agreement import Agreement
from ganaug.synth.copies import Copies
from ganaug.synth.filter import FilterSpec

Filter = Annotated[Agreement | Copies, Field(discriminator="kind")]

FILTERS: dict[str, type[FilterSpec]] = {member.kind: member for member in get_args(get_args(Filter)[0])}
