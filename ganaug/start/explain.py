"""``ganaug explain KEY``: what a key of params.yaml does, by the schema, and what it is in this project."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganaug import config
from ganaug.errors import UserError, one_line, quoted
from ganaug.gan.presets import PRESETS
from ganaug.start.schema import schema

_PAPER = re.compile(r"(?<![\w-])[A-Z][\w-]+(?: and [A-Z][\w-]+)? (?:19|20)\d\d\b")
_TYPES = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false", "null": ""}
_WORDS_AT_MOST = 30  # of a choice; of more, such as the names of all arms, it is said how they are built


@dataclass(frozen=True)
class Key:
    """A key in the schema, and the group that has it."""

    node: dict[str, Any]
    group: dict[str, Any]

    @property
    def about(self) -> str:
        """What it does."""
        return str(self.node.get("description", ""))

    @property
    def kind(self) -> str | None:
        """Of which kind of group, where there are several."""
        kind: str | None = self.group.get("properties", {}).get("kind", {}).get("const")
        return kind

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The groups that its value may be; none, where it is a plain value."""
        return list(_groups(self.node))


def explain(key: str, params: Path) -> str:
    """What ``key`` does, such as ``gan.augment.shift``; of a group, its keys; of "", all groups.

    ``params``: the project's params.yaml, which need not be there. Raises UserError if there is no such key.
    """
    words = [word for word in re.sub(r"\[\d*\]", "", key).split(".") if word]
    words = words[:-1] if words[-1:] == ["kind"] else words  # a union's kinds are explained with it
    keys = [Key(schema(), {})]
    for word in words:
        keys = [found for above in keys for found in _below(above, word)]
    if not keys:
        near = _near(key)
        meant = f" (did you mean {', '.join(near)}?)" if near else ""
        raise UserError(f'explain: no such key: {quoted(key)}{meant}; "ganaug explain" lists the groups')
    one_of = list({json.dumps([one.node, one.kind]): one for one in keys}.values())
    lines = [".".join(words) or "params.yaml"]
    for one in one_of if words else ():
        lines += [f"  of kind {one.kind}:"] if len(one_of) > 1 else []
        default = default_of(words, params) if len(one_of) == 1 else None
        lines += _explained(one, default and default + _source(words, params))
    lines += _here(words, params) if words else _listed(schema())
    return "\n".join(lines).replace("``", "")


# ------------------------------------------------------------------------------------------------------- in the schema


