"""A classifier of the user's own, and ResNet-18: built from settings, and every failure told in one line."""

import hashlib
import io
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from expect import refused
from test_classifier import CPU, state, stripes, trained
from torch import nn

from ganaug.classify import networks
from ganaug.classify.fitting import predict
from ganaug.classify.spec import ClassifierSpec
from ganaug.config import check, plain

HEAD = "import torch\nfrom torch import nn\n"
LINEAR = HEAD + "def small(channels, classes):\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project folder to stand in, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    known, path = set(sys.modules), list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name, module in list(sys.modules.items()):
        if name not in known and str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def own(code: str, name: str = "nets") -> ClassifierSpec:
    Path(f"{name}.py").write_text(code)
    return ClassifierSpec(model=f"{name}:small", steps=5, batch_size=8, lr=1e-2)


# --------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("model", ["small-cnn", "resnet18", "nets:small", "a.b_1.c:Über", "_x:_y"])
def test_models_that_settings_take(model: str) -> None:
    settings = check({"classifier": {"model": model}})
    assert settings.classifier.model == model
    assert check(plain(settings)) == settings


@pytest.mark.parametrize(
    "model", ["", "resnet", "nets", "nets:", ":small", "nets.py:small", "a..b:c", "a/b:c", "a:b:c", "1a:b"]
)
def test_a_model_that_is_not_known_is_refused(model: str) -> None:
    with refused("params.yaml: classifier.model: must be small-cnn, resnet18 or package.module:factory", f'"{model}"'):
        check({"classifier": {"model": model}})
    with pytest.raises(ValueError, match="small-cnn, resnet18 or"):
        ClassifierSpec(model=model)


@pytest.mark.parametrize("model", ["small-cnn", "nets:small"])
def test_weights_without_a_model_that_has_them_are_refused(model: str) -> None:
    with refused("params.yaml: classifier: must be of model resnet18 where it has weights", f'"model": "{model}"'):
        check({"classifier": {"model": model, "weights": "DEFAULT"}})


