"""FID, KID, precision and recall beside the libraries that others use: values, CPU seconds and working memory.

    pip install --no-deps --target build/peers/site prdc
    python benchmarks/metrics.py [--images 10000] [--features 2048] [--rounds 3]

torch-fidelity's functions for FID and KID and prdc's compute_prdc take the same two matrices of features as ganaug's.
KID is a mean over random subsets of 1,000 images: torch-fidelity takes 100 unless told otherwise, ganaug 50. Each
computation runs in a process of its own, on one core and one thread, by turns over the rounds; the least CPU time
counts. Memory: by how much the process's peak grew in the computation, the features and imports not counted.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
from numpy.typing import NDArray

BUILD = Path(__file__).parents[1] / "build"
Features = NDArray[np.float32]
Computation = Callable[[Features, Features], dict[str, float]]


def ganaug_fid() -> Computation:
    import scipy.linalg  # noqa: F401  (an import's time is no metric's)

    from ganaug.measure.distances import fid

    return lambda real, made: {"fid": fid(real, made) or 0.0}


def fidelity_fid() -> Computation:
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    def compute(real: Features, made: Features) -> dict[str, float]:
        statistics = [fid_features_to_statistics(torch.from_numpy(one)) for one in (made, real)]
        return {"fid": fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]}

    return compute


def ganaug_kid() -> Computation:
    from ganaug.measure.distances import kid

    def compute(real: Features, made: Features) -> dict[str, float]:
        mean, spread = kid(real, made, np.zeros(len(real), np.int64), np.random.default_rng(0))
        return {"kid": mean or 0.0, "spread over subsets": spread or 0.0}

    return compute


def fidelity_kid(subsets: int) -> Computation:
    import torch
    from torch_fidelity.metric_kid import kid_features_to_metric

    def compute(real: Features, made: Features) -> dict[str, float]:
        both = (torch.from_numpy(one) for one in (made, real))
        found = kid_features_to_metric(*both, kid_subsets=subsets, kid_subset_size=1000, verbose=False)
        names = {"kid": "kernel_inception_distance_mean", "spread over subsets": "kernel_inception_distance_std"}
        return {ours: found[theirs] for ours, theirs in names.items()}

    return compute


def ganaug_prdc() -> Computation:
    import sklearn.metrics  # noqa: F401

    from ganaug.measure.manifolds import manifold

    def compute(real: Features, made: Features) -> dict[str, float]:
        found = manifold(real, made)
        assert found is not None
        return {name: getattr(found, name) for name in ("precision", "recall", "density", "coverage")}

    return compute


def their_prdc() -> Computation:
    from prdc import compute_prdc

    def compute(real: Features, made: Features) -> dict[str, float]:
        with contextlib.redirect_stdout(io.StringIO()):
            return {name: float(value) for name, value in compute_prdc(real, made, nearest_k=5).items()}

    return compute


COMPUTATIONS: dict[str, dict[str, Callable[[], Computation]]] = {
    "FID": {"ganaug": ganaug_fid, "torch-fidelity": fidelity_fid},
    "KID": {
        "ganaug": ganaug_kid,
        "torch-fidelity, 50 subsets": lambda: fidelity_kid(50),
        "torch-fidelity, 100 subsets": lambda: fidelity_kid(100),
    },
    "precision, recall": {"ganaug": ganaug_prdc, "prdc": their_prdc},
}


def write_features(paths: list[str], images: int, count: int) -> None:
    """Two matrices as an encoder gives them, (images, count): not negative, correlated, of two distributions."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(256, count)).astype(np.float32) / 16
    for path, shift in zip(paths, (0.0, 0.1), strict=True):
        hidden = rng.normal(shift, size=(images, 256)).astype(np.float32)
        noise = rng.normal(size=(images, count)).astype(np.float32)
        np.save(path, np.maximum(hidden @ mix + 0.5 * noise, 0))


def compute_here(metric: str, by: str, paths: list[str]) -> dict[str, Any]:
    """In this process, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    sys.path.append(str(BUILD / "peers" / "site"))
    compute = COMPUTATIONS[metric][by]()
    real, made = map(np.load, paths)
    with contextlib.suppress(ValueError):  # KID refuses so few; what is imported at the first call is imported now
        compute(real[:100, :50], made[:100, :50])
    with contextlib.suppress(OSError):  # Linux: the peak from here on, not of the imports
        Path("/proc/self/clear_refs").write_text("5")
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    values = compute(real, made)
    seconds = time.process_time() - began
    grew = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"values": values, "seconds": seconds, "mib": grew / (2**20 if sys.platform == "darwin" else 2**10)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--metrics", nargs="+", choices=list(COMPUTATIONS), default=list(COMPUTATIONS))
    parser.add_argument("--here", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(compute_here(*options.here[:2], options.here[2:])))
        return
    BUILD.mkdir(exist_ok=True)
    paths = [str(BUILD / f"features-{name}.npy") for name in ("real", "made")]
    # Not here: a process's peak begins with that of the one that started it.
    writer = multiprocessing.Process(target=write_features, args=(paths, options.images, options.features))
    writer.start()
    writer.join()
    print(f"{options.images:,} x {options.features:,} features, one core, the least of {options.rounds} rounds")
    for metric in options.metrics:
        found: dict[str, list[dict[str, Any]]] = {by: [] for by in COMPUTATIONS[metric]}
        for _ in range(options.rounds):
            for by, results in found.items():
                command = [sys.executable, __file__, "--here", metric, by, *paths]
                results.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
                print(metric, by, results[-1], file=sys.stderr, flush=True)
        for by, results in found.items():
            values = ", ".join(f"{name} {value:.6g}" for name, value in results[0]["values"].items())
            least, most = min(one["seconds"] for one in results), max(one["mib"] for one in results)
            print(f"{metric:18} {by:28} {least:7.1f} CPU s {most:7,.0f} MiB   {values}", flush=True)


if __name__ == "__main__":
    main()
