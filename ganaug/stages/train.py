"""Stage ``train``: a generator for every split, from the split's train part only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganaug import __version__, device, seeds, store
from ganaug.classify.arms import arm
from ganaug.data.prepared import Part
from ganaug.data.splits import RELEASE
from ganaug.errors import UserError
from ganaug.stages import cost, live
from ganaug.stages.classifiers import fit
from ganaug.stages.fit_filters import filter_tasks
from ganaug.stages.labels import labelled_by_teachers
from ganaug.stages.machine import machine
from ganaug.stages.project import Project
from ganaug.stages.runs import check_runs
from ganaug.stages.split import UNLABELLED, SplitOf, open_splits
from ganaug.stages.synth import synth_task
from ganaug.stages.tasks import Task, Worker, finish, publish
from ganaug.stages.translators import OnLog, train_and_write
from ganaug.stages.work import RECIPES, Work
from ganaug.synth.user_pictures import HowRead

if TYPE_CHECKING:
    import torch

    from ganaug.gan.loop import Trained
    from ganaug.gan.nets.generator import Generator
    from ganaug.gan.resume import Keeper
    from ganaug.gan.run import Outcome

_WATCHED = 500  # real images, about, that a training's discriminator is watched with
_LOOKED_AT, _MOST_LOOKED_AT = (
    100,
    5000,
)  # images per class, and in all, that a finished generator's health is measured on
_JUDGED_BY = 100  # images per class that a checkpoint's classifier learns from


@dataclass(frozen=True)
class HalfTrained:
    """How far a training is that was stopped, and what that took."""

    step: int
    seconds: float


def train(project: Project, only: str | None, changed: Callable[[Task], Task] = lambda task: task) -> None:
    """Train the generator of every split, or of the split ``only``, each on its train part alone; fit the filters.

    ``changed``: what is done to the task of each training.
    """
    splits = open_splits(project, only)
    live.check(project.settings.protocol.names())
    tasks = [changed(train_task(split, len(splits))) for split in splits]
    cost.check_images(splits, [synth_task(split) for split in splits])
    for split in splits:
        if split.name != RELEASE:
            check_runs(split)
    finish(project, "train", tasks)
    folders = {split.name: [task.folder(project.work)] for split, task in zip(splits, tasks, strict=True)}
    filters = filter_tasks(splits)
    if filters:
        finish(project, "filters", list(filters.values()))
        for name, task in filters.items():
            folders[name].append(task.folder(project.work))
    publish(project, project.models, folders, whole=only is None)


def train_task(split: SplitOf, tasks: int = 1, detail: str = "") -> Task:
    """The training of a split's generator, one of so many ``tasks``; ``detail`` says which of the split's it is."""
    work, key = split.project.work, split.train_key
    line = partial(_line, work, key)
    after = partial(_forget_state, split)
    make = partial(_train, split, tasks, detail)
    return Task("train", key, split.name, make, line, detail, split.settings.gan.steps, after)


def take_part(split: SplitOf, worker: Worker) -> None:
    """In the training of the split's generator that another process began (together.py): write nothing."""
    _train(split, 1, "", None, worker)


def _train(split: SplitOf, tasks: int, detail: str, folder: Path | None, worker: Worker) -> dict[str, Any]:
    """``detail`` none: the split's own generator, which can be watched as it learns. ``folder`` none: write nothing."""
    cost.check_gan(split, worker.device, tasks)
    cost.check_classifier(split, worker.device)
    keeper = _keeper(split, worker)
    shows = folder is not None and not detail
    show = live.shown(split.project.root, split.name, keeper.path.exists()) if shows else live.nobody

    def on_log(step: int, row: Mapping[str, float | None]) -> None:
        worker.report(step)
        show(step, row)

    learn = _train_translator if split.translates else _train_generator
    trained = learn(split, folder, worker.device, keeper, on_log)
    return {
        "device": device.title(worker.device),
        "machine": machine(),
        "wall_seconds": round(trained.seconds, 3),
        "images_per_second": [[step, round(rate, 1)] for step, rate in trained.speed],
        **({"processes": keeper.ranks.count} if keeper.ranks.count > 1 else {}),
    }


def _train_translator(
    split: SplitOf, folder: Path | None, where: torch.device, keeper: Keeper, on_log: OnLog
) -> Outcome:
    description = _description(split, split.prepared.hashes(split.rows.train), where)
    return train_and_write(split, description, folder, where, keeper, on_log)


