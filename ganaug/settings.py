"""The base of all settings: plain frozen dataclasses, checked once at the edge (see config.py)."""

from typing import Any, ClassVar


class Spec:
    """A group of settings in params.yaml. A key that the group does not have is refused."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
