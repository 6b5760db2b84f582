"""The commands as a user starts them, in a project of their own, and what they leave."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .project import PARAMS

PROGRAMS = Path(sys.executable).parent
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
OUTPUTS = ("data/prepared", "models", "data/synth", "reports", "dvc.lock")  # equal after equal runs, but for the times
_TIMES = ("timings.json", "timings.js")
_TEMPORARY = (".part", ".old", ".broken")


@dataclass(frozen=True)
class Case:
    """Something that was done to ganaug, and what should not have come of it; ``count``: how often it was done."""

    name: str
    faults: list[str]
    count: int = 1


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and all that it printed."""

    code: int
    text: str

    def trouble(self, *codes: int) -> str | None:
        """Why its end is a fault, unless it is one of ``codes``; a refusal, code 2, must be one line of ganaug's."""
        if "Traceback (most recent call last)" in self.text:
            return f"a traceback: {self.tail}"
        if self.code not in codes:
            return f"exit code {self.code}: {self.tail}"
        told = re.findall(r"^ganaug: .*", self.text, re.MULTILINE)
        return f"{len(told)} lines of error: {self.tail}" if self.code == 2 and len(told) != 1 else None

    @property
    def tail(self) -> str:
        """The last that it printed."""
        return " | ".join(line.strip() for line in self.text.strip().splitlines()[-3:])[-300:]


def new_project(root: Path, params: str = PARAMS) -> Path:
    """A project in ``root``, ready for ``dvc repro``."""
    root.mkdir(parents=True)
    (root / "params.yaml").write_text(params, encoding="utf-8")
    for words in (["dvc", "init", "-q", "--no-scm"], ["dvc", "config", "core.analytics", "false"]):
        must(root, *words)
    must(root, "ganaug", "sync")
    return root


def must(root: Path, *words: str) -> None:
    """Run a command that nothing disturbs. Raises RuntimeError if it fails: then there is nothing to compare with."""
    ended = Command(root, words).wait()
    if ended.code != 0:
        raise RuntimeError(f"{' '.join(words)} failed undisturbed: {ended.text[-2000:]}")


class Command:
    """A command that runs in a session of its own, so that all that it starts can be found and killed.

    ``before`` is called in the new process, before its program is.
    """

    def __init__(self, root: Path, words: Sequence[str], before: Callable[[], None] = lambda: None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (its own; not on the project's disk, which may be full)

        def prepare() -> None:
            for number in (signal.SIGINT, signal.SIGTERM):  # as a shell starts it, whatever runs these tests
                signal.signal(number, signal.SIG_DFL)
            before()

        self.process = subprocess.Popen(
            words,
            cwd=root,
            env=ENVIRONMENT,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=prepare,
        )

    @property
    def text(self) -> str:
        """What it has printed so far."""
        descriptor = self._log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def wait(self, seconds: float = 600) -> Ended:
        """Its end. After so many ``seconds`` it is killed."""
        try:
            return Ended(self.process.wait(seconds), self.text)
        except subprocess.TimeoutExpired:
            self.kill()
            return Ended(-signal.SIGKILL, f"{self.text}\nstill there after {seconds:.0f} s")

    def kill(self) -> None:
        """All that is left of it."""
        for pid in self.session():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def session(self) -> list[int]:
        """Its processes that are alive, itself first."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            except (OSError, ValueError):  # just gone
                continue
            if int(session) == self.process.pid and state != "Z":
                found.append(int(folder.name))
        return sorted(found, key=lambda pid: (pid != self.process.pid, pid))


def command_line(pid: int) -> str:
    """The words that a process was started with; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def hashes(root: Path, outputs: Sequence[str] = OUTPUTS) -> dict[str, str]:
    """{file: SHA-256} of what the stages write, or of the ``outputs`` named."""
    places = [root / output for output in outputs]
    files = [path for place in places for path in (place, *place.rglob("*")) if path.is_file()]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in _TIMES
    }


def differences(found: dict[str, str], expected: dict[str, str]) -> str | None:
    """What is missing, too much, or other in ``found``, in a few words."""
    kinds = {
        "missing": expected.keys() - found.keys(),
        "too many": found.keys() - expected.keys(),
        "other bytes": {name for name in expected.keys() & found.keys() if expected[name] != found[name]},
    }
    said = [f"{kind}: {len(names)}, such as {min(names)}" for kind, names in kinds.items() if names]
    return "; ".join(said) or None


def leftovers(root: Path) -> str | None:
    """Temporary files of ganaug and half-trained states, which must not pile up."""
    paths = [path for path in root.rglob("*") if path.suffix in _TEMPORARY or path.parent.name == "states"]
    found = sorted(path.relative_to(root).as_posix() for path in paths)
    return f"left behind: {len(found)}, such as {found[0]}" if found else None
