"""Stage ``prepare``: read the source, bring the images to one shape, deal the splits."""

import numpy as np

from ganaug import store
from ganaug.data.gather import gather
from ganaug.data.prepared import write_prepared
from ganaug.data.splits import RELEASE
from ganaug.data.unlabelled import gather_unlabelled
from ganaug.errors import UserError
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
        try:
            splits = protocol.splits(data.items())
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
