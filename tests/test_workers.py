"""Worker processes: results in order, no more of them than there is work, nothing imported from where they run."""

import contextlib
import inspect
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from expect import refused
from joblib.externals.loky import process_executor, reusable_executor

from ganaug import workers


def number_and_process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def test_results_come_in_order_from_no_more_workers_than_there_are_calls() -> None:
    found = list(workers.run(40, number_and_process, [(3,), (1,), (2,)]))
    assert [number for number, _ in found] == [3, 1, 2]
    assert os.getpid() not in {process for _, process in found}
    assert reusable_executor._executor._max_workers <= 3


def test_that_a_grown_worker_is_started_anew_is_no_warning() -> None:
    said = "A worker stopped while some jobs were given to the "
    assert said in inspect.getsource(process_executor)
    for _ in workers.run(1, number_and_process, [(1,)]):
        warnings.warn(f"{said}executor.", UserWarning, stacklevel=1)


def kill_itself(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_line() -> None:
    with refused("a worker process was killed", "memory", "run it again"):
        list(workers.run(2, kill_itself, [(1,), (2,)]))


IMPORTS = """
import sys
sys.path.insert(0, sys.argv[1])
import test_workers
from ganaug import workers

print(*workers.run(2, test_workers.imported, [("random",), ("random",)]))
"""


def imported(name: str) -> str:
    return str(__import__(name).__file__)


def test_workers_import_nothing_of_the_folder_they_run_in(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("from pathlib import Path; Path('RUN').touch()")
    tests = str(Path(__file__).parent)
    places = [tests, *filter(None, [os.environ.get("PYTHONPATH")])]  # for the workers to find this file
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    command = [sys.executable, "-P", "-c", IMPORTS, tests]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()
    assert str(tmp_path) not in done.stdout
    assert not (tmp_path / "RUN").exists()


ORPHANED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import test_workers
from ganaug import workers

for process in workers.run(2, test_workers.named, [(sys.argv[2],), (sys.argv[2],)]):
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""


def named(folder: str) -> None:
    """Leave the process's id in the folder."""
    Path(folder, str(os.getpid())).touch()


def lives(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHANED, str(Path(__file__).parent), str(tmp_path)]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
    started = [int(path.name) for path in tmp_path.iterdir()]
    assert started
    until = time.monotonic() + 30
    while any(map(lives, started)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(lives, started))
