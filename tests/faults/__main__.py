"""What ganaug must survive, in numbers: ``make faults INPUTS=15000 KILLS=100 SEED=1``.

In the folder of the tests: python -m faults --inputs 15000 --kills 100 --twice 2 --full-disk 4 --seed 1
One damaged input again, with its traceback: python -m faults --reader params --one 137 --seed 1

Prints a table, and exits with 1 if there is a fault.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from . import export_kills, full_disk, fuzz, kills, twice
from .commands import Case
from .project import finished
from .readers import READERS


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=0, help="damaged inputs, dealt over the readers, slow ones fewer")
    parser.add_argument("--kills", type=int, default=0, help="kills of dvc repro, and all of synth --overwrite")
    parser.add_argument("--twice", type=int, default=0, help="rounds of two of every command at once")
    parser.add_argument("--full-disk", type=int, default=0, help="rounds of every command on a full disk")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--reader", action="append", choices=READERS, help="this one alone; repeatable")
    parser.add_argument("--one", type=int, metavar="NUMBER", help="this input of the reader alone, with its traceback")
    parser.add_argument("--work", type=Path, help="a folder to work in, which is kept; else a temporary one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="readers at a time")
    options = parser.parse_args()
    if options.one is not None and len(options.reader or ()) != 1:
        parser.error("--one is a number of one --reader")
    os.environ["OMP_NUM_THREADS"] = "1"  # in the processes that are started
    with tempfile.TemporaryDirectory(prefix="ganaug-faults-") as temporary:
        work = (options.work or Path(temporary)).resolve()
        if not (work / "base").is_dir():
            finished(work / "base")
        if options.one is not None:
            sys.exit(one_again(options, work))
        with tempfile.TemporaryDirectory(dir=work) as room:
            sys.exit(run(options, work / "base", Path(room)))


def run(options: argparse.Namespace, base: Path, work: Path) -> int:
    """All that is asked for, with the finished project ``base``, in ``work``. Returns 1 if there is a fault."""
    found = 0
    if options.inputs:
        readers = [READERS[name] for name in options.reader or READERS]
        each = math.ceil(options.inputs / sum(1 / reader.slow for reader in readers))
        outcomes = fuzz.run(readers, each, options.seed, base, work / "inputs", options.jobs)
        print(fuzz.table(outcomes), flush=True)
        found += sum(one.is_fault for one in outcomes)
    if options.kills or options.twice:
        reference = kills.undisturbed(work)
    if options.kills:
        model = base / "models/release/generator.safetensors"
        found += told("kills of dvc repro", kills.run(options.kills, options.seed, reference, work))
        found += told("kills of synth --overwrite", export_kills.run(model, work / "exports"))
    if options.twice:
        found += told("two at once", twice.run(options.twice, reference.files, work))
    if options.full_disk:
        found += told("full disks", full_disk.run(options.full_disk, options.seed, work))
    return int(found > 0)


def told(title: str, cases: Iterable[Case]) -> int:
    """Go through ``cases``, and print their faults as they come. Returns the number of faults."""
    print(f"\n{title}", flush=True)
    began, count, faults = time.monotonic(), 0, 0
    for case in cases:
        count, faults = count + case.count, faults + len(case.faults)
        for fault in case.faults:
            print(f"  {case.name}: {fault}", flush=True)
    print(f"  {count}, faults: {faults} ({time.monotonic() - began:.0f} s)", flush=True)
    return faults


def one_again(options: argparse.Namespace, work: Path) -> int:
    """One input of one reader in this process, in the folder ``work``. Returns 1 if it shows a fault."""
    (name,) = options.reader
    with tempfile.TemporaryDirectory(dir=work) as home:
        reader = fuzz.made(READERS[name], work / "base", Path(home) / name)
        outcome = fuzz.attempt(reader, options.seed, options.one, shown=True)
        os.chdir(work)
    print(f"{outcome.kind} {outcome.place} {outcome.said}")
    return int(outcome.is_fault)


if __name__ == "__main__":
    main()
