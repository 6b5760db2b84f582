"""The runner: what is missing is made once, where and for whom, and what is published is all there is."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import pytest
import torch
from expect import refused
from stages import run
from test_device import gpus

from ganaug import config, device, store, workers
from ganaug.errors import UserError
from ganaug.stages.project import Project
from ganaug.stages.runs import runs_of
from ganaug.stages.split import SplitOf
from ganaug.stages.tasks import Task, Worker, finish, publish


def project(root: Path, **changes: Any) -> Project:
    raw = {"protocol": {"kind": "subsets", "trials": 1, "train_per_class": 2, "test_per_class": 5}, "device": "cpu"}
    return Project(root, config.check({**raw, "jobs": 1, **changes}))


def write(text: str, folder: Path, worker: Worker) -> dict[str, Any]:
    store.write_text(folder / "made.txt", text)
    store.write_json(folder / "where.json", {"pid": os.getpid(), "parent": worker.parent, "device": str(worker.device)})
    return {"measured": 1}


def task(key: str, text: str = "text") -> Task:
    return Task("synth", key, "0", partial(write, text), lambda folder: (folder / "made.txt").read_text(), key)


def done(made: Project, tasks: list[Task]) -> list[dict[str, Any]]:
    finish(made, "synth", tasks)
    return [store.read_json(one.folder(made.work) / "where.json", "") for one in tasks]


def test_what_is_missing_is_made_and_each_key_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path)
    done(made, [task("a", "first"), task("a", "second"), task("b")])
    assert (made.work.place("synth", "a") / "made.txt").read_text() == "first"
    assert capsys.readouterr().out.splitlines() == ["synth: 2 to do", "[1/2] 0 a: first", "[2/2] 0 b: text"]
    assert (made.work.timing("synth", "a") or {})["measured"] == 1
    done(made, [task("a", "third"), task("c")])
    assert capsys.readouterr().out.splitlines() == ["synth: 1 to do", "[1/1] 0 c: text"]
    assert (made.work.place("synth", "a") / "made.txt").read_text() == "first"


def test_a_worker_knows_who_waits_for_it_only_where_the_runner_started_it(tmp_path: Path) -> None:
    """A worker of another scheduler has another parent: it must not take itself for an orphan."""
    for found in done(project(tmp_path / "own", jobs=2), [task("a"), task("b")]):
        assert found["parent"] == os.getpid() != found["pid"]
    (alone,) = done(project(tmp_path / "alone"), [task("a")])
    assert alone["parent"] == alone["pid"] == os.getpid()  # nobody else, which a training knows
    with joblib.parallel_config(backend="threading"):
        assert [one["parent"] for one in done(project(tmp_path / "other", jobs=2), [task("a"), task("b")])] == [
            None
        ] * 2


@pytest.mark.parametrize(("jobs", "each"), [(0, 1), (2, 2)])
def test_every_gpu_has_its_own_tasks(jobs: int, each: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were two: as many tasks begin as fit, and none has an end before all have begun."""
    gpus(monkeypatch, 2)
    monkeypatch.setattr(device, "prepare", lambda where: None)
    monkeypatch.setattr(device, "title", str)
    monkeypatch.setattr(workers, "_at_work", nullcontext())  # threads stand for processes
    begun = threading.Barrier(2 * each, timeout=20)

    def make(folder: Path, worker: Worker) -> None:
        begun.wait()
        store.write_text(folder / "made.txt", str(worker.device))

    made = project(tmp_path, jobs=jobs, device="cuda")
    tasks = [Task("synth", str(number), "0", make, lambda folder: "") for number in range(2 * each)]
    with joblib.parallel_config(backend="threading"):
        finish(made, "synth", tasks)
    found = [(one.folder(made.work) / "made.txt").read_text() for one in tasks]
    assert sorted(found) == ["cuda:0"] * each + ["cuda:1"] * each


def test_an_error_of_the_user_comes_through_and_leaves_nothing_finished(tmp_path: Path) -> None:
    def fail(folder: Path, worker: Worker) -> None:
        raise UserError("rule, value; fix")

    made = project(tmp_path, jobs=2)
    with refused("rule, value; fix"):
        done(made, [Task("synth", "a", "0", fail, str), task("b")])
    assert not made.work.place("synth", "a").exists()


