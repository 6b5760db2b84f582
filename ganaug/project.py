"""``python -m ganaug.project FOLDER ...``: dvc.yaml written again from each folder's params.yaml."""

import contextlib
import sys
from pathlib import Path

from ganaug import config, store
from ganaug.errors import UserError, one_line
from ganaug.start.dvc import dvc_yaml

if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        try:
            with contextlib.chdir(folder):  # paths in the settings start there
                params = Path("params.yaml")
                store.write_text(Path("dvc.yaml"), dvc_yaml(config.load(params), config.read(params)))
        except (UserError, OSError) as error:
            print(one_line(f"ganaug: {folder}: {error}"), file=sys.stderr)
            sys.exit(2)
