"""A training that is killed goes on where its last state was saved, and ends with the same bytes."""

import io
import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, cast

import numpy as np
import processes
import pytest
import stages
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganaug import config
from ganaug.gan import resume
from ganaug.gan.architectures import Mlp
from ganaug.gan.augment import Ada
from ganaug.gan.loop import Trained, train_gan
from ganaug.gan.nets.generator import Generator
from ganaug.gan.regularisers import LeCam
from ganaug.gan.resume import Keeper
from ganaug.gan.spec import GanSpec, Ramp
from ganaug.gan.steps import Training
from ganaug.stages import train
from ganaug.stages.project import Project
from ganaug.stages.split import SplitOf
from ganaug.stages.tasks import Worker

STEPS = 120
SMALL: dict[str, Any] = {
    "data": {"source": {"kind": "digits"}},
    "protocol": {"kind": "subsets", "trials": 1, "train_per_class": 3, "test_per_class": 5},
    "gan": {**stages.TINY_GAN, "steps": STEPS},
    "device": "cpu",
    "jobs": 1,
}
POSIX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


class Stop(Exception):
    """In the place of a kill, where the process must live on."""


def project(root: Path, jobs: int = 1, **gan: Any) -> Project:
    raw = {**SMALL, "jobs": jobs, "gan": {**SMALL["gan"], **gan}}
    (root / "params.yaml").write_text(json.dumps(raw))
    return Project(root, config.check(raw))


def run(made: Project, split: str | None = "0") -> None:
    stages.run(made, "train", split=split)


def files(made: Project, split: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (made.models / split).iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Trained without an interruption."""
    made = project(tmp_path_factory.mktemp("whole"))
    stages.run(made, "prepare")
    run(made, None)
    names = {"generator.safetensors", "checkpoint.safetensors", "history.csv", "samples.png"}
    assert names <= set(files(made, "0"))
    return made


@pytest.fixture
def fresh(whole: Project, tmp_path: Path) -> Path:
    """A folder in which nothing was trained yet."""
    shutil.copytree(whole.prepared, tmp_path / "data" / "prepared")
    return tmp_path


def states(root: Path) -> list[Path]:
    return sorted((root / ".ganaug" / "train" / "states").glob("*.pt"))


def until(reached: Callable[[], object], what: str, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for this: {what}"
        time.sleep(0.005)


def ended(process: ForkServerProcess, seconds: float = 60.0) -> int | None:
    """The exit code of a ``process``, which ends within so many ``seconds``."""
    process.join(seconds)
    return process.exitcode


Begin = Callable[..., ForkServerProcess]


@pytest.fixture
def start() -> Iterator[Begin]:
    """``ganaug train`` in processes with a process group of their own, of which none outlives the test."""
    started: list[ForkServerProcess] = []

    def begin(said: Path, *words: str, how: Callable[..., None] = processes.ganaug, **more: Path) -> ForkServerProcess:
        started.append(processes.start(how, said.parent, said, ["train", *words], *more.values()))
        return started[-1]

    yield begin
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join(60)


def living(group: int) -> list[int]:
    """The processes of a group that still run."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:  # not a process, or it has just ended
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(folder.name))
    return found


def resumed_at(said: str, split: str = "0") -> int:
    found = re.findall(rf"^resuming {split} at step (\d+)$", said, re.MULTILINE)
    assert len(found) == 1, said
    return int(found[0])


# ------------------------------------------------------------------------------------------ killed processes


@pytest.mark.slow
@POSIX
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    start: Begin, whole: Project, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(fresh, save_seconds=0.02)
    first = start(fresh / "first", "--split", "0")
    until(lambda: states(fresh), "a state was saved")
    time.sleep(random.uniform(0, 0.1))
    first.kill()
    assert ended(first) == -signal.SIGKILL
    assert not (made.models / "0").exists()
    run(made)
    assert 0 < resumed_at(capsys.readouterr().out) <= STEPS
    assert files(made, "0") == files(whole, "0")
    assert states(fresh) == []


