"""The base of all settings: plain frozen dataclasses, checked once at the edge (see config.py)."""

from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Lt
from pydantic import Field

Seed = Annotated[int, Ge(-(2**63)), Lt(2**63)]
# Of a key that came later, None where it is left out: plain values are silent about it then, so that what was made
# before keeps its keys and its bytes.
Later = Field(exclude_if=lambda value: value is None)


class Spec:
    """A group of settings in params.yaml. A key that the group does not have is refused.

    The text below a key says what it does: the schema and ``ganaug explain`` repeat it (start/schema.py), and find the
    papers that it names as in (Miyato 2018).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
