"""The page of settings, from the settings themselves: types, bounds, defaults, and the text below each in the code.

The same sources as ``ganaug explain`` and params.schema.json, so no page can say something else.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganaug.start.explain import Key, default_of, shown, value_range
from ganaug.start.schema import schema

MARK = "<!-- the settings -->"
_NOWHERE = Path("no such project/params.yaml")


def on_page_markdown(markdown: str, **_: Any) -> str:
    return markdown.replace(MARK, "\n".join(lines())) if MARK in markdown else markdown


def lines() -> Iterator[str]:
    """Every key, group by group."""
    top = {name: Key(node, schema()) for name, node in schema()["properties"].items()}
    yield from _keys([], {name: key for name, key in top.items() if not key.groups})
    for name, key in top.items():
        if key.groups:
            yield from _section([name], key, 2)


def _section(words: list[str], key: Key, level: int) -> Iterator[str]:
    """A group of keys, or a choice between several such groups."""
    yield f"\n{'#' * min(level, 6)} {'.'.join(words)} {{ #{'.'.join(words)} }}\n"
    yield from (f"{_text(text)}\n" for text in dict.fromkeys([key.about, *_about(key.groups)]) if text)
    for group in key.groups:
        kind = group.get("properties", {}).get("kind")
        here = [*words, kind["const"]] if kind else words
        if kind:
            yield f"\n{'#' * min(level + 1, 6)} kind: {kind['const']} {{ #{'.'.join(here)} }}\n"
            yield f"{_text(kind['description'])}\n"
        yield from _group(here, group, level + bool(kind))


def _about(groups: list[dict[str, Any]]) -> Iterator[str]:
    """What a group says of itself; each of several kinds says so at its own place."""
    if len(groups) == 1 and "kind" not in groups[0].get("properties", {}):
        yield from (" ".join(part.split()) for part in groups[0].get("description", "").split("\n\n"))


def _group(words: list[str], group: dict[str, Any], level: int) -> Iterator[str]:
    keys = {name: Key(node, group) for name, node in group.get("properties", {}).items() if name != "kind"}
    yield from _keys(words, {name: key for name, key in keys.items() if not key.groups})
    for name, key in keys.items():
        if key.groups:
            yield from _section([*words, name], key, level + 1)
    if isinstance(named := group.get("additionalProperties"), dict):
        yield "A name for each, and below it:\n"
        for inner in Key(named, group).groups:
            yield from _group([*words, "NAME"], inner, level)


def _keys(words: list[str], keys: dict[str, Key]) -> Iterator[str]:
    """Plain values as a list: name, range, default, and what each does."""
    for name, key in keys.items():
        default = default_of([*words, name], _NOWHERE) or ("default" in key.node and shown(key.node["default"]))
        first = f"default ``{default}``" if default else "must be given"
        about = f"{value_range(key.node)}; {first}"
        yield f"`{name}`{{ #{'.'.join([*words, name])} }} <span class=range>{_text(about)}</span>"
        yield f":   {_text(key.about)}\n"


def _text(text: str) -> str:
    """Text of the code as Markdown, where its signs are themselves, but for ``code``."""
    parts = re.split(r"(``.+?``)", text)
    return "".join(part if part.startswith("``") else re.sub(r"([\\<*_\[\]$|`#])", r"\\\1", part) for part in parts)
