"""The page of the command line, from the commands themselves: what ``ganaug COMMAND --help`` says."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from ganaug.cli import GROUPS, app

MARK = "<!-- the commands -->"
_EXAMPLE = re.compile(r"^Example: (.+)", re.S)


def on_page_markdown(markdown: str, **_: Any) -> str:
    return markdown.replace(MARK, "\n".join(lines())) if MARK in markdown else markdown


def lines() -> Iterator[str]:
    """Every command in the order of the program's own help."""
    program: Any = typer.main.get_command(app)
    context = typer.Context(program, info_name="ganaug")
    for group, names in GROUPS.items():
        yield f"\n## {group}\n"
        for name in names:
            yield from _command(program.get_command(context, name), context)
    yield "\n## Options of every command\n"
    yield from _options(program.params, context)


def _command(command: Any, above: Any) -> Iterator[str]:
    context = typer.Context(command, info_name=command.name, parent=above)
    yield f"\n### ganaug {command.name} {{ #{command.name} }}\n"
    yield f"```\nganaug {command.name} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    for paragraph in command.help.split("\n\n"):
        text = " ".join(paragraph.split())
        example = _EXAMPLE.match(text)
        yield (
            f"Example: {', or: '.join(f'`{one}`' for one in example[1].split(', or: '))}\n" if example else f"{text}\n"
        )
    yield from _options([one for one in command.params if one.name not in ("quiet", "verbose")], context)


def _options(parameters: Any, context: Any) -> Iterator[str]:
    """As the help has them: the words, and what they do with the default in brackets."""
    for words, text in filter(None, (one.get_help_record(context) for one in parameters)):
        about, _, default = text.partition("  [")
        yield f"`{words}` <span class=range>{default.rstrip(']')}</span>\n:   {about}\n"
