"""The networks in whose features images are compared: the union of encoders is at the foot."""

from __future__ import annotations

import hashlib
import textwrap
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import Field

from ganaug import store
from ganaug.errors import UserError, one_line
from ganaug.settings import Spec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Own(Spec):
    """The classifier of the trial itself: trained on its train part under the classical policy.

    It knows these images better than any published network and needs no download. It differs from trial to trial, so
    figures of two trials are not quite the same measure.
    """

    kind: Literal["own"] = "own"

    def path_digest(self) -> str | None:
        """None: it has no file of weights."""
        return None


@dataclass(frozen=True)
class Torchvision(Spec):
    """A published classification network of torchvision, such as resnet18, on enlarged images."""

    name: str
    """A classification network of torchvision.models, such as resnet18."""
    kind: Literal["torchvision"] = "torchvision"
    weights: str = "DEFAULT"
    """torchvision's name for its weights; looked for in torch hub's cache, never downloaded."""
    path: Path | None = None
    """A file with these weights, where the cache has none."""
    image_size: Annotated[int, Ge(32), Le(1024)] = 224
    """Pixels per side that images are enlarged to; the cost grows with its square."""

    def path_digest(self) -> str | None:
        """The SHA-256 of ``path``; None: their name identifies the weights. Raises UserError if it cannot be read."""
        if self.path is None:
            return None
        return hashlib.sha256(store.read_named(self.path, "fidelity.encoder.path")).hexdigest()

    def build(self) -> nn.Module:
        """In eval mode: float images (N, 1 or 3, H, W) in [-1, 1] -> logits of its own classes.

        Raises UserError if there is no such network or its weights cannot be read.
        """
        import torch

        from ganaug.classify.networks import Published

        weights, net = self._published()
        path = self.path or Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        try:
            _check_size(path, net)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd pickles, in several lines; none is run
                net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except FileNotFoundError:
            raise UserError(
                f"fidelity.encoder: the weights of {self.name} must be at {path}, but are not there; put {weights.url} "
                "there, name its place with fidelity.encoder.path, or set the encoder to {kind: own}"
            ) from None
        except Exception as error:  # a decoder may raise anything
            said = textwrap.shorten(one_line(f"{type(error).__name__}: {error}", 1000), 200)
            raise UserError(
                f"fidelity.encoder: {path} must hold the weights of {self.name}, but {said}; fetch {weights.url} again"
            ) from None
        expected = weights.transforms()
        return Published(net, expected.mean, expected.std, self.image_size).eval()

    def _published(self) -> tuple[Any, nn.Module]:
        """(torchvision's entry of the weights, the network untrained)."""
        from torchvision import models

        known = models.list_models(module=models)
        if self.name not in known:
            raise UserError(
                f'fidelity.encoder.name: must be a classification network of torchvision, got "{self.name}"; known: '
                f"{', '.join(known)}"
            )
        choices = models.get_model_weights(self.name).__members__
        if self.weights not in choices:
            raise UserError(
                f'fidelity.encoder.weights: must be one of {", ".join(choices)}, got "{self.weights}"; correct it'
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about initial weights, which are replaced
            net = models.get_model(self.name, weights=None)
        if hasattr(net, "transform_input"):
            net.transform_input = True  # as Inception and GoogLeNet were trained
        return choices[self.weights], net


def _check_size(path: Path, net: nn.Module) -> None:
    """Raises ValueError where a file is, or unpacks to, far more than the weights of ``net``: it may be all holes."""
    most = 2 * sum(tensor.nbytes for tensor in net.state_dict().values()) + 2**20
    size = path.stat().st_size
    if size <= most and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    if size > most:
        raise ValueError(f"it holds {size / 1e6:,.0f} MB, more than twice those weights")


EncoderSpec = Annotated[Own | Torchvision, Field(discriminator="kind")]
