"""``make faults``, or in the folder of the tests: ``python -m faults --inputs 15000 --kills 100 --seed 1``.

Prints a table and exits with 1 if there is a fault. A damaged input is shown again, with its traceback, by
``python -m faults --reader params --one 137`` (with the same seed).
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from . import fuzz
from .project import finished
from .readers import READERS


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=0, help="damaged inputs, dealt evenly over the readers")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--reader", action="append", choices=READERS, help="this one alone; repeatable")
    parser.add_argument("--one", type=int, metavar="NUMBER", help="this input of the reader alone, with its traceback")
    parser.add_argument("--work", type=Path, help="a folder to work in, which is kept; else a temporary one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="readers at a time")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # in the processes that are started
    with tempfile.TemporaryDirectory(prefix="ganaug-faults-") as temporary:
        sys.exit(run(options, (options.work or Path(temporary)).resolve()))


def run(options: argparse.Namespace, work: Path) -> int:
    """All that is asked for. Returns 1 if there is a fault."""
    base = work / "base"
    if not base.is_dir():
        finished(base)
    names = options.reader or list(READERS)
    if options.one is not None:
        return one_again(names[0], options.one, options.seed, base, work)
    readers, each = [READERS[name] for name in names], -(-options.inputs // len(names))
    outcomes = fuzz.run(readers, each, options.seed, base, work / "fuzz", options.jobs)
    print(fuzz.table(outcomes))
    return int(any(one.is_fault for one in outcomes))


def one_again(name: str, number: int, seed: int, base: Path, work: Path) -> int:
    """Input ``number`` of the reader ``name`` by ``seed``, in this process; ``base``: a project, ``work``: a place."""
    with tempfile.TemporaryDirectory(dir=work) as home:
        reader = fuzz.made(READERS[name], base, Path(home) / name)
        outcome = fuzz.attempt(reader, seed, number, shown=True)
        os.chdir(work)
    print(f"{outcome.kind} {outcome.place} {outcome.said}")
    return int(outcome.is_fault)


if __name__ == "__main__":
    main()
