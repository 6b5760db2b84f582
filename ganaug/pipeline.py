"""The stages: paths in, artifacts out. The only file I/O of the stages is here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import __version__, config, seeds, store
from ganaug.classify.arms import Arm, arm
from ganaug.config import Settings
from ganaug.data.gather import gather
from ganaug.data.prepared import Prepared, read_prepared, write_prepared
from ganaug.data.splits import RELEASE
from ganaug.data.subsets import Subsets
from ganaug.errors import UserError
from ganaug.work import Work

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganaug.progress import Progress


@dataclass(frozen=True)
class Project:
    """A folder with params.yaml, and where its artifacts lie."""

    root: Path
    settings: Settings

    @classmethod
    def here(cls) -> Project:
        return cls(Path(), config.load(Path("params.yaml")))

    @property
    def prepared(self) -> Path:
        return self.root / "data" / "prepared"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def synth(self) -> Path:
        return self.root / "data" / "synth"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def trials(self) -> Path:
        return self.reports / "trials"

    @property
    def work(self) -> Work:
        return Work(self.root / ".ganaug")

    def generator(self, split: str) -> Path:
        return self.models / split / "generator.safetensors"


# ---------------------------------------------------------------------------------------------------------- prepare


def prepare(project: Project, progress: Progress) -> str:
    """Read the source, bring the images to one shape, deal the splits. Returns lines that say what was found."""
    import numpy as np

    spec, protocol = project.settings.data, project.settings.protocol
    with store.replacing(project.prepared) as folder, progress.counting("prepare") as on_done:
        folder.mkdir()
        data = gather(spec, folder / "images.npy", _processes(project.settings), on_done)
        splits = protocol.splits(data.items())
        write_prepared(folder, _prepared_with(project), data, splits)
    found, size, channels = data.found, data.shape.size, data.shape.channels
    counts = np.bincount(found.labels, minlength=len(found.classes))
    notes = list(found.notes)
    used = {row for split in splits.values() for row in (*split.train, *split.test)}
    if not isinstance(protocol, Subsets) and len(used) < len(found.files):
        notes.append(
            f"{len(found.files) - len(used)} images are in no split: they, or an image of their group, have the pixels "
            "of a test image"
        )
    if data.broken:
        notes.append(f"{len(data.broken)} broken images were skipped: {project.prepared / 'skipped.csv'} lists them")
    return "\n".join(
        [
            f"{len(found.files):,} images of {size}x{size} pixels, {channels} channel{'s' * (channels > 1)}, "
            f"{len(found.classes)} classes of {counts.min():,} to {counts.max():,}; "
            f"{len(data.pixels) - len(set(data.pixels))} exact duplicates; {len(splits) - 1} trials and {RELEASE}",
            *notes,
        ]
    )


def _prepared_with(project: Project) -> dict[str, Any]:
    return {"data": config.plain(project.settings.data), "protocol": config.plain(project.settings.protocol)}


def prepared_now(project: Project) -> Prepared:
    """What ``prepare`` wrote, if it wrote it with the settings that params.yaml has now."""
    prepared = read_prepared(project.prepared)
    if prepared.made_with != _prepared_with(project):
        raise UserError(
            f'{project.prepared}: was made with other settings of data or protocol than params.yaml; run "dvc repro"'
        )
    return prepared


# ------------------------------------------------------------------------------------------------------------ train


def train(project: Project, only: str | None, progress: Progress) -> None:
    """Train the generator of every split (or of one), each on its train part only."""
    prepared = prepared_now(project)
    names = _split_names(project, prepared, only)
    work, keys = project.work, {name: train_key(project, prepared, name) for name in names}
    missing = [name for name in names if not work.place("train", keys[name]).is_dir()]
    tasks = [(_train_split, (project, name, keys[name], progress.reporter(keys[name]))) for name in missing]
    with progress.stage("train", {keys[name]: name for name in missing}, project.settings.gan.steps):
        for done in _in_parallel(project, tasks):
            timing = work.timing("train", keys[done]) or {}
            progress.finished(done, _train_line(project, work.place("train", keys[done]), timing))
    if only is None:
        store.remove(project.models)
    for name in names:
        store.copy_folder(work.place("train", keys[name]), project.models / name, without=[Work.TIMING])


def train_key(project: Project, prepared: Prepared, name: str) -> str:
    settings = project.settings
    return project.work.key(
        "train",
        {
            "gan": config.plain(settings.gan),
            "train": prepared.digest(prepared.split(name).train),
            "classes": prepared.classes,
            "seed": seeds.derive(settings.protocol.seed, "gan", name),
        },
    )


def _train_split(project: Project, name: str, key: str, report: Callable[[int], None]) -> str:
    from ganaug import device
    from ganaug.gan.train import HISTORY, train_gan
    from ganaug.report.images import grid
    from ganaug.synth import Sampler, save_generator

    where = device.resolve(project.settings.device)
    device.prepare(where)
    prepared = prepared_now(project)
    part = prepared.part(prepared.split(name).train)
    settings = project.settings

    def make(folder: Path) -> dict[str, Any]:
        seed = seeds.derive(settings.protocol.seed, "gan", name)
        trained = train_gan(
            part.images, part.labels, len(prepared.classes), settings.gan, seed, where, lambda step, _: report(step)
        )
        description = {
            "format": 1,
            "ganaug": __version__,
            "split": name,
            "dataset": settings.data.source.title(),
            "classes": prepared.classes,
            "image_shape": list(prepared.image_shape),
            "gan": config.plain(settings.gan),
            "device": where.type,
            "train_images": prepared.counts(prepared.split(name).train),
            "train_images_sha256": sorted(part.pixels),
        }
        save_generator(folder / "generator.safetensors", trained.generator, description)
        rows = [[round(row[column], 5) for column in HISTORY] for row in trained.history]
        store.write_csv(folder / "history.csv", HISTORY, rows)
        sampler = Sampler(trained.generator, prepared.classes, prepared.image_shape, description)
        cpu = device.resolve("cpu")
        samples = [next(sampler.images(label, 12, 0, cpu)) for label in range(len(prepared.classes))]
        store.write_png(folder / "samples.png", grid(samples))
        store.write_png(folder / "progress.png", grid(trained.progress))
        return {"device": where.type, "images_per_second": [[step, round(rate, 1)] for step, rate in trained.speed]}

    project.work.once("train", key, make)
    return name


def _train_line(project: Project, folder: Path, timing: dict[str, Any]) -> str:
    last = store.read_table(folder / "history.csv")[-1]
    rates = [rate for _, rate in timing["images_per_second"]]
    return (
        f"{project.settings.gan.steps:,} steps in {timing['wall_seconds']:.0f} s on {timing['device']}, "
        f"{sum(rates) / len(rates):,.0f} images a second; D right on {float(last['d_accuracy_real']):.0%} of real and "
        f"{float(last['d_accuracy_fake']):.0%} of fake images"
    )


# ------------------------------------------------------------------------------------------------------------ synth


def synth_all(project: Project, only: str | None, progress: Progress) -> None:
    """Images of every class from the generator of every split, for the arms."""
    prepared = prepared_now(project)
    names = _split_names(project, prepared, only)
    tasks = [(_synth_split, (project, name)) for name in names]
    with progress.stage("synth", {name: name for name in names}, 1):
        for done in _in_parallel(project, tasks):
            counts = synthetic_counts(project, prepared, done).values()
            each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
            progress.finished(done, f"{each} images of each of {len(prepared.classes)} classes")
    for folder in project.synth.iterdir():  # of an earlier protocol
        if only is None and folder.name not in names:
            store.remove(folder)


def _synth_split(project: Project, name: str) -> str:
    import numpy as np

    from ganaug import device
    from ganaug.synth import load_sampler

    where = device.resolve(project.settings.device)
    device.prepare(where)
    sampler = load_sampler(project.generator(name))
    if sampler.description["gan"] != config.plain(project.settings.gan):
        raise UserError(
            f'{project.generator(name)}: was trained with other settings of gan than params.yaml has; run "dvc repro"'
        )
    seed, shape = project.settings.synth.seed, sampler.image_shape
    counts = synthetic_counts(project, prepared_now(project), name)
    with store.replacing(project.synth / name) as folder:
        rows: list[list[Any]] = []
        for label, class_name in enumerate(sampler.classes):
            none = np.empty((0, shape[1], shape[2], shape[0]), np.uint8)
            images = np.concatenate([none, *sampler.images(label, counts[class_name], seed, where)])
            store.write_array(folder / f"{label}.npy", images)
            rows += [[f"{label}.npy", class_name, seed, index] for index in range(len(images))]
        store.write_csv(folder / "manifest.csv", ["file", "class", "seed", "index"], rows)
    return name


def synthetic_counts(project: Project, prepared: Prepared, name: str) -> dict[str, int]:
    """{class: n}: how many synthetic images each class of a split gets."""
    counts = project.settings.synth.counts(prepared.counts(prepared.split(name).train))
    if not any(counts.values()):
        raise UserError(
            f"synth.balance: fill tops classes up to the largest, but all classes of split {name} have as many images; "
            "set it to equal"
        )
    return counts


def read_synthetic(project: Project, prepared: Prepared, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(images (N, H, W, C), labels (N,)) that ``synth_all`` wrote for a split."""
    import numpy as np

    mend = 'run "ganaug synth --all" (or "dvc repro")'
    arrays = [store.read_array(project.synth / name / f"{label}.npy", mend) for label in range(len(prepared.classes))]
    if [len(array) for array in arrays] != list(synthetic_counts(project, prepared, name).values()):
        raise UserError(f"{project.synth / name}: holds other numbers of images than params.yaml asks for; {mend}")
    labels = [np.full(len(array), label, np.int64) for label, array in enumerate(arrays)]
    return np.concatenate(arrays), np.concatenate(labels)


