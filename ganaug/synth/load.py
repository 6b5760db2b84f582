"""A generator or a translator from its file: ``ganaug.load``, and how every command opens one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug import store
from ganaug.gan.described import AGAIN

if TYPE_CHECKING:
    import torch

    from ganaug.synth.generator import Generator
    from ganaug.synth.translator import Translator


def load(path: str | Path) -> Generator | Translator:
    """Read what ``Generator.save``, ``ganaug train`` or ``dvc repro`` wrote to the file ``path``.

    No code of the file is run. Raises UserError if it is no such file.
    """
    return store.read_from_tensors(Path(path), "a generator of this version of ganaug", AGAIN, _restore)


def _restore(tensors: dict[str, torch.Tensor], description: dict[str, Any]) -> Generator | Translator:
    from ganaug.synth import generator, translator

    gan = description.get("gan")
    translates = isinstance(gan, dict) and gan.get("translate") is not None
    return (translator.restore if translates else generator.restore)(tensors, description)
