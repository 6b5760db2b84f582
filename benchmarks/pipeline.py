"""Figures of the pipeline on this machine: cold run, memory, a run with nothing to do, the command line's start.

python benchmarks/pipeline.py            # clones the committed project to a temporary folder and runs it there
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil  # comes with dvc


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(sys.argv[1] if len(sys.argv) > 1 else temporary) / "project"
        subprocess.run(["git", "clone", "--quiet", Path(__file__).parents[1], project], check=True)
        seconds, peak, _ = measured(["dvc", "repro", "--quiet"], project)
        print(f"dvc repro, cold, {os.cpu_count()} cores: {seconds:.0f} s, {peak / 2**30:.2f} GiB at most")
        print(f"dvc repro, nothing changed: {median(['dvc', 'repro', '--quiet'], project):.2f} s (median of 5)")
        print(f"ganaug --help: {median(['ganaug', '--help'], project):.2f} s (median of 5)")
        print(f"ganaug gate: {median(['ganaug', 'gate'], project):.2f} s (median of 5)")
        command = ["ganaug", "synth", "--class", "3", "--n", "5000", "--overwrite"]
        print(f"ganaug synth --class 3 --n 5000: {measured(command, project)[0]:.1f} s")


def measured(command: list[str], folder: Path) -> tuple[float, int, int]:
    """Wall seconds, and the largest memory in bytes: of the command and all that it started, and of one process.

    Memory is the proportional set size, which counts a page that several processes share once.
    """
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    began, peak, largest, over = time.perf_counter(), 0, 0, threading.Event()

    def watch() -> None:
        nonlocal peak, largest
        while not over.wait(0.2):
            sizes = [0]
            with suppress(psutil.Error):  # a process ended while it was being looked at
                for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                    sizes.append(one.memory_full_info().pss)
            peak, largest = max(peak, sum(sizes)), max(largest, *sizes)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - began
    over.set()
    watcher.join()
    if code != 0:
        raise SystemExit(f"{' '.join(command)} failed with exit code {code}")
    return seconds, peak, largest


def median(command: list[str], folder: Path, runs: int = 5) -> float:
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[runs // 2]


if __name__ == "__main__":
    main()