def _groups(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in node:
        yield from _groups(schema()["$defs"][node["$ref"].rpartition("/")[2]])
    for one in [*node.get("anyOf", []), *([node["items"]] if "items" in node else [])]:
        yield from _groups(one)
    if node.get("type") == "object":
        yield node


def _below(key: Key, word: str) -> Iterator[Key]:
    for group in key.groups:
        node = group.get("properties", {}).get(word) or group.get("additionalProperties")  # of a table: any name
        if isinstance(node, dict):
            yield Key(node, group)


def _all_keys(node: dict[str, Any], above: str = "") -> Iterator[str]:
    for group in _groups(node):
        for name, inner in group.get("properties", {}).items():
            yield f"{above}{name}"
            yield from _all_keys(inner, f"{above}{name}.")


def _near(key: str) -> list[str]:
    """Up to three keys that may be meant: those of this last name, else those of a like one."""
    known, last = list(dict.fromkeys(_all_keys(schema()))), key.rpartition(".")[2]
    same = [one for one in known if one.rpartition(".")[2] == last]
    return difflib.get_close_matches(key, same or known, 3, 0.0 if same else 0.6)


# -------------------------------------------------------------------------------------------------------- in a project


def _values(plain: Any, words: Sequence[str]) -> list[Any]:
    """What stands at a key in plain settings: one value, or one of each member of a list that has it."""
    found = [plain]
    for word in words:
        members = [one for value in found for one in (value if isinstance(value, list) else [value])]
        found = [one[word] for one in members if isinstance(one, dict) and word in one]
    return found


def _preset(params: Path) -> str:
    """The name of the project's preset; where there is none, that of the default one."""
    try:
        name = config.read(params).get("gan", {}).get("preset") if params.is_file() else None
    except (UserError, AttributeError):
        name = None
    return name if name in PRESETS else "default"


def default_of(words: Sequence[str], params: Path) -> str | None:
    """What a key is where params.yaml leaves it out; None: the schema knows.

    ``words``: the key's names, outermost first; ``params``: the project's params.yaml, whose preset counts.
    """
    values = _values(config.plain(config.of_preset(_preset(params))), words)
    return ", ".join(map(shown, values)) if values else None


def _source(words: Sequence[str], params: Path) -> str:
    """The preset that a key's default comes from, in words; empty where it comes from none."""
    preset = _preset(params)
    chosen = PRESETS.values() if preset == "default" else [PRESETS[preset]]  # it lists no keys: those of the others
    is_its = words[0] == "gan" and any(_values(one.values, words[1:]) for one in chosen)
    return f" (preset {preset}: {PRESETS[preset].source})" if is_its else ""


def _here(words: Sequence[str], params: Path) -> Iterator[str]:
    if not params.is_file():
        return
    try:
        values = _values(config.plain(config.load(params)), words)
        is_set = bool(_values(config.read(params), words))
    except UserError as error:
        yield f"  here     unknown: {error}"
        return
    if values and not any(isinstance(value, dict) for value in values):
        yield f"  here     {', '.join(map(shown, values))}{' (set in params.yaml)' if is_set else ' (the default)'}"
    elif kinds := [value["kind"] for value in values if isinstance(value, dict) and "kind" in value]:
        yield f"  here     {', '.join(kinds)}"


# ----------------------------------------------------------------------------------------------------------- in words


def _explained(key: Key, default: str | None) -> Iterator[str]:
    one_group = key.groups[0] if len(key.groups) == 1 else {}
    about = " ".join(one_group.get("description", "").split())
    yield from dict.fromkeys(f"  {text}" for text in (key.about, about) if text)
    if not key.groups:
        yield f"  range    {value_range(key.node)}"
        if default is None and "default" in key.node:
            default = shown(key.node["default"])
        yield f"  default  {default or 'none: it must be given'}"
    if papers := _papers(key.about) or _papers((one_group or key.group).get("description", "").partition("\n\n")[0]):
        yield f"  source   {', '.join(papers)}"
    for group in key.groups:
        yield from _listed(group)


def _papers(text: str) -> list[str]:
    return list(dict.fromkeys(_PAPER.findall(text)))


def _listed(group: dict[str, Any]) -> Iterator[str]:
    """A group's keys."""
    keys = dict(group.get("properties", {}))
    if kind := keys.pop("kind", None):
        yield f"  kind {kind['const']}: {kind['description']}"
    width = max(map(len, keys), default=0)
    for name, node in keys.items():
        yield f"    {name:{width}}  {node.get('description', '')}"
    if isinstance(group.get("additionalProperties"), dict):
        yield "    a name for each, and below it:"
        for inner in _groups(group["additionalProperties"]):
            yield from _listed(inner)


def value_range(node: dict[str, Any]) -> str:
    """What a plain value may be, by its ``node`` in the schema."""
    if "anyOf" in node:
        return " or ".join(filter(None, map(value_range, node["anyOf"]))) + (
            ", or null" if {"type": "null"} in node["anyOf"] else ""
        )
    if "enum" in node or "const" in node:
        choices = [str(one) for one in node.get("enum", [node.get("const")])]
        return ", ".join(choices) if len(choices) <= _WORDS_AT_MOST else str(node["description"])
    if node.get("type") == "array":
        return f"a list of: {value_range(node['items'])}"
    bounds = [
        f"{word} {node[name]:,.10g}"
        for name, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if name in node
    ]
    kind = "a path" if node.get("format") == "path" else _TYPES.get(node.get("type", ""), "")
    return " ".join([kind, *bounds])


def shown(value: Any) -> str:
    """A plain value on one line."""
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 200)
