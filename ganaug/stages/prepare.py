"""Stage ``prepare``: read the source, bring the images to one shape, deal the splits."""

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganaug import store
from ganaug.data.gather import gather
from ganaug.data.prepared import write_prepared
from ganaug.data.splits import RELEASE
from ganaug.data.unlabelled import gather_unlabelled
from ganaug.errors import UserError
from ganaug.stages.progress import counting
from ganaug.stages.project import Project, prepared_with
from ganaug.stages.tasks import processes


def prepare(project: Project) -> str:
    """Read the source, bring the images to one shape, deal the splits. Returns lines that say what was found.

    Raises UserError if the images cannot be used, or lie where DVC does not look.
    """
    spec, protocol = project.settings.data, project.settings.protocol
    check_watched(project)
    with store.replacing(project.prepared, folder=True) as folder, counting("prepare") as on_done:
        data = gather(spec, folder / "images.npy", processes(project.settings), on_done)
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


def check_watched(project: Project) -> None:
    """Raises UserError if images lie where the project's dvc.yaml does not have DVC look: changes would go unseen.

    It is written once, and a table may name other folders since then, or a class folder become a link.
    """
    path = project.root / "dvc.yaml"
    try:
        stages = YAML(typ="safe", pure=True).load(path)["stages"]
        deps = [next(iter(dep)) if isinstance(dep, dict) else dep for dep in stages["prepare"].get("deps", [])]
        listed = [(project.root / dep.replace(r"\${", "${")).resolve() for dep in deps]
    except (OSError, YAMLError, LookupError, TypeError, AttributeError):  # none, or another pipeline: DVC's to judge
        return
    if "wdir" in stages["prepare"] or any("${" in dep.replace(r"\${", "") for dep in deps):
        return
    for place in project.settings.data.watched():
        if not any(place.resolve().is_relative_to(one) for one in listed):
            raise UserError(
                f"{path}: must list every place of the images as a dependency of prepare, but lacks {place}, so DVC "
                'would see no change there; run "python -m ganaug.project ."'
            )
