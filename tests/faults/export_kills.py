"""``ganaug synth --overwrite`` killed before each change of the disk: nothing is lost, and called again it is done."""

import multiprocessing
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import processes

from .commands import Case, Ended, differences, hashes

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir")  # Python's audit events; a replacement is a rename too
_COUNTED = "changes:"


def run(model: Path, work: Path, events: Sequence[str] = CHANGES) -> Iterator[Case]:
    """A kill before each of the ``events`` of a call with the generator ``model``, in the new folder ``work``."""
    work.mkdir(parents=True)
    with _commands(model, work) as commands:
        exports = Exports(commands, model, work)
        for number, event in enumerate(exports.changes(), 1):
            if event in events:
                yield Case(f"{event}, change {number}", list(exports.killed(number)))


class Exports:
    """Calls of ``ganaug synth`` with the generator ``model`` in the folder ``work``."""

    def __init__(self, commands: Connection, model: Path, work: Path) -> None:
        self.commands, self.model, self.work = commands, model, work
        self.old, self.new = (self._made(seed) for seed in (1, 2))

    def _made(self, seed: int) -> dict[str, str]:
        for ended in (self.call(0, classes="4"), self.call(seed)):  # the first class is not named again: it must stay
            if trouble := ended.trouble(0):
                raise RuntimeError(f"ganaug synth failed undisturbed: {trouble}")
        (self.work / "out").rename(self.work / str(seed))
        return hashes(self.work / str(seed), ["."])

    def call(self, seed: int, *more: str, classes: str = "01", last: int = 0) -> Ended:
        """Four images of each of the ``classes`` by ``seed``, with ``more`` options. Killed before the change number
        ``last``; 0: not at all."""
        words = ["--model", str(self.model), "-n", "4", "--seed", str(seed), "--out", "out"]
        for name in classes:
            words += ["--class", name]
        self.commands.send((["ganaug", "synth", *words, *more], last))
        ended: Ended = self.commands.recv()
        return ended

    def begin(self) -> None:
        """The old images in place, and nothing else."""
        for path in (self.work / "out", *self.work.glob(".out*")):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.work / "1", self.work / "out")

    def changes(self) -> list[str]:
        """The event of each change, in order."""
        self.begin()
        return self.call(2, "--overwrite").text.rpartition(_COUNTED)[2].split()

    def killed(self, last: int) -> Iterator[str]:
        """What is wrong when it is killed before the change number ``last``, and then called again."""
        self.begin()
        if self.call(2, "--overwrite", last=last).code == 0:
            return  # it was over before
        there = set(hashes(self.work / "out", ["."]).values())
        if not (there >= set(self.old.values()) or there >= set(self.new.values())):
            yield "images are lost: neither all of the old ones are there nor all of the new"
        if not self.old.items() & self.new.items() <= hashes(self.work / "out", ["."]).items():
            yield "images of a class that is not named have gone"
        for more in ([], ["--overwrite"]):
            if trouble := self.call(2, *more).trouble(*([0] if more else [0, 2])):
                yield f"again, {more}: {trouble}"
            now = hashes(self.work / "out", ["."])
            if now != self.new and (more or now != self.old):
                yield f"again, {more}: {differences(now, self.new)}"
        if left := [path.name for path in (*self.work.glob(".out*"), *self.work.glob("out/.*"))]:
            yield f"left behind: {left[0]}"


@contextmanager
def _commands(model: Path, work: Path) -> Iterator[Connection]:
    """Send it (words, last change) and receive how the command ended, in a copy of a process that has made all imports,
    so that calls are fast."""
    ours, theirs = multiprocessing.Pipe()
    server = processes.start(_serve, theirs, model, work)
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        server.join()


def _serve(requests: Connection, model: Path, work: Path) -> None:
    from ganaug.synth.export import export

    export(model, work / "first", ["0"], 1, "equal", 0, "png", False)
    os.chdir(work)
    while True:
        try:
            words, last = requests.recv()
        except EOFError:
            return
        child = os.fork()
        if not child:
            _command(words, last)
        _, status = os.waitpid(child, 0)
        requests.send(Ended(os.waitstatus_to_exitcode(status), Path("log").read_text()))


def _command(words: list[str], last: int) -> None:
    """The command, in this process, which ends here."""
    from ganaug.cli import main

    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv, code = words, 0
    changes: list[str] = []

    def count(event: str, _: object) -> None:
        if event in CHANGES:
            changes.append(event)
            if len(changes) == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    print(_COUNTED, *changes, flush=True)
    sys.stderr.flush()
    os._exit(code)
