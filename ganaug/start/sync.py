"""``ganaug sync``: dvc.yaml written again from the settings."""

import contextlib
from pathlib import Path

from ganaug import config, store
from ganaug.errors import UserError
from ganaug.start.dvc import dvc_yaml


def sync(folder: Path) -> str:
    """Write dvc.yaml from the params.yaml of the project in ``folder``. Returns a line on what was done.

    Raises UserError if there is no project, or its settings have a mistake.
    """
    pipeline, params = Path("dvc.yaml"), Path("params.yaml")
    if not folder.is_dir():
        raise UserError(f"{folder}: must be a project's folder, but is none; name one")
    try:
        with contextlib.chdir(folder):  # paths in the settings start there
            text = dvc_yaml(config.load(params), config.read(params))
            if pipeline.is_file() and pipeline.read_text(encoding="utf-8") == text:
                return f"{folder / pipeline}: is what params.yaml asks for"
            store.write_text(pipeline, text)
    except UserError as error:
        raise UserError(str(error) if folder == Path() else f"{folder}: {error}") from None
    return f"{folder / pipeline}: written from params.yaml"
