"""What is said of work as it goes: as plain lines, more or less of it, in workers too."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganaug import log


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GANAUG_LOG_LEVEL", "INFO")
    log.log.setLevel(logging.INFO)
    yield
    log.log.setLevel(logging.INFO)


def say(*_: object) -> str:
    log.log.debug("much")
    log.log.info("some: %d % done")
    log.log.warning("little")
    return logging.getLevelName(log.log.level)


@pytest.mark.parametrize(
    ("level", "said"),
    [
        (None, "some: %d % done\nlittle\n"),
        (logging.WARNING, "little\n"),
        (logging.DEBUG, "much\nsome: %d % done\nlittle\n"),
    ],
)
def test_levels(level: int | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    if level is not None:
        log.set_level(level)
    say()
    assert capsys.readouterr() == (said, "")


def test_workers_know_the_level() -> None:
    """They are started with what the command was asked for."""
    code = "import sys; sys.path.append(sys.argv[1])\nfrom ganaug import workers, log\nimport logging\n"
    code += "log.set_level(logging.WARNING)\nfrom test_log import say\nprint(list(workers.run(2, say, [(1,), (2,)])))"
    line = [sys.executable, "-c", code, str(Path(__file__).parent)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.splitlines()) == ["['WARNING', 'WARNING']", "little", "little"]


def test_a_reader_that_has_enough_is_an_error_as_of_print(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        log.log.info("line")
