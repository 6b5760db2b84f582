"""The last part of stage ``classify``: how faithful each trial's images are, and whether they repeat its train part.

The test part measures here and does nothing else: no generator, filter or setting depends on what comes out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ganaug import config, device, store
from ganaug.classify.arms import arm
from ganaug.classify.encoders import Own
from ganaug.classify.pools import Images
from ganaug.errors import UserError
from ganaug.near_copies import Vectors
from ganaug.report.fidelity_tables import Measured
from ganaug.stages.classifiers import fit
from ganaug.stages.split import SplitOf
from ganaug.stages.synth import synthetic_pool
from ganaug.stages.tasks import Task, Worker, finish, keep_only
from ganaug.values import Count, Positive, with_keys

if TYPE_CHECKING:
    import torch

    from ganaug.measure.memorisation import Memorisation

# A row of <trial>.nearest.csv, and its columns.
Neighbour = TypedDict(
    "Neighbour",
    {
        "class": str,
        "index": Count,
        "train_row": Count,
        "distance": Positive,
        "relative": Positive | Literal[""],
        "near_copy": Literal["0", "1"],
    },
)
NEAREST = tuple(Neighbour.__annotations__)
# The arm whose classifier judges the generated images and, as encoder ``own``, lends its features. It is trained on
# real training images, as GAN-test is defined. One of the test images would have more to learn from, but how right it
# is on real images that it never saw, which GAN-test is to be compared with, could not be measured.
JUDGE = "classical"
_JUDGE_FILE = "classifier.pt"
_FIGURES, _NEAREST = "figures.json", "nearest.csv"
_Sealed = Annotated[dict[str, Any], with_keys("key", "sha256")]  # <trial>.json
_HINT = 'run "ganaug classify" (or "dvc repro")'
_PUBLISHED_CHUNK = 32  # images at a time through a published network, which enlarges them


def measure_fidelity(trials: Sequence[SplitOf], judges: Mapping[str, Path], whole: bool) -> None:
    """Write ``reports/fidelity/<trial>.json`` and ``<trial>.nearest.csv`` of ``trials``, where the settings ask for it.

    ``judges``: the finished work of each trial's arm JUDGE, where that arm was run. ``whole``: these trials are all.
    """
    project = trials[0].project
    tasks = fidelity_tasks(trials, judges)
    if tasks:
        finish(project, "fidelity", list(tasks.values()))
    with project.alone("fidelity"):
        project.fidelity.mkdir(parents=True, exist_ok=True)  # an output that DVC looks for, also where it is empty
        for trial in trials if tasks else ():
            _publish(trial, tasks[trial.name])
        if whole:
            keep_only(project.fidelity, [f"{name}.{end}" for name in tasks for end in ("json", _NEAREST)])


def fidelity_tasks(trials: Sequence[SplitOf], judges: Mapping[str, Path]) -> dict[str, Task]:
    """{trial: the measuring of its images}; empty where the settings do not ask for it. ``judges``: as above."""
    return {
        trial.name: Task(
            "fidelity",
            fidelity_key(trial),
            trial.name,
            partial(_measure, trial, judges.get(trial.name)),
            _line,
            "images",
        )
        for trial in (trials if trials[0].settings.fidelity.enabled else ())
    }


def _publish(trial: SplitOf, task: Task) -> None:
    kept, path = task.folder(trial.project.work), trial.project.fidelity / f"{trial.name}.json"
    figures = store.read_json(kept / _FIGURES, "")
    nearest = path.with_name(f"{trial.name}.{_NEAREST}")
    store.write_text(nearest, (kept / _NEAREST).read_text(encoding="utf-8"))
    store.write_sealed(path, {"trial": trial.name, **figures, "key": task.key}, [nearest])


def fidelity_key(trial: SplitOf) -> str:
    """Of what is measured of a trial's images."""
    settings, prepared, others = trial.settings, trial.prepared, trial.gan_unlabelled
    encoder, train = settings.fidelity.encoder, trial.rows.train
    on = {
        "encoder": [config.plain(encoder), encoder.path_digest()],
        "classifier": config.plain(settings.classifier),
        "code": settings.classifier.code_digest(),
        "policy": config.plain(settings.classify.classical),
        "classes": prepared.classes,
        "train": [train, prepared.digest(train)],  # nearest.csv names the rows
        "unlabelled": [others, prepared.hashes(others)],
        "test": prepared.digest(_compared(trial)),
        "synthetic": trial.synth_key,
        "seed": trial.classify_seed,
    }
    return trial.project.work.key("fidelity", on)


