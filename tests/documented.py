"""The examples that the documentation shows: blocks fenced as ``sh`` and ``python``, and ``ganaug ...`` in the text.

A block that cannot run here (an installation from the index, a GPU) is fenced as ``sh not-run`` or ``python not-run``.
What a block needs and a reader does not is a command in a comment in front of its fence: ``<!-- first: git init -->``.
tests/test_examples.py says where the blocks run.
"""

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_FENCE = re.compile(r"(?:^<!-- first: (?P<first>.*?) -->\n+)?^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`((?:ganaug|dvc|make|python) [^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    info: str  # behind the fence
    text: str
    first: str  # a command that comes before

    @property
    def language(self) -> str:
        """``sh``, ``python``, ``yaml`` or none."""
        return self.info.partition(" ")[0]

    @property
    def runs(self) -> bool:
        """Whether it is an example that can run anywhere."""
        return self.info in ("sh", "python")

    @property
    def lines(self) -> list[str]:
        """Its commands, each on one line, with their comments."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def pages() -> list[Path]:
    """Every page of the documentation, and what ``ganaug init`` writes into a project."""
    names = ("*.md", "docs/**/*.md", "data/README.md", "examples/*/README.md")
    found = [page for name in names for page in sorted(REPOSITORY.glob(name))]
    return [*found, REPOSITORY / "ganaug/templates/project-readme.md.j2"]


def examples() -> list[Path]:
    """README.md and the pages of the site that have examples that run."""
    found = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/**/*.md"))]
    return [page for page in found if any(block.runs for block in blocks(page))]


def in_journey(page: Path) -> bool:
    """Whether tests/journey.py runs the page's commands: README.md's, and where some are of other programs."""
    lines = [line for block in blocks(page) if block.info == "sh" for line in [block.first, *block.lines]]
    programs = {words[0] for line in lines for words in commands(line)}
    return page == REPOSITORY / "README.md" or not programs <= {"ganaug", "cd"}


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["info"].strip(), found["text"], found["first"] or "")
        for found in _FENCE.finditer(text)
    ]


def inline(page: Path) -> list[str]:
    """Commands in the text outside of blocks: often a part of one."""
    return _INLINE.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> Iterator[Path]:
    """What the page's relative links lead to; those to other pages of GitHub, above the repository, are left out."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for found in re.finditer(r"\]\((?!\w+:|#)([^)#\s]+)", text):
        target = Path(os.path.normpath(page.parent / found[1]))
        if target.is_relative_to(REPOSITORY):
            yield target


def commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a shell line, without redirections and comments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.commenters, lexer.whitespace_split = "#", True
    words: list[str] = []
    is_file = False
    for word in lexer:
        if set(word) <= set("&|;"):
            if words:
                yield words
            words = []
        elif set(word) <= set("<>"):
            is_file = True
        elif is_file:
            is_file = False
        else:
            words.append(word)
    if words:
        yield words
