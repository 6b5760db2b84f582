"""Seeds by name: every random stream is derived from the run's seed and from what the stream is for.

No stream depends on how many other streams were drawn before it, so adding a trial, an arm or a worker process leaves
all other results as they were.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A seed in [0, 2**63) for one purpose, such as ``derive(0, "trial", 3, "latents")``."""
    text = "/".join([str(seed), *(f"{type(part).__name__}:{part}" for part in purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(seed: int, *purpose: str | int) -> np.random.Generator:
    """NumPy's generator of random numbers for one purpose."""
    return np.random.default_rng(derive(seed, *purpose))


def torch_rng(seed: int, *purpose: str | int) -> torch.Generator:
    """A generator on the CPU: the same numbers whatever device they are sent to afterwards."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *purpose))


def seed_cpu(seed: int) -> None:
    """Seed torch's global generator of the CPU alone. For GPUs that are not in use, ``torch.manual_seed`` notes who
    called it, which takes longer than many a batch."""
    import torch

    torch.default_generator.manual_seed(seed)
