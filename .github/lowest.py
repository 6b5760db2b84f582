"""Prints the lowest version of each package that pyproject.toml allows, as constraints for pip: ``>=`` as ``==``.

python .github/lowest.py > lowest.txt && PIP_CONSTRAINT=$PWD/lowest.txt make test
"""

import re
import tomllib
from itertools import chain
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for requirement in sorted({*project["dependencies"], *chain(*project["optional-dependencies"].values())}):
    if found := re.fullmatch(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", requirement):
        print("==".join(found.groups()))
