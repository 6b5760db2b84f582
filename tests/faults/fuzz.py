"""Damaged inputs for every reader, in a process that is watched from outside. Linux alone: it reads /proc."""

import contextlib
import faulthandler
import io
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import processes

from ganaug import cli
from ganaug.errors import UserError

from .mutations import MARK, code_was_run
from .reader import Reader, Wrong

HANG_SECONDS = 20.0
MOST_RESIDENT = 2 << 30  # bytes
_MOST_VIRTUAL, _LARGEST_FILE = 16 << 30, 1 << 30  # bytes: a machine of that size, and no full disk by accident
_LONGEST = 2000  # characters of a message
_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)  # Python shows these to nobody
_TURNING = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
_FINE = ("read", "refused")
_PACKAGE = str(Path(cli.__file__).parent)
_LOG = "worker.log"  # of the process that is watched

Example = tuple[type[Reader], int]  # a reader and the number of its input; number 0 is a whole one


@dataclass(frozen=True)
class Outcome:
    """What became of one input; ``kind`` is "read", "refused" or that of a fault, ``place`` the line of code."""

    reader: str
    number: int
    kind: str
    place: str = ""
    said: str = ""
    seconds: float = 0.0
    megabytes: int = 0  # the most that the process has held so far

    @property
    def is_fault(self) -> bool:
        """Whether ganaug should have done something else."""
        return self.kind not in _FINE


def run(readers: Sequence[type[Reader]], inputs: int, seed: int, base: Path, work: Path, jobs: int) -> list[Outcome]:
    """``inputs`` of each of the ``readers``, made from ``seed``; ``base``: a finished project; ``work``: a folder to
    work in; ``jobs``: readers at a time."""

    def all_of(reader: type[Reader]) -> list[Outcome]:
        return watched(examples([reader], inputs), seed, base, work / reader.name)

    with ThreadPoolExecutor(jobs) as pool:
        return [outcome for of_reader in pool.map(all_of, readers) for outcome in of_reader]