def test_what_is_published_replaces_what_was_there(tmp_path: Path) -> None:
    made = project(tmp_path)
    done(made, [task("a", "one"), task("b", "two")])
    a, b = (made.work.place("synth", key) for key in "ab")
    publish(made, tmp_path / "out", {"0": [a], "1": [a, b]}, whole=True)
    assert (tmp_path / "out" / "1" / "made.txt").read_text() == "two"  # the later folder's
    assert not (tmp_path / "out" / "0" / "timing.json").exists()
    publish(made, tmp_path / "out", {"1": [a]}, whole=False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0", "1"]
    publish(made, tmp_path / "out", {"1": [a]}, whole=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1"]


def test_work_that_lost_a_file_is_made_again_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path)
    done(made, [task("a", "one")])
    (made.work.place("synth", "a") / "made.txt").write_text("")
    capsys.readouterr()
    done(made, [task("a", "one")])
    assert capsys.readouterr().out.splitlines() == ["synth: 1 to do", "[1/1] 0 a: one"]


def test_publishing_leaves_alone_what_another_run_is_writing(tmp_path: Path) -> None:
    made, out = project(tmp_path), tmp_path / "out"
    done(made, [task("a")])
    killed = out / ".5.0123abcd.part"
    killed.mkdir(parents=True)
    with store.replacing(out / "7", folder=True) as theirs:
        publish(made, out, {"0": [made.work.place("synth", "a")]}, whole=True)
        assert theirs.is_dir()
    assert sorted(path.name for path in out.iterdir()) == ["0", "7"]


def test_memory_that_is_too_small_names_the_setting_and_the_size(tmp_path: Path) -> None:
    def gpu(folder: Path, worker: Worker) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 79 GiB")

    def host(folder: Path, worker: Worker) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes.")

    def other(folder: Path, worker: Worker) -> None:
        raise RuntimeError("a bug")

    made = project(tmp_path, gan={"batch_size": 96})
    for key, make, size in (("a", gpu, "20.00 GiB"), ("b", host, "4000000000000 bytes")):
        with refused(f"gan.batch_size: 96 images at once must fit the memory of cpu, but {size}", "; lower it"):
            finish(made, "train", [Task("train", key, "0", make, str)])
    with pytest.raises(RuntimeError, match="a bug"):
        finish(made, "train", [Task("train", "c", "0", other, str)])


def test_no_key_reads_an_image(tmp_path: Path) -> None:
    """Keys stand for images that may take gigabytes; each follows what it depends on."""

    class Sealed:
        shape = (1, 8, 8, 1)

        def __len__(self) -> int:
            return 1797

        def __getitem__(self, rows: Any) -> Any:
            assert rows == slice(None, 0, None), "an image was read"
            return self

    made = project(tmp_path, classify={"arms": ["none", "gan", "placebo", "smote"], "curve": [2.0]})
    run(made, "prepare")

    def keys(of: Project) -> list[str | None]:
        split = SplitOf(of, "0", replace(SplitOf(of, "0").prepared, images=Sealed()))
        runs = [one.key for one in runs_of(split)]
        return [split.labels_key, split.train_key, split.filters_key, split.synth_key, *runs]

    usual = keys(made)
    arms = {"arms": ["none", "gan", "placebo", "smote"], "curve": [2.0]}
    other = keys(project(tmp_path, classify=arms, synth={"seed": 1}))
    assert other[:3] == usual[:3]
    assert other[3] != usual[3]
    assert [a == b for a, b in zip(other[4:8], usual[4:8], strict=True)] == [True, False, True, True]  # the arm gan's
    fewer = keys(project(tmp_path, classify=arms, synth={"per_class": 7}))
    assert [a == b for a, b in zip(fewer[4:8], usual[4:8], strict=True)] == [True, False, False, False]
    filtered = keys(project(tmp_path, classify=arms, synth={"drop_copies": True}))
    assert filtered[1] == usual[1]
    assert filtered[2] is not None
    assert filtered[3] != usual[3]
