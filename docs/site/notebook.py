"""The notebook as a page: its text and code. It runs in a test, and its outputs are not kept."""

import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOK = "notebook.ipynb"


def on_files(files: Files, config: MkDocsConfig) -> None:
    notebook = json.loads((Path(config.docs_dir) / NOTEBOOK).read_text(encoding="utf-8"))
    files.append(File.generated(config, "notebook.md", content=as_markdown(notebook)))


def as_markdown(notebook: dict[str, Any]) -> str:
    """The cells of a ``notebook``, with a link to its file below the title."""
    cells = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in notebook["cells"]]
    text = "\n\n".join(f"```python\n{source}\n```" if is_code else source for source, is_code in cells)
    title, _, rest = text.partition("\n")
    return f"{title}\n\n[The notebook's file]({NOTEBOOK})\n{rest}\n"