def test_settings_run_no_code_and_import_no_torch() -> None:
    own("raise SystemExit('executed')\n")
    code = (
        "import sys; from ganaug.config import check\n"
        "spec = check({'classifier': {'model': 'nets:small'}}).classifier\n"
        "assert len(spec.code_digest()) == 64 and str(spec.code_path()) == 'nets.py'\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'nets')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------------- code


def test_the_digest_is_that_of_the_file() -> None:
    spec = own(LINEAR)
    first = spec.code_digest()
    assert first == hashlib.sha256(LINEAR.encode()).hexdigest()
    own(LINEAR + "# changed\n")
    assert spec.code_digest() != first
    assert spec.code_path() == Path("nets.py")


@pytest.mark.parametrize("model", ["small-cnn", "resnet18"])
def test_a_built_in_model_has_no_code_of_the_user(model: str) -> None:
    assert ClassifierSpec(model=model).code_digest() is None
    assert ClassifierSpec(model=model).code_path() is None


def test_a_module_in_a_package_is_found_without_running_the_package() -> None:
    Path("models/deep").mkdir(parents=True)
    Path("models/__init__.py").write_text("raise SystemExit('executed')\n")
    Path("models/deep/nets.py").write_text(LINEAR)  # in a folder without __init__.py
    spec = ClassifierSpec(model="models.deep.nets:small")
    assert spec.code_path() == Path("models/deep/nets.py")
    assert spec.code_digest() == hashlib.sha256(LINEAR.encode()).hexdigest()
    Path("models/__init__.py").write_text("")
    assert spec.build(1, 3, 8)(torch.zeros(4, 1, 8, 8)).shape == (4, 3)


def test_an_installed_module_is_found_where_it_lies() -> None:
    found = ClassifierSpec(model="torchvision.models.resnet:resnet18").code_path()
    assert found is not None
    assert found.is_absolute()
    assert found.is_file()


@pytest.mark.parametrize(
    ("model", "mend"),
    [
        ("nets:small", "write nets.py"),
        ("models.nets:small", "write models/nets.py"),
        ("expect.nets:small", "write expect/nets.py"),
    ],
)
def test_a_missing_module_is_one_line(model: str, mend: str) -> None:
    spec = ClassifierSpec(model=model)
    for attempt in (spec.code_path, spec.code_digest, lambda: spec.build(1, 3, 8)):
        with refused("classifier.model: must", f'"{model}"', "no module", mend):
            attempt()


@pytest.mark.parametrize("model", ["sys:exit", "folder:small"])
def test_a_module_without_a_file_is_one_line(model: str) -> None:
    Path("folder").mkdir()
    with refused("classifier.model: must", f'"{model}"', "is a folder or built in"):
        ClassifierSpec(model=model).code_digest()


# --------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("import not_installed_anywhere\n", ["can be imported", "ModuleNotFoundError", "nets.py line 1", "install"]),
        ("x = 1\nx / 0\n", ["can be imported", "ZeroDivisionError", "nets.py line 2"]),
        ("def small(:\n", ["can be imported", "SyntaxError"]),
        ("raise SystemExit(3)\n", ["can be imported", "SystemExit: 3"]),
        ("def big(): pass\n", ["a function of nets.py", 'there is no "small"', "define it"]),
        ("small = 3\n", ["a function of nets.py", "of type int"]),
        ("def small():\n    pass\n", ["factory(1, 3)", "TypeError", "correct nets.py"]),
        ("def small(a, b):\n    raise ValueError('two\\nlines')\n", ["ValueError: two lines, nets.py line 2"]),
        ("def small(a, b): pass\n", ["torch.nn.Module", "NoneType"]),
        (HEAD + "small = lambda a, b: nn.Flatten\n", ["torch.nn.Module", "returned type"]),
        (HEAD + "small = lambda a, b: nn.Flatten()\n", ["(2, 1, 8, 8) to logits (2, 3)", "output is (2, 64)"]),
        (HEAD + "small = lambda a, b: nn.Conv2d(a, b, 1)\n", ["(2, 3)", "output is (2, 3, 8, 8)"]),
        (HEAD + "small = lambda a, b: nn.Linear(5, b)\n", ["(2, 1, 8, 8)", "RuntimeError: mat1 and mat2"]),
        (
            HEAD + "class small(nn.Module):\n"
            "    def __init__(self, a, b): super().__init__(); self.net = nn.LazyLinear(b)\n"
            "    def forward(self, x): return (self.net(x.flatten(1)),) if self.training else self.net(x.flatten(1))\n",
            ["(2, 3)", "output is tuple"],
        ),
        (
            HEAD + "class small(nn.Module):\n"
            "    def __init__(self, a, b): super().__init__(); self.net = nn.LazyLinear(b)\n"
            "    def forward(self, x): return self.net(x.flatten(1)).detach()\n",
            ["can be trained", "no gradient"],
        ),
        (
            HEAD + "class small(nn.Module):\n"
            "    def __init__(self, a, b): super().__init__()\n"
            "    def forward(self, x):\n"
            "        return x[0, 0, 0, 9]\n",
            ["IndexError", "nets.py line 6"],
        ),
    ],
)  # fmt: skip
def test_a_factory_that_fails_is_one_line(code: str, parts: list[str]) -> None:
    with refused("classifier.model: must ", 'got "nets:small"', *parts):
        own(code).build(1, 3, 8)


def test_a_model_that_cannot_take_the_image_size_is_one_line() -> None:
    spec = own(HEAD + "small = lambda a, b: nn.Sequential(nn.MaxPool2d(16), nn.Flatten(), nn.LazyLinear(b))\n")
    with refused("classifier.model: must ", "(2, 1, 8, 8)", "RuntimeError", "Output size is too small"):
        spec.build(1, 3, 8)
    assert spec.build(1, 3, 16)(torch.zeros(2, 1, 16, 16)).shape == (2, 3)


def test_a_name_that_another_module_has_is_one_line() -> None:
    with refused("classifier.model: must be imported from expect.py", "already", "another name"):
        own(LINEAR, name="expect").build(1, 3, 8)  # the tests' own expect.py is imported already


@pytest.mark.parametrize(
    "code",
    [
        HEAD + "kept = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))\nsmall = lambda a, b: kept\n",
        HEAD + "kept = nn.LazyLinear(3)\nsmall = lambda a, b: nn.Sequential(nn.Flatten(), kept)\n",
    ],
)
def test_arms_cannot_share_layers_that_are_trained(code: str) -> None:
    spec = own(code)
    spec.build(1, 3, 8)
    with refused("classifier.model: must make a new module", "nets.py"):
        spec.build(1, 3, 8)