# --------------------------------------------------------------------------------------------------------- classify


def classify(project: Project, only: str | None, progress: Progress) -> None:
    """Train the classifier under every arm of every trial, and test it on the trial's test part."""
    prepared = prepared_now(project)
    trials = [name for name in _split_names(project, prepared, only) if name != RELEASE]
    if not trials:
        raise UserError(f'split "{RELEASE}": classify needs a trial, which has a test part; name a trial, such as 0')
    arms = arms_of(project.settings)
    keys = {(trial, one.name): classify_key(project, prepared, trial, one) for trial in trials for one in arms}
    work = project.work
    missing = [(trial, one) for trial in trials for one in arms if not _done(work, keys[trial, one.name])]
    tasks = [(_classify_arm, (project, trial, one, keys[trial, one.name])) for trial, one in missing]
    with progress.stage("classify", {f"{trial} {one.name}": trial for trial, one in missing}, 1):
        for trial, name, right in _in_parallel(project, tasks):
            progress.finished(f"{trial} {name}", f"{right:.1%} of the test images right")
    if only is None:
        store.remove(project.trials)
    for trial in trials:
        _write_trial(project, prepared, trial, arms, keys)


def arms_of(settings: Settings) -> list[Arm]:
    """The arms that ``classify.arms`` lists, taken apart."""
    return [arm(name, settings.classify, settings.synth.balance == "fill") for name in settings.classify.arms]


