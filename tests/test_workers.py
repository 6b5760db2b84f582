"""Worker processes: results in order, no more of them than there is work, nothing imported from where they run."""

import os
import signal
import sys
from pathlib import Path

import pytest
from expect import refused
from joblib.externals.loky import reusable_executor

from ganaug import workers


def number_and_process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def test_results_come_in_order_from_no_more_workers_than_there_are_calls() -> None:
    found = list(workers.run(40, number_and_process, [(3,), (1,), (2,)]))
    assert [number for number, _ in found] == [3, 1, 2]
    assert os.getpid() not in {process for _, process in found}
    assert reusable_executor._executor._max_workers <= 3


def kill_itself(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_line() -> None:
    with refused("a worker process was killed", "memory", "run it again"):
        list(workers.run(2, kill_itself, [(1,), (2,)]))


def imported(name: str) -> str:
    return str(__import__(name).__file__)


def test_workers_import_nothing_of_the_folder_they_run_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "random.py").write_text("from pathlib import Path; Path('RUN').touch()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # this file, for the workers to find its functions
    if reusable_executor._executor:  # those of other tests
        reusable_executor._executor.shutdown()
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    for file in workers.run(2, imported, [("random",), ("random",)]):
        assert Path(file).parent != tmp_path
    assert not (tmp_path / "RUN").exists()
