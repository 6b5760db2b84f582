"""Images per second and peak memory of ``ganaug synth --format webdataset``, of a number of images and a tenth of it,
and the same generator's bare forward pass in the same minute.

python benchmarks/export.py                          # 20,000 images of the digits' generator, about ten seconds
python benchmarks/export.py --images 200000 --model models/release/generator.safetensors --format parquet
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from ganaug import device
from ganaug.synth.generator import CHUNK, load_generator


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=Path("models/release/generator.safetensors"))
    parser.add_argument("--images", type=int, default=20_000, help="in all")
    parser.add_argument("--format", default="webdataset")
    asked = parser.parse_args()
    generator = load_generator(asked.model)
    classes = len(generator.classes)
    print(f"{asked.format}, {generator.image_shape[1]} pixels, {classes} classes, {os.cpu_count()} cores")
    found = []
    for images in (asked.images // 10, asked.images):
        with tempfile.TemporaryDirectory() as folder:
            seconds, peak = exported(asked.model, images // classes, asked.format, Path(folder, "out"))
            found.append((images, seconds, peak))
        print(f"{images:,} images: {seconds:.1f} s, {images / seconds:,.0f} per second, peak memory {peak >> 20:,} MiB")
    (few, few_seconds, few_peak), (many, many_seconds, peak) = found
    rate = (many - few) / (many_seconds - few_seconds)
    print(f"{rate:,.0f} images per second without the start; peak memory {peak / few_peak:.2f} times that of a tenth")
    bare = forward(asked.model, min(asked.images, 20_000))
    print(
        f"bare forward pass, without latents, pixels and files: {bare:,.0f} images per second ({bare / rate:.1f} times)"
    )


def exported(model: Path, per_class: int, output_format: str, out: Path) -> tuple[float, int]:
    """(seconds, bytes of peak memory) of the command, with the start of Python and torch."""
    command = [sys.executable, "-m", "ganaug", "synth", "--quiet", "--model", model.absolute(), "--out", out]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "-n", str(per_class), "--format", output_format], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - start, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forward(model: Path, images: int) -> float:
    """Images per second of the network alone, on the device and in the batches that the command takes."""
    generator, where = load_generator(model), device.resolve("auto")
    device.prepare(where)
    network = device.place(generator.network, where).eval()
    latents = torch.randn(CHUNK, network.z_dim, device=where)
    labels = torch.zeros(CHUNK, dtype=torch.int64, device=where)
    with torch.no_grad():
        network(latents, labels)
        start = time.perf_counter()
        for _ in range(images // CHUNK):
            made = network(latents, labels)
        made.sum().item()  # waits for a GPU
    return images / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
