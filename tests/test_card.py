"""The answer card: its picture, the order of the gains, and how it looks on a terminal and in Markdown."""

import io
import itertools
import re
import sys
from typing import Any

import pytest
from test_verdict import GAIN, LOSS, NEITHER, ONE, WIDE, figure, summary

from ganaug.classify.arms import ARMS
from ganaug.classify.fillers import FILLERS
from ganaug.classify.policies import POLICIES, Nothing
from ganaug.report import card, groups, interval, terminal
from ganaug.report.answer import Answer, Step, answer
from ganaug.report.interval import Axis

FIGURES = [
    figure(mean, low, high)
    for mean, low, high in [
        (2.7, 1.5, 3.9), (-1.3, -2.0, -0.5), (0.2, -0.8, 1.2), (0.2, -72.0, 74.0), (-60.0, -70.0, -50.0),
        (95.0, 90.0, 100.0), (0.0, 0.0, 0.0), (2.0, -100.0, 100.0), (4.0, None, None), (-100.0, None, None),
    ]
]  # fmt: skip


def told(**gains: dict[str, Any]) -> dict[str, Any]:
    """A summary with what a card says besides."""
    made = summary(**gains)
    made["dataset"] |= {"name": "pets", "classes": ["cat", "dog"]}
    return made


def found(**gains: dict[str, Any]) -> Answer:
    made = answer(told(**gains))
    assert made
    return made


# --------------------------------------------------------------------------------------------------------- its picture


@pytest.mark.parametrize("smallest", [0.5, 2.0, 50.0])
@pytest.mark.parametrize("one", FIGURES)
def test_an_axis_shows_zero_the_smallest_gain_and_the_mean_and_nothing_that_cannot_be(
    one: dict[str, Any], smallest: float
) -> None:
    axis = Axis.of([one], smallest)
    assert -100 <= axis.low < 0 < smallest < axis.high <= 100
    assert axis.low <= one["mean"] <= axis.high
    assert axis.high - axis.low <= 2.2 * max(6 * smallest, 1.25 * abs(one["mean"]))  # 0 and the mean can be told apart


def test_an_interval_that_leaves_the_axis_ends_in_an_arrow() -> None:
    wide, narrow = figure(0.2, -72.0, 74.0), figure(0.2, -0.8, 1.2)
    axis = Axis.of([wide], 2.0)
    assert axis.cuts(wide) == (True, True)
    assert 'class="end"' in interval.svg(wide, axis, "")
    assert "◀" in interval.lines(wide, axis, 40)[0]
    assert "▶" in interval.lines(wide, axis, 40)[0]
    assert 'class="end"' not in interval.svg(narrow, Axis.of([narrow], 2.0), "")


@pytest.mark.parametrize("one", FIGURES)
def test_nothing_of_a_picture_is_outside_it(one: dict[str, Any]) -> None:
    axis = Axis.of([one], 2.0)
    for drawn in (
        interval.svg(one, axis, "<&"),
        interval.row_svg({**one, "by_trial": [-99.0, one["mean"], 99.0]}, axis),
    ):
        width, height = map(float, re.findall(r'viewBox="0 0 (\S+) (\S+)"', drawn)[0])
        assert all(0 <= float(x) <= width for x in re.findall(r' c?x="([^"]+)"', drawn))
        assert all(0 <= float(y) <= height for y in re.findall(r' c?y="([^"]+)"', drawn))
        assert all(0 <= float(x) <= width for x in re.findall(r"[MH](-?[\d.]+)", drawn))
    for width, plain in itertools.product((20, 57, 60), (False, True)):
        picture, below = interval.lines(one, axis, width, plain)
        assert len(picture) == width >= len(below) or below.strip() == "0"
        assert picture.isascii() or not plain


def test_those_who_do_not_see_the_picture_hear_its_figures() -> None:
    axis = Axis.of([GAIN], 2.0)
    said = interval.title("gan over none", GAIN, axis, "accuracy")
    assert said == (
        "gan over none: +2.7 points of accuracy, 95 % confidence interval +1.5 to +3.9. "
        "A gain worth having begins at 2 points."
    )
    drawn = interval.svg(GAIN, axis, "<said>")
    assert 'role="img" aria-label="&lt;said&gt;"' in drawn