def test_frozen_layers_may_be_shared() -> None:
    spec = own(
        HEAD + "kept = nn.Linear(64, 5).requires_grad_(False)\n"
        "small = lambda a, b: nn.Sequential(nn.Flatten(), kept, nn.Linear(5, b))\n"
    )
    one: Any = spec.build(1, 3, 8)
    other: Any = spec.build(1, 3, 8)
    assert one.net[1] is other.net[1]


# --------------------------------------------------------------------------------------------------------- training

REAL = (
    HEAD + "torch.manual_seed(7)\n"  # what an import does to the generator must not matter
    "class Net(nn.Module):\n"
    "    def __init__(self, channels, classes):\n"
    "        super().__init__()\n"
    "        self.stem = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())\n"
    "        self.head = nn.Sequential(nn.Dropout(0.2), nn.LazyLinear(classes))\n"
    "    def forward(self, x):\n"
    "        return self.head(self.stem(x).view(len(x), -1))\n"  # view() fails on channels last
    "def small(channels, classes):\n"
    "    return Net(channels, classes)\n"
)


def test_a_factory_of_the_user_learns() -> None:
    spec = own(REAL)
    spec = ClassifierSpec(model=spec.model, steps=60, batch_size=32, lr=1e-2)
    images, labels = stripes(90)
    model = trained(spec)
    assert type(model.net).__name__ == "Net"
    assert not model.training
    assert (predict(model, images, CPU) == labels).mean() == 1.0


def test_the_seed_decides_the_users_model_too() -> None:
    """Also its dropout, and also where the module was imported before."""
    spec = own(REAL)
    one = state(trained(spec))
    before = torch.get_rng_state()
    assert state(trained(spec)) == one
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert state(trained(spec)) == one
    assert state(trained(spec, seed=1)) != one


def test_a_model_whose_train_returns_nothing_is_taken() -> None:
    """So do many that keep their normalisation frozen."""
    spec = own(
        HEAD + "class small(nn.Sequential):\n"
        "    def __init__(self, a, b): super().__init__(nn.Flatten(), nn.LazyLinear(b))\n"
        "    def train(self, mode=True): super().train(mode)\n"
    )
    assert not trained(spec).training


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_compiled_model_is_taken() -> None:
    spec = own(HEAD + "small = lambda a, b: torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(64 * a, b)))\n")
    assert not trained(spec).training


def test_trying_a_model_leaves_no_trace() -> None:
    model = own(REAL).build(3, 4, 8)
    assert all(part.training for part in model.modules())
    fresh = nn.BatchNorm2d(8)
    for name, value in fresh.named_buffers():
        assert torch.equal(model.get_buffer(f"net.stem.1.{name}"), value), name
    assert all(weight.grad is None for weight in model.parameters())
    model(torch.ones(4, 3, 8, 8))
    assert model.get_buffer("net.stem.1.num_batches_tracked") == 1


@pytest.mark.parametrize("spec", [ClassifierSpec(width=4), ClassifierSpec(model="resnet18")])
def test_a_built_in_model_draws_its_weights_and_nothing_else(
    spec: ClassifierSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self: nn.Module, images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a built-in model needs no trial")

    monkeypatch.setattr(nn.Conv2d, "forward", never)
    spec.build(1, 3, 8)


# --------------------------------------------------------------------------------------------------------- resnet18


@pytest.fixture(scope="module")
def published() -> nn.Module:
    """An ImageNet model of torchvision's shape with random weights, in evaluation mode."""
    from torchvision.models import resnet18

    torch.manual_seed(3)
    net: nn.Module = resnet18().eval()
    return net


@pytest.fixture(scope="module")
def home(published: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torch hub cache that holds those weights as if they had been downloaded."""
    from torchvision.models import ResNet18_Weights

    folder = tmp_path_factory.mktemp("torch")
    path = folder / "hub" / "checkpoints" / Path(ResNet18_Weights.DEFAULT.url).name
    path.parent.mkdir(parents=True)
    torch.save(published.state_dict(), path)
    return folder


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch hub cache, and a network that answers nothing."""

    def unreachable(request: Any) -> Any:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "stem", "left"), [(8, 3, 1), (28, 3, 4), (63, 3, 8), (64, 7, 2)])
