"""The picture of the answer cards in README.md: python benchmarks/answer_card.py OUT REPORT...

Takes the cards from the pages of finished runs (report.html) as they are, one below the other, and photographs them in
Chromium.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

WIDTH, TALLEST, SCALE = 1000, 1400, 2


def main() -> None:
    out, *reports = map(Path, sys.argv[1:])
    pages = [report.read_text(encoding="utf-8") for report in reports]
    style = re.search(r"<style>.*?</style>", pages[0], re.S)
    cards = [re.search(r'<section class="card.*?</section>', page, re.S) for page in pages]
    assert style
    assert all(cards)
    body = "".join(f'<div style="margin: 0 0 20px">{card[0]}</div>' for card in cards if card)
    html = f'<!doctype html><meta charset="utf-8">{style[0]}<body style="padding: 8px">{body}'
    with tempfile.TemporaryDirectory() as temporary:
        page, shot = Path(temporary, "cards.html"), Path(temporary, "cards.png")
        page.write_text(html, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={shot}"]
        sizes = [f"--window-size={WIDTH},{TALLEST}", f"--force-device-scale-factor={SCALE}"]
        subprocess.run(["chromium", *options, *sizes, page.as_uri()], check=True, capture_output=True)
        image = Image.open(shot).convert("RGB")
    box = ImageChops.difference(image, Image.new("RGB", image.size, "white")).getbbox()
    assert box
    image.crop((0, 0, image.width, box[3] + 8 * SCALE)).quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main()