def test_what_cannot_be_told_is_hollow_so_that_no_colour_is_needed() -> None:
    assert ["hollow" in interval.svg(one, Axis.of([one], 2.0), "") for one in (GAIN, LOSS, NEITHER, WIDE, ONE)] == [
        False, False, False, True, True,
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------- gains and arms

GAINS = (
    "classical_vs_none", "gan_vs_none", "gan_vs_placebo", "gan+classical_vs_classical", "gan+classical_vs_none",
    "gan+classical_vs_smote+classical", "placebo_vs_none", "smote+classical_vs_none", "of-a-later-release_vs_none",
)  # fmt: skip


def test_gains_are_grouped_by_what_they_answer_and_the_one_that_decides_is_first() -> None:
    helps, whose, controls = groups.grouped(GAINS, "gan+classical_vs_classical")
    assert helps.gains == ("gan+classical_vs_classical", "gan_vs_none", "gan+classical_vs_none")
    assert whose.gains == ("gan_vs_placebo", "gan+classical_vs_smote+classical")
    assert controls.gains == (
        "classical_vs_none", "placebo_vs_none", "smote+classical_vs_none", "of-a-later-release_vs_none",
    )  # fmt: skip


def test_the_group_of_the_gain_that_decides_is_first() -> None:
    assert groups.grouped(GAINS, "gan_vs_placebo")[0].gains[0] == "gan_vs_placebo"
    (only,) = groups.grouped(["smote_vs_none", "placebo_vs_none"])  # where no arm has GAN images, none decides
    assert (only.title, only.gains) == ("Controls", ("smote_vs_none", "placebo_vs_none"))


@pytest.mark.parametrize("member", [*FILLERS.values(), *POLICIES.values(), Nothing])
def test_every_filler_and_policy_says_what_it_is(member: Any) -> None:
    assert re.fullmatch(r"\S.{3,110}[^.]", member.about)


def test_every_arm_is_explained_once_and_where_it_is_first_met() -> None:
    met = groups.first_met(["gan+cutmix_vs_cutmix", "gan_vs_none", "gan_vs_smote"], told())
    assert [[name for name, _ in arms] for arms in met.values()] == [
        ["gan+cutmix", "cutmix"], ["gan", "none"], ["smote"],
    ]  # fmt: skip
    assert met["gan_vs_none"][1][1] == "real images, as they are"
    assert met["gan+cutmix_vs_cutmix"][0][1].endswith("the rest as in cutmix")


def test_classical_is_the_policy_of_the_settings() -> None:
    settings = {"settings": {"classify": {"classical": {"kind": "cutmix"}}}}
    assert groups.about("classical", groups.classical_of(settings)) == f"real images, {POLICIES['cutmix'].about}"
    for broken in ({}, {"classify": 3}, {"classify": {"classical": {"kind": ["x"]}}}):
        assert groups.classical_of({"settings": broken}) == ""
    assert all(groups.about(arm, "") for arm in ARMS)
    assert groups.about("unheard-of", "") == ""


# ------------------------------------------------------------------------------------------------------- on a terminal


def shown(made: Answer, monkeypatch: pytest.MonkeyPatch, encoding: str = "utf-8", **environment: str) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", screen)
    terminal.card(made, told(on_top=GAIN), "2026-11-26")
    screen.flush()
    assert isinstance(screen.buffer, io.BytesIO)
    return screen.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("one", [GAIN, LOSS, NEITHER, WIDE, ONE])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_card_is_one_screen(one: dict[str, Any], encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = found(on_top=one, alone=GAIN)
    lines = shown(made, monkeypatch, encoding, COLUMNS="200").splitlines()
    assert len(lines) <= 23  # and the line of the page
    assert max(map(len, lines)) <= 80
    text = " ".join(line.strip("│| ") for line in lines)
    assert made.title.upper() in text
    assert interval.in_words(one) in text
    assert "2026-11-26" in text
    assert "\x1b" not in text  # in a pipe


@pytest.mark.parametrize("columns", ["0", "1", "40", "48"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_narrow_card_breaks_no_interval_and_no_day(
    columns: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = found(on_top=WIDE)
    head, *lines = shown(made, monkeypatch, encoding, COLUMNS=columns).splitlines()
    assert {len(line) for line in (head, *lines)} == {max(40, int(columns))}
    assert "pets" in head
    assert ("2026-11-26" in head) == ("2026" in head)
    assert any(interval.in_words(WIDE) in line for line in lines)


def test_a_card_has_colours_on_a_terminal_unless_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = {"FORCE_COLOR": "1", "TERM": "xterm"}
    assert "\x1b[1;32mUSE THEM" in shown(found(on_top=GAIN), monkeypatch, **coloured)
    assert "\x1b[1;33mCANNOT TELL" in shown(found(on_top=WIDE), monkeypatch, **coloured)
    assert "\x1b[1;3" in shown(found(on_top=GAIN), monkeypatch, **coloured)
    assert not re.search(r"\x1b\[[\d;]*3[0-7]m", shown(found(on_top=GAIN), monkeypatch, NO_COLOR="1", **coloured))


def test_text_from_outside_is_only_text_on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = Answer("use", "Use them", "gan_vs_none", "accuracy", GAIN, "[red]x[/red]\x1b[31m", ("[b]y[/b]\nz",), ())
    said = shown(evil, monkeypatch)
    assert "[red]x[/red]\\x1b[31m" in said
    assert "[b]y[/b]\\nz" in said


def test_the_tables_have_every_arm_and_gain_once() -> None:
    said = terminal.tables(told(on_top=NEITHER, alone=GAIN, classical=GAIN), "gan+classical_vs_classical")
    order = ["Does it help?", "* gan+classical over classical", "  gan over none", "Controls", "  classical over none"]
    assert [line for line in said.splitlines() if line.startswith(tuple(order))] == [
        line for name in order for line in said.splitlines() if line.startswith(name)
    ]
    assert "none: real images, as they are" in said


# --------------------------------------------------------------------------------------------------------- in Markdown


def test_a_card_in_markdown() -> None:
    made = Answer(
        "cannot tell", "Cannot tell yet", "gan_vs_none", "accuracy", WIDE, "It is *open*.", ("A `control` gains.",),
        (Step("Run more.", "dvc repro"), Step("Label more.")),
    )  # fmt: skip
    said = card.answer_card(made, told(alone=WIDE), "2026-11-26")
    lines = said.splitlines()
    assert lines[0] == "### Cannot tell yet"
    assert r"It is \*open\*." in lines
    assert "gan over none, points of accuracy" in lines
    assert r"> **Before you rely on it:** A \`control\` gains." in lines
    assert "1. Run more. `dvc repro`" in lines
    assert "2. Label more." in lines
    assert "pets, 5 images per class, 10 trials, 2026-11-26" in lines


def test_a_card_in_markdown_where_there_is_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "latin-1"))
    assert card.answer_card(found(on_top=WIDE), told(on_top=WIDE), "").isascii()
