"""Work on a Dask cluster: the same bytes, from workers in folders of their own, and none that lacks something."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import dask
import processes
import pytest
import stages
from distributed import Client, LocalCluster
from expect import refused
from test_cli import ganaug

from ganaug import config, store
from ganaug.config import ClusterSpec
from ganaug.errors import UserError
from ganaug.stages import cluster as clusters
from ganaug.stages import pipeline
from ganaug.stages.project import Project
from ganaug.stages.split import open_splits
from ganaug.stages.tasks import Task, Worker, finish
from ganaug.stages.train import train_task

SETTINGS: dict[str, Any] = {
    "data": {"source": {"kind": "digits"}},
    "protocol": {"kind": "subsets", "trials": 1, "train_per_class": 2, "test_per_class": 2},
    "gan": {**stages.TINY_GAN, "steps": 12, "save_seconds": 1e-3},
    "synth": {"per_class": 2},
    "classifier": {"steps": 2},
    "classify": {"arms": ["none", "gan"], "curve": []},
    "device": "cpu",
    "jobs": 1,
}


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A scheduler and two workers, each in a folder of its own, which have their imports behind them."""
    processes.start(print).join()
    folder, method = tmp_path_factory.mktemp("workers"), "distributed.worker.multiprocessing-method"
    with (
        dask.config.set({method: "forkserver"}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as started,
        Client(started, set_as_default=False) as client,
    ):
        for worker in client.scheduler_info()["workers"]:
            (own := folder / worker.rpartition(":")[2]).mkdir()
            client.run(os.chdir, own, workers=[worker])
        yield started


def at(root: Path, address: str | None) -> Project:
    made = Project(root, config.check(SETTINGS))
    return made if address is None else replace(made, settings=replace(made.settings, cluster=ClusterSpec(address)))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All stages in one process."""
    made = at(tmp_path_factory.mktemp("alone"), None)
    stages.run(made)
    return made


@pytest.fixture
def shared(alone: Project, tmp_path: Path, dask_cluster: LocalCluster) -> Project:
    """The prepared images, and nothing else yet."""
    shutil.copytree(alone.prepared, tmp_path / "data" / "prepared")
    return at(tmp_path, dask_cluster.scheduler_address)


def contents(made: Project) -> dict[str, bytes]:
    files = (path for place in (made.models, made.synth, made.reports) for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(made.root)): path.read_bytes() for path in files if path.stem != "timings"}


def test_a_cluster_makes_the_bytes_of_one_process(alone: Project, shared: Project) -> None:
    stages.run(shared, "train", "synth", "classify", "report")
    assert contents(shared) == contents(alone)
    assert not list(shared.work.root.glob(".cluster.*"))


def look_around(folder: Path, worker: Worker) -> None:
    found = {
        "process": os.getpid(),
        "parent": worker.parent,
        "folder": str(Path.cwd()),
        "store": os.environ["GANAUG_STORE"],
    }
    store.write_json(folder / "found.json", found)


def task(make: Any) -> Task:
    return Task("synth", "key", "0", make, str)


def test_a_task_runs_on_a_worker_in_the_project_and_with_its_store(shared: Project) -> None:
    finish(shared, "synth", [one := task(look_around)])
    found = store.read_json(one.folder(shared.work) / "found.json", "")
    assert found.pop("process") != os.getpid()
    assert found == {"parent": None, "folder": str(shared.root), "store": str(shared.work.root)}


def killed(task: Task, states: Path, folder: Path, worker: Worker) -> Any:
    """The task's work, whose process is killed once, when it has a saved state to go on from."""

    def report(step: int) -> None:
        if list(states.glob("*.pt")) and not (mark := states.with_name("killed")).exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return task.make(folder, replace(worker, report=report))


def test_a_killed_worker_is_replaced_and_its_split_goes_on(
    alone: Project, shared: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    one = train_task(next(split for split in open_splits(shared) if split.name == "0"))
    states = shared.work.root / "train" / "states"
    finish(shared, "train", [replace(one, make=partial(killed, one, states))])
    assert states.with_name("killed").exists()
    assert "resuming 0 at step " in capsys.readouterr().out
    for name in ("generator.safetensors", "checkpoint.safetensors", "health.json"):
        assert (one.folder(shared.work) / name).read_bytes() == (alone.models / "0" / name).read_bytes()


def die(folder: Path, worker: Worker) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(folder: Path, worker: Worker) -> None:
    raise UserError("rule, value; fix")


def test_what_fails_on_a_worker_is_one_line(shared: Project, dask_cluster: LocalCluster) -> None:
    with refused("rule, value; fix"):
        finish(shared, "synth", [task(fail)])
    dask_cluster.scheduler.allowed_failures = 0
    with refused(
        "cluster: ", "1 were killed at the same task, at last tcp://127.0.0.1:", "give each more, and run it again"
    ):
        finish(shared, "synth", [task(die)])
    with refused("cluster: its scheduler must live, but was lost"):
        clusters._result(Mock(result=Mock(side_effect=CancelledError)))
    assert not shared.work.holds("synth", "key")


@pytest.mark.parametrize("joins_later", [False, True])
@pytest.mark.parametrize(
    ("change", "lack"),
    [
        ({"versions": (("ganaug", "9.9"),)}, "must have ganaug 9.9, but has "),
        ({"root": Path("/nowhere")}, "/nowhere/data/prepared, but has none; share the project's folder"),
        ({"prepared": "of other images"}, "data/prepared, but has other ones; share the project's folder"),
        (
            {"token": Path("/nowhere/token")},
            "must have the same folder /nowhere of finished work, but has none; share it",
        ),
        (
            {"token": Path("/tmp/token")},
            "must have the same folder /tmp of finished work, but has another one; share it",
        ),
    ],
)
def test_a_worker_that_lacks_something_is_refused_by_name(
    shared: Project, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], lack: str, joins_later: bool
) -> None:
    of = clusters._Run.of
    monkeypatch.setattr(clusters._Run, "of", lambda *about: replace(of(*about), **change))
    if joins_later:
        monkeypatch.setattr(clusters, "_check_workers", lambda *_: None)
    with refused("cluster: worker tcp://127.0.0.1:", lack):
        finish(shared, "synth", [task(look_around)])
    assert not shared.work.holds("synth", "key")


def test_a_worker_of_many_threads_is_told_how_to_start(alone: Project) -> None:
    run = clusters._Run.of(alone, alone.prepared / "settings.json")
    assert clusters._lack(run, 1) is None
    assert str(clusters._lack(run, 8)).endswith("has 8; start it with --nworkers 8 --nthreads 1")


def test_a_worker_without_ganaug_or_with_one_that_has_no_clusters() -> None:
    client, run = Mock(), Mock()
    client.run.return_value = {"tcp://a:1": None, "tcp://b:1": OSError("gone"), "tcp://c:1": ImportError("none there")}
    with refused("cluster: worker tcp://c:1 must have ganaug ", "(none there); install it there"):
        clusters._check_workers(client, run)
    with refused("cluster: a worker that joined later must have ganaug ", "(none there); install it there"):
        clusters._result(Mock(result=Mock(side_effect=ImportError("none there"))))


def test_a_scheduler_that_does_not_answer_is_one_line(alone: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_SECONDS", 0.2)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        for address in (f"tcp://127.0.0.1:{deaf.getsockname()[1]}", "tcp://127.0.0.1:1", "", "host", "bad://host:1"):
            with refused("cluster: a Dask scheduler must answer", f'got "{address}"', "start one there"):
                finish(at(alone.root, address), "synth", [task(fail)])


def test_without_distributed_it_says_what_to_install(alone: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with refused("distributed must be installed for a cluster", 'pip install "ganaug[dask]"'):
        finish(at(alone.root, "tcp://127.0.0.1:1"), "synth", [task(fail)])


def test_the_command_line_comes_before_params_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text(store.json_text({**SETTINGS, "cluster": {"address": "tcp://there:1"}}))
    monkeypatch.chdir(tmp_path)
    assert Project.here().settings.cluster == ClusterSpec("tcp://there:1")
    assert Project.here("tcp://here:1").settings.cluster == ClusterSpec("tcp://here:1")
    monkeypatch.setattr(pipeline, "run_for", lambda *words: print(*words) or 5)
    done = ganaug(tmp_path, "run", "--minutes", "1", "--cluster", "tcp://here:1")
    assert (done.returncode, done.stdout) == (5, "1.0 --cluster=tcp://here:1\n")
