"""Stage ``train``: a generator for every split, from the split's train part only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import __version__, config, seeds, store
from ganaug.classify.arms import arm
from ganaug.config import Settings
from ganaug.data.prepared import Part, Prepared
from ganaug.errors import UserError
from ganaug.gan.unlabelled import Joint
from ganaug.stages.classifiers import fit
from ganaug.stages.filters import screen
from ganaug.stages.held import gan_seed, kept_and_held
from ganaug.stages.labels import labelled_by_teachers, labels_key, rows_without_labels
from ganaug.stages.machine import machine
from ganaug.stages.project import Project, in_parallel, prepared_now, split_names
from ganaug.stages.work import RECIPES, Work

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from ganaug.gan.loop import Trained
    from ganaug.gan.nets.parts import Generator
    from ganaug.gan.resume import Keeper
    from ganaug.stages.progress import Progress

UNLABELLED = "unlabelled"  # the one class of a generator that learned without labels
_WATCHED = 500  # real images, about, that a training's discriminator is watched with
_LOOKED_AT, _MOST_LOOKED_AT = 100, 5000  # images a class, and in all, that a finished generator's health is measured on
_JUDGED_BY = 100  # images a class that a checkpoint's classifier learns from


def train(project: Project, only: str | None, progress: Progress) -> None:
    """Train the generator of every split (or of one), each on its train part only."""
    prepared = prepared_now(project)
    names = split_names(project, prepared, only)
    work, keys = project.work, {name: train_key(project, prepared, name) for name in names}
    missing = [name for name in names if not work.place("train", keys[name]).is_dir()]
    tasks = [
        (_train_split, (project, name, keys[name], progress.reporter(keys[name]), os.getpid())) for name in missing
    ]
    with progress.stage("train", {keys[name]: name for name in missing}, project.settings.gan.steps):
        for done in in_parallel(project, tasks):
            timing = work.timing("train", keys[done]) or {}
            progress.finished(done, _train_line(project, work.place("train", keys[done]), timing))
    screened = screen(project, prepared, keys, progress)
    with work.alone("models"):  # a run that waited for this one's work ends when it does
        if only is None:
            store.remove(project.models)
        for name in names:
            with store.replacing(project.models / name) as folder:
                for place in filter(None, (work.place("train", keys[name]), screened.get(name))):
                    shutil.copytree(place, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(Work.TIMING))


def gan_settings(settings: Settings) -> dict[str, Any]:
    """Of the GAN, what results depend on; weights to start from by their hash, wherever they lie."""
    plain: dict[str, Any] = config.plain(settings.gan.lasting())
    start = settings.gan.init_from
    if start is not None:
        try:
            plain["init_from"] = f"sha256:{store.digest(start.read_bytes())}"
        except OSError as error:
            raise UserError(
                f"gan.init_from: {start} must be a file that can be read ({error.strerror}); correct it"
            ) from None
    return plain


def _train_depends_on(project: Project, prepared: Prepared, name: str) -> dict[str, Any]:
    settings, split = project.settings, prepared.split(name)
    judged = settings.gan.select == "gan-train"  # by a classifier, which then matters too
    bound = prepared.groups if settings.gan.held_out else None  # they decide what is held out
    return {
        "gan": gan_settings(settings),
        "images": [prepared.digest(split.train), prepared.digest(split.spare)],
        "unlabelled": prepared.hashes(rows_without_labels(project, prepared, name)),
        "labels": labels_key(project, prepared, name),  # that teachers give those
        "classes": prepared.classes,
        "groups": [bound[row] for row in split.train] if bound else None,
        "seed": gan_seed(project, name),
        "classifier": [config.plain(settings.classifier), settings.classifier.code_digest()] if judged else None,
    }


def train_key(project: Project, prepared: Prepared, name: str) -> str:
    return project.work.key("train", _train_depends_on(project, prepared, name))


def generated_classes(settings: Settings, prepared: Prepared) -> list[str]:
    """What the generators can be asked for: the classes, or one of everything where they learn without labels."""
    return [UNLABELLED] if settings.gan.conditioning == "none" else prepared.classes


def _train_split(project: Project, name: str, key: str, report: Callable[[int], None], parent: int) -> str:
    from ganaug import device
    from ganaug.gan.loop import train_gan
    from ganaug.gan.transfer import read_start

    where = device.resolve(project.settings.device)
    device.prepare(where)
    prepared = prepared_now(project)
    split, gan = prepared.split(name), project.settings.gan
    classes = generated_classes(project.settings, prepared)
    seed = gan_seed(project, name)
    kept, held = kept_and_held(project, prepared, name)
    if gan.select == "gan-train" and not held:
        raise UserError(
            "gan.select: gan-train needs images to hold out, but no class has two that can be parted; set it to last"
        )
    part, held_part = prepared.part(kept), prepared.part(held)
    others = held or split.spare  # real images that the discriminator has not learned
    watched = prepared.part(others[:: max(1, len(others) // _WATCHED)])
    start = read_start(gan.init_from, classes) if gan.init_from else None
    if start:
        _check_unseen(start.saw, [prepared.pixels[row] for row in split.test], f"{gan.init_from}: test", name)
        _check_unseen(start.saw, held_part.pixels, f"{gan.init_from}: held-out", name)
    unlabelled = rows_without_labels(project, prepared, name)
    description = {
        "format": 2,
        "key": key,
        "ganaug": __version__,
        "split": name,
        "dataset": project.settings.data.source.title(),
        "classes": classes,
        "image_shape": list(prepared.image_shape),
        "gan": gan_settings(project.settings),
        "device": where.type,
        "train_images": prepared.counts(kept) if classes == prepared.classes else {UNLABELLED: len(kept)},
        # What it learned from or was chosen by, here and before.
        "train_images_sha256": sorted(
            {*part.pixels, *held_part.pixels, *prepared.hashes(unlabelled), *(start.saw if start else ())}
        ),
    }
    keeper = _keeper(project, prepared, name, where.type, parent)

    def make(folder: Path) -> dict[str, Any]:
        judge = _judge(project, prepared, (held_part.images, held_part.labels), seed, where) if held else None
        images, labels, others = _learned(project, prepared, name, part, where)
        with keeper.watching():
            trained = train_gan(
                images,
                labels,
                len(classes),
                gan,
                seed,
                where,
                lambda step, _: report(step),
                held_out=(watched.images, watched.labels),
                judge=judge if gan.select == "gan-train" else None,
                start=start,
                keeper=keeper,
                unlabelled=others,
            )
        by_teachers = labels_key(project, prepared, name) is not None
        told = {"pseudo_labelled": len(images) - len(part.images)} if by_teachers else {}
        _write(folder, trained, part, {**description, **told}, seed)
        return {
            "device": device.title(where),
            "machine": machine(),
            "wall_seconds": round(trained.seconds, 3),
            "images_per_second": [[step, round(rate, 1)] for step, rate in trained.speed],
        }

    project.work.once("train", key, make, f"split {name}")
    keeper.remove()
    return name


def _learned(
    project: Project, prepared: Prepared, name: str, part: Part, where: torch.device
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8] | None]:
    """The images (N, H, W, C) and labels (N,) that a split's GAN learns from, and images beside them without labels."""
    import numpy as np

    if labels_key(project, prepared, name) is not None:
        more, theirs = labelled_by_teachers(project, prepared, name, where)
    else:
        others = prepared.images_of(rows_without_labels(project, prepared, name))
        if isinstance(project.settings.gan.unlabelled, Joint):
            return part.images, part.labels, others
        more, theirs = others, np.zeros(len(others), np.int64)  # of a GAN that learns no labels, or none
    return np.concatenate([part.images, more]), np.concatenate([part.labels, theirs]), None