def classify_key(project: Project, prepared: Prepared, trial: str, chosen: Arm) -> str:
    settings, split = project.settings, prepared.split(trial)
    filling: Any = None  # what the filler's images depend on, beside the train part
    if chosen.filler == "gan":
        filling = store.digest(*read_synthetic(project, prepared, trial))
    elif chosen.filler in ("placebo", "smote"):
        filling = synthetic_counts(project, prepared, trial)
    return project.work.key(
        "classify",
        {
            "classifier": config.plain(settings.classifier),
            "code": settings.classifier.code_digest(),
            "arm": {
                "filler": chosen.filler,
                "policy": config.plain(chosen.policy),
                "mix": config.plain(chosen.mix),
            },
            "train": prepared.digest(split.train),
            "test": prepared.digest(split.test),
            "filling": filling,
            "seed": seeds.derive(settings.protocol.seed, "classify", trial),
        },
    )


def _done(work: Work, key: str) -> bool:
    return work.place("classify", key).is_dir()


def _classify_arm(project: Project, trial: str, chosen: Arm, key: str) -> tuple[str, str, float]:
    from ganaug import device
    from ganaug.classify.arms import batches
    from ganaug.classify.fillers import filling
    from ganaug.classify.train import predict, train_classifier

    where = device.resolve(project.settings.device)
    device.prepare(where)
    prepared = prepared_now(project)
    split = prepared.split(trial)
    real, test = prepared.part(split.train), prepared.part(split.test)
    synthetic = read_synthetic(project, prepared, trial) if chosen.filler == "gan" else None
    classes, spec = len(prepared.classes), project.settings.classifier
    seed = seeds.derive(project.settings.protocol.seed, "classify", trial)

    def make(folder: Path) -> None:
        counts = list(synthetic_counts(project, prepared, trial).values()) if chosen.filler else []
        pool = filling(chosen, (real.images, real.labels), synthetic, counts, seed)
        draw = batches(chosen, (real.images, real.labels), pool, classes, spec.batch_size, seed)
        channels, size, _ = prepared.image_shape
        model = train_classifier(draw, spec, channels, classes, size, seed, where)
        store.write_array(folder / "predictions.npy", predict(model, test.images, where))

    place = project.work.once("classify", key, make)
    predicted = store.read_array(place / "predictions.npy", "")
    return trial, chosen.name, float((predicted == test.labels).mean())