def test_resnet18_for_every_size(size: int, stem: int, left: int, channels: int) -> None:
    """Small images keep more of their side until the mean: ``left`` of 8 times less (small) or 32 times less."""
    net: Any = ClassifierSpec(model="resnet18").build(channels, 5, size).eval()
    sides: list[int] = []
    net.layer4.register_forward_hook(lambda module, ins, out: sides.append(out.shape[-1]))
    with torch.no_grad():
        assert net(torch.zeros(2, channels, size, size)).shape == (2, 5)
    assert net.conv1.weight.shape == (64, channels, stem, stem)
    assert sides == [left]


def test_resnet18_starts_as_torchvision_starts_it() -> None:
    """A replaced stem has the deviation of He initialisation over its outputs: sqrt(2 / (9 * 64))."""
    torch.manual_seed(0)
    net: Any = networks.resnet18(3, 5, 32)
    assert net.conv1.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)


def test_resnet18_trains_and_follows_the_seed() -> None:
    spec = ClassifierSpec(model="resnet18", steps=2, batch_size=4)
    one = state(trained(spec))
    assert state(trained(spec)) == one
    assert state(trained(spec, seed=1)) != one


def test_published_weights_are_used(published: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrapped model is torchvision's own behind torchvision's own preparation of the pixels, but for the head."""
    from torchvision.transforms.v2 import functional as pixels

    monkeypatch.setenv("TORCH_HOME", str(home))
    spec = ClassifierSpec(model="resnet18", weights="IMAGENET1K_V1")
    torch.manual_seed(0)
    model: Any = spec.build(1, 5, 40).eval()
    assert model.net.fc.weight.shape == (5, 512)
    theirs = published.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in model.net.state_dict().items() if "fc" not in name)
    gray = torch.rand(2, 1, 40, 40)
    prepared = pixels.normalize(gray.expand(-1, 3, -1, -1), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    prepared = pixels.resize(prepared, [64, 64], antialias=False)
    head, published.fc = published.fc, nn.Identity()
    with torch.no_grad():
        expected = model.net.fc(published(prepared))
        published.fc = head
        assert torch.allclose(model(gray * 2 - 1), expected, atol=1e-4)
        assert model(torch.zeros(2, 3, 80, 80)).shape == (2, 5)


def test_published_weights_are_trained_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(home))
    spec = ClassifierSpec(model="resnet18", weights="DEFAULT", steps=1, batch_size=4)
    one, other = state(trained(spec)), state(trained(spec, seed=1))
    assert one["mean"] == other["mean"]
    assert one["net.fc.weight"] != other["net.fc.weight"]
    assert state(trained(spec)) == one


def test_unknown_weights_list_the_known_ones() -> None:
    with refused("classifier.weights: must be one of IMAGENET1K_V1, DEFAULT", 'got "IMAGENET"'):
        ClassifierSpec(model="resnet18", weights="IMAGENET").build(3, 5, 8)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_weights_without_a_network_are_one_line_and_leave_nothing(no_network: Path) -> None:
    with refused("classifier.weights: must be in", '"DEFAULT"', "no route to host", str(no_network), "leave"):
        ClassifierSpec(model="resnet18", weights="DEFAULT").build(3, 5, 8)
    assert files(no_network) == []


def test_a_broken_download_is_one_line_and_leaves_nothing(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("broken").write_bytes(b"half of a file")
    monkeypatch.setattr("torch.hub.urlopen", lambda request: urllib.request.urlopen(Path("broken").absolute().as_uri()))
    with refused("classifier.weights: must be in", "invalid hash", "put https://"):
        ClassifierSpec(model="resnet18", weights="DEFAULT").build(3, 5, 8)
    assert files(no_network) == []


class Payload:
    """What a pickle runs where it is loaded with trust."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("held", ["nothing", "text", "other", "list", "code"])
def test_a_broken_cache_is_one_line_that_names_the_file(
    held: str, home: Path, no_network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = files(home)[0].relative_to(home)
    path = no_network / name
    path.parent.mkdir(parents=True)
    saved = io.BytesIO()
    torch.save({"other": {"a": torch.zeros(1)}, "list": [1], "code": Payload()}.get(held), saved)
    path.write_bytes({"nothing": b"", "text": b"<html>"}.get(held, saved.getvalue()))
    with refused("classifier.weights: must be in", f"remove {path}"):
        ClassifierSpec(model="resnet18", weights="DEFAULT").build(3, 5, 8)
    assert not Path("executed").exists()
