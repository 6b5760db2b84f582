"""``ganaug sync``: what is written from the settings, or from what settings there can be, written again."""

import contextlib
from pathlib import Path

from ganaug import config, store
from ganaug.errors import UserError
from ganaug.start.dvc import dvc_yaml
from ganaug.start.schema import SCHEMA_FILE, schema_text


def sync(folder: Path) -> str:
    """Write dvc.yaml from the params.yaml of the project in ``folder``, and the schema. Returns what was done.

    Raises UserError if there is no project, or its settings have a mistake.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: must be a project's folder, but is none; name one")
    try:
        with contextlib.chdir(folder):  # paths in the settings start there
            texts = outdated(Path())
            for name, text in texts.items():
                store.write_text(Path(name), text)
    except UserError as error:
        raise UserError(str(error) if folder == Path() else f"{folder}: {error}") from None
    return f"{folder / 'params.yaml'}: " + (f"wrote {' and '.join(texts)}" if texts else "all is up to date")


def outdated(root: Path) -> dict[str, str]:
    """{file of the project ``root``, which is the current directory: its text}, of those that say something else now.

    Raises UserError if the settings have a mistake.
    """
    params = root / "params.yaml"
    texts = {"dvc.yaml": dvc_yaml(config.load(params), config.read(params)), SCHEMA_FILE: schema_text()}
    return {
        name: text
        for name, text in texts.items()
        if not (root / name).is_file() or (root / name).read_bytes() != text.encode()
    }
