"""``dvc repro`` killed at random moments, and run again until it is done: every file must be as if nothing had been."""

import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .commands import Command, Fault, command_line, differences, hashes, leftovers, new_project

STAGES = ("prepare", "train", "synth", "classify", "report")
_EACH = 2  # kills of a stage in a project, at most
_LONGEST = 600.0  # seconds that a run may take
_PATIENCE = 60.0  # seconds for what was killed, or asked to stop, to be gone


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: its files, and the seconds that each stage took."""

    files: dict[str, str]
    seconds: dict[str, float]


def undisturbed(work: Path) -> Reference:
    """One run of ``dvc repro``, from nothing to the end, in the folder ``work``."""
    root = new_project(work / "reference")
    command, began = Command(root, ["dvc", "repro"]), time.monotonic()
    entered: dict[str | None, float] = {}
    while command.process.poll() is None:
        entered.setdefault(_stage(command), time.monotonic() - began)
        time.sleep(0.05)
    if command.process.returncode != 0:
        raise RuntimeError(f"dvc repro failed undisturbed: {command.text[-2000:]}")
    starts = [entered.get(stage, 0.0) for stage in STAGES] + [time.monotonic() - began]
    spans = {stage: end - start for stage, (start, end) in zip(STAGES, itertools.pairwise(starts), strict=True)}
    return Reference(hashes(root), spans)


def _stage(command: Command) -> str | None:
    """The one that it has come to."""
    found = re.findall(r"Running stage '(\w+)'", command.text)
    return found[-1] if found else None


# ------------------------------------------------------------------------------------------------------ who is killed


def _all(command: Command) -> list[int]:
    return command.session()


def _dvc(command: Command) -> list[int]:
    return [command.process.pid]


def _ganaug(command: Command) -> list[int]:
    return [pid for pid in command.session() if re.search(r"/ganaug \w+", command_line(pid))][:1]


def _worker(command: Command) -> list[int]:
    return [pid for pid in command.session() if "loky" in command_line(pid) and "tracker" not in command_line(pid)][:1]


@dataclass(frozen=True)
class Way:
    """Whom a signal is sent to, and whether all must be gone soon after (else something may live on for a while)."""

    who: Callable[[Command], list[int]]
    number: signal.Signals
    ends_all: bool = False


WAYS = {
    "kill all": Way(_all, signal.SIGKILL, ends_all=True),
    "kill dvc": Way(_dvc, signal.SIGKILL),
    "kill ganaug": Way(_ganaug, signal.SIGKILL),
    "kill a worker": Way(_worker, signal.SIGKILL),
    "stop dvc": Way(_dvc, signal.SIGTERM),
    "stop all": Way(_all, signal.SIGTERM, ends_all=True),
    "Ctrl-C": Way(_all, signal.SIGINT, ends_all=True),
}


# ------------------------------------------------------------------------------------------------------------ the run


def run(kills: int, seed: int, reference: Reference, work: Path) -> tuple[int, list[Fault]]:
    """At least so many ``kills``, drawn by ``seed``, in projects in ``work``. Returns their number, and the faults.

    ``reference``: the run to compare with.
    """
    rng, total, faults = random.Random(seed), 0, list[Fault]()
    each = min(_EACH * len(STAGES), -(-kills // len(WAYS)))
    for name, way in itertools.islice(itertools.cycle(WAYS.items()), kills):
        if total >= kills:
            break
        one = _Pass(way, reference, rng, min(each, kills - total))
        found = list(one.run(new_project(work / "killed")))
        faults += [Fault(f"{name} ({', '.join(one.done)})", what) for what in found]
        total += len(one.done)
        shutil.rmtree(work / "killed")
    return total, faults


class _Pass:
    """One project that is killed so many ``times``, in some of the stages, and is run again until it is done."""

    def __init__(self, way: Way, reference: Reference, rng: random.Random, times: int) -> None:
        self.way, self.reference, self.rng = way, reference, rng
        self.left = Counter(rng.sample(STAGES * _EACH, times))
        self.done: list[str] = []  # stage and second of each kill

    def run(self, root: Path) -> Iterator[str]:
        """What is wrong."""
        failures, killed = 0, []
        while failures < 3:
            command = Command(root, ["dvc", "repro"])
            if self._killed(command):
                killed.append(command)
                yield from self._aftermath(command)
                continue
            trouble = command.wait(_LONGEST).trouble(0)
            if not trouble:
                break
            yield f"run again: {trouble}"
            failures += 1
        for command in killed:
            yield from self._gone(command)  # an orphan may have been at work until now
            if "Traceback (most recent call last)" in command.text:
                yield f"a traceback: {command.text[-300:]!r}"
        found = (differences(hashes(root), self.reference.files), leftovers(root))
        yield from (what for what in found if what)

    def _killed(self, command: Command) -> bool:
        """Whether the command was killed before it came to its end."""
        stage, entered, delay, began = None, time.monotonic(), 0.0, time.monotonic()
        while command.process.poll() is None:
            now = _stage(command)
            if now != stage and now is not None:
                stage, entered = now, time.monotonic()
                delay = self.rng.uniform(0, 1.05 * self.reference.seconds[stage])
            waited = time.monotonic() - entered
            if stage and self.left[stage] and waited >= delay and self._hit(command):
                self.left[stage] -= 1
                self.done.append(f"{stage} {waited:.1f} s")
                return True
            if time.monotonic() - began > _LONGEST:
                return False
            time.sleep(0.01)
        return False

    def _hit(self, command: Command) -> bool:
        whom = self.way.who(command)
        for pid in whom:
            try:
                os.kill(pid, self.way.number)
            except ProcessLookupError:
                continue
        return bool(whom)

    def _aftermath(self, command: Command) -> Iterator[str]:
        """What is wrong once it has been killed."""
        try:
            command.process.wait(2 * _PATIENCE)
        except subprocess.TimeoutExpired:
            command.kill()
            yield f"hangs after {self.done[-1]}: {command.text[-200:]!r}"
        if self.way.ends_all:
            yield from self._gone(command)

    def _gone(self, command: Command) -> Iterator[str]:
        """Nothing of it may live much longer."""
        deadline = time.monotonic() + _PATIENCE
        while command.session() and time.monotonic() < deadline:
            time.sleep(0.1)
        if alive := command.session():
            yield f"{len(alive)} processes live on, such as {command_line(alive[0])[:100]}"
            command.kill()