def examples(readers: Iterable[type[Reader]], inputs: int) -> list[Example]:
    """The first ``inputs`` of each of the ``readers``, of slow ones fewer."""
    return [(reader, number) for reader in readers for number in range(-(-inputs // reader.slow))]


def watched(todo: Sequence[Example], seed: int, base: Path, work: Path) -> list[Outcome]:
    """The outcomes of what is ``todo``, made from ``seed``, one after the other in a process of its own.

    A new one goes on after an input that hangs, takes too much memory or kills it. ``base``: a finished project;
    ``work``: the folder to work in.
    """
    found: list[Outcome] = []
    while len(found) < len(todo):
        with _process(todo[len(found) :], seed, base, work) as (process, results):
            end = _follow(process, results, found)
        if end:
            reader, number = todo[len(found)]
            found.append(Outcome(reader.name, number, end, *_last_words(work / _LOG)))
    return found


def _follow(process: Any, results: Connection, found: list[Outcome]) -> str | None:
    """Append what comes to ``found``. Returns why ``process`` is over, unless it has come to the end."""
    began: float | None = None
    while True:
        if results.poll(0.02):
            try:
                one = results.recv()
            except EOFError:
                break
            began = None if isinstance(one, Outcome) else time.monotonic()
            if isinstance(one, Outcome):
                found.append(one)
        if began is not None and time.monotonic() - began > HANG_SECONDS:
            return _aborted(process, "hang")
        if _resident(process.pid) > MOST_RESIDENT:
            return _aborted(process, "memory")
    process.join()
    if process.exitcode == 0:
        return None
    return f"death (exit code {process.exitcode})"


@contextlib.contextmanager
def _process(todo: Sequence[Example], seed: int, base: Path, work: Path) -> Iterator[tuple[Any, Connection]]:
    """A process at work on what is ``todo``, and what it sends. Whatever is left of it is killed at the end."""
    results, sender = multiprocessing.Pipe(duplex=False)
    process = processes.start(_work, sender, todo, seed, base, work)
    sender.close()
    try:
        yield process, results
    finally:
        assert process.pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        results.close()


def _aborted(process: Any, why: str) -> str:
    """``why``, once the process has said where it is."""
    os.kill(process.pid, signal.SIGABRT)
    process.join(5)
    return why


def _last_words(log: Path) -> tuple[str, str]:
    """Where the process was when it died, and the last that it or a C library said."""
    said, _, frames = log.read_text(encoding="utf-8", errors="replace").partition("Fatal Python error")
    places = re.findall(r'File "(.+)", line (\d+)', frames)
    ours = [one for one in places if one[0].startswith(_PACKAGE)] + places
    return f"at {_short(ours[0][0])}:{ours[0][1]}" if ours else "", " ".join(said.split())[-200:]


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _peak() -> int:
    """The most memory that this process has held, in MiB (getrusage counts that of its parent in)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def _work(results: Connection, todo: Sequence[Example], seed: int, base: Path, work: Path) -> None:
    """In the process that is watched."""
    os.setsid()  # so that all that it starts can be killed with it
    work.mkdir(parents=True, exist_ok=True)
    log = os.open(work / _LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(log, 1)  # C libraries print too
    os.dup2(log, 2)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_VIRTUAL, _MOST_VIRTUAL))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    last: tuple[type[Reader], Reader | Outcome] | None = None
    for kind, number in todo:
        results.send(None)
        began = time.perf_counter()
        if last is None or last[0] is not kind:
            last = kind, _made_or_not(kind, base, work / f"{kind.name}-{os.getpid()}")
        reader = last[1]
        outcome = replace(reader, number=number) if isinstance(reader, Outcome) else attempt(reader, seed, number)
        results.send(replace(outcome, seconds=time.perf_counter() - began, megabytes=_peak()))


def made(kind: type[Reader], base: Path, home: Path) -> Reader:
    """A reader; ``base``: a finished project; ``home``: a folder of its own, which is made."""
    home.mkdir(parents=True)
    os.environ[MARK] = str(home / "code-was-run")
    return kind(home, base)


def _made_or_not(kind: type[Reader], base: Path, home: Path) -> Reader | Outcome:
    """The reader, or why it could not be made: the others go on."""
    try:
        return made(kind, base, home)
    except Exception as error:
        return Outcome(kind.name, 0, "reader not made", _place(error), f"{type(error).__name__}: {error}"[:200])


def attempt(reader: Reader, seed: int, number: int, shown: bool = False) -> Outcome:
    """What the ``reader`` makes of its input of that ``number`` and ``seed``; ``shown``: print input and traceback."""
    rng = random.Random(f"{reader.name}-{seed}-{number}")
    try:
        given = reader.make(rng) if number else reader.whole()
    except Exception as broken:
        return Outcome(reader.name, number, "not made", _place(broken), f"{type(broken).__name__}: {broken}"[:200])
    if shown:
        print(f"{given!r:.3000}")
    reader.fresh()
    ended = _command(lambda: reader.read(given))
    os.chdir(reader.home)
    error = ended.error
    if shown and error:
        traceback.print_exception(error)
    kind, place, said = _judged(ended), _place(error) if error else "", ended.err or ended.out
    if code_was_run():
        kind = "code was run"
    elif stray := reader.outside():
        kind, said = "file outside", stray[0]
    elif kind == "refused" and number == 0:
        kind = "whole input refused"
    elif kind == "warning":
        warned = ended.warned[0]
        place = f"{warned.category.__name__} at {_short(warned.filename)}:{warned.lineno}"
        said = str(warned.message)
    elif kind not in _FINE and error and not isinstance(error, UserError | OSError):
        said = f"{type(error).__name__}: {error}"
    return Outcome(reader.name, number, kind, place, ascii(" ".join(said[:300].split()))[1:-1])


@dataclass(frozen=True)
class _Ended:
    """How a command ended: the error that it met, the exit code, what it wrote, the warnings that a user sees."""

    error: BaseException | None
    code: Any
    out: str
    err: str
    warned: list[warnings.WarningMessage]


def _command(read: Callable[[], None]) -> _Ended:
    """``read`` as if it were a command: errors are told as every command tells them."""
    met: list[BaseException] = []
    code: Any = 0

    def app() -> None:
        try:
            read()
        except BaseException as error:
            met.append(error)
            raise

    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(cli, "app", app),
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        warnings.simplefilter("always")
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            code = type(error).__name__
    seen = [one for one in warned if not issubclass(one.category, _QUIET)]
    return _Ended(met[0] if met else None, code, out.getvalue(), err.getvalue(), seen)


def _judged(ended: _Ended) -> str:
    """The kind of outcome, as far as it shows in how the command ended."""
    if isinstance(ended.error, Wrong):
        return "wrong"
    if ended.error and (ended.code != 2 or not isinstance(ended.error, UserError | OSError | MemoryError)):
        return "traceback"
    if trouble := _trouble(ended.err, 1 if ended.error else 0) or _unprintable(ended.out):
        return f"message: {trouble}"
    return "warning" if ended.warned else "refused" if ended.error else "read"


def _trouble(text: str, lines: int) -> str | None:
    """What is wrong with the standard error of a command that should write so many lines."""
    if len(text.splitlines()) != lines:
        return f"{len(text.splitlines())} lines"
    return "too long" if len(text) > _LONGEST else _unprintable(text)


def _unprintable(text: str) -> str | None:
    bad = next((one for one in text if unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t"), None)
    bad = bad or next((one for one in text if one in _TURNING), None)
    return None if bad is None else f"character U+{ord(bad):04X}"


def _place(error: BaseException) -> str:
    """The innermost line of ganaug, and the innermost of all where that is another's."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    ours = [frame for frame in frames if frame.filename.startswith(_PACKAGE)] or [last]
    inner = "" if ours[-1] is last else f" (in {_short(last.filename)}:{last.lineno})"
    return f"{type(error).__name__} at {_short(ours[-1].filename)}:{ours[-1].lineno}{inner}"


def _short(file: str) -> str:
    """As an import has it: from the package on."""
    roots = [root for root in sys.path if root and file.startswith(f"{root}/")]
    return file[len(max(roots, key=len)) + 1 :] if roots else file


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each reader, and below it one for each kind and place of its faults."""
    lines = [f"{'reader':12} {'inputs':>7} {'read':>6} {'refused':>8} {'faults':>7} {'slowest':>9} {'memory':>9}"]
    for name in dict.fromkeys(one.reader for one in outcomes):
        own = [one for one in outcomes if one.reader == name]
        faults = [one for one in own if one.is_fault]
        read, refused = (sum(one.kind == kind for one in own) for kind in _FINE)
        slowest, peak = max(one.seconds for one in own), max(one.megabytes for one in own)
        lines.append(f"{name:12} {len(own):7} {read:6} {refused:8} {len(faults):7} {slowest:7.1f} s {peak:5} MiB")
        alike: dict[tuple[str, str], list[Outcome]] = {}
        for one in faults:
            alike.setdefault((one.kind, one.place), []).append(one)
        for (kind, place), of_kind in sorted(alike.items(), key=lambda item: -len(item[1])):
            lines.append(f"  {len(of_kind):4} x {kind} {place}")
            lines.append(f"         --reader {name} --one {of_kind[0].number}: {of_kind[0].said}")
    return "\n".join(lines)
