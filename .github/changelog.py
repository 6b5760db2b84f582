"""Prints a version's section of CHANGELOG.md, without its heading: ``python .github/changelog.py 0.1.0``."""

import re
import sys
from pathlib import Path

version = sys.argv[1]
text = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
section = re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", text, re.M | re.S)
if section is None:
    sys.exit(f'CHANGELOG.md: must have a section "## [{version}] - YYYY-MM-DD", found none; cut it from Unreleased')
print(section[1].strip())
