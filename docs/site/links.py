"""Links that leave the documentation lead to the repository's page of the file, which must exist.

On GitHub they work as they are written; MkDocs itself checks those between pages.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.pages import Page

log = get_plugin_logger("links")
_LINK = re.compile(r"(\]\(|^\[[^\]]+\]: +)(?P<path>\.\./[^)#\s]+)(?P<anchor>#[^)\s]*)?", re.M)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    docs = Path(config.docs_dir)
    folder = (docs / page.file.src_uri).parent

    def outside(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / found["path"]))
        if target.is_relative_to(docs):
            return found[0]
        if not (target.is_relative_to(docs.parent) and target.exists()):
            log.warning(f"{page.file.src_uri}: a link must lead to a file of the repository, got {found['path']}")
        kind = "tree" if target.is_dir() else "blob"
        path = Path(os.path.relpath(target, docs.parent)).as_posix()
        return f"{found[1]}{config.repo_url}/{kind}/main/{path}{found['anchor'] or ''}"

    return _LINK.sub(outside, markdown)
