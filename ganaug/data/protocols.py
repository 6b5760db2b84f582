"""Who is in which split: the union of all protocols. Each is one class in its own file."""

from typing import Annotated

from pydantic import Field

from ganaug.data.cell_draws import CellDraws
from ganaug.data.cross_validation import CrossValidation
from ganaug.data.hidden_cells import HiddenCells
from ganaug.data.holdout import Holdout
from ganaug.data.subsets import Subsets

ProtocolSpec = Annotated[Subsets | CrossValidation | Holdout | HiddenCells | CellDraws, Field(discriminator="kind")]
