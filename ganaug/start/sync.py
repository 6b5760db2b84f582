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
    params = Path("params.yaml")
    if not folder.is_dir():
        raise UserError(f"{folder}: must be a project's folder, but is none; name one")
    try:
        with contextlib.chdir(folder):  # paths in the settings start there
            texts = {"dvc.yaml": dvc_yaml(config.load(params), config.read(params)), SCHEMA_FILE: schema_text()}
            old = {name: Path(name).read_text(encoding="utf-8") if Path(name).is_file() else None for name in texts}
            changed = [name for name, text in texts.items() if text != old[name]]
            for name in changed:
                store.write_text(Path(name), texts[name])
    except UserError as error:
        raise UserError(str(error) if folder == Path() else f"{folder}: {error}") from None
    return f"{folder / params}: " + (f"wrote {' and '.join(changed)}" if changed else "all is up to date")
