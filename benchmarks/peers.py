"""ganaug's default beside what people would use instead, at equal time on one core: Fashion-MNIST, 20 images per class.

    pip install --no-deps --target build/peers/site torchgan torch-mimicry
    python benchmarks/peers.py [--peers ...] [--draws 0 1 2] [--seconds 240]

torchgan's conditional DCGAN (0.1.0), mimicry's projection GAN cGAN-PD (torch-mimicry 0.1.16), a plain conditional DCGAN
(plain_dcgan.py) and the GAN of examples/fashion-mnist/params.yaml learn from the same images for the same CPU seconds
of one thread, training alone, one after another. Each has its own published settings and its own loop. torch-mimicry
requires TensorFlow, so the two are no extra of the project, and are installed without what they require; PYTHONPATH may
name another folder that has them.

Draws are the example's reported trials. All are judged alike: 500 images per class, without any filter, from the
generator in evaluation mode (ganaug's averages its weights; no other does). GAN-train: the accuracy, on the 4,000 test
images, of the example's classifier trained on generated images alone. GAN-test and KID (times 1,000): by one that
learned from the test images. Results are kept in build/peers/ by peer and draw, so that an interrupted run goes on.
"""

import argparse
import contextlib
import io
import math
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import plain_dcgan
import torch
from numpy.typing import NDArray
from torch import Tensor
from zoo import Plan, _classifier, kid, strip

from ganaug import device, seeds, store
from ganaug.classify.features import look
from ganaug.classify.fitting import predict
from ganaug.config import Settings
from ganaug.data.prepared import Part, Prepared
from ganaug.gan.loop import train_gan
from ganaug.gan.spec import GanSpec
from ganaug.pixels import to_float, to_pixels
from ganaug.report.verdict import markdown_table
from ganaug.stages import prepare
from ganaug.stages.machine import machine
from ganaug.stages.project import prepared_now

BUILD = Path(__file__).parents[1] / "build" / "peers"
PER_CLASS, CHUNK = 500, 100
NARROW = 32  # mimicry's own widths leave no time to learn on one core
CPU = torch.device("cpu")


class Batches:
    """Shuffled batches, epoch after epoch, for so many CPU seconds of this process; what the peers' loops need of a
    DataLoader."""

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int, seconds: float = math.inf) -> None:
        self.images, self.labels, self.batch_size, self.seconds = images, labels, batch_size, seconds
        self.seen = 0  # images that the discriminator was shown

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        began = time.process_time()
        while True:
            for rows in torch.randperm(len(self.images)).split(self.batch_size):
                if time.process_time() - began >= self.seconds:
                    return
                self.seen += len(rows)
                yield self.images[rows], self.labels[rows]


@dataclass
class Learned:
    """A peer after its training."""

    make: Callable[[Tensor], Tensor]  # labels (N,) -> images (N, 1, 28, 28) in [-1, 1]
    seen: int  # real images that its discriminator was shown, each as often as it was


@dataclass(frozen=True)
class Task:
    """What every peer is given."""

    part: Part
    classes: int
    seconds: float  # CPU seconds of training
    gan: GanSpec  # of the example's params.yaml
    seed: int

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Images (N, 1, 28, 28) in [-1, 1], and labels (N,)."""
        images = to_float(torch.from_numpy(self.part.images)).permute(0, 3, 1, 2).contiguous()
        return images, torch.from_numpy(self.part.labels)


Training = Callable[[], Learned]  # what is timed


def plain(task: Task) -> Training:
    """The loop of plain_dcgan.py."""

    def learn() -> Learned:
        batches = Batches(*task.tensors(), plain_dcgan.BATCH, task.seconds)
        net = plain_dcgan.train(batches, task.classes)
        return Learned(lambda labels: net(torch.randn(len(labels), plain_dcgan.LATENTS), labels), batches.seen)

    return learn


def torchgan_tutorial(task: Task) -> Training:
    """torchgan's Trainer with the settings of its tutorial on MNIST, whose 28 pixels it makes 32: widths of 32, least
    squares, rates of 1e-4 and 3e-4."""
    from torchgan.losses import LeastSquaresDiscriminatorLoss, LeastSquaresGeneratorLoss

    leaky, losses = torch.nn.LeakyReLU(0.2), [LeastSquaresGeneratorLoss(), LeastSquaresDiscriminatorLoss()]
    return _torchgan(task, {"step_channels": 32, "nonlinearity": leaky}, losses, (1e-4, 3e-4), 64)


def torchgan_starter(task: Task) -> Training:
    """The same with the settings of its documentation's first example: widths of 16, batches of 128, rates of 2e-4."""
    from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss

    losses = [MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()]
    return _torchgan(task, {"step_channels": 16}, losses, (2e-4, 2e-4), 128)


