"""Tasks on the workers of a Dask cluster, none of which gets one before it has been looked at.

joblib has a backend for Dask, but waits forever for a task that Dask gives up, as it does when the task's workers were
killed again and again (joblib 1.6, distributed 2026.8): so Dask's futures are waited for here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import platform
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import __version__, store
from ganaug.errors import UserError, one_line, quoted
from ganaug.extras import need
from ganaug.log import LEVEL, log, set_level
from ganaug.stages.project import Project
from ganaug.stages.workspaces import SETTING as STORE
from ganaug.stages.workspaces import make_ignored

if TYPE_CHECKING:
    from distributed import Client, Future, Worker

_SECONDS = 10.0  # in which a scheduler must answer
_AGAIN = "run it again: it goes on where it was"


@dataclass(frozen=True)
class _Run:
    """What a run works with: a worker must find the same."""

    root: Path  # of the project
    prepared: str  # stands for the prepared images
    token: Path  # a file in the store that is there as long as the run
    versions: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]  # ganaug's variables

    @classmethod
    def of(cls, project: Project, token: Path) -> _Run:
        variables = {**_ours(), STORE: str(token.parent)}
        return cls(project.root.absolute(), _contents(project.prepared), token, _versions(), tuple(variables.items()))


def _ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("GANAUG_")}


def results(project: Project, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """What each of ``calls`` returns, a function and its arguments, as they come, from the workers of the ``project``'s
    cluster. A worker that dies is replaced: what it was at is done again, from where its saved state leads on.

    Raises UserError if the cluster cannot be reached, a worker lacks something or too many die.
    """
    if not calls:
        return
    need("distributed", extra="dask", what="a cluster")
    from distributed import as_completed

    assert project.settings.cluster
    with _token(project.work.root.absolute()) as token, _client(project.settings.cluster.address) as client:
        run = _Run.of(project, token)
        _check_workers(client, run)
        client.forward_logging("ganaug")  # lines of workers, such as the step that a training goes on from
        futures = [client.submit(pickle.loads, _sent(run, call), key=f"ganaug-{uuid.uuid4()}") for call in calls]
        try:
            for future in as_completed(futures, loop=client.loop):
                yield _result(future)
        finally:  # a client that closes cancels what no worker has begun
            if client.status == "running":
                client.unforward_logging("ganaug")


@dataclass(frozen=True)
class _Sent:
    """Unpickled, it is what ``_call`` returns."""

    run: _Run
    call: bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return _call, (self.run, self.call)


def _sent(run: _Run, call: tuple[Any, ...]) -> bytes:
    """Bytes, and one of Python's own functions to read them, are what a worker without this ganaug can take: from there
    on its errors are the task's. What it cannot take would end it, without a word here."""
    import cloudpickle

    return pickle.dumps(_Sent(run, cloudpickle.dumps(call)))


@contextmanager
def _token(folder: Path) -> Iterator[Path]:
    make_ignored(folder)
    store.sweep(folder, "cluster")  # of runs that were killed
    with store.locked_part(folder / "cluster", folder=False) as token:
        try:
            yield token
        finally:
            store.remove(token)


@contextmanager
def _client(address: str) -> Iterator[Client]:
    from distributed import Client, Security
    from distributed.comm import connect

    async def ask() -> None:
        async with asyncio.timeout(_SECONDS):
            comm = await connect(address, _SECONDS, **Security().get_connection_args("client"))
            await comm.close()

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # errors here say what it does
    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook has a loop of its own in this one
            thread.submit(asyncio.run, ask()).result()
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    except Exception as error:  # what is there may answer anything
        reason = one_line(str(error), 200) or type(error).__name__
        raise UserError(
            f"cluster: a Dask scheduler must answer at its address, got {quoted(address)} ({reason}); start one there, "
            "or correct the address"
        ) from None
    with client:
        yield client


def _check_workers(client: Client, run: _Run) -> None:
    """Those that are there now: one that joins later is looked at when it gets its first task."""
    lacks = client.run(_look, run, on_error="return")
    if not lacks:
        log.warning("cluster: it has no worker yet; waiting for one")
    for address, lack in lacks.items():
        if lack and not isinstance(lack, OSError):  # else the worker was lost in this moment
            raise _refusal(f"worker {address}", lack)


def _result(future: Future[Any]) -> Any:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise UserError(
            f"cluster: workers must live, but {error.allowed_failures + 1} were killed at the same task, at last "
            f"{error.last_worker.address}, as happens when memory runs out; give each more, and {_AGAIN}"
        ) from None
    except CancelledError:
        raise UserError(f"cluster: its scheduler must live, but was lost; start it, and {_AGAIN}") from None
    except ImportError as error:
        raise _refusal("a worker that joined later", error) from None


def _refusal(worker: str, lack: str | Exception) -> UserError:
    if isinstance(lack, Exception):
        lack = f"must have ganaug {__version__} and what it imports, but has not ({lack}); install it there"
    return UserError(f"cluster: {worker} {lack}")


# ---------------------------------------------------------------------------------------------------- on a worker


def _call(run: _Run, call: bytes) -> Any:
    """``call`` comes pickled, since it is of this ganaug, and reads files of the project as soon as it is unpickled."""
    import cloudpickle
    from distributed import get_worker

    worker = get_worker()
    if lack := _look(run, worker):
        raise _refusal(f"worker {worker.address}", lack)
    with chdir(run.root):  # paths in the settings start there
        for name in _ours():  # of an earlier run
            del os.environ[name]
        os.environ.update(run.environment)
        set_level(logging.getLevelNamesMapping()[os.environ.get(LEVEL, "INFO")])
        function, *arguments = cloudpickle.loads(call)
        return function(*arguments)


def _look(run: _Run, dask_worker: Worker) -> str | None:
    """What this worker lacks for the ``run``; Dask gives ``dask_worker``, by this name."""
    return _lack(run, dask_worker.state.nthreads)


@cache
def _lack(run: _Run, threads: int) -> str | None:
    for (name, wanted), (_, found) in zip(run.versions, _versions(), strict=True):
        if wanted != found:
            return f"must have {name} {wanted}, but has {found}; install it there"
    if threads > 1:
        return f"must have one thread, but has {threads}; start it with --nworkers {threads} --nthreads 1"
    prepared = run.root / "data" / "prepared"
    if _contents(prepared) != run.prepared:
        but = "has other ones" if prepared.is_dir() else "has none"
        return f"must have the images of this run in {prepared}, but {but}; share the project's folder with it"
    if not run.token.is_file():
        but = "another one" if run.token.parent.is_dir() else "none"
        return f"must have the same folder {run.token.parent} of finished work, but has {but}; share it"
    return None


def _versions() -> tuple[tuple[str, str], ...]:
    """Of a CPU and of CUDA alike."""
    python = ".".join(platform.python_version_tuple()[:2])
    return ("ganaug", __version__), ("torch", version("torch").partition("+")[0]), ("Python", python)


def _contents(folder: Path) -> str:
    """Stands for the prepared images in ``folder``: there is a table of their hashes, so that none is read."""

    def of(path: Path) -> int | str:
        return path.stat().st_size if path.suffix == ".npy" else store.file_digest(path)

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return store.digest(*(f"{path.relative_to(folder)}: {of(path)}" for path in files))
