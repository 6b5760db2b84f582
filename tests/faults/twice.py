"""Two of every command at once in one project: one may wait or refuse, and what is there afterwards is as after one."""

import csv
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .commands import Command, Ended, Fault, differences, hashes, leftovers, new_project

# Every stage with what it writes; the second time its finished work is there.
_STAGES = {
    "ganaug prepare": ("data/prepared",),
    "ganaug train": ("models",),
    "ganaug synth --all": ("data/synth",),
    "ganaug classify": ("reports/trials", "reports/fidelity"),
    "ganaug report": ("reports",),
}
_DELAYS = (0.0, 0.3)  # seconds between the two: at the same moment, and when the first is at work


def run(rounds: int, expected: dict[str, str], work: Path) -> tuple[int, list[Fault]]:
    """``rounds`` of all pairs in projects in ``work``. Returns their number, and the faults.

    ``expected``: the files of an undisturbed run.
    """
    pairs, faults = 0, []
    for number in range(rounds):
        root = new_project(work / "twice")
        delay = _DELAYS[number % len(_DELAYS)]
        for name, checked in (*_stages(root, expected, delay), *_exports(root, delay), *_whole(root, expected, delay)):
            pairs += 1
            faults += [Fault(f"two of {name}", what) for what in checked if what]
        shutil.rmtree(root)
    return pairs, faults


Checked = Iterator[tuple[str, list[str | None]]]  # the pair, and what is wrong


def _stages(root: Path, expected: dict[str, str], delay: float) -> Checked:
    for command, outputs in _STAGES.items():
        for turn in ("", ", finished before"):
            ended = together(root, command.split(), delay)
            yield command + turn, [*_ends(ended, 0, 2), _unlike(root, expected, outputs), leftovers(root)]
    ended = together(root, ["ganaug", "gate"], delay)
    same = None if len({one.text for one in ended}) == 1 else f"they say different things: {ended[0].tail}"
    yield "ganaug gate", [*_ends(ended, 0, 1), same]


def _exports(root: Path, delay: float) -> Checked:
    out = root / "synthetic"
    for more in ([], ["--overwrite"]):
        ended = together(root, ["ganaug", "synth", "--class", "3", "--n", "300", *more], delay)
        stray = [path.name for path in root.iterdir() if path.name.startswith(f".{out.name}")]
        trouble = [*_ends(ended, 0, 2), _incomplete(out), f"left behind: {stray[0]}" if stray else None]
        yield " ".join(["ganaug synth --out", *more]), trouble
        if not more:
            shutil.rmtree(out, ignore_errors=True)
            together(root, ["ganaug", "synth", "--class", "3"], delay)  # what the next one replaces


def _whole(root: Path, expected: dict[str, str], delay: float) -> Checked:
    for name in ("models", "data", "reports", ".ganaug"):
        shutil.rmtree(root / name)
    trouble = _ends(together(root, ["dvc", "repro"], delay), 0, 255)  # 255: DVC's own lock
    once = Command(root, ["dvc", "repro"]).wait()
    yield "dvc repro", [*trouble, once.trouble(0), _unlike(root, expected, None), leftovers(root)]


def together(root: Path, words: Sequence[str], delay: float) -> list[Ended]:
    """The ends of two such commands, the second started ``delay`` seconds after the first."""
    commands = []
    for _ in range(2):
        commands.append(Command(root, words))
        time.sleep(delay)
    return [command.wait() for command in commands]


def _ends(ended: Sequence[Ended], *codes: int) -> list[str | None]:
    """What is wrong with how two commands ended: both may only end with ``codes``, and one must have done its work."""
    none = None if any(one.code in codes and one.code != 2 for one in ended) else f"none did it: {ended[0].tail}"
    return [*(one.trouble(*codes) for one in ended), none]


def _unlike(root: Path, expected: dict[str, str], outputs: Sequence[str] | None) -> str | None:
    """How the files of these ``outputs`` differ from what is ``expected``."""
    if outputs is None:
        return differences(hashes(root), expected)
    own = {name: one for name, one in expected.items() if name.startswith(tuple(f"{output}/" for output in outputs))}
    return differences(hashes(root, outputs), own)


def _incomplete(out: Path) -> str | None:
    """Whether the folder holds other images than its manifest lists."""
    if not (out / "manifest.csv").is_file():
        return "no manifest"
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        listed = {row["file"] for row in csv.DictReader(file)}
    found = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    return None if found == listed else f"{len(found)} images, of which the manifest lists {len(found & listed)}"
