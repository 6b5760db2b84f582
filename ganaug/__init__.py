"""ganaug: should you train on GAN images, what would they bring, and are they any good? Measured, with an interval.

What is listed in ``__all__`` is the public API; it is imported when it is first used, so ``import ganaug`` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ganaug import errors, transforms
    from ganaug.api.datasets import SyntheticDataset, SyntheticStream
    from ganaug.api.evaluate import evaluate
    from ganaug.api.fit import fit
    from ganaug.api.mixed import mix
    from ganaug.api.over_sampler import GanOverSampler
    from ganaug.api.verdict import Verdict
    from ganaug.synth.generator import Generator
    from ganaug.synth.load import load
    from ganaug.synth.translator import Translator

_WHERE = {
    "GanOverSampler": "ganaug.api.over_sampler",
    "Generator": "ganaug.synth.generator",
    "SyntheticDataset": "ganaug.api.datasets",
    "SyntheticStream": "ganaug.api.datasets",
    "Translator": "ganaug.synth.translator",
    "Verdict": "ganaug.api.verdict",
    "evaluate": "ganaug.api.evaluate",
    "fit": "ganaug.api.fit",
    "load": "ganaug.synth.load",
    "mix": "ganaug.api.mixed",
}
_MODULES = ("errors", "transforms")

__all__ = [
    "GanOverSampler",
    "Generator",
    "SyntheticDataset",
    "SyntheticStream",
    "Translator",
    "Verdict",
    "errors",
    "evaluate",
    "fit",
    "load",
    "mix",
    "transforms",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        found = getattr(import_module(_WHERE[name]), name)
    elif name in _MODULES:
        found = import_module(f"ganaug.{name}")
    else:
        raise AttributeError(f"module 'ganaug' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