def _torchgan(task: Task, shape: dict[str, Any], losses: list[Any], rates: tuple[float, float], batch: int) -> Training:
    from torchgan.models import ConditionalGANDiscriminator, ConditionalGANGenerator
    from torchgan.trainer import Trainer

    def net(kind: type, rate: float, channels: str) -> dict[str, Any]:
        adam = {"name": torch.optim.Adam, "args": {"lr": rate, "betas": (0.5, 0.999)}}
        return {"name": kind, "args": {"num_classes": task.classes, channels: 1, **shape}, "optimizer": adam}

    nets = {
        "generator": net(ConditionalGANGenerator, rates[0], "out_channels"),
        "discriminator": net(ConditionalGANDiscriminator, rates[1], "in_channels"),
    }
    images, labels = task.tensors()

    def learn() -> Learned:
        # One long epoch: what it writes to disk after each, of 200 images here, would take most of its time.
        batches = Batches(_padded(images), labels, batch, task.seconds)
        with tempfile.TemporaryDirectory() as folder:
            there = {"checkpoints": f"{folder}/gan", "recon": f"{folder}/images"}
            trainer = Trainer(nets, losses, device=CPU, epochs=1, **there)
            trainer.logger.logger_end_epoch.clear()  # a picture, by an argument that torchvision no longer has
            trainer(batches)
        g = trainer.generator.eval()
        return Learned(lambda labels: _cropped(g(torch.randn(len(labels), g.encoding_dims), labels)), batches.seen)

    return learn


def mimicry(task: Task, **widths: int) -> Training:
    """mimicry's Trainer with the settings of its baselines at 32 pixels: five steps of D for one of G, rates of 2e-4
    that fall to zero over the steps. ``widths``: ngf and ndf, 256 and 128 where they are its own."""
    _without_tensorflow()
    from torch_mimicry.nets.cgan_pd import CGANPDDiscriminator32, CGANPDGenerator32
    from torch_mimicry.training import Trainer

    images, labels = task.tensors()
    images = _padded(images).expand(-1, 3, -1, -1)  # its networks take colour alone

    def learn(steps: int) -> Learned:
        batches = Batches(images, labels, 64)
        g = CGANPDGenerator32(task.classes, **{name: width for name, width in widths.items() if name == "ngf"})
        d = CGANPDDiscriminator32(task.classes, **{name: width for name, width in widths.items() if name == "ndf"})
        adam_d, adam_g = (torch.optim.Adam(net.parameters(), 2e-4, betas=(0.0, 0.9)) for net in (d, g))
        with tempfile.TemporaryDirectory() as folder:
            quiet = {"log_dir": folder, "log_steps": steps + 1, "vis_steps": steps + 1}
            trainer = Trainer(d, g, adam_d, adam_g, batches, steps, n_dis=5, lr_decay="linear", device=CPU, **quiet)
            trainer.train()
        g.eval()
        return Learned(lambda labels: _cropped(g(torch.randn(len(labels), g.nz), labels)), batches.seen)

    return partial(learn, steps_in(task.seconds, learn))


def ganaug(task: Task) -> Training:
    """The example's GAN for as many steps as fit, timed first, as its rates are constant. Each training has 50
    rows of a history, so a step costs what more of them cost more."""
    part, gan = task.part, task.gan

    def learn(steps: int) -> Learned:
        spec = replace(gan, steps=steps)
        net = train_gan(part.images, part.labels, task.classes, spec, task.seed, CPU).generator
        return Learned(lambda labels: net(torch.randn(len(labels), net.z_dim), labels), steps * gan.batch_size)

    few, more = 50, 150
    took = {steps: seconds_of(partial(learn, steps)) for steps in (few, few, more)}  # the first one warms up
    step = (took[more] - took[few]) / (more - few)
    return partial(learn, max(1, few + round((task.seconds - took[few]) / step)))


PEERS: dict[str, Callable[[Task], Training]] = {
    "ganaug": ganaug,
    "plain": plain,
    "torchgan": torchgan_tutorial,
    "torchgan-starter": torchgan_starter,
    "mimicry": mimicry,
    "mimicry-narrow": partial(mimicry, ngf=NARROW, ndf=NARROW),
}


def steps_in(seconds: float, learn: Callable[[int], object]) -> int:
    """How many steps take so many CPU seconds, by a training that takes about a twentieth of them."""
    steps, took, done = 1, 0.0, 1
    while took < seconds / 40:
        took, done = seconds_of(partial(learn, steps)), steps
        steps = max(steps + 1, round(steps * seconds / 20 / took))
    return max(1, round(seconds * done / took))


