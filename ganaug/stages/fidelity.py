"""The last part of stage ``classify``: how faithful each trial's images are, and whether they repeat its train part.

The test part measures here and does nothing else: no generator, filter or setting depends on what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import config, device, seeds, store
from ganaug.classify.arms import arm
from ganaug.classify.encoders import Own
from ganaug.data.prepared import Prepared
from ganaug.errors import UserError
from ganaug.stages.classifiers import fit
from ganaug.stages.labels import rows_without_labels
from ganaug.stages.project import Project, in_parallel, prepared_now
from ganaug.stages.synth import read_synthetic, synthetic_on
from ganaug.stages.train import UNLABELLED, generated_classes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from ganaug.evaluate.memorisation import Memorisation
    from ganaug.stages.progress import Progress

NEAREST = ("class", "index", "train_row", "distance", "relative", "near_copy")  # the columns of <trial>.nearest.csv
# The arm whose classifier judges the generated images and, as encoder ``own``, lends its features. It is trained on
# real training images, as GAN-test is defined. One of the test images would have more to learn from, but how right it
# is on real images that it never saw, which GAN-test is to be read beside, could not be measured.
JUDGE = "classical"
_JUDGE_FILE = "classifier.pt"
_FIGURES, _NEAREST = "figures.json", "nearest.csv"
_MEND = 'run "ganaug classify" (or "dvc repro")'
_PUBLISHED_CHUNK = 32  # images at a time through a published network, which enlarges them


def measure_fidelity(
    project: Project,
    prepared: Prepared,
    trials: Sequence[str],
    judges: Mapping[str, Path],
    whole: bool,
    progress: Progress,
) -> None:
    """Write ``reports/fidelity/<trial>.json`` and ``<trial>.nearest.csv``.

    ``judges``: the kept work of each trial's arm JUDGE, where that arm was run. ``whole``: these trials are all.
    """
    wanted = list(trials) if project.settings.fidelity.enabled else []
    work, keys = project.work, {trial: fidelity_key(project, prepared, trial) for trial in wanted}
    missing = [trial for trial in wanted if not work.place("fidelity", keys[trial]).is_dir()]
    if wanted:
        tasks = [(_measure_trial, (project, trial, keys[trial], judges.get(trial))) for trial in missing]
        with progress.stage("fidelity", {f"fidelity {trial}": trial for trial in missing}, 1):
            for trial, line in in_parallel(project, tasks):
                progress.finished(f"fidelity {trial}", line)
    if whole:
        store.remove(project.fidelity)
    project.fidelity.mkdir(parents=True, exist_ok=True)  # an output that DVC looks for, also where it is empty
    for trial in wanted:
        kept = work.place("fidelity", keys[trial])
        figures = store.read_json(kept / _FIGURES, "")
        store.write_json(project.fidelity / f"{trial}.json", {"trial": trial, **figures, "key": keys[trial]})
        store.write_text(project.fidelity / f"{trial}.nearest.csv", (kept / _NEAREST).read_text(encoding="utf-8"))


def fidelity_key(project: Project, prepared: Prepared, trial: str) -> str:
    settings, split = project.settings, prepared.split(trial)
    encoder, others = settings.fidelity.encoder, rows_without_labels(project, prepared, trial)
    return project.work.key(
        "fidelity",
        {
            "encoder": [config.plain(encoder), encoder.path_digest()],
            "classifier": config.plain(settings.classifier),
            "code": settings.classifier.code_digest(),
            "policy": config.plain(settings.classify.classical),
            "classes": prepared.classes,
            "train": [split.train, prepared.digest(split.train)],  # nearest.csv names the rows
            "unlabelled": [others, prepared.hashes(others)],
            "test": prepared.digest(split.test),
            "synthetic": synthetic_on(project, prepared, trial),
            "seed": _seed(project, trial),
        },
    )


def read_fidelity(project: Project, prepared: Prepared) -> list[dict[str, Any]]:
    """What was found of each trial's images; nothing where settings say not to look."""
    names = project.settings.protocol.trial_names() if project.settings.fidelity.enabled else []
    found = [store.read_json(project.fidelity / f"{name}.json", _MEND) for name in names]
    for name, one in zip(names, found, strict=True):
        if one["key"] != fidelity_key(project, prepared, name):
            raise UserError(
                f"{project.fidelity / f'{name}.json'}: is of other settings or images than there are now; {_MEND}"
            )
    return found


def read_nearest(project: Project, trial: str) -> list[dict[str, str]]:
    """A row for each generated image, in the order of data/synth/<trial>: see NEAREST."""
    return store.read_table(project.fidelity / f"{trial}.nearest.csv")


def _seed(project: Project, trial: str) -> int:
    """That of the trial's arms: the judge is then the classifier of the arm ``classical``, weight for weight."""
    return seeds.derive(project.settings.protocol.seed, "classify", trial)


def keep_judge(model: torch.nn.Module, folder: Path) -> None:
    """Beside the arm's predictions, so that it need not be trained again."""
    import torch

    torch.save(model.state_dict(), folder / _JUDGE_FILE)