def _check_unseen(saw: set[str], pixels: Sequence[str], what: str, name: str) -> None:
    """By the hashes of prepared images: the same photographs under another size or aspect are not recognised."""
    seen = saw.intersection(pixels)
    if seen:
        raise UserError(
            f"gan.init_from: {what} images of split {name} must be unseen, but it has learned from {len(seen)} of "
            f"{len(pixels)}; start from one that has not, or leave it out"
        )


def _write(folder: Path, trained: Trained, part: Part, description: dict[str, Any], seed: int) -> None:
    """A split's outputs: the networks, the history, what they make, and how they are."""
    import numpy as np

    from ganaug import device
    from ganaug.gan import health
    from ganaug.gan.loop import HISTORY, pictures
    from ganaug.report.grids import grid
    from ganaug.synth.sampler import Sampler, save_generator

    classes = description["classes"]
    save_generator(folder / "generator.safetensors", trained.generator, description)
    store.write_tensors(folder / "checkpoint.safetensors", trained.checkpoint, description)
    rows = [[_rounded(row[column]) for column in HISTORY] for row in trained.history]
    store.write_csv(folder / "history.csv", HISTORY, rows)
    sampler = Sampler(trained.generator, classes, tuple(description["image_shape"]), description)
    samples = [sampler.candidates(label, 12, 0, device.resolve("cpu")) for label in range(len(classes))]
    store.write_png(folder / "samples.png", grid(samples))
    store.write_png(folder / "progress.png", grid(trained.progress or [np.stack([row[0] for row in samples])]))
    per_class = max(2, min(_LOOKED_AT, _MOST_LOOKED_AT // len(classes)))
    made = pictures(trained.generator, len(classes), per_class, seed)
    labels = np.zeros_like(part.labels) if classes == [UNLABELLED] else part.labels
    measured = health.measure(made, part.images, labels, trained.real_spread)
    compares = trained.boundary is None
    alarms = health.alarms(trained.history, measured, trained.diverged_at, trained.step, compares)
    found = {"step": trained.step, "scores": trained.scores, **health.as_json(measured, alarms)}
    if trained.steps:
        found["steps"] = trained.steps
    store.write_json(folder / "health.json", found)


def _rounded(value: float | None) -> float | str:
    return "" if value is None else round(value, 5)


def _keeper(project: Project, prepared: Prepared, name: str, device: str, parent: int) -> Keeper:
    """The half-trained state of a split, which is of use to the same settings, images and versions only."""
    import torch

    from ganaug.gan.resume import Keeper

    about = {
        "settings of gan": store.canonical(gan_settings(project.settings)),
        "versions": f"ganaug {__version__}, recipe {RECIPES['train']}, torch {torch.__version__}, {device}",
    }
    about |= {
        key: store.canonical(value) for key, value in _train_depends_on(project, prepared, name).items() if key != "gan"
    }
    path = project.work.root / "train" / "states" / f"{name}-{store.digest(store.canonical(about))[:16]}.pt"
    return Keeper(path, name, about, project.settings.gan.save_seconds, parent)


def _judge(
    project: Project,
    prepared: Prepared,
    held: tuple[NDArray[np.uint8], NDArray[np.int64]],
    seed: int,
    where: torch.device,
) -> Callable[[Generator], float]:
    """GAN-train on the inner fold (Shmelkov 2018): the balanced accuracy there of a classifier that has only generated
    images to learn from."""
    import numpy as np
    from sklearn.metrics import recall_score

    from ganaug.classify.fitting import predict
    from ganaug.gan.loop import pictures

    classes = len(prepared.classes)
    nothing = arm("none", project.settings.classify)

    def judge(generator: Generator) -> float:
        made = pictures(generator, classes, _JUDGED_BY, seeds.derive(seed, "judge"))
        images, labels = made.reshape(-1, *made.shape[2:]), np.repeat(np.arange(classes, dtype=np.int64), _JUDGED_BY)
        model = fit(project, prepared, nothing, (images, labels), None, seed, where)
        said = predict(model, held[0], where)
        return float(recall_score(held[1], said, labels=np.unique(held[1]), average="macro"))

    return judge


def _train_line(project: Project, folder: Path, timing: dict[str, Any]) -> str:
    last = store.read_table(folder / "history.csv")[-1]
    alarms = store.read_json(folder / "health.json", "")["alarms"]
    rates = [rate for _, rate in timing["images_per_second"]]
    return (
        f"{float(last['step']):,.0f} steps in {timing['wall_seconds']:.0f} s on {timing['device']}, "
        f"{sum(rates) / len(rates):,.0f} images a second; D right on {float(last['d_accuracy_real']):.0%} of real and "
        f"{float(last['d_accuracy_fake']):.0%} of fake images"
        + "".join(f"\n      {alarm['kind']}: {alarm['says']}; {alarm['mend']}" for alarm in alarms)
    )