@pytest.mark.slow
@POSIX
def test_a_run_that_is_asked_to_stop_saves_first(
    start: Begin, whole: Project, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(fresh, save_seconds=10_000)
    process = start(fresh / "said", "--split", "0")
    until(lambda: list((fresh / ".ganaug" / "progress").glob("*")), "the first row of the history")
    assert states(fresh) == []
    process.terminate()
    assert ended(process) == 143
    *_, line = (fresh / "said").read_text().splitlines()
    stopped = re.fullmatch(r"train: stopped 0 at step (\d+); run it again to go on", line)
    assert stopped
    assert len(states(fresh)) == 1
    run(made)
    assert resumed_at(capsys.readouterr().out) == int(stopped[1])
    assert files(made, "0") == files(whole, "0")


@pytest.mark.slow
@POSIX
def test_workers_without_their_parent_save_and_end(
    start: Begin, whole: Project, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """(test_run.py has all of them asked to stop, as a batch system does.)"""
    made = project(fresh, jobs=2, save_seconds=0.02)
    parent = start(fresh / "said")
    until(lambda: states(fresh), "a split saved a state")
    end = time.monotonic() + 0.5  # mostly the other one has too, but it may be slow to begin
    until(lambda: len(states(fresh)) == 2 or time.monotonic() > end, "the other one did")
    parent.kill()
    assert ended(parent) == -signal.SIGKILL
    until(lambda: not living(parent.pid), "the workers ended", 60.0)
    assert "Traceback" not in (fresh / "said").read_text()
    unfinished = [path.name.split("-")[0] for path in states(fresh)]
    assert unfinished
    run(replace(made, settings=project(fresh).settings), None)
    said = capsys.readouterr().out
    for split in ("0", "release"):
        if split in unfinished:
            assert 0 < resumed_at(said, split) <= STEPS
        assert files(made, split) == files(whole, split)


@pytest.mark.slow
@POSIX
def test_a_second_run_waits_for_one_whose_parent_was_killed(start: Begin, whole: Project, fresh: Path) -> None:
    made = project(fresh, save_seconds=0.02)
    shell = start(fresh / "first", "--split", "0", how=processes.ganaug_of_another, pid=fresh / "pid")
    until(lambda: states(fresh), "a state was saved")
    child = int((fresh / "pid").read_text())
    os.kill(child, signal.SIGSTOP)  # so that it is still at it when the second run comes
    shell.kill()
    assert ended(shell) == -signal.SIGKILL
    assert living(shell.pid) == [child]
    second = start(fresh / "second", "--split", "0")
    waiting = "train: another run is at split 0; waiting for it"
    said = fresh / "second"
    until(lambda: said.exists() and waiting in said.read_text(), "the second run said that it waits")
    os.kill(child, signal.SIGCONT)
    assert ended(second, 120) == 0, (fresh / "second").read_text()
    until(lambda: not living(shell.pid), "the first run ended")
    rest = (fresh / "second").read_text().splitlines()
    rest.remove(waiting)
    # Speed and seconds are the first run's, to the digit: nothing was trained again.
    assert rest == (fresh / "first").read_text().splitlines()
    assert rest[1].startswith("[1/1] 0: ")
    assert files(made, "0") == files(whole, "0")


# ------------------------------------------------------------------------- which state serves which settings


def stop_at(monkeypatch: pytest.MonkeyPatch, made: Project, step: int) -> None:
    """A training that saves its state at a step and gets no further."""

    def keep(self: Keeper, now: int, state: Callable[[], dict[str, Any]]) -> None:
        if now == step:
            self.save(state())
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "keep", keep)
        with pytest.raises(Stop):
            run(made)


def test_other_settings_set_the_state_aside_and_their_return_takes_it_up(
    whole: Project, fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, other = project(fresh), project(fresh, beta1=0.5)
    stop_at(monkeypatch, made, 70)
    (state,) = states(fresh)
    before = state.read_bytes()
    run(other)
    said = capsys.readouterr().out
    assert f"train: set aside {state}: a training of other settings of gan, at step 70" in said.splitlines()
    assert "resuming" not in said
    assert files(other, "0")["generator.safetensors"] != files(whole, "0")["generator.safetensors"]
    assert state.read_bytes() == before
    capsys.readouterr()
    run(made)
    said = capsys.readouterr().out
    assert resumed_at(said) == 70
    assert "set aside" not in said
    assert files(made, "0") == files(whole, "0")
    assert states(fresh) == []


def test_how_often_a_state_is_saved_does_not_part_it_from_its_settings(
    whole: Project, fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_at(monkeypatch, project(fresh, save_seconds=77), 33)
    made = project(fresh, save_seconds=7)
    run(made)
    assert resumed_at(capsys.readouterr().out) == 33
    assert files(made, "0") == files(whole, "0")


@pytest.mark.parametrize("left", [0.0, 0.5])
def test_a_truncated_state_is_named_and_training_starts_again(
    left: float, whole: Project, fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(fresh)
    stop_at(monkeypatch, made, 50)
    (state,) = states(fresh)
    data = state.read_bytes()
    state.write_bytes(data[: int(left * len(data))])
    run(made)
    said = capsys.readouterr()
    broken = state.with_suffix(".broken")
    assert f"train: set aside {broken}: it cannot be read" in said.out.splitlines()
    assert "resuming" not in said.out
    assert "Traceback" not in said.err
    assert not broken.exists()  # of no use when the training is finished
    assert files(made, "0") == files(whole, "0")


def test_a_state_of_another_version_is_not_used(
    whole: Project, fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(fresh)
    with monkeypatch.context() as patch:
        patch.setattr(train, "__version__", "0.0.1")
        stop_at(monkeypatch, made, 60)
    (state,) = states(fresh)
    run(made)
    said = capsys.readouterr().out
    assert f"train: set aside {state}: a training of other versions, at step 60" in said.splitlines()
    assert "resuming" not in said
    assert files(made, "0") == files(whole, "0")
    assert state.exists()


def test_the_recipe_and_torch_are_part_of_the_version(whole: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def path(device: str = "cpu") -> Path:
        worker = Worker(torch.device(device), lambda step: None, os.getpid())
        return train._keeper(SplitOf(whole, "0"), worker).path

    first = path()
    assert path() == first
    assert path("cuda") != first
    for target, name, value in (
        (torch, "__version__", "9.9"),
        (train, "RECIPES", {"train": 99}),
        (train, "__version__", "0.0.1"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, value)
            assert path() != first


# -------------------------------------------------------------------------------------------------- the file


ABOUT = {"settings of gan": "{}", "versions": "1"}


def keeper(root: Path, title: str = "0", about: dict[str, str] = ABOUT, seconds: float = 1e9) -> Keeper:
    return Keeper(root / f"{title}-{about['versions']}.pt", title, about, seconds, None)


def saved(root: Path) -> dict[str, Any]:
    state = {"step": 3, "weights": torch.arange(40.0), "history": [{"a": 1.0, "b": None}], "diverged_at": None}
    keeper(root).save(state)
    return state


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = saved(tmp_path)
    found = keeper(tmp_path).load()
    assert found is not None
    assert torch.equal(found.pop("weights"), state.pop("weights"))
    assert found == state
    assert {path.name for path in tmp_path.iterdir()} == {"0-1.pt", "0-1.json"}  # written under others, then renamed
    assert json.loads((tmp_path / "0-1.json").read_text()) == {"step": 3, "seconds": 0.0}
    keeper(tmp_path).remove()
    assert list(tmp_path.iterdir()) == []
    assert keeper(tmp_path).load() is None


def test_how_far_a_broken_state_was_is_not_said(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "0-1.pt").write_bytes(b"half")
    assert keeper(tmp_path).load() is None
    assert [path.name for path in tmp_path.iterdir()] == ["0-1.broken"]


@given(st.data())
def test_whatever_is_left_of_a_state_is_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("state")
    saved(root)
    path = root / "0-1.pt"
    whole = path.read_bytes()
    here = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:here] + data.draw(st.sampled_from([b"", b"\0", b"\xff", b"x" * 50, whole[here + 1 :]]))
    path.write_bytes(broken)
    found = keeper(root).load()
    assert found is None or torch.equal(found["weights"], torch.arange(40.0))
    assert path.exists() == (found is not None)


def test_a_save_that_fails_leaves_the_earlier_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)

    real = Path.write_bytes

    def fail(path: Path, content: bytes) -> int:
        real(path, b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space") as caught:
            keeper(tmp_path).save({"step": 4})
    assert caught.value.filename == str(tmp_path / "0-1.pt")  # for the one line on a full disk
    found = keeper(tmp_path).load()
    assert found is not None
    assert found["step"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"0-1.pt", "0-1.json"}


def test_code_in_a_state_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"version": 1, "about": ABOUT, "state": Code()}, tmp_path / "0-1.pt")
    assert keeper(tmp_path).load() is None
    assert not (tmp_path / "ran").exists()
    assert "it cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize("at", [0, 32, 100, -40])
def test_a_state_of_which_one_bit_changed_is_set_aside(
    at: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper(tmp_path).save({"step": 3, "weights": torch.ones(4)})
    whole = bytearray((tmp_path / "0-1.pt").read_bytes())
    assert keeper(tmp_path).load() is not None
    whole[at] ^= 1
    for path in (tmp_path / "0-1.pt", tmp_path / "0-7.pt"):
        path.write_bytes(whole)
    capsys.readouterr()
    assert keeper(tmp_path).load() is None
    assert capsys.readouterr().out.splitlines() == [
        f"train: set aside {tmp_path / '0-1.broken'}: it cannot be read",
        f"train: set aside {tmp_path / '0-7.pt'}: it cannot be read",
    ]


def test_broken_states_do_not_pile_up(tmp_path: Path) -> None:
    for versions in "123":
        (tmp_path / f"0-{versions}.pt").write_bytes(b"nothing")
        (tmp_path / "1-1.broken").write_bytes(b"of another split")
        made = keeper(tmp_path, about={"versions": versions})
        assert made.load() is None
        assert sorted(path.name for path in tmp_path.glob("0-*.broken")) == [f"0-{versions}.broken"]
    made.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["1-1.broken"]


def test_each_difference_of_another_state_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keeper(tmp_path, about={"settings of gan": '{"steps":3}', "versions": "0"}).save({"step": 12})
    keeper(tmp_path, "01", {"versions": "0"}).save({"step": 1})  # of another split, whose name begins alike
    (tmp_path / "0-7.pt").write_bytes(b"nothing")
    assert keeper(tmp_path).load() is None
    assert capsys.readouterr().out.splitlines() == [
        f"train: set aside {tmp_path / '0-0.pt'}: a training of other settings of gan, versions, at step 12",
        f"train: set aside {tmp_path / '0-7.pt'}: it cannot be read",
    ]
    assert (tmp_path / "0-0.pt").exists()


def test_a_state_is_saved_when_it_is_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(resume.time, "perf_counter", lambda: now)
    made = keeper(tmp_path, seconds=10.0)
    asked = []

    def state() -> dict[str, Any]:
        asked.append(now)
        return {"step": 1}

    for later in (105.0, 109.0, 110.0, 111.0, 119.0, 121.0):
        now = later
        made.keep(1, state)
    assert asked == [110.0, 121.0]  # a state is gathered only to be saved


def test_sigterm_is_handed_back_after_the_training(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    made = keeper(tmp_path)

    def training() -> None:
        with made.watching():
            os.kill(os.getpid(), signal.SIGTERM)
            assert made.asked_to_stop
            made.keep(5, lambda: {"step": 5})

    with pytest.raises(SystemExit) as stopped:
        training()
    assert stopped.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    found = keeper(tmp_path).load()
    assert found == {"step": 5}


def asked_late(root: Path, is_worker: bool, at_a_step: bool) -> None:
    """In a process of its own: a training that is asked to stop, and takes no further step unless ``at_a_step``."""
    made = Keeper(root / f"{is_worker}-{at_a_step}", "0", {}, 30.0, os.getppid() if is_worker else None)
    try:
        with made.watching():
            os.kill(os.getpid(), signal.SIGTERM)
            if at_a_step:
                made.keep(5, lambda: {"step": 5})
    finally:  # as a pool, which would catch a worker's SystemExit, hand it to a parent that may be gone, and wait
        os._exit(0)


@POSIX
@pytest.mark.parametrize(
    ("is_worker", "at_a_step", "code"),
    [
        (False, False, -signal.SIGTERM),  # after the last step the signal does what it does to any process
        (True, False, -signal.SIGTERM),
        (True, True, 143),
    ],
)
def test_a_worker_and_a_late_signal_end_the_process(
    is_worker: bool, at_a_step: bool, code: int, tmp_path: Path
) -> None:
    assert ended(processes.start(asked_late, tmp_path, is_worker, at_a_step)) == code


# ------------------------------------------------------------------------------------------ every single step


class StopAt:
    """A keeper that gets no further than its n-th call, and hands the state on as a file would."""

    def __init__(self, call: int, state: dict[str, Any] | None = None) -> None:
        self.left, self.state = call, state

    def load(self) -> dict[str, Any] | None:
        return self.state

    def keep(self, step: int, state: Callable[[], dict[str, Any]]) -> None:
        self.left -= 1
        if self.left == 0:
            file = io.BytesIO()
            torch.save(state(), file)
            self.state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
            raise Stop


def judge(generator: Generator) -> float:
    """Falls and rises from candidate to candidate."""
    with torch.no_grad():
        made = generator(torch.ones(3, generator.z_dim), torch.arange(3))
    return float((made.double().mean() * 1e4).sin())


def trained(spec: GanSpec, made: StopAt | Keeper | None) -> Trained:
    torch.manual_seed(made.left if isinstance(made, StopAt) else 99)  # no matter how the process drew before
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (18, 8, 8, 1), np.uint8)
    labels = np.arange(18, dtype=np.int64) % 3
    return train_gan(
        images[:12],
        labels[:12],
        3,
        spec,
        5,
        torch.device("cpu"),
        snapshots=3,
        log_rows=4,
        held_out=(images[12:], labels[12:]),
        judge=judge,
        keeper=cast(Keeper, made),
    )


def everything(result: Trained) -> dict[str, Any]:
    return {
        "generator": {name: value.numpy().tobytes() for name, value in result.generator.state_dict().items()},
        "checkpoint": {name: value.numpy().tobytes() for name, value in result.checkpoint.items()},
        "progress": [(step, images.tobytes()) for step, images in result.progress],
        "logged": [step for step, _ in result.speed],
        **{name: getattr(result, name) for name in ("history", "scores", "step", "diverged_at")},
    }


ALL = GanSpec(
    architecture=Mlp(dropout=0.5),
    regularisers=(LeCam(from_step=3),),
    steps=13,
    batch_size=4,
    z_dim=3,
    generator_width=5,
    discriminator_width=5,
    discriminator_steps=2,
    ada=Ada(target=0.1, interval=3, speed_images=100.0),
    ramp=Ramp(0.2, 0.6),
    rate="cosine",
    held_out=0.2,
    select="gan-train",
)
CONVOLUTIONS = GanSpec(steps=13, batch_size=4, z_dim=3, generator_width=4, discriminator_width=4, optimizer="rmsprop")


def resumed(spec: GanSpec, calls: tuple[int, ...]) -> Trained:
    """Stopped at each of ``calls``, counted from the last stop; then run to its end."""
    state: dict[str, Any] | None = None
    for call in calls:
        made = StopAt(call, state)
        with pytest.raises(Stop):
            trained(spec, made)
        state = made.state
    return trained(spec, StopAt(0, state))


@pytest.mark.slow
@pytest.mark.parametrize("spec", [ALL, CONVOLUTIONS], ids=["all", "convolutions"])
def test_a_training_stopped_at_any_step_ends_the_same(spec: GanSpec) -> None:
    expected = everything(trained(spec, None))
    assert len(expected["history"]) == 5
    if spec is ALL:
        assert len(expected["scores"]) == 6
        assert expected["step"] not in (0, 13)  # the kept candidate is one to remember
        assert len({row["augment_probability"] for row in expected["history"]}) > 1
    for call in range(1, spec.steps + 1) if spec is ALL else (3, 7, 12):
        assert everything(resumed(spec, (call,))) == expected, f"stopped at step {call}"


@pytest.mark.parametrize("calls", [(1, 1, 1), (2, 5, 3), (6, 1, 6)])
def test_a_training_stopped_often_ends_the_same(calls: tuple[int, ...]) -> None:
    assert everything(resumed(ALL, calls)) == everything(trained(ALL, None))


def test_a_diverged_training_is_resumed_as_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Training.step

    def step(self: Training, number: int) -> None:
        real(self, number)
        if number == 8:
            with torch.no_grad():
                next(self.generator.parameters()).fill_(torch.nan)

    monkeypatch.setattr(Training, "step", step)
    expected = everything(trained(ALL, None))
    assert expected["diverged_at"] == 9
    assert [row["step"] for row in expected["history"]] == [3, 6]
    for call in (6, 7, 8, 9):  # the ninth is after the return to step 6
        assert everything(resumed(ALL, (call,))) == expected, f"stopped at call {call}"
