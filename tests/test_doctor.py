"""``ganaug doctor``: one line per finding, and exit code 1 where a run would fail."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import stages
from test_cli import ganaug
from test_workspaces import git

from ganaug import config, space
from ganaug.stages.needs import Sizes, needs, sizes_now
from ganaug.stages.project import Project
from ganaug.start import doctor, estimate
from ganaug.start.estimate import Pace
from ganaug.start.sync import sync


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "params.yaml").write_text("data: {source: {kind: digits}}\n")
    return tmp_path


def found() -> dict[str, tuple[str, str]]:
    return {one.topic: (one.status, one.says) for one in doctor.examine(Path())}


def test_every_topic_has_one_line() -> None:
    said = ganaug(Path(), "doctor")
    topics = found()
    assert {"versions", "device", "cores", "memory", "disk", "git", "settings", "images", "DVC", "permissions"} <= set(
        topics
    )
    assert len(said.stdout.splitlines()) == len(topics)
    assert said.returncode == 0
    assert [one["topic"] for one in json.loads(ganaug(Path(), "doctor", "--json").stdout)] == list(topics)


def test_it_leaves_nothing_behind(here: Path) -> None:
    found()
    assert [path.name for path in here.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("settings", "topic", "part"),
    [
        ("gan: {step: 1}\n", "settings", "gan.step: no such key"),
        ("data: {source: {kind: folder, path: nowhere}}\n", "images", "nowhere is not there"),
        ("data: {source: {kind: digits}}\ndevice: mps\n", "device", "must be present on this machine"),
    ],
)
def test_what_a_run_would_fail_at_fails(here: Path, settings: str, topic: str, part: str) -> None:
    (here / "params.yaml").write_text(settings)
    status, says = found()[topic]
    assert status == "fail"
    assert part in says
    assert ganaug(here, "doctor").returncode == 1


def test_without_a_project(here: Path) -> None:
    (here / "params.yaml").unlink()
    assert found()["settings"] == ("warn", 'no params.yaml here: "ganaug init" makes a project of your images')
    assert "dvc.yaml" not in found()


def test_a_pipeline_of_other_settings(here: Path) -> None:
    assert found()["dvc.yaml"][0] == "warn"
    sync(here)
    assert found()["dvc.yaml"] == ("ok", "as params.yaml asks for")
    (here / "params.yaml").write_text("data: {source: {kind: idx, path: raw}}\n")
    assert "ganaug sync" in found()["dvc.yaml"][1]


def test_what_is_slow_is_said_with_the_reason(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setattr(doctor, "_SLOW_SYNC", 0.0)
    monkeypatch.setattr(space, "memory", lambda: 2**30)
    monkeypatch.setattr(doctor.joblib, "cpu_count", lambda: 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0, 9.0, 9.0))
    slow = found()
    for topic, part in {
        "threads": "OMP_NUM_THREADS is 4",
        "disk speed": "slow",
        "memory": "lower jobs",
        "cores": "one training at a time",
        "disk": "0.0 GiB free",
        "load": "9.0 on 1 cores",
    }.items():
        assert slow[topic][0] == "warn"
        assert part in slow[topic][1]


def test_what_a_run_needs_against_what_there_is(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """The memory and the disk that the model says, of as much, of a bit more, and of a byte less."""
    project = Project(here, config.load(here / "params.yaml"))
    takes = needs(project.settings, sizes_now(project), dvc=False)
    status, says = found()["needs"]
    assert (status, says) == ("ok", f"{takes}")
    assert "time" not in found()

    def there(memory: int, disk: int) -> tuple[str, str]:
        monkeypatch.setattr(space, "memory", lambda: memory)
        usage = shutil._ntuple_diskusage(2 * disk, disk, disk)  # type: ignore[attr-defined]
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        return found()["needs"]

    much = 2**40
    for memory, disk in ((takes.memory, much), (much, takes.disk)):
        assert there(memory, disk)[0] == "warn"
    status, says = there(takes.memory - 1, much)
    assert status == "fail"
    assert says.startswith(f"{takes}; there are ")
    assert says.endswith(" of memory: lower jobs, or make data.image_size smaller")
    (here / "data" / "prepared").mkdir(parents=True)
    (here / "data" / "prepared" / "images.npy").write_bytes(bytes(1000))
    assert there(much, takes.disk - 1000)[0] == "warn"
    status, says = there(much, takes.disk - 1001)
    assert status == "fail"
    assert "are free: lower synth.per_class, or" in says


def test_what_a_run_needs_is_unknown_without_its_images(here: Path) -> None:
    (here / "params.yaml").write_text("data: {source: {kind: folder, path: nowhere}}\n")
    status, says = found()["needs"]
    assert status == "warn"
    assert says.startswith("unknown: data.source.path: must be a folder")


def test_sizes_are_those_of_the_prepared_images(here: Path) -> None:
    """Of a trial as it was dealt; after another change of the settings, of the source again."""
    raw = {"protocol": {"kind": "subsets", "trials": 1, "train_per_class": 5, "test_per_class": 3}}
    project = Project(here, config.check(raw))
    stages.prepared(project)
    of_source = Sizes.of(project.settings, project.settings.data.source.load())
    assert sizes_now(project) == of_source
    (here / "data" / "prepared" / "classes.json").write_text("[]")
    assert sizes_now(project) == of_source


def test_time_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """On random images of the project's number of classes and shape."""
    timed = []

    def measure(settings: config.Settings, images: Any, labels: Any, classes: int) -> Pace:
        timed.append((images.shape[1:], len(set(labels.tolist())), classes))
        return Pace("cpu", 2, 0.01, dict.fromkeys(settings.classify.arms, 0.001))

    monkeypatch.setattr(estimate, "measure", measure)
    said = {one.topic: one for one in doctor.examine(Path(), with_time=True)}
    assert timed == [((8, 8, 1), 10, 10)]
    assert said["time"].says.startswith("a run takes about ")
    assert said["time"].status == "ok"


def test_a_network_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_file_system", lambda _: "nfs4")
    assert found()["disk speed"][0] == "warn"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(here: Path) -> None:
    (here / "models").mkdir(mode=0o500)
    assert found()["permissions"][0] == "fail"


def test_a_place_that_is_a_file_cannot_be_written_to(here: Path) -> None:
    (here / "models").write_text("mine")
    assert found()["permissions"] == ("fail", "models cannot be written to (Not a directory); correct that")


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("{here}/params.yaml", "GANAUG_STORE: must be a folder, or a new one in a folder, got "),
        ("store", "GANAUG_STORE: must be an absolute path"),
        ("/proc/store", "correct that, so that /proc/store can be made"),
    ],
)
def test_a_store_that_cannot_be_used(here: Path, store: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.startswith("/proc") and not Path("/proc/mounts").exists():
        pytest.skip("a folder in which nobody may write")
    monkeypatch.setenv("GANAUG_STORE", store.format(here=here))
    status, said = found()["permissions"]
    assert status == "fail"
    assert says in said
    assert ganaug(here, "doctor").returncode == 1


def test_a_repository_without_a_commit(here: Path) -> None:
    git(here, "init")
    status, says = found()["git"]
    assert (status, says.partition("; ")[2]) == (
        "warn", "no commit yet: DVC runs experiments after git add . && git commit -m start"
    )  # fmt: skip
    git(here, "commit", "--allow-empty", "-m", "start")
    assert found()["git"][0] == "ok"
