"""The JSON schema of params.yaml: from the settings' types, with the text that stands below each key in the code."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from ganaug import store
from ganaug.config import Settings
from ganaug.data.spec import DataSpec
from ganaug.gan.spec import GanSpec

SCHEMA_FILE = "params.schema.json"  # next to params.yaml
MODELINE = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"  # its first line: editors complete keys and check values


def schema_text() -> str:
    """The schema as ``init`` writes it."""
    return store.json_text(schema())


@cache
def schema() -> dict[str, Any]:
    """What params.yaml must be, as far as a schema can say it: rules that involve several keys are not in it."""
    found: dict[str, Any] = TypeAdapter(Settings).json_schema(schema_generator=_Described)
    defined = found["$defs"]
    for group, key, union in _unions(found):
        if group != GanSpec.__name__ or key is None:  # there a group is merged with the preset's, which has a kind
            for member in union["discriminator"]["mapping"].values():
                names = defined[member.rpartition("/")[2]].setdefault("required", [])
                names += [] if "kind" in names else ["kind"]
    defined[DataSpec.__name__]["required"] = ["source"]
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "params.yaml of ganaug",
        **found,
        "required": ["data"],
    }


def _unions(schema: dict[str, Any]) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """(group, its key, union) of all members by kind; without the key where it is a list of such."""
    for group, definition in [("", schema), *schema["$defs"].items()]:
        for key, value in definition.get("properties", {}).items():
            if "discriminator" in value:
                yield group, key, value
            elif "discriminator" in value.get("items", {}):
                yield group, None, value["items"]


class _Described(GenerateJsonSchema):
    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        found = super().dataclass_schema(schema)
        texts = {**_texts(schema["cls"]), "kind": _first_paragraph(found.get("description", ""))}
        for key, value in found.get("properties", {}).items():
            value["description"] = texts.get(key, "")
        return found

    def tagged_union_schema(self, schema: Any) -> dict[str, Any]:
        found = super().tagged_union_schema(schema)
        return {"anyOf" if name == "oneOf" else name: value for name, value in found.items()}  # of a preset: no kind

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # "Z Dim" says no more than z_dim


def _texts(kind: type[Any]) -> dict[str, str]:
    """{key: the text below it}, of a group of settings with what it inherits."""
    found = {}
    for one in reversed(kind.__mro__):
        for node, after in pairwise(_body(one)):
            if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(node.target, ast.Name):
                text = ast.literal_eval(after.value)
                found[node.target.id] = " ".join(text.split())
    return found


def _body(kind: type[Any]) -> list[ast.stmt]:
    tree = _tree(kind.__module__) if kind is not object else ast.Module([], [])
    return next((one.body for one in tree.body if isinstance(one, ast.ClassDef) and one.name == kind.__name__), [])


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))


def _first_paragraph(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())
