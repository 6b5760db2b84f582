"""Work is done once, whole, and found again by all that it depends on."""

import errno
import multiprocessing
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ganaug.stages import work as work_module
from ganaug.stages.work import Work


class Stop(Exception):
    pass


def write_one(folder: Path) -> dict[str, Any] | None:
    (folder / "made").write_text("whole")
    return {"steps": 7}


def test_finished_work_is_not_done_again(tmp_path: Path) -> None:
    calls = []

    def make(folder: Path) -> dict[str, Any] | None:
        calls.append(folder)
        return write_one(folder)

    work = Work(tmp_path)
    key = work.key("train", "x")
    first, second = work.once("train", key, make), Work(tmp_path).once("train", key, make)
    assert len(calls) == 1
    assert first == second == work.place("train", key)
    assert (first / "made").read_text() == "whole"


def test_another_key_is_other_work(tmp_path: Path) -> None:
    work = Work(tmp_path)
    places = {work.once("train", work.key("train", number), write_one) for number in range(3)}
    assert len(places) == 3


def test_timing_is_kept(tmp_path: Path) -> None:
    work = Work(tmp_path)
    assert work.timing("train", "key") is None
    work.once("train", "key", write_one)
    timing = work.timing("train", "key")
    assert timing is not None
    assert timing["steps"] == 7
    assert timing["wall_seconds"] >= 0
    work.once("train", "other", lambda folder: None)
    assert set(work.timing("train", "other") or {}) == {"wall_seconds"}


def test_failed_work_does_not_count_and_is_done_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, Any] | None:
        (folder / "half").write_text("half")
        raise Stop

    work = Work(tmp_path)
    with pytest.raises(Stop):
        work.once("train", "key", fail)
    assert not work.place("train", "key").exists()
    assert work.timing("train", "key") is None
    place = work.once("train", "key", write_one)
    assert {path.name for path in place.iterdir()} == {"made", Work.TIMING, Work.DIGESTS}


@pytest.mark.parametrize("file", ["made", Work.TIMING, Work.DIGESTS])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text(""), lambda path: path.write_text("{")])
def test_damaged_work_does_not_count_and_is_made_again(tmp_path: Path, file: str, damage: Any) -> None:
    work = Work(tmp_path)
    place = work.once("train", "key", write_one)
    assert work.holds("train", "key")
    damage(place / file)
    assert not work.holds("train", "key")
    assert (work.once("train", "key", write_one) / "made").read_text() == "whole"
    assert work.holds("train", "key")
    (place / "more").touch()
    assert not work.holds("train", "key")


def test_what_killed_runs_left_is_removed_and_what_another_makes_is_not(tmp_path: Path) -> None:
    work = Work(tmp_path)
    left = tmp_path / "train" / "old.part"
    left.mkdir(parents=True)

    def make(folder: Path) -> dict[str, Any] | None:
        Work(tmp_path).tidy("train")
        assert not left.exists()
        assert folder.is_dir()
        return write_one(folder)

    work.once("train", "key", make)


def test_a_full_disk_is_an_error_that_names_a_place_and_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    work = Work(tmp_path)
    with pytest.raises(OSError, match="No space") as caught:
        work.once("train", "key", make)
    assert caught.value.filename == str(work.place("train", "key"))
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["key.lock"]


def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    def killed(folder: Path) -> dict[str, Any] | None:
        (folder / "deep").mkdir()
        (folder / "deep" / "half").write_text("half")
        raise KeyboardInterrupt

    work = Work(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        work.once("train", "key", killed)

    def make(folder: Path) -> dict[str, Any] | None:
        assert list(folder.iterdir()) == []
        return write_one(folder)

    work.once("train", "key", make)
    left = {path.name for path in work.place("train", "key").parent.iterdir()}
    assert left <= {"key", "key.lock"}


def test_threads_at_once_do_it_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def make(folder: Path) -> dict[str, Any] | None:
        calls.append(1)
        time.sleep(0.2)
        return write_one(folder)

    threads = [threading.Thread(target=Work(tmp_path).once, args=("train", "key", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def _slow(folder: Path) -> dict[str, Any] | None:
    with (folder.parent / "calls").open("a") as file:
        file.write("called\n")
    time.sleep(0.4)
    return write_one(folder)


def _in_a_process(root: Path) -> None:
    assert (Work(root).once("train", "key", _slow) / "made").read_text() == "whole"


def test_processes_at_once_do_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_in_a_process, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "train" / "calls").read_text() == "called\n"


def _hold(root: Path) -> None:
    def make(folder: Path) -> dict[str, Any] | None:
        (root / "holds").touch()
        while not (root / "go").exists():
            time.sleep(0.01)
        return write_one(folder)

    Work(root).once("train", "key", make, "split 3")


@pytest.mark.parametrize(
    ("title", "said"),
    [("split 3", "train: another run is at split 3; waiting for it"), (None, "another run is at the same work;")],
)
def test_who_waits_for_another_process_says_so_once(
    title: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path,))
    holder.start()
    end = time.monotonic() + 60
    while not (tmp_path / "holds").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert capsys.readouterr().out == ""

    def say(*words: Any, **options: Any) -> None:
        print(*words, **options)
        (tmp_path / "go").touch()  # the other one ends only after it was waited for

    def again(folder: Path) -> dict[str, Any] | None:
        raise AssertionError("it was done by the other process")

    monkeypatch.setattr(work_module.log, "warning", say)
    assert (Work(tmp_path).once("train", "key", again, title) / "made").read_text() == "whole"
    (line,) = capsys.readouterr().out.splitlines()
    assert said in line
    holder.join(60)
    assert holder.exitcode == 0


def test_who_need_not_wait_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        Work(tmp_path).once("train", "key", write_one, "split 3")
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_the_lock_of_a_killed_process_does_not_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path,))
    holder.start()
    end = time.monotonic() + 60
    while not (tmp_path / "holds").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    holder.kill()
    holder.join(60)
    assert (Work(tmp_path).once("train", "key", write_one) / "made").read_text() == "whole"
    assert capsys.readouterr().out == ""


def test_the_key_depends_on_stage_recipe_and_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(tmp_path)
    on = {"seed": 0, "gan": {"steps": 10, "lr": 1e-3}}
    key = work.key("train", on)
    assert key == Work(tmp_path / "elsewhere").key("train", {"gan": {"lr": 1e-3, "steps": 10}, "seed": 0})
    assert key != work.key("synth", on)
    assert key != work.key("train", {**on, "seed": 1})
    monkeypatch.setitem(work_module.RECIPES, "train", work_module.RECIPES["train"] + 1)
    assert key != work.key("train", on)


def test_an_unknown_stage_has_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Work(tmp_path).key("dream", {})
