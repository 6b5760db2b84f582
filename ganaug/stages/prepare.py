"""Stage ``prepare``: read the source, bring the images to one shape, deal the splits."""

import numpy as np

from ganaug import store
from ganaug.data.cells import targets
from ganaug.data.gather import gather
from ganaug.data.prepared import write_prepared
from ganaug.data.splits import RELEASE, Items, Split
from ganaug.data.unlabelled import gather_unlabelled
from ganaug.errors import UserError, one_line
from ganaug.stages import cost, watched
from ganaug.stages.progress import counting
from ganaug.stages.project import Project, prepared_with
from ganaug.stages.tasks import processes


def prepare(project: Project) -> str:
    """Read the source, bring the images to one shape, deal the splits. Returns lines that say what was found.

    Raises UserError if the images cannot be used, or lie where DVC does not look.
    """
    spec, protocol = project.settings.data, project.settings.protocol
    watched.check_places(spec.watched(), project.root)
    with (
        project.alone("prepare", "prepare: another run is at it; waiting for it"),
        store.replacing(project.prepared, folder=True) as folder,
        counting("prepare") as on_done,
    ):
        data = gather(spec, folder / "images.npy", processes(project.settings), on_done)
        cost.check_rows(protocol, len(data.pixels))
        items = data.items()
        try:
            splits = protocol.splits(items)
        except UserError as error:  # images that became equal are one to a protocol
            raise UserError("; ".join([str(error), *data.losses])) from None
        others = []
        if spec.unlabelled:
            jobs, known = processes(project.settings), data.pixels
            others = gather_unlabelled(spec.unlabelled, data.shape, folder, jobs, known, spec.on_broken)
        write_prepared(folder, prepared_with(project), data, splits)
    found, size, channels = data.found, data.shape.size, data.shape.channels
    counts = np.bincount(found.labels, minlength=len(found.classes))
    notes = [*found.notes, *others]
    used = {row for split in splits.values() for row in (*split.train, *split.test)}
    if protocol.uses_all and len(used) < len(found.files):
        notes.append(
            f"{len(found.files) - len(used)} images are in no split: they, or an image of their group, have the pixels "
            "of a test image"
        )
    never = _never_hidden(items, splits) if protocol.hides_cells else []
    if never:
        notes.append(f"Too few images to be hidden and measured: {', '.join(map(one_line, never))}")
    if data.broken:
        notes.append(f"{len(data.broken)} broken images were skipped: {project.prepared / 'skipped.csv'} lists them")
    return "\n".join(
        [
            f"{len(found.files):,} images of {size}x{size} pixels, {channels} channel{'s' * (channels > 1)}, "
            f"{len(found.classes)} classes of {counts.min():,} to {counts.max():,}{_under(items)}; "
            f"{len(data.pixels) - len(set(data.pixels))} exact duplicates; {len(splits) - 1} trials and {RELEASE}",
            *notes,
        ]
    )


def _under(items: Items) -> str:
    if items.conditions is None:
        return ""
    missing = int((items.cells() == 0).sum())
    return f", {len(items.condition_names)} conditions, {missing} of {items.cells().size} cells missing"


def _never_hidden(items: Items, splits: dict[str, Split]) -> list[str]:
    """The cells with images under conditions that lack classes which no trial hides."""
    counts = items.cells()
    hidden = {cell for split in splits.values() for cell in split.hidden}
    return [
        f"{items.classes[label]} under {items.condition_names[condition]}"
        for condition in targets(counts)
        for label in np.flatnonzero(counts[:, condition]).tolist()
        if (label, condition) not in hidden
    ]
