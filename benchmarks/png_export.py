"""``ganaug synth --class 3 -n 5000``, a PNG file per image, beside a loop over torchvision's save_image and beside the
bare forward pass: CPU seconds on one thread.

python benchmarks/png_export.py [--model models/release/generator.safetensors] [--class 3] [-n 5000] [--rounds 3]

The loop is what one would write: the same network in batches of 100, then ``save_image(image, path)`` for each. The
command does more: latents that depend on the image's number alone, filters where the generator has some, a manifest,
files that appear in place only when all are whole and on the disk. Its start (Python, torch, the generator) is what one
image takes. All three take turns over the rounds; the least time of each counts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torchvision.utils import save_image

from ganaug import device
from ganaug.synth.generator import CHUNK, Generator, load_generator


def command(model: Path, name: str, count: int) -> float:
    """CPU seconds of ganaug's command, those of the system among them."""
    with tempfile.TemporaryDirectory() as folder:
        made = [sys.executable, "-m", "ganaug", "synth", "--quiet", "--model", model, "--out", f"{folder}/out"]
        process = subprocess.Popen([*made, "--class", name, "-n", str(count)], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, made)
        assert len(list(Path(folder, "out").rglob("*.png"))) == count
    return usage.ru_utime + usage.ru_stime


@torch.no_grad()
def loop(generator: Generator, label: int, count: int, save: bool) -> float:
    """CPU seconds of ``count`` images in this process, to files with save_image or to nowhere."""
    network = device.place(generator.network, torch.device("cpu")).eval()
    labels = torch.full((CHUNK,), label)
    network(torch.randn(CHUNK, network.z_dim), labels)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        for start in range(0, count, CHUNK):
            images = network(torch.randn(CHUNK, network.z_dim), labels)
            for number, image in enumerate(images if save else ()):
                save_image(image, f"{folder}/{start + number:06d}.png", normalize=True, value_range=(-1, 1))
        return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/release/generator.safetensors"))
    parser.add_argument("--class", dest="name", default="3")
    parser.add_argument("-n", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model, name, count = options.model.absolute(), options.name, options.n
    device.prepare(torch.device("cpu"))
    generator = load_generator(model)
    label = generator.classes.index(name)
    rounds = [
        (
            command(model, name, 1),
            command(model, name, count),
            loop(generator, label, count, save=True),
            loop(generator, label, count, save=False),
        )
        for _ in range(options.rounds)
    ]
    start, whole, saved, bare = map(min, zip(*rounds, strict=True))
    alone = whole - start
    print(f"{count:,} images of {generator.image_shape[1]} pixels, filters: {generator.filters is not None}")
    for what, seconds in (
        ("synth, start included", whole),
        ("synth, start excluded", alone),
        ("forward pass and save_image", saved),
        ("forward pass", bare),
    ):
        print(f"{what:28} {seconds:6.2f} CPU s, {count / seconds:7,.0f} images a second")
    print(f"against save_image: {saved / alone:.1f} times its throughput, {saved / whole:.1f} with the start")
    print(f"against the forward pass: {alone / bare:.2f} times its time, plus a start of {start:.2f} s")


if __name__ == "__main__":
    main()
