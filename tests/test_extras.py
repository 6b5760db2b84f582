"""Extras of pyproject.toml: what is missing is one line that names the extra, and nothing else needs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from expect import refused

from ganaug.data.table import Table
from ganaug.extras import need

REPOSITORY = Path(__file__).parents[1]
EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
NEEDS = re.compile(r"\bneed\(\s*(?P<packages>(?:\"\w+\", )+)extra=\"(?P<extra>\w+)\"")


def test_what_is_there_is_not_asked_for_and_what_is_missing_is_named() -> None:
    need("json", "typer", extra="x", what="nothing")
    with refused("json and none_such must be installed for it, but none_such cannot", 'run pip install "ganaug[x]"'):
        need("json", "none_such", extra="x", what="it")


def test_each_extra_that_is_asked_for_installs_what_is_missing() -> None:
    calls = [call for path in (REPOSITORY / "ganaug").rglob("*.py") for call in NEEDS.finditer(path.read_text())]
    assert {"onnx", "live", "parquet"} <= {call["extra"] for call in calls}
    for call in calls:
        installed = {re.split(r"\W", requirement)[0] for requirement in EXTRAS[call["extra"]]}
        assert set(re.findall(r"\w+", call["packages"])) <= installed


def test_without_pyarrow_a_parquet_table_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "labels.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with refused("pyarrow must be installed for a Parquet table", 'pip install "ganaug[parquet]"'):
        Table(tmp_path / "labels.parquet").load()


_WITHOUT = """
import sys
from pathlib import Path

class Nowhere:
    def find_spec(self, name, *_):
        if name in ("pyarrow", "webdataset", "datasets", "onnx", "onnxscript", "dvclive"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere())
import ganaug.start.init
from ganaug.data.table import Table
print(Table(Path("labels.csv")).load().classes)
"""


def test_without_any_extra_a_table_of_text_is_read(tmp_path: Path) -> None:
    """tests/wheel.py makes and runs a project so."""
    (tmp_path / "a.png").touch()
    (tmp_path / "labels.csv").write_text("file,label\na.png,cat\n")
    done = subprocess.run([sys.executable, "-c", _WITHOUT], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "['cat']\n"
