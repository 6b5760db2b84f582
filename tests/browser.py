"""A report's page in headless Chromium, at a desk and on a phone, light and dark: ``python tests/browser.py [REPORT]``.

axe-core finds no serious violation, what decides is on the first screen, the page does not scroll sideways, and keys do
all that a mouse can. One line per check; exit code 1 if one fails. What it needs of npm goes into a cache folder;
without Chromium, npm or a network it says so and stops. Screenshots are left in the folder that it names.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = ("axe-core@4", "playwright-core@1")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ganaug-browser"


def main() -> int:
    """The exit code."""
    page = Path(sys.argv[1] if len(sys.argv) > 1 else "reports/report.html").resolve()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    npm, node = shutil.which("npm"), shutil.which("node")
    if not (chromium and npm and node):
        print("skipped: needs chromium, npm and node")
        return 0
    if not page.is_file():
        print(f'no such page: {page}; run "dvc repro", or name one')
        return 2
    CACHE.mkdir(parents=True, exist_ok=True)
    quiet = ("--prefix", str(CACHE), "--no-audit", "--no-fund", "--silent")
    if not all((CACHE / "node_modules" / name.partition("@")[0]).is_dir() for name in PACKAGES):
        done = subprocess.run([npm, "install", *quiet, *PACKAGES], check=False)
        if done.returncode:
            print("skipped: npm could not fetch", *PACKAGES)
            return 0
    shots = tempfile.mkdtemp(prefix="ganaug-browser-")
    script = Path(__file__).with_name("browser.mjs")
    found = subprocess.run([node, script, page.as_uri(), chromium, CACHE / "node_modules", shots], check=False)
    print(f"screenshots: {shots}")
    return found.returncode


if __name__ == "__main__":
    sys.exit(main())
