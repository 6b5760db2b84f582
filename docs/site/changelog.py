"""The page of changes is CHANGELOG.md itself, put where the page has its mark."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig

MARK = "<!-- the changelog -->"


def on_page_markdown(markdown: str, config: MkDocsConfig, **_: Any) -> str:
    if MARK not in markdown:
        return markdown
    text = (Path(config.docs_dir).parent / "CHANGELOG.md").read_text(encoding="utf-8")
    return moved(text.partition("\n")[2])


def moved(text: str) -> str:
    """Its links as they are from a folder below: ``docs/``."""
    return re.sub(r"\]\((?!\w+:|#)", "](../", text).replace("](../docs/", "](")
