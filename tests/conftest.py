"""What every test shares: one thread, repeatable examples, a tiny untrained generator on disk."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and torch are imported, here and in what tests start
for name in ("GANAUG_STORE", "GANAUG_LIVE"):  # of whoever runs the tests
    os.environ.pop(name, None)
settings.register_profile("ganaug", deadline=None, derandomize=True, database=None, max_examples=40)
settings.load_profile("ganaug")
sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))  # scripts, and no package

# Files of more than some ten seconds start first, the slowest before all, so that no worker is left with one of them
# at the end. `pytest --durations=0` tells when this order is out of date.
SLOWEST = (
    "test_pipeline.py", "test_run.py", "test_resume.py", "test_one_file.py", "test_init.py", "test_faults.py",
    "test_export.py", "test_artifacts.py", "test_transfer.py", "test_own_images.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))  # stable: the order within a file stays


_BEFORE = {name: os.environ.get(name) for name in ("PYTHONSAFEPATH", "PYTHONIOENCODING")}


@pytest.fixture(autouse=True)
def imports_of_processes() -> Iterator[None]:
    """The command line, run in this process, sets how processes that it starts import: the next test's are not its."""
    yield
    for name, value in _BEFORE.items():
        os.environ.pop(name, None)
        os.environ.update({name: value} if value is not None else {})


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained generator of 8x8 gray images, whose class names are made to be confused with indices and paths."""
    import torch

    from ganaug import config
    from ganaug.gan.build import build_generator
    from ganaug.gan.spec import GanSpec
    from ganaug.synth.generator import save_generator

    spec = GanSpec(z_dim=4, generator_width=4)
    torch.manual_seed(11)
    generator = build_generator(spec, 5, (1, 8, 8)).eval()
    path = tmp_path_factory.mktemp("model") / "generator.safetensors"
    description = {"gan": config.plain(spec), "classes": ["3", "1", "../x", "a/b", "."], "image_shape": [1, 8, 8]}
    save_generator(path, generator, description)
    return path