def seconds_of(work: Callable[[], object]) -> float:
    """CPU seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _padded(images: Tensor) -> Tensor:
    """28 pixels as the 32 that the libraries' networks have, black around: nothing is lost."""
    return torch.nn.functional.pad(images, (2, 2, 2, 2), value=-1.0)


def _cropped(images: Tensor) -> Tensor:
    return images[:, :, 2:-2, 2:-2].mean(dim=1, keepdim=True)


def _without_tensorflow() -> None:
    """mimicry imports as a whole: its metrics need TensorFlow, its data sets a torch of 2021, its logger TensorBoard.
    None of them is used here."""
    for name in ("torch_mimicry.metrics", "torch_mimicry.datasets", "torch.utils.tensorboard"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["torch.utils.tensorboard"].SummaryWriter = MagicMock  # type: ignore[attr-defined]


class Judges:
    """What all peers are measured with: ``judge`` learned from the test images."""

    def __init__(self, settings: Settings, prepared: Prepared) -> None:
        self.settings, self.prepared = settings, prepared
        self.test = prepared.part(prepared.split("0").test)  # the same of all draws
        self.judge = _classifier(settings, prepared, (self.test.images, self.test.labels))
        self.real = torch.from_numpy(look(self.judge, self.test.images, CPU).features)

    def of(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, float]:
        """``images`` (N, H, W, C) of the classes ``labels`` (N,)."""
        seen = look(self.judge, images, CPU)
        return {
            "gan_train": self.taught_by(images, labels),
            "gan_test": 100 * float((seen.predicted == labels).mean()),
            "kid": 1000 * kid(self.real, torch.from_numpy(seen.features)),
        }

    def taught_by(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
        """Percent of the test images that a classifier gets right that learned from these images alone."""
        pupil = _classifier(self.settings, self.prepared, (images, labels))
        return 100 * float((predict(pupil, self.test.images, CPU) == self.test.labels).mean())


def run(peer: str, draw: str, judges: Judges, seconds: float) -> dict[str, float]:
    """Train a peer on a draw and judge its images."""
    prepared, seed = judges.prepared, seeds.derive(0, "peers", peer, draw)
    classes = len(prepared.classes)
    task = Task(prepared.part(prepared.split(draw).train), classes, seconds, judges.settings.gan, seed)
    torch.manual_seed(seed)
    with contextlib.redirect_stdout(io.StringIO()):  # mimicry says something at every step
        training = PEERS[peer](task)
        began = time.process_time()
        learned = training()
        took = time.process_time() - began
    labels = torch.arange(classes).repeat_interleave(PER_CLASS)
    with torch.no_grad():
        images = np.concatenate([to_pixels(learned.make(some)) for some in labels.split(CHUNK)])
    strip([images[labels == label] for label in range(classes)], BUILD / f"{peer}-{draw}.png")
    told = {"seconds": took, "seen": learned.seen, "images_per_second": learned.seen / took}
    return {**judges.of(images, labels.numpy()), **told}


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """{peer: the results of its draws}"""
    header = ("peer", "GAN-train (each draw)", "GAN-test", "KID", "images seen", "images a second", "CPU s")
    rows = []
    for peer, results in found.items():
        mean = {key: float(np.mean([one[key] for one in results])) for key in results[0]}
        each = ", ".join(f"{one['gan_train']:.1f}" for one in results)
        rows.append(
            (
                peer,
                f"{mean['gan_train']:.1f} ({each})",
                *(f"{mean[key]:.{digits}f}" for key, digits in (("gan_test", 1), ("kid", 0))),
                *(f"{mean[key]:,.0f}" for key in ("seen", "images_per_second", "seconds")),
            )
        )
    return markdown_table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--draws", nargs="+", default=["0", "1", "2"])
    parser.add_argument("--seconds", type=float, default=240.0, help="CPU seconds of training each")
    options = parser.parse_args()
    sys.path.append(str(BUILD / "site"))
    device.prepare(CPU)
    plan = Plan("fashion-mnist", ["default"], 3, options.seconds)
    prepare.prepare(plan.prepared)
    judges = None
    found: dict[str, list[dict[str, float]]] = {peer: [] for peer in options.peers}
    for draw in options.draws:
        for peer in options.peers:
            path = BUILD / f"{peer}-{draw}-{options.seconds:g}s.json"
            if not path.is_file():
                judges = judges or Judges(plan.prepared.settings, prepared_now(plan.prepared))
                store.write_json(path, run(peer, draw, judges, options.seconds))
            found[peer].append(store.read_json(path, ""))
            print(path.stem, found[peer][-1], flush=True)
    print(f"\n{machine()}\n\n{table(found)}")


if __name__ == "__main__":
    main()
