"""The params.yaml of chosen settings: each with its reason, in a comment."""

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from ganaug import store
from ganaug.errors import UserError, one_line, quoted
from ganaug.start.choose import Chosen


def params_yaml(chosen: Chosen, title: str) -> str:
    """The file's text. What ``chosen.raw`` lacks is a default, which the template spells out."""
    why = {key: one_line(reason) for key, reason in chosen.why.items()}
    source = flow(chosen.raw["data"]["source"])
    return aligned(store.template("params.yaml.j2").render(**chosen.raw, why=why, source=source, title=title))


def changed(text: str, settings: Mapping[str, Any]) -> str:
    """The file's ``text`` with other ``settings``, whose keys are as ``ganaug explain`` has them: ``gan.steps``.

    Raises UserError if a key lies below one that is no group.
    """
    if not settings:
        return text
    yaml, out = YAML(typ="rt", pure=True), io.StringIO()
    yaml.width = 10_000
    tree = yaml.load(text)
    for key, value in settings.items():
        *groups, last = str(key).split(".")
        place = tree
        for name in groups:
            place = place.setdefault(name, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise UserError(
                f"settings: {quoted(str(key))} must lie in a group of params.yaml, but does not; correct it"
            )
        place[last] = value
    yaml.dump(tree, out)
    return out.getvalue()


def flow(value: dict[str, Any]) -> str:
    """``{kind: folder, path: photos}``: quoted only where YAML needs it."""
    out = io.StringIO()
    yaml = YAML(typ="rt", pure=True)  # keeps the order of the keys
    yaml.default_flow_style, yaml.width = True, 10_000
    yaml.dump(value, out)
    return out.getvalue().strip()


def aligned(text: str, column: int = 32) -> str:
    """Comments behind values start at one column, if there is room. A path may hold what looks like a comment."""
    lines = []
    for line in text.split("\n"):
        parts = [line] if line.startswith(("#", "  source:")) else re.split(r"(?<=\S)\s+(?=# )", line, maxsplit=1)
        lines.append(f"{parts[0].ljust(column - 1)} {parts[1]}" if len(parts) == 2 else line)
    return "\n".join(lines)
