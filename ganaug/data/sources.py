"""Where labelled images come from: the union of all sources. Each is one class in a file of its own."""

from typing import Annotated

from pydantic import Field

from ganaug.data.digits import Digits
from ganaug.data.folder import Folder
from ganaug.data.idx import Idx
from ganaug.data.npz import Npz
from ganaug.data.table import Table
from ganaug.data.torchvision import Torchvision

SourceSpec = Annotated[Digits | Idx | Torchvision | Folder | Table | Npz, Field(discriminator="kind")]
