"""Blocks of code: ``not-run`` behind a fence is for the tests, and the site's Markdown would take it for text."""

import re
from typing import Any

from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.pages import Page

log = get_plugin_logger("fences")


def on_page_markdown(markdown: str, **_: Any) -> str:
    return re.sub(r"^( *```\w+) not-run$", r"\1", markdown, flags=re.M)


def on_page_content(html: str, page: Page, **_: Any) -> None:
    if re.search(r"<(?:p|li|td)>\s*```|<p>(?:(?!</p>).)*\n- ", html, re.S):
        log.warning(f"{page.file.src_uri}: a fence or a list must stand behind an empty line, but one shows as text")
