"""The answer on a terminal: one screen of 80 columns, in colour where there is one, in ASCII where that is all."""

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from rich.box import ROUNDED
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from ganaug.errors import one_line
from ganaug.report import filling, groups, interval, missing, verdict
from ganaug.report.answer import Answer
from ganaug.report.interval import Axis

_LEAST_COLUMNS, _COLUMNS = 40, 80
_LEAST_PICTURE = 20  # columns of the interval's picture, next to its figures
_TONES = {"use": "green", "do not use": "red", "cannot tell": "yellow"}


def card(found: Answer, summary: Mapping[str, Any], day: str, out: TextIO | None = None) -> None:
    """Print the answer ``found`` of a ``summary``, and the ``day`` of the run where it is known, or write it to
    ``out``."""
    console = Console(highlight=False, file=out)
    console.width = max(_LEAST_COLUMNS, min(console.width, _COLUMNS))
    plain, dataset, count = console.options.ascii_only, summary["dataset"], found.figure["trials"]
    trials = f"{count} trial{'s' * (count != 1)}"
    about = [one_line(dataset["name"], 30), verdict.images_per_class(dataset), trials, *[day] * bool(day)]
    parts = list(_parts(found, summary, plain, console.width - 4))
    while (head := Text((", " if plain else " · ").join(about))).cell_len > console.width - 6 and about[1:]:
        about.pop()  # whole: half a day is another one
    console.print(Panel(Group(*parts), title=head, title_align="left", box=ROUNDED, width=console.width))


def _parts(found: Answer, summary: Mapping[str, Any], plain: bool, width: int) -> Iterator[Text | Padding]:
    tone, metric = _TONES[found.tone], verdict.metric_words(summary, found.metric)
    axis = Axis.of([found.figure], summary["settings"]["report"]["smallest_gain"])
    yield Text(found.title.upper(), f"bold {tone}")
    yield Text(one_line(found.reason))
    said = interval.in_words(found.figure)
    room = width - len(said) - 2
    next_to = room >= _LEAST_PICTURE
    picture, below = interval.lines(found.figure, axis, room if next_to else width, plain)
    yield Padding(Text(f"{verdict.arms_of(found.gain)}, points of {metric}", "dim"), (1, 0, 0, 0))
    yield Text(f"{picture}  {said}" if next_to else f"{said}\n{picture}", tone)
    yield Text(below, "dim")
    for caution in found.cautions:
        yield Text.assemble(("! ", "bold yellow"), one_line(caution))
    for number, step in enumerate(found.steps, start=1):
        command = f"  $ {step.command}" if step.command else ""
        yield Text.assemble(("Next: " if number == 1 else "Then: ", "bold"), one_line(step.text), (command, "cyan"))


def tables(summary: Mapping[str, Any], decides: str | None) -> str:
    """All arms with what they are, and all gains by question, the one that ``decides`` first and marked."""
    classical, metric = groups.classical_of(summary), summary["dataset"]["primary_metric"]
    about = [f"{name}: {groups.about(name, classical)}" for name in map(one_line, summary["arms"])]
    rows = dict(zip(summary["gains"], verdict.gain_rows(summary), strict=True))
    gains: list[tuple[str, ...]] = []
    for group in groups.grouped(list(rows), decides):
        gains.append((group.title, "", "", "", ""))
        gains += [(("* " if gain == decides else "  ") + rows[gain][0], *rows[gain][1:]) for gain in group.gains]
    parts = [
        verdict.text_table((f"arm ({metric}, %)", "mean ± sd"), verdict.arm_rows(summary)),
        "\n".join(about),
        verdict.text_table(("gain in points (*: decides)", "mean", "interval", "p", "answer"), gains),
    ]
    if "cells" in summary:
        parts.append(verdict.text_table(*missing.count_rows(summary)))
        parts.append(verdict.text_table(*filling.gain_rows(summary, list(rows))))
    elif verdict.rare_classes(summary):
        parts.append(verdict.text_table(*verdict.rare_rows(summary)))
    return "\n\n".join([*parts, "\n".join(verdict.sentences(summary))])
