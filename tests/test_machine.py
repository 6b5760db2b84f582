"""What a run says of the machine that it ran on."""

import json
import subprocess
import sys

from ganaug.stages.machine import machine


def test_it_says_what_a_reader_needs() -> None:
    found = machine()
    assert set(found) == {"processor", "cores", "memory_gib", "system", "python", "packages"}
    assert found["cores"] >= 1
    assert found["packages"]["torch"].startswith("2.")
    assert json.loads(json.dumps(found)) == found


def test_it_imports_none_of_the_packages_that_it_names() -> None:
    code = "import sys; from ganaug.stages.machine import machine; machine(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
