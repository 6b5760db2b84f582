"""One training by several processes: it is that of one process with the whole batch, but for rounding."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import processes
import pytest
import stages
import test_translator
import torch
from expect import refused
from test_resume import Stop, project
from test_training import training
from torch import Tensor, distributed

from ganaug import store
from ganaug.gan import ranks
from ganaug.gan.adversarial import Adversarial
from ganaug.gan.augment import Ada
from ganaug.gan.ranks import Ranks
from ganaug.gan.resume import Keeper
from ganaug.stages import together
from ganaug.stages.project import Project
from ganaug.translate import steps

TWO = 2
DISTORT = {
    "shift": 0.2, "rotate_degrees": 20, "scale": 0.2, "shear": 0.1, "brightness": 0.3, "contrast": 0.3,
    "cutout": 0.3, "flip": True,
}  # fmt: skip
# Whatever draws, looks at the whole batch or takes gradients of its own.
OF_CLASSES: dict[str, dict[str, Any]] = {
    "every distortion, ADA": {"augment": DISTORT, "vary": DISTORT, "ada": {"interval": 1, "speed_images": 50}},
    "batch norm in both": {"preset": "dcgan"},
    "dropout": {"preset": "gan"},
    "penalty between": {"preset": "wgan-gp", "discriminator_steps": 1},
    "spectral norm": {"preset": "sngan-projection", "discriminator_steps": 1},
    "codes, averages of logits": {
        "latents": {"kind": "codes"}, "batch_size": 8, "regularisers": [{"kind": "lecam", "from_step": 2}],
    },
}  # fmt: skip
TRANSLATORS = {"two-way": {}, "none": {"ada": Ada(interval=1, speed_images=50.0)}}
STEERED = ("every distortion, ADA", "codes, averages of logits")  # where a step leaves more to the next than weights
CASES = [*OF_CLASSES, *TRANSLATORS]


def begun(case: str) -> Adversarial:
    if case in OF_CLASSES:
        return training(**OF_CLASSES[case])
    spec = replace(test_translator.MODES[case], precision="float32", **TRANSLATORS[case])
    return steps.Training(*test_translator.data(), 2, [1], spec, 0, torch.device("cpu"))


def learned() -> dict[str, tuple[list[dict[str, Tensor]], list[float], Tensor]]:
    """Of each case, the gradients of its steps, the means of its measures, and the random state."""
    found = {}
    for case in CASES:
        one = begun(case)
        gradients = []
        for number in range(1, 3 if case in STEERED else 2):
            one.step(number)
            nets = {"G": one.generator, "D": one.discriminator}
            named = ((of, name, value.grad) for of, net in nets.items() for name, value in net.named_parameters())
            gradients.append({f"{of} {name}": grad.clone() for of, name, grad in named if grad is not None})
        found[case] = gradients, (one.measures / one.measured.sum()).tolist(), one.rng.get_state()
    return found


def rank(number: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=number, world_size=TWO)
    with ranks.sharing(Ranks(number, TWO)):
        torch.save(learned(), folder / f"{number}.pt")
    distributed.destroy_process_group()


def test_two_processes_have_the_gradients_of_one_with_the_whole_batch(tmp_path: Path) -> None:
    """To 1e-5 of the largest, and after a step of Adam, which makes a whole step of a gradient that is rounding alone,
    to 5e-5. What is drawn is the same to the bit, and so are the two processes' weights."""
    started = [processes.start(rank, number, tmp_path) for number in range(TWO)]
    whole = learned()
    for process in started:
        process.join(240)
        assert process.exitcode == 0
    first, second = (torch.load(tmp_path / f"{number}.pt") for number in range(TWO))
    for case, (gradients, measures, state) in whole.items():
        for step, expected in enumerate(gradients):
            found = first[case][0][step]
            assert found.keys() == expected.keys(), case
            for net in "DG":
                names = [name for name in expected if name.startswith(net)]
                largest = max((float(expected[name].abs().max()) for name in names), default=0.0)
                apart = max((float((found[name] - expected[name]).abs().max()) for name in names), default=0.0)
                assert apart <= (5e-5 if step else 1e-5) * largest, (case, step, net)
            assert all(torch.equal(second[case][0][step][name], found[name]) for name in found), case
        assert first[case][1] == pytest.approx(measures, rel=1e-4, abs=1e-4), case
        assert torch.equal(first[case][2], state), case


