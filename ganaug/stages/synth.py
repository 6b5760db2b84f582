"""Stage ``synth``: images of every class from the generator of every split, for the arms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganaug import config, store
from ganaug.data.prepared import Prepared
from ganaug.errors import UserError
from ganaug.stages.filters import screen_key
from ganaug.stages.project import Project, in_parallel, prepared_now, split_names
from ganaug.stages.train import UNLABELLED, train_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganaug.stages.progress import Progress


def synth_all(project: Project, only: str | None, progress: Progress) -> None:
    """Images of every class from the generator of every split, for the arms."""
    prepared = prepared_now(project)
    names = split_names(project, prepared, only)
    tasks = [(_synth_split, (project, name)) for name in names]
    with progress.stage("synth", {name: name for name in names}, 1):
        for done in in_parallel(project, tasks):
            counts = synthetic_counts(project, prepared, done).values()
            each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
            progress.finished(done, f"{each} images of each of {len(counts)} classes")
    for folder in project.synth.iterdir():  # of an earlier protocol
        if only is None and folder.name not in names:
            store.remove(folder)


def _synth_split(project: Project, name: str) -> str:
    import numpy as np

    from ganaug import device
    from ganaug.synth.sampler import load_sampler

    where = device.resolve(project.settings.device)
    device.prepare(where)
    sampler = load_sampler(project.generator(name))
    prepared = prepared_now(project)
    trained = train_key(project, prepared, name)
    screening = sampler.description.get("screening") or {}
    of_screen = screen_key(project, prepared, name, trained)
    if (sampler.description.get("key"), screening.get("key")) != (trained, of_screen):
        raise UserError(
            f"{project.generator(name)}: was made with other settings of gan or of synth's filters, or on other "
            'images, than there are now; run "dvc repro"'
        )
    seed, shape = project.settings.synth.seed, sampler.image_shape
    counts = synthetic_counts(project, prepared, name)
    with store.replacing(project.synth / name) as folder:
        rows: list[list[Any]] = []
        for label, class_name in enumerate(sampler.classes):
            none = np.empty((0, shape[1], shape[2], shape[0]), np.uint8)
            chunks = list(sampler.images(label, counts[class_name], seed, where))
            store.write_array(folder / f"{label}.npy", np.concatenate([none, *(images for images, _ in chunks)]))
            accepted = sampler.accepted[label]
            rows += [
                [f"{label}.npy", class_name, seed, number, accepted]
                for _, numbers in chunks
                for number in numbers.tolist()
            ]
        store.write_csv(folder / "manifest.csv", ["file", "class", "seed", "index", "accepted"], rows)
    return name


def synthetic_counts(project: Project, prepared: Prepared, name: str) -> dict[str, int]:
    """{class: n}: how many synthetic images each class of a split gets."""
    train = prepared.counts(prepared.split(name).train)
    if project.settings.gan.conditioning == "none":
        train = {UNLABELLED: sum(train.values())}
    counts = project.settings.synth.counts(train)
    if not any(counts.values()):
        raise UserError(
            f"synth.balance: fill tops classes up to the largest, but all classes of split {name} have as many images; "
            "set it to equal"
        )
    return counts


def synthetic_on(project: Project, prepared: Prepared, name: str) -> dict[str, Any]:
    """What work on a split's synthetic images depends on, for its key."""
    return {
        "images": store.digest(*read_synthetic(project, prepared, name)),
        # The images alone would do, if nobody ever skipped a stage after changing settings.
        "gan": train_key(project, prepared, name),
        "synth": config.plain(project.settings.synth),
    }


def read_acceptance(project: Project, name: str) -> dict[str, float]:
    """{class: the share of its candidates that the filters let through}, of the classes that got images."""
    return {row["class"]: float(row["accepted"]) for row in store.read_table(project.synth / name / "manifest.csv")}


def read_synthetic(project: Project, prepared: Prepared, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(images (N, H, W, C), labels (N,)) that ``synth_all`` wrote for a split."""
    import numpy as np

    mend = 'run "ganaug synth --all" (or "dvc repro")'
    counts = synthetic_counts(project, prepared, name)
    arrays = [store.read_array(project.synth / name / f"{label}.npy", mend) for label in range(len(counts))]
    if [len(array) for array in arrays] != list(counts.values()):
        raise UserError(f"{project.synth / name}: holds other numbers of images than params.yaml asks for; {mend}")
    labels = [np.full(len(array), label, np.int64) for label, array in enumerate(arrays)]
    return np.concatenate(arrays), np.concatenate(labels)
