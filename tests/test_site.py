"""What docs/site/ makes of the pages: settings and commands from the code, equations, links, nothing from the web."""

import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from documented import REPOSITORY

import ganaug
from ganaug.cli import GROUPS, app
from ganaug.start.explain import _all_keys
from ganaug.start.schema import schema

pytest.importorskip("mkdocs", reason="of the extra docs")
sys.path.append(str(REPOSITORY / "docs/site"))
import changelog
import command_line
import equations
import fences
import links
import notebook
import offline
import settings


def test_every_setting_is_on_the_page_once() -> None:
    ids = re.findall(r"\{ #(\S+) \}", "\n".join(settings.lines()))
    assert len(ids) == len(set(ids))
    for key in (key for key in _all_keys(schema()) if not key.endswith(".kind")):
        between = r"(\.[^.]+)?\."  # a kind, where there are several
        assert any(re.fullmatch(between.join(map(re.escape, key.split("."))), one) for one in ids), key


def test_a_setting_says_its_range_and_default() -> None:
    lines = list(settings.lines())
    at = next(number for number, line in enumerate(lines) if "{ #gan.augment.shift }" in line)
    assert lines[at].endswith("<span class=range>a number from 0 to 1; default ``0.125``</span>")
    assert lines[at + 1].startswith(":   Largest shift each way")
    (path,) = (line for line in lines if "{ #data.source.folder.path }" in line)
    assert "a path; must be given" in path


def test_text_of_the_code_is_text_on_the_page() -> None:
    assert settings._text("a*b <split> [0, 1] ``x_y*`` |D| $5") == r"a\*b \<split> \[0, 1\] ``x_y*`` \|D\| \$5"


def test_every_command_and_option_is_on_the_page() -> None:
    text = "\n".join(command_line.lines())
    program: Any = typer.main.get_command(app)
    for name in (name for names in GROUPS.values() for name in names):
        (part,) = re.findall(rf"^### ganaug {name} .*?(?=^##|\Z)", text, re.M | re.S)
        assert "Example: `ganaug " in part
        for parameter in program.commands[name].params:
            assert all(option in part for option in parameter.opts if option.startswith("-")), parameter.opts


def test_every_public_name_is_on_the_page_of_the_api() -> None:
    page = (REPOSITORY / "docs/reference/api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: ganaug\.(\w+)", page, re.M)) == sorted(ganaug.__all__)


# ----------------------------------------------------------------------------------------------------------- equations


def test_equations_become_mathml() -> None:
    made = equations.on_page_content(r'<p>If <span class="arithmatex">\(x^2 &lt; 1\)</span>:</p>')
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in made
    assert 'display="inline"' in made
    assert "arithmatex" not in made


def test_limits_and_functions_of_an_equation() -> None:
    made = equations.on_page_content(r'<div class="arithmatex">\[\min_{G} \log D(x)\]</div>')
    assert made.startswith('<div class="equation"><math')
    assert '<munder><mo movablelimits="true">min</mo><mrow><mi>G</mi></mrow></munder>' in made
    assert '<mi>log</mi><mspace width="0.17em"/><mi>D</mi>' in made


def test_the_notebook_is_a_page() -> None:
    cells = [("markdown", ["# Title\n", "\n", "Text"]), ("code", ["a = 1\n", "a"]), ("markdown", ["End"])]
    made = notebook.as_markdown({"cells": [{"cell_type": kind, "source": source} for kind, source in cells]})
    head = "# Title\n\n[The notebook's file](notebook.ipynb)\n"
    assert made == head + "\nText\n\n```python\na = 1\na\n```\n\nEnd\n"


# --------------------------------------------------------------------------------------------------------------- blocks


def test_a_block_that_no_test_runs_looks_like_any_other() -> None:
    text = "```sh not-run\nls\n```\n    ```python not-run\n"
    assert fences.on_page_markdown(text) == "```sh\nls\n```\n    ```python\n"


@pytest.mark.parametrize("html", ["<p>```sh run\nls</p>", "<li>```", "<p>Three <b>things</b>:\n- one</p>"])
def test_markdown_that_shows_as_text_is_a_warning(
    site: dict[str, Any], html: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        fences.on_page_content("<p>well</p>\n- no list", page=site["page"])
        assert caplog.text == ""
        fences.on_page_content(html, page=site["page"])
    assert "deep/page.md: a fence or a list must stand behind an empty line" in caplog.text


# ---------------------------------------------------------------------------------------------------------------- links


@pytest.fixture
def site(tmp_path: Path) -> dict[str, Any]:
    """A repository with a page, and what MkDocs tells a hook of it."""
    (tmp_path / "docs/deep").mkdir(parents=True)
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").touch()
    config = SimpleNamespace(docs_dir=str(tmp_path / "docs"), site_dir=str(tmp_path), repo_url="https://host/r")
    return {"config": config, "page": SimpleNamespace(file=SimpleNamespace(src_uri="deep/page.md"))}


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("../../code/a.py#L3", "https://host/r/blob/main/code/a.py#L3"),
        ("../../code", "https://host/r/tree/main/code"),
        ("../other.md", "../other.md"),
        ("other.md#x", "other.md#x"),
    ],
)
def test_a_link_to_the_repository_leads_to_its_page(site: dict[str, Any], link: str, expected: str) -> None:
    assert links.on_page_markdown(f"See [a]({link}).\n", **site) == f"See [a]({expected}).\n"
    assert links.on_page_markdown(f"[a]: {link}\n", **site) == f"[a]: {expected}\n"


@pytest.mark.parametrize("link", ["../../code/b.py", "../../../elsewhere"])
def test_a_link_to_what_is_not_there_is_a_warning(
    site: dict[str, Any], link: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        links.on_page_markdown(f"[a]({link})", **site)
    assert f"must lead to a file of the repository, got {link}" in caplog.text


def test_links_of_the_changelog_are_those_of_the_folder_below() -> None:
    text = "[a](docs/gain.md) [b](README.md) [c](https://x.org) [d](#1)"
    assert changelog.moved(text) == "[a](gain.md) [b](../README.md) [c](https://x.org) [d](#1)"


# -------------------------------------------------------------------------------------------------------------- offline


@pytest.mark.parametrize(
    "loaded",
    [
        '<script src="https://cdn.org/a.js">',
        "<link href=//fonts.org/css rel=stylesheet>",
        '<img alt="a" src="http://x.org/a.png">',
        '@import "https://x.org/a.css',
        "url(https://x.org/a.woff",
    ],
)
def test_what_is_loaded_from_the_web_is_a_warning(
    site: dict[str, Any], loaded: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert offline.loads(f"<p>a</p>{loaded}") == [loaded]
    Path(site["config"].site_dir, "page.html").write_text(loaded)
    with caplog.at_level(logging.WARNING):
        offline.on_post_build(**site)
    assert "page.html: a page must load nothing from the web" in caplog.text


@pytest.mark.parametrize(
    "kept",
    [
        '<a href="https://x.org">',
        '<link rel="canonical" href="https://x.org">',
        '<script src="../a.js">',
        "url(a.woff)",
    ],
)
def test_what_is_not_loaded_is_none(kept: str) -> None:
    assert offline.loads(kept) == []
