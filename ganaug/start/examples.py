"""The worked examples: projects on public images, their settings tuned on tuning draws."""

import json
from dataclasses import replace
from pathlib import Path

from ganaug import config, store, yaml_text
from ganaug.config import Settings
from ganaug.data.idx import Idx
from ganaug.errors import UserError
from ganaug.stages.needs import Sizes, needs
from ganaug.stages.progress import counting
from ganaug.start import estimate
from ganaug.start.files import Plan
from ganaug.start.findings import run_needs

_ABOUT = {  # title, text
    "digits": (
        "Digits, 5 images per class",
        "scikit-learn's handwritten digits, 8x8 pixels, part of the installed package.",
    ),
    "conditions": (
        "Digits under two conditions, five of them missing under one",
        "scikit-learn's handwritten digits, enlarged to 28x28 pixels; half of them are rendered with a "
        "texture, which\nonly five of the ten classes have: what fills the cells of the other five?",
    ),
    "fashion-mnist": (
        "Fashion-MNIST, 20 images per class",
        "Real photographs of 28x28 pixels, from the IDX files of Debian's package `dataset-fashion-mnist` (`apt-get "
        "install\ndataset-fashion-mnist`); elsewhere set `data.source.path` in `params.yaml` to a folder with "
        "MNIST-style files.",
    ),
}
_DEBIAN = "/usr/share/datasets/fashion-mnist   # where Debian's package dataset-fashion-mnist puts it"


def example(name: str, images: Path | None, path: Path | None) -> Plan:
    """A worked example by name; ``images``: the folder of its files, and ``path`` to it from the project.

    Raises UserError if there is no such example or no such folder.
    """
    if name not in _ABOUT:
        raise UserError(f'--dataset: must be one of {", ".join(_ABOUT)}, got "{name}"; choose one, or use --images')
    if images is not None and not images.is_dir():
        raise UserError(f"--images: must be a folder of Fashion-MNIST's IDX files, got {images}; correct it")
    text = store.template(f"{name}.yaml").render()
    if path is not None:
        text = text.replace(_DEBIAN, json.dumps(path.as_posix(), ensure_ascii=False))
    return Plan(text, *_ABOUT[name], _time(config.check(yaml_text.parse(text, "params.yaml")), images))


def _time(settings: Settings, images: Path | None) -> str:
    """How long the example takes here, or what is still missing for it."""
    source = settings.data.source
    try:
        found = (replace(source, path=images) if images and isinstance(source, Idx) else source).load()
    except UserError as missing:
        return f"note: {missing}"
    assert not isinstance(found.images, list)
    with counting("timing a few steps of each network"):
        pace = estimate.measure(settings, found.images, found.labels, len(found.classes))
    sizes = Sizes.of(settings, found)
    return run_needs(pace, pace.run_seconds(settings, sizes), needs(settings, sizes))