def _compared(trial: SplitOf) -> list[int]:
    """The rows of the test part that generated images are compared with: where a translator made them, those under the
    conditions that it moves images to."""
    rows, conditions = trial.rows.test, trial.conditions_of(trial.rows.test)
    if not trial.translates or conditions is None:
        return rows
    return [row for row, condition in zip(rows, conditions.tolist(), strict=True) if condition in trial.targets]


def read_fidelity(trials: Sequence[SplitOf]) -> list[Measured]:
    """What was measured of each trial's images; nothing where the settings say not to.

    Raises UserError if it is missing, damaged, changed or of other settings.
    """
    found = []
    for trial in trials if trials[0].settings.fidelity.enabled else ():
        path = trial.project.fidelity / f"{trial.name}.json"
        if store.read_json(path, _HINT, _Sealed)["key"] != fidelity_key(trial):
            raise UserError(f"{path}: is of other settings or images than there are now; {_HINT}")
        found.append(store.read_json(path, _HINT, Measured))
        store.check_sealed(path, _HINT, [path.with_name(f"{trial.name}.{_NEAREST}")])
        classes = trial.classes if len(trial.classes) > 1 else []
        for figures in (found[-1]["classes"], found[-1]["memorisation"]["pixels"]["classes"]):
            if list(figures) != classes:
                raise UserError(f"{path}: must have figures of every class; {_HINT}")
    return found


def read_nearest(trial: SplitOf) -> list[Neighbour]:
    """A row for each generated image, in the order of data/synth/<trial>: see NEAREST.

    Raises UserError if it is missing or damaged.
    """
    path = trial.project.fidelity / f"{trial.name}.{_NEAREST}"
    rows: list[Neighbour] = store.read_table(path, _HINT, Neighbour)
    made = [(name, index) for name, count in trial.synthetic_counts.items() for index in range(count)]
    learned = {*trial.rows.train, *trial.gan_unlabelled}
    if [(row["class"], row["index"]) for row in rows] != made or not {row["train_row"] for row in rows} <= learned:
        raise UserError(
            f"{path}: must list the {len(made):,} generated images of split {trial.name} in their order, each with a "
            f"row of the train part, but does not; {_HINT}"
        )
    return rows


def keep_judge(model: torch.nn.Module, folder: Path) -> None:
    """Put the classifier into ``folder`` with its arm's predictions, so that it need not be trained again."""
    import torch

    buffer = io.BytesIO()  # on a full disk torch itself says much, and no file's name
    torch.save(model.state_dict(), buffer)
    with store.replacing(folder / _JUDGE_FILE) as part:
        part.write_bytes(buffer.getbuffer())


def _measure(trial: SplitOf, judge: Path | None, folder: Path, worker: Worker) -> None:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # sums round differently on another number of threads
        figures, rows = _compare(trial, judge, worker.device)
    store.write_json(folder / _FIGURES, figures)
    store.write_csv(folder / _NEAREST, NEAREST, rows)