def _write_trial(
    project: Project, prepared: Prepared, trial: str, arms: Sequence[Arm], keys: dict[tuple[str, Any], str]
) -> None:
    from ganaug.evaluate.scores import scores

    rows = prepared.split(trial).test
    labels = prepared.labels[rows]
    predicted = {
        one.name: store.read_array(project.work.place("classify", keys[trial, one.name]) / "predictions.npy", "")
        for one in arms
    }
    store.write_csv(
        project.trials / f"{trial}.predictions.csv",
        ["row", "label", *predicted],
        zip(rows, labels.tolist(), *(column.tolist() for column in predicted.values()), strict=True),
    )
    store.write_json(
        project.trials / f"{trial}.json",
        {
            "trial": trial,
            "train_images": len(prepared.split(trial).train),
            "test_images": len(rows),
            "arms": {name: scores(column, labels, prepared.classes) for name, column in predicted.items()},
            "keys": {one.name: keys[trial, one.name] for one in arms},
        },
    )


# ----------------------------------------------------------------------------------------------------------- shared


def _split_names(project: Project, prepared: Prepared, only: str | None) -> list[str]:
    """Every split of the protocol, or the one asked for; an unknown one is an error."""
    names = [only] if only is not None else project.settings.protocol.names()
    for name in names:
        prepared.split(name)
    return names


def _in_parallel(project: Project, tasks: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> Iterable[Any]:
    """Results as they come, from ``jobs`` processes of one thread each."""
    import joblib

    jobs = min(len(tasks), _jobs(project.settings)) if tasks else 1
    return joblib.Parallel(jobs, return_as="generator_unordered", batch_size=1)(  # type: ignore[no-any-return]
        joblib.delayed(function)(*arguments) for function, arguments in tasks
    )


def _jobs(settings: Settings) -> int:
    """``jobs``, or one a core, or one on a GPU."""
    if settings.jobs:
        return settings.jobs
    from ganaug import device

    return _processes(settings) if device.resolve(settings.device).type == "cpu" else 1


def _processes(settings: Settings) -> int:
    """``jobs``, or one a core (the cores this process may use)."""
    import joblib

    return settings.jobs or joblib.cpu_count()
