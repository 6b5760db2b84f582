"""What networks see: the right layer's features, in chunks or at once; published encoders and what they refuse."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from expect import refused
from torch import Tensor, nn

from ganaug.classify.encoders import Torchvision
from ganaug.classify.features import look
from ganaug.classify.networks import SmallCNN
from ganaug.pixels import to_float

CPU = torch.device("cpu")


def images(count: int, size: int = 8, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), np.uint8)


@torch.no_grad()
def test_the_features_are_what_the_last_layer_is_given() -> None:
    torch.manual_seed(0)
    model = SmallCNN(1, 3, 8, width=4, depth=1).eval()
    seen = look(model, images(10), CPU, chunk=4)
    floats = to_float(torch.from_numpy(images(10)).permute(0, 3, 1, 2))
    assert torch.from_numpy(seen.features) == pytest.approx(model.features(floats).flatten(1), abs=1e-5)
    assert torch.from_numpy(seen.logits) == pytest.approx(model(floats), abs=1e-5)
    assert (seen.predicted == seen.logits.argmax(1)).all()
    assert seen.probabilities.sum(1) == pytest.approx(np.ones(10))
    assert not any(layer._forward_hooks for layer in model.modules())


class Unordered(nn.Module):
    """Its last layer to run is the first one made; it gives its features two more axes."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)
        self.body = nn.Linear(64, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.flatten(1)))


def test_the_layer_that_ran_last_counts_not_the_one_made_last() -> None:
    assert look(Unordered(), images(5), CPU).features.shape == (5, 6)


def test_a_network_without_a_linear_layer_has_its_logits_as_features() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 8), nn.Flatten())
    seen = look(model, images(5), CPU)
    assert (seen.features == seen.logits).all()


def test_what_is_not_finite_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        model[1].bias[0] = torch.inf
    with refused("must be finite", "classifier.lr"):
        look(model, images(2), CPU)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def test_weights_that_are_not_at_hand_are_one_line_and_no_download(cache: Path) -> None:
    with refused("fidelity.encoder", "weights of resnet18 must be at", str(cache), "kind: own"):
        Torchvision("resnet18").build()


def test_names_that_torchvision_does_not_have_are_one_line(cache: Path) -> None:
    with refused("fidelity.encoder.name", 'got "resnet"', "resnet18"):
        Torchvision("resnet").build()
    with refused("fidelity.encoder.weights", "IMAGENET1K_V1", 'got "best"'):
        Torchvision("resnet18", weights="best").build()
    with refused("fidelity.encoder.path", "must be a file that can be read"):
        Torchvision("resnet18", path=cache / "absent.pth").path_digest()


def test_a_file_that_holds_something_else_is_one_line(cache: Path) -> None:
    cache.mkdir(parents=True)
    broken = cache / "resnet18-f37072fd.pth"
    broken.write_bytes(b"no weights")
    with refused("must hold the weights of resnet18", "fetch"):
        Torchvision("resnet18").build()
    torch.save({"fc.weight": torch.zeros(3, 512)}, broken)
    with refused("must hold the weights of resnet18", "fetch"):
        Torchvision("resnet18").build()


class Code:
    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


def pickled(content: Any) -> bytes:
    out = io.BytesIO()
    torch.save(content, out)
    return out.getvalue()


WEIGHTS: dict[str, Callable[[], bytes]] = {
    "code": lambda: pickle.dumps(Code()),
    "code in a state": lambda: pickled({"fc.weight": Code()}),
    "a list": lambda: pickled([1]),
    "nothing": lambda: pickled(None),
    "text": lambda: b"no weights",
    "a cut file": lambda: pickled({"fc.weight": torch.zeros(3, 512)})[:-100],
    "other shapes": lambda: pickled({"fc.weight": torch.zeros(3, 512)}),
    "a number for a tensor": lambda: pickled({"fc.weight": 5}),
}


@pytest.mark.parametrize("content", WEIGHTS.values(), ids=WEIGHTS)
def test_a_file_of_weights_runs_nothing_and_is_one_line(
    content: Callable[[], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pth").write_bytes(content())
    with refused("fidelity.encoder: w.pth must hold the weights of squeezenet1_1", "fetch"):
        Torchvision("squeezenet1_1", path=Path("w.pth")).build()
    assert not (tmp_path / "ran").exists()


def test_a_file_of_holes_or_of_zeros_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", None)
    sparse, bomb = tmp_path / "sparse", tmp_path / "bomb"
    with sparse.open("wb") as file:
        file.truncate(10**12)
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", bytes(20_000_000))
    for path, size in ((sparse, "1,000,000 MB"), (bomb, "20 MB")):
        with refused(f"{path} must hold the weights", size, "fetch"):
            Torchvision("squeezenet1_1", path=path).build()


@torch.no_grad()
def test_a_published_network_sees_what_it_was_trained_on(cache: Path) -> None:
    """Gray images as three channels of ImageNet's mean and deviation, enlarged."""
    from torchvision.models import resnet18
    from torchvision.transforms.v2 import functional as F

    cache.mkdir(parents=True)
    torch.manual_seed(0)
    net = resnet18().eval()
    torch.save(net.state_dict(), cache / "resnet18-f37072fd.pth")
    model = Torchvision("resnet18", image_size=64).build()
    assert not model.training
    pixels = images(3, size=16)
    rgb = torch.from_numpy(pixels.repeat(3, axis=3)).permute(0, 3, 1, 2).float() / 255
    large = F.resize(F.normalize(rgb, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), [64, 64], antialias=True)
    seen = look(model, pixels, CPU)
    assert seen.features.shape == (3, 512)
    assert torch.from_numpy(seen.logits) == pytest.approx(net(large), abs=1e-3)