def _measure_trial(project: Project, trial: str, key: str, kept: Path | None) -> tuple[str, str]:
    from threadpoolctl import threadpool_limits

    where = device.resolve(project.settings.device)
    device.prepare(where)
    prepared = prepared_now(project)

    def make(folder: Path) -> None:
        with threadpool_limits(1):  # sums round differently on another number of threads
            figures, rows = _compare(project, prepared, trial, kept, where)
        store.write_json(folder / _FIGURES, figures)
        store.write_csv(folder / _NEAREST, NEAREST, rows)

    place = project.work.once("fidelity", key, make)
    return trial, _line(store.read_json(place / _FIGURES, ""))


def _compare(
    project: Project, prepared: Prepared, trial: str, kept: Path | None, where: torch.device
) -> tuple[dict[str, Any], list[Sequence[Any]]]:
    """The figures of a trial, and the rows of nearest.csv."""
    from ganaug.classify.features import look
    from ganaug.evaluate.image_metrics import Sample, fidelity
    from ganaug.evaluate.memorisation import NOTE, Kind, memorisation

    split, seed = prepared.split(trial), _seed(project, trial)
    train, test = prepared.part(split.train), prepared.part(split.test)
    images, made = read_synthetic(project, prepared, trial)
    classes = generated_classes(project.settings, prepared)
    labelled = classes != [UNLABELLED]
    learned, unseen = (part.labels if labelled else 0 * part.labels for part in (train, test))

    judge = _kept_judge(project, prepared, kept, where)
    if judge is None:
        judge = fit(
            project, prepared, arm(JUDGE, project.settings.classify), (train.images, train.labels), None, seed, where
        )
    of_test, of_made = look(judge, test.images, where), look(judge, images, where)
    nothing = arm("none", project.settings.classify)
    pupil = fit(project, prepared, nothing, (images, made), None, seed, where) if labelled else None
    seen_rows = [*split.train, *rows_without_labels(project, prepared, trial)]
    kinds = {"train": prepared.images_of(seen_rows), "test": test.images, "made": images}
    if isinstance(project.settings.fidelity.encoder, Own):
        of_train = look(judge, kinds["train"], where)
        seen = {"train": of_train.features, "test": of_test.features, "made": of_made.features}
    else:
        encoder = project.settings.fidelity.encoder.build().to(where)
        seen = {name: look(encoder, some, where, _PUBLISHED_CHUNK).features for name, some in kinds.items()}
    faithful = fidelity(
        Sample(seen["test"], unseen, None if pupil is None else look(pupil, test.images, where).predicted),
        Sample(seen["made"], made, of_made.predicted if labelled else None),
        of_made.probabilities,
        classes,
        seed,
    )

    def remembered(vectors: Mapping[str, NDArray[Any]]) -> Memorisation:
        count = len(learned)  # those with labels come first
        return memorisation(
            Kind(vectors["train"][:count], learned),
            Kind(vectors["test"], unseen),
            Kind(vectors["made"], made),
            classes,
            seed,
            vectors["train"][count:],
        )

    in_pixels = remembered({name: some.reshape(len(some), -1) for name, some in kinds.items()})
    figures = {
        "encoder": {**config.plain(project.settings.fidelity.encoder), "features": seen["made"].shape[1]},
        "images": {
            "train": len(split.train),
            "unlabelled": len(seen_rows) - len(split.train),
            "held_out": len(split.test),
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
    return figures, list(_nearest_rows(in_pixels, seen_rows, made, classes))


def _kept_judge(
    project: Project, prepared: Prepared, folder: Path | None, where: torch.device
) -> torch.nn.Module | None:
    """The judge as its arm left it; None where the arm was not run, or by a release that did not keep it."""
    import torch

    if folder is None or not (folder / _JUDGE_FILE).is_file():
        return None
    channels, size, _ = prepared.image_shape
    spec = project.settings.classifier
    model = spec.build(channels, len(prepared.classes), size)
    model.load_state_dict(torch.load(folder / _JUDGE_FILE, map_location="cpu", weights_only=True))
    return (model.to(where) if spec.is_own else device.place(model, where)).eval()


def _nearest_rows(
    found: Memorisation, train_rows: Sequence[int], labels: NDArray[np.int64], classes: Sequence[str]
) -> Iterator[Sequence[Any]]:
    """Of every generated image the training image next to it in pixels: its row of data/prepared (those of
    unlabelled.npy follow on those of images.npy), its distance in gray levels, the distance over its class's median,
    and whether that makes it a near-copy."""
    index = [0] * len(classes)
    columns = (labels, found.nearest.row, found.nearest.distance, found.relative, found.is_copy)
    for label, row, distance, relative, is_copy in zip(*(column.tolist() for column in columns), strict=True):
        known = "" if relative != relative else round(relative, 4)
        yield classes[label], index[label], train_rows[row], round(distance, 3), known, int(is_copy)
        index[label] += 1


def _line(figures: Mapping[str, Any]) -> str:
    overall, copies = figures["overall"], figures["memorisation"]["pixels"]["overall"]
    told = []
    if overall["gan_train"] is not None:
        told = [f"GAN-train {overall['gan_train']:.1f} %, GAN-test {overall['gan_test']:.1f} %"]
    if overall["coverage"] is not None:
        told.append(f"coverage {overall['coverage']:.2f}")
    told.append(f"{copies['near_copies']} near-copies among {figures['images']['synthetic']} images")
    return ", ".join(told)