def _compare(trial: SplitOf, kept: Path | None, where: torch.device) -> tuple[dict[str, Any], list[Sequence[Any]]]:
    """The figures of a trial, and the rows of nearest.csv."""
    from ganaug.classify.features import look
    from ganaug.measure.image_metrics import Sample, fidelity
    from ganaug.measure.memorisation import NOTE, Kind, memorisation

    prepared, classify = trial.prepared, trial.settings.classify
    seed = trial.classify_seed  # of its arms: the judge is then the classifier of ``classical``, weight for weight
    labels, test = prepared.labels[trial.rows.train], prepared.part(_compared(trial))
    seen_rows = [*trial.rows.train, *trial.gan_unlabelled]
    train = prepared.images_of(seen_rows)  # once: large sets fill the memory
    images, made = synthetic_pool(trial)
    labelled = trial.is_conditional
    learned, unseen = (some if labelled else 0 * some for some in (labels, test.labels))

    judge = _kept_judge(trial, kept, where)
    if judge is None:
        judge = fit(trial, arm(JUDGE, classify), (train[: len(labels)], labels), None, seed, where)
    of_test, of_made = look(judge, test.images, where), look(judge, images, where)
    pupil = fit(trial, arm("none", classify), (images, made), None, seed, where) if labelled else None
    real = {"train": train, "test": test.images}
    kinds: dict[str, Images] = {**real, "made": images}
    if isinstance(trial.settings.fidelity.encoder, Own):
        of_train = look(judge, kinds["train"], where)
        seen = {"train": of_train.features, "test": of_test.features, "made": of_made.features}
    else:
        encoder = trial.settings.fidelity.encoder.build().to(where)
        seen = {name: look(encoder, some, where, _PUBLISHED_CHUNK).features for name, some in kinds.items()}
    faithful = fidelity(
        Sample(seen["test"], unseen, None if pupil is None else look(pupil, test.images, where).predicted),
        Sample(seen["made"], made, of_made.predicted if labelled else None),
        of_made.probabilities,
        trial.classes,
        seed,
    )

    def remembered(vectors: Mapping[str, Vectors]) -> Memorisation:
        count = len(learned)  # those with labels come first
        return memorisation(
            Kind(vectors["train"][:count], learned),
            Kind(vectors["test"], unseen),
            Kind(vectors["made"], made),
            trial.classes,
            seed,
            vectors["train"][count:],
        )

    flat: dict[str, Vectors] = {name: some.reshape(len(some), -1) for name, some in real.items()}
    in_pixels = remembered({**flat, "made": images.flat()})
    figures = {
        "encoder": {**config.plain(trial.settings.fidelity.encoder), "features": seen["made"].shape[1]},
        "images": {
            "train": len(trial.rows.train),
            "unlabelled": len(trial.gan_unlabelled),
            "held_out": len(test.labels),
            "synthetic": len(images),
        },
        "judge_accuracy": 100 * float((of_test.predicted == test.labels).mean()),
        **faithful,
        # Pixels first: no network lies between, least of all one that learned from the same training images.
        "memorisation": {
            "primary": "pixels",
            "pixels": in_pixels.figures,
            "features": remembered(seen).figures,
            "note": NOTE,
        },
    }
    return figures, list(_nearest_rows(in_pixels, seen_rows, made, trial.classes))


def _kept_judge(split: SplitOf, folder: Path | None, where: torch.device) -> torch.nn.Module | None:
    """The judge as its arm left it; None where the arm was not run, or an arm of another name did its work."""
    import torch

    if folder is None or not (folder / _JUDGE_FILE).is_file():
        return None
    channels, size, _ = split.prepared.image_shape
    spec = split.settings.classifier
    model = spec.build(channels, len(split.prepared.classes), size)
    try:
        model.load_state_dict(torch.load(folder / _JUDGE_FILE, map_location="cpu", weights_only=True))
    except Exception:  # damaged in whatever way: it is trained again
        return None
    return (model.to(where) if spec.is_own else device.place(model, where)).eval()


def _nearest_rows(
    found: Memorisation, train_rows: Sequence[int], labels: NDArray[np.int64], classes: Sequence[str]
) -> Iterator[Sequence[Any]]:
    """Of every generated image the nearest training image in pixels: its row of data/prepared (rows of unlabelled.npy
    follow those of images.npy), its distance in gray levels, that distance over its class's usual one, and whether that
    makes it a near-copy."""
    index = [0] * len(classes)
    columns = (labels, found.nearest.row, found.nearest.distance, found.relative, found.is_copy)
    for label, row, distance, relative, is_copy in zip(*(column.tolist() for column in columns), strict=True):
        known = "" if relative != relative else round(relative, 4)
        yield classes[label], index[label], train_rows[row], round(distance, 3), known, int(is_copy)
        index[label] += 1


def _line(folder: Path) -> str:
    figures = store.read_json(folder / _FIGURES, "")
    overall, copies = figures["overall"], figures["memorisation"]["pixels"]["overall"]
    parts = []
    if overall["gan_train"] is not None:
        parts = [f"GAN-train {overall['gan_train']:.1f} %, GAN-test {overall['gan_test']:.1f} %"]
    if overall["coverage"] is not None:
        parts.append(f"coverage {overall['coverage']:.2f}")
    parts.append(f"{copies['near_copies']} near-copies among {figures['images']['synthetic']} images")
    return ", ".join(parts)
