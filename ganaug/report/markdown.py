"""Text from outside in Markdown: shown as it is, whatever it looks like."""

import html
import re
from collections.abc import Sequence

from markupsafe import Markup

from ganaug.errors import one_line
from ganaug.report import verdict

# What means something: the marks of code, emphasis, links, tables and strikes, and of lists and headings.
_ACTIVE = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])|^[#>]|^[+-](?=\s)")
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)")  # HTML and entities: not every reader takes a backslash for these


def inert(value: object) -> object:
    """Text on one line, with all that would be more than text escaped; anything else as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    marked = _ACTIVE.sub(r"\\\g<0>", one_line(" ".join(value.splitlines())))
    return _MARKUP.sub(lambda found: html.escape(found[0]), marked)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Markup:
    """A table whose cells are inert, those of its header too: conditions have names from outside."""
    top, *others = [tuple(str(inert(cell)) for cell in row) for row in (header, *rows)]
    return Markup(verdict.markdown_table(top, others))
