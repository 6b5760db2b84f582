"""Commands in processes of their own that have their imports behind them: copies of one that imports and does nothing
else. Where it matters how ganaug begins, tests start it as a user does.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

# What training, measuring and exporting import; a list of names, since a test's process need not import it itself.
_IMPORTS = (
    "torch._dynamo", "torchvision.transforms.v2", "sklearn.datasets", "sklearn.neighbors", "ganaug.cli",
    "ganaug.gan.loop", "ganaug.stages.pipeline", "ganaug.synth.export",
)  # fmt: skip


def warm() -> ForkServerContext:
    """Where processes begin as copies, once that first one is there."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTS))
    return context


def start(function: Any, *arguments: Any) -> ForkServerProcess:
    """``function`` of the ``arguments``, all of which can be pickled."""
    process = warm().Process(target=function, args=arguments)
    process.start()
    return process


def ganaug(folder: Path, said: Path, words: Sequence[str]) -> None:
    """In a process of ``start``: the command, in a process group of its own; what it says goes to the file ``said``."""
    _alone(folder, said)
    _command(words)


def ganaug_of_another(folder: Path, said: Path, words: Sequence[str], pid: Path) -> None:
    """The same in a child of the process, as in a shell that waits for it; ``pid``: the file for its number."""
    _alone(folder, said)
    if child := os.fork():
        pid.write_text(str(child))
        os.waitpid(child, 0)
    else:
        _command(words)


def _alone(folder: Path, said: Path) -> None:
    os.setsid()
    os.chdir(folder)
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)


def _command(words: Sequence[str]) -> None:
    from ganaug import cli

    sys.argv = ["ganaug", *words]
    cli.main()