def _train_generator(
    split: SplitOf, folder: Path | None, where: torch.device, keeper: Keeper, on_log: OnLog
) -> Outcome:
    from ganaug.gan.loop import train_gan
    from ganaug.gan.transfer import read_start

    gan, prepared = split.settings.gan, split.prepared
    if gan.select == "gan-train" and not split.held_out:
        raise UserError(
            "gan.select: gan-train needs images to hold out, but no class has two that can be parted; set it to last"
        )
    part, held_out = prepared.part(split.learned), prepared.part(split.held_out)
    others = split.held_out or split.rows.spare  # real images that the discriminator does not learn from
    watched = prepared.part(others[:: max(1, len(others) // _WATCHED)])
    start = read_start(gan.init_from, split.classes) if gan.init_from else None
    if start:
        _check_unseen(start.saw, prepared.hashes(split.rows.test), f"{gan.init_from}: test", split.name)
        _check_unseen(start.saw, held_out.pixels, f"{gan.init_from}: held-out", split.name)
    seen = {*part.pixels, *held_out.pixels, *prepared.hashes(split.gan_unlabelled), *(start.saw if start else ())}
    images, labels = _learned(split, part, where)
    description = _description(split, seen, where)
    if split.labels_key:
        description["pseudo_labelled"] = len(images) - len(part.images)
    with keeper.watching():
        trained = train_gan(
            images,
            labels,
            len(split.classes),
            gan,
            split.gan_seed,
            where,
            on_log,
            held_out=(watched.images, watched.labels),
            judge=_judge(split, held_out, where) if gan.select == "gan-train" else None,
            start=start,
            keeper=keeper,
        )
    if folder is not None:
        _write(folder, trained, part, description, split.gan_seed)
    return trained


def _description(split: SplitOf, seen: Iterable[str], where: torch.device) -> dict[str, Any]:
    """What a generator's file says of it; ``seen``: the SHA-256 of the images that it learned from or was chosen by,
    here and before."""
    counts, data = split.prepared.counts(split.learned), split.settings.data
    read = HowRead(data.aspect, data.background, split.prepared.depth)
    return {
        "format": 2,
        "key": split.train_key,
        "ganaug": __version__,
        "split": split.name,
        "dataset": split.settings.data.source.title(),
        "classes": split.classes,
        "image_shape": list(split.prepared.image_shape),
        "gan": split.training["gan"],
        "device": where.type,
        "train_images": counts if split.is_conditional else {UNLABELLED: len(split.learned)},
        "train_images_sha256": sorted(seen),
        **({} if read == HowRead() else {"pictures": asdict(read)}),  # how others are to be read
    }


def _learned(split: SplitOf, part: Part, where: torch.device) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images (N, H, W, C) and labels (N,) that a split's GAN learns from."""
    if split.labels_key is not None:
        more, theirs = labelled_by_teachers(split, where)
    else:  # of a GAN that learns no labels, or none
        more = split.prepared.images_of(split.gan_unlabelled)
        theirs = np.zeros(len(more), np.int64)
    if not len(more):
        return part.images, part.labels
    return np.concatenate([part.images, more]), np.concatenate([part.labels, theirs])


def _check_unseen(saw: set[str], pixels: Sequence[str], what: str, name: str) -> None:
    """By the hashes of prepared images: the same photographs at another size or aspect are not recognised."""
    seen = saw.intersection(pixels)
    if seen:
        raise UserError(
            f"gan.init_from: {what} images of split {name} must be unseen, but it has learned from {len(seen)} of "
            f"{len(pixels)}; start from one that has not, or leave it out"
        )


def _write(folder: Path, trained: Trained, part: Part, description: dict[str, Any], seed: int) -> None:
    """A split's outputs: the networks, the history, sample images, and how healthy the training was."""
    from ganaug.gan import health
    from ganaug.gan.loop import pictures
    from ganaug.gan.watching import HISTORY
    from ganaug.report.grids import labelled
    from ganaug.stages.sheets import DIRECTIONS, directions
    from ganaug.synth.generator import Generator, save_generator

    classes = description["classes"]
    save_generator(folder / "generator.safetensors", trained.generator, description)
    store.write_tensors(folder / "checkpoint.safetensors", trained.checkpoint, description)
    rows = [[row[column] for column in HISTORY] for row in trained.history]
    rounded = [["" if value is None else round(value, 5) for value in row] for row in rows]
    store.write_csv(folder / "history.csv", HISTORY, rounded)
    generator = Generator(trained.generator, classes, tuple(description["image_shape"]), description)
    samples = [generator.candidates(label, 12, 0, device.resolve("cpu")) for label in range(len(classes))]
    store.write_png(folder / "samples.png", labelled(samples, classes))
    store.write_png(folder / DIRECTIONS, directions(generator))
    steps, progress = zip(*trained.progress or [(trained.step, np.stack([row[0] for row in samples]))], strict=True)
    store.write_png(folder / "progress.png", labelled(progress, [f"step {step:,}" for step in steps], classes))
    made = pictures(trained.generator, len(classes), looked_at(len(classes)), seed)
    labels = np.zeros_like(part.labels) if classes == [UNLABELLED] else part.labels
    measured = health.measure(made, part.images, labels, trained.real_spread)
    compares = trained.boundary is None
    alarms = health.alarms(trained.history, measured, trained.diverged_at, trained.step, compares)
    found = {"step": trained.step, "scores": trained.scores, **health.as_json(measured, alarms)}
    store.write_sealed(folder / "health.json", found, [folder / "history.csv"])


def looked_at(classes: int) -> int:
    """The images of each of so many ``classes`` that a finished generator's health is measured on."""
    return max(2, min(_LOOKED_AT, _MOST_LOOKED_AT // classes))


def _keeper(split: SplitOf, worker: Worker) -> Keeper:
    """The half-trained state of a split, which is of use to the same settings, images and versions only."""
    import torch

    from ganaug.gan.resume import Keeper

    depends_on = {key: store.canonical(value) for key, value in split.training.items()}
    about = {
        "settings of gan": depends_on.pop("gan"),
        "versions": f"ganaug {__version__}, recipe {RECIPES['train']}, torch {torch.__version__}, {worker.device.type}",
        **depends_on,
    }
    path = _state(split, store.digest(about["versions"])[:8], ".pt")
    return Keeper(path, split.name, about, split.settings.gan.save_seconds, worker.parent)


def _state(split: SplitOf, versions: str, end: str) -> Path:
    """The file of its half-trained state: of these settings and images by its training's key, and of ``versions``."""
    return split.project.work.root / "train" / "states" / f"{split.name}-{split.train_key[:8]}{versions}{end}"


def half_trained(split: SplitOf) -> HalfTrained | None:
    """How far a training of the split's generator is that was stopped; None: none was, or not under these settings."""
    saved = _state(split, "*", ".json")
    newest = max(saved.parent.glob(saved.name), key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else store.read_json(newest, "", HalfTrained)


def _forget_state(split: SplitOf, worker: Worker) -> None:
    """Only when the finished work is in its place."""
    _keeper(split, worker).remove()


def _judge(split: SplitOf, held_out: Part, where: torch.device) -> Callable[[Generator], float]:
    """GAN-train on the held-out images (Shmelkov 2018): the balanced accuracy there of a classifier that has only
    generated images to learn from."""
    from sklearn.metrics import recall_score

    from ganaug.classify.fitting import predict
    from ganaug.gan.loop import pictures

    classes, seed = len(split.prepared.classes), split.gan_seed
    nothing = arm("none", split.settings.classify)

    def judge(generator: Generator) -> float:
        made = pictures(generator, classes, _JUDGED_BY, seeds.derive(seed, "judge"))
        images, labels = made.reshape(-1, *made.shape[2:]), np.repeat(np.arange(classes, dtype=np.int64), _JUDGED_BY)
        model = fit(split, nothing, (images, labels), None, seed, where)
        said = predict(model, held_out.images, where)
        return float(recall_score(held_out.labels, said, labels=np.unique(held_out.labels), average="macro"))

    return judge


def _line(work: Work, key: str, folder: Path) -> str:
    timing = work.timing("train", key) or {}
    last = store.read_table(folder / "history.csv")[-1]
    alarms = store.read_json(folder / "health.json", "")["alarms"]
    rates = [rate for _, rate in timing["images_per_second"]]
    right = [last[f"d_accuracy_{kind}"] for kind in ("real", "fake")]
    judged = "; D right on {:.0%} of real and {:.0%} of fake images".format(*map(float, right)) if all(right) else ""
    return (
        f"{float(last['step']):,.0f} steps in {timing['wall_seconds']:.0f} s on {timing['device']}, "
        f"{sum(rates) / len(rates):,.0f} images per second{judged}"
        + "".join(f"\n      {alarm['kind']}: {alarm['says']}; {alarm['mend']}" for alarm in alarms)
    )