def test_what_cannot_be_shared_is_refused() -> None:
    with ranks.sharing(Ranks(0, 4)):
        with refused("gan.batch_size: must be a multiple of 4, the processes of torchrun, got 6; change it"):
            training()
        with refused("gan.regularisers: minibatch-discrimination compares all images of a batch"):
            training(batch_size=8, regularisers=[{"kind": "minibatch-discrimination"}])
    assert training().batch_size == 6


# --------------------------------------------------------------------------------------------------------- the command


@contextmanager
def as_torchrun(number: int, port: int = 0) -> Iterator[None]:
    set_here = {
        "TORCHELASTIC_RUN_ID": "none", "RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": TWO, "LOCAL_WORLD_SIZE": TWO,
        "MASTER_ADDR": "localhost", "MASTER_PORT": port,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in set_here.items():
            patch.setenv(name, str(value))
        yield


def command(number: int, port: int, folder: Path, said: Path, words: list[str]) -> None:
    with as_torchrun(number, port):
        processes.ganaug(folder, said, words)


def trained(root: Path) -> list[str]:
    """By two processes, the split 0. Returns what each said."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    files = [root / f"said-{number}" for number in range(TWO)]
    started = [
        processes.start(command, number, port, root, file, ["train", "--split", "0"])
        for number, file in enumerate(files)
    ]
    for process in started:
        process.join(240)
    said = [file.read_text() for file in files]
    assert [process.exitcode for process in started] == [0, 0], said
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = project(tmp_path_factory.mktemp("whole"), steps=4)
    stages.run(made, "prepare")
    stages.run(made, "train", split="0")
    return made


def test_the_first_process_writes_what_one_alone_would_and_goes_on_from_its_state(
    whole: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun alone, finished by two."""

    def keep(self: Keeper, now: int, state: Any) -> None:
        if now == 2:
            self.save(state())
            raise Stop

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prepared").symlink_to(whole.prepared.resolve())
    made = project(tmp_path, steps=4)
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "keep", keep)
        with pytest.raises(Stop):
            stages.run(made, "train", split="0")
    first, second = trained(tmp_path)
    assert "resuming 0 at step 2" in first
    assert "[1/1] 0: 4 steps" in first
    assert second == ""
    (alone,), (shared,) = (
        [folder for folder in (one.work.root / "train").iterdir() if (folder / "timing.json").exists()]
        for one in (whole, made)
    )
    assert alone.name == shared.name  # the same key
    assert store.read_json(shared / "timing.json", "")["processes"] == TWO
    assert not list((made.work.root / "train" / "states").iterdir())
    one, other = ((of.models / "0" / "history.csv") for of in (whole, made))
    rows = [np.genfromtxt(path, delimiter=",", skip_header=1) for path in (one, other)]
    np.testing.assert_allclose(rows[1], rows[0], atol=2e-4)
    assert trained(tmp_path)[1] == ""  # nothing is left to do, which the second learns of the first


def test_mistakes_are_told_by_the_first_process_alone(whole: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "_LISTENS", 0.0)
    monkeypatch.setattr(together, "set_level", lambda level: None)
    for name in ("cpu", "cuda"):
        made = replace(whole, settings=replace(whole.settings, device=name))
        monkeypatch.setattr(together.device, "kind", lambda name: name)
        monkeypatch.setattr(together.device, "count", lambda name: 1)
        split, says = (
            (None, "--split: torchrun trains one split, got none")
            if name == "cpu"
            else ("0", "device: each process of torchrun needs a GPU of its own, got 2 processes and 1 under cuda")
        )
        with as_torchrun(0), refused(says):
            together.train(made, split)
        with as_torchrun(1), pytest.raises(SystemExit) as ended:
            together.train(made, split)
        assert ended.value.code == 2


def test_a_process_that_is_gone_is_one_line(whole: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise RuntimeError("[pair.cc:561] Connection closed by peer [127.0.0.1]:39646.")

    monkeypatch.setattr(together, "_share", gone)
    with as_torchrun(0), refused("torchrun: another process of the training ended; run it again"):
        together.train(whole, "0")


def test_a_process_group_of_the_users_own_says_nothing_of_trainings() -> None:
    assert "TORCHELASTIC_RUN_ID" not in os.environ
    assert not together.launched()
    assert ranks.here() == Ranks(0, 1)
