"""The documentation's commands exist as they are written there. tests/journey.py runs those that can run."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from documented import REPOSITORY, Block, blocks, commands, inline, links, pages

from ganaug.cli import app

PAGES = [pytest.param(page, id=str(page.relative_to(REPOSITORY))) for page in pages()]
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M))


def parsed(words: list[str]) -> None:
    """Raises what the command line raises of these words; nothing runs."""
    group: Any = typer.main.get_command(app)
    for command in (group, *group.commands.values()):
        command.callback = lambda **_: None
    group.main(words, standalone_mode=False)


def known_options(words: list[str]) -> set[str]:
    """Those of the command that the words begin with."""
    group: Any = typer.main.get_command(app)
    command = group if words[0].startswith("-") else group.get_command(None, words[0])
    assert command is not None, f"there is no command {words[0]}"
    return {option for parameter in command.params for option in parameter.opts} | {"-h", "--help"}


def check(words: list[str], whole: bool) -> None:
    """Raises AssertionError if a command is not as the documentation has it; ``whole``: with all that it needs."""
    program, *rest = words
    if program == "ganaug" and rest and whole:
        try:
            parsed(rest)
        except Exception as error:
            raise AssertionError(f"{' '.join(words)}: {error!r}") from error
    elif program == "ganaug" and rest and not rest[0].isupper():  # COMMAND stands for any
        unknown = {word for word in rest if word.startswith("-") and len(word) > 1} - known_options(rest)
        assert not unknown, f"{' '.join(words)}: there is no {unknown}"
    elif program == "make":
        assert {word for word in rest if "=" not in word} <= TARGETS, f"{' '.join(words)}: there is no such target"
    elif program == "python" and rest and rest[0].endswith(".py"):
        assert (REPOSITORY / rest[0]).is_file(), f"{' '.join(words)}: there is no such file"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_block_is_one(page: Path) -> None:
    """Its options exist, its arguments are of their kind and none is missing."""
    for block in blocks(page):
        for line in block.lines if block.language == "sh" else []:
            for words in commands(line):
                check(words, whole=True)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_text_is_one(page: Path) -> None:
    for line in inline(page):
        for words in commands(line.replace("\n", " ")):
            check(words, whole=False)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: Path) -> None:
    """On GitHub; the site's own links and anchors are checked when it is built."""
    assert [str(target) for target in links(page) if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_block_of_commands_says_so(page: Path) -> None:
    """Or nothing would check it."""
    programs = ("ganaug ", "cd ", "dvc ", "make ", "pip ", "python ", "python3 ", "git ")
    for block in blocks(page):
        looks_so = block.text.startswith(programs)
        is_shell = block.language == "sh"
        assert is_shell == looks_so, f"{page}:{block.line}: a block of commands is fenced as sh, and no other"
        assert block.runs or block.info.endswith(" not-run") or block.language not in ("sh", "python"), (
            f"{page}:{block.line}"
        )


def test_the_first_run_path_is_documented() -> None:
    """What the journey starts from."""
    assert any("ganaug init" in block.text for block in blocks(REPOSITORY / "README.md") if block.info == "sh")


def test_the_landing_page_shows_the_commands_of_the_readme() -> None:
    """Which the journey runs."""
    (shown,) = blocks(REPOSITORY / "docs/index.md")
    assert shown.text in [block.text for block in blocks(REPOSITORY / "README.md") if block.info == "sh"]


def test_links_of_a_page() -> None:
    page = REPOSITORY / "docs/made-up.md"
    with pytest.MonkeyPatch.context() as patch:
        text = "[a](gain.md#x) ![b](../c.png) [d](https://e.org) [f](#g) [h](../../../actions)\n```\n[i](j.md)\n```\n"
        patch.setattr(Path, "read_text", lambda *_, **__: text)
        assert list(links(page)) == [REPOSITORY / "docs/gain.md", REPOSITORY / "c.png"]


def test_a_shell_line_as_words() -> None:
    line = "dvc repro && ganaug gate --markdown > gains.md   # exit code 0: it's so"
    assert list(commands(line)) == [["dvc", "repro"], ["ganaug", "gate", "--markdown"]]
    assert list(commands("python3 -m venv .venv && . .venv/bin/activate")) == [
        ["python3", "-m", "venv", ".venv"],
        [".", ".venv/bin/activate"],
    ]
    assert next(commands("pip install -e '.[dev]' && pytest"))[-1] == ".[dev]"
    assert list(commands("# nothing")) == []


def test_blocks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "text\n\n<!-- first: git init -->\n```sh\nmake x \\\n  y\n\nls\n```\n\n```\nout\n```\n`ganaug gate --no`\n"
    )
    first, second = blocks(page)
    assert first == Block(page, 3, "sh", "make x \\\n  y\n\nls\n", "git init")
    assert first.lines == ["make x    y", "ls"]
    assert (second.language, second.runs) == ("", False)
    assert inline(page) == ["ganaug gate --no"]


@pytest.mark.parametrize(
    "wrong",
    [
        "ganaug gait",
        "ganaug gate --bassline x.json",
        "ganaug synth --n many",
        "ganaug init",
        "make coffee",
        "python benchmarks/none.py",
    ],
)
def test_what_is_wrong_is_found(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check(wrong.split(), whole=True)
