"""No page may load anything from the web: whoever opens it from disk, or behind a firewall, sees all of it."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger

log = get_plugin_logger("offline")
_TAG = re.compile(r"<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*>")
_OF_WEB = re.compile(r"""\b(?:src|href|srcset|data)=["']?\s*(?:https?:)?//""")
_RELATION = re.compile(r"""\brel=["']?(?:canonical|prev|next|alternate)\b""")  # named, never loaded
_OF_STYLE = re.compile(r"""(?:@import\s+|url\()["']?(?:https?:)?//[^"')]+""")


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    for file in sorted(Path(config.site_dir).rglob("*")):
        if file.suffix in (".html", ".css"):
            for loaded in loads(file.read_text(encoding="utf-8")):
                log.warning(f"{file.relative_to(config.site_dir)}: a page must load nothing from the web, got {loaded}")


def loads(text: str) -> list[str]:
    """What a page or a style sheet loads from the web."""
    tags = [tag for tag in _TAG.findall(text) if _OF_WEB.search(tag) and not _RELATION.search(tag)]
    return tags + _OF_STYLE.findall(text)
