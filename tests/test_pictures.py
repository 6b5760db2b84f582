"""Pictures: any format and mode comes out upright, in 8 bits and of one shape; what is broken is named."""

import os
import signal
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expect import refused
from hypothesis import example, given
from hypothesis import strategies as st
from photos import huge_png, noise, save
from PIL import EpsImagePlugin, Image

from ganaug.data import pictures
from ganaug.data.pictures import SIZES, Look, Shape, fit_pixels, look_at, nearest_size, read_picture, render

BLACK = (0, 0, 0)
COLOUR, GRAY = Shape(8, 3, "pad", BLACK), Shape(8, 1, "pad", BLACK)


def quadrants() -> np.ndarray:
    """8x8: red and green above blue and white."""
    corners = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    return corners.repeat(4, 0).repeat(4, 1)


# ------------------------------------------------------------------------------------------------- formats and modes

FORMATS: dict[str, dict[str, Any]] = {
    "png": {},
    "bmp": {},
    "gif": {},
    "tiff": {},
    "ppm": {},
    "webp": {"lossless": True},
    "jpg": {"quality": 100, "subsampling": 0},
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_reads_in_colour_and_in_gray(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"1.{suffix}", quadrants(), **FORMATS[suffix])
    error = 3 if suffix == "jpg" else 0
    assert np.abs(read_picture(path, COLOUR).astype(int) - quadrants()).max() <= error
    luma = np.array([[76, 150], [29, 255]]).repeat(4, 0).repeat(4, 1)  # ITU-R 601-2
    assert np.abs(read_picture(path, GRAY)[..., 0].astype(int) - luma).max() <= error
    assert look_at([path], 1) == [Look(8, 8, colour=True)]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_of_the_shape_asked_for_go_through_byte_for_byte(tmp_path: Path, channels: Any) -> None:
    shape, pixels = Shape(8, channels, "pad", BLACK), noise(8, 8, channels).reshape(8, 8, channels)
    assert (fit_pixels(pixels, shape) == pixels).all()
    assert (read_picture(save(tmp_path / "1.png", pixels.squeeze()), shape) == pixels).all()


def test_gray_pictures_have_three_equal_channels_in_colour(tmp_path: Path) -> None:
    pixels = noise(channels=1)
    path = save(tmp_path / "1.png", pixels)
    assert look_at([path], 1) == [Look(8, 8, colour=False)]
    assert (read_picture(path, COLOUR) == pixels[..., np.newaxis]).all()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_become_eight(tmp_path: Path, suffix: str) -> None:
    levels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 4
    path = save(tmp_path / f"1.{suffix}", levels * 257)  # 0..65535 is 0..255 times 257
    assert not look_at([path], 1)[0].colour
    assert (read_picture(path, GRAY)[..., 0] == levels).all()
    ends = np.array([[0, 128, 129, 65535]], np.uint16).repeat(4, 0)  # to the nearest level
    small = save(tmp_path / f"2.{suffix}", ends)
    assert read_picture(small, Shape(4, 1, "pad", BLACK))[0, :, 0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((8, 8), 0.5, np.float32), "floating-point pixels"),
        (np.full((8, 8), -1, np.int32), "pixels outside 0..65535"),
        (np.full((8, 8), 65536, np.int32), "pixels outside 0..65535"),
    ],
)
def test_values_of_unknown_range_are_refused(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_picture(save(tmp_path / "1.tiff", values), GRAY)


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    path = save(tmp_path / "1.png", np.eye(8, dtype=bool))
    assert (read_picture(path, GRAY)[..., 0] == np.eye(8) * 255).all()
    assert not look_at([path], 1)[0].colour


@pytest.mark.parametrize("suffix", ["tiff", "jpg"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"1.{suffix}", Image.new("CMYK", (8, 8), (0, 255, 255, 0)))
    assert look_at([path], 1)[0].colour
    assert np.abs(read_picture(path, COLOUR).astype(int) - [255, 0, 0]).max() <= 3


def palette() -> Image.Image:
    """Left half colour 0, right half colour 1."""
    image = Image.new("P", (8, 8))
    image.putpalette([200, 40, 90, 1, 2, 3])
    image.paste(1, (4, 0, 8, 8))
    return image


CLEAR: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
    "palette": (palette(), "png", {"transparency": 1}),
    "palette of alphas": (palette(), "png", {"transparency": bytes([255, 0])}),
    "GIF": (palette(), "gif", {"transparency": 1}),
    "one colour": (palette().convert("RGB"), "png", {"transparency": (1, 2, 3)}),
    "one gray": (palette().convert("L"), "png", {"transparency": 2}),
    "TIFF": (
        Image.merge("RGBA", [*palette().convert("RGB").split(), palette().point([255, 0] * 128, "L")]),
        "tiff",
        {},
    ),
    "LA": (Image.merge("LA", [palette().convert("L"), palette().point([255, 0] * 128, "L")]), "png", {}),
}


@pytest.mark.parametrize("kind", CLEAR)
def test_transparent_pixels_show_the_background(tmp_path: Path, kind: str) -> None:
    """The left half is opaque, the right half transparent."""
    image, suffix, options = CLEAR[kind]
    background = (10, 200, 30)
    path = save(tmp_path / f"1.{suffix}", image, **options)
    left = np.array([94] * 3 if kind in ("LA", "one gray") else [200, 40, 90])
    found = read_picture(path, Shape(8, 3, "pad", background))
    assert (found[:, :4] == left).all()
    assert (found[:, 4:] == background).all()
    gray = read_picture(path, Shape(8, 1, "pad", background))
    assert (gray[:, :4] == 94).all()  # (299 * 200 + 587 * 40 + 114 * 90) / 1000
    assert (gray[:, 4:] == 124).all()


def test_half_transparent_pixels_are_blended(tmp_path: Path) -> None:
    path = save(tmp_path / "1.png", Image.new("RGBA", (8, 8), (255, 255, 255, 128)))
    assert (read_picture(path, COLOUR) == 128).all()


def test_a_palette_without_transparency(tmp_path: Path) -> None:
    found = read_picture(save(tmp_path / "1.png", palette()), COLOUR)
    assert found[0, [0, 7]].tolist() == [[200, 40, 90], [1, 2, 3]]


# --------------------------------------------------------------------------------------------------------- orientation

TURNED = {  # EXIF orientation: how the stored pixels were turned from the upright picture
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "jpg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stand_upright(tmp_path: Path, channels: Any, suffix: str, orientation: int) -> None:
    upright = (noise(4, 8, channels) // 128 * 255).repeat(8, 0).repeat(8, 1)  # 32 high, 64 wide
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(upright).transpose(TURNED[orientation])
    path = save(tmp_path / f"1.{suffix}", stored, exif=exif, **FORMATS[suffix])
    looked = look_at([path], 1)[0]
    assert (looked.width, looked.height) == (64, 32)
    found = read_picture(path, Shape(64, channels, "pad", BLACK))[16:48].squeeze().astype(int)
    assert np.abs(found - upright).max() <= (20 if suffix == "jpg" else 0)


# -------------------------------------------------------------------------------------------------------------- aspect


def halves() -> np.ndarray:
    """24 high, 48 wide: black on the left, white on the right."""
    return np.repeat(np.array([[0, 255]], np.uint8), 24, 1).repeat(24, 0)


def test_padding_keeps_the_form_between_bars(tmp_path: Path) -> None:
    found = read_picture(save(tmp_path / "1.png", halves()), Shape(12, 3, "pad", (9, 99, 199)))
    assert (found[:3] == (9, 99, 199)).all()
    assert (found[9:] == (9, 99, 199)).all()
    assert (found[3:9, :5] == 0).all()
    assert (found[3:9, 7:] == 255).all()
    gray = read_picture(tmp_path / "1.png", Shape(12, 1, "pad", (9, 99, 199)))
    assert set(gray[:3].ravel().tolist()) == {83}  # the luma of the background


def test_cropping_keeps_the_middle(tmp_path: Path) -> None:
    wide = np.hstack([np.full((24, 12), 77, np.uint8), halves()[:, 12:36], np.full((24, 12), 77, np.uint8)])
    found = read_picture(save(tmp_path / "1.png", wide), Shape(12, 1, "crop", (9, 99, 199)))[..., 0]
    assert (found[:, :5] < 20).all()
    assert (found[:, 7:] > 235).all()
    tall = read_picture(save(tmp_path / "2.png", wide.T.copy()), Shape(12, 1, "crop", (9, 99, 199)))[..., 0]
    assert (tall == found.T).all()


def test_squeezing_keeps_everything(tmp_path: Path) -> None:
    found = read_picture(save(tmp_path / "1.png", halves()), Shape(12, 1, "squeeze", (9, 99, 199)))[..., 0]
    assert (found[:, :4] == 0).all()
    assert (found[:, 8:] == 255).all()
    assert set(found[:, 0].tolist() + found[:, 11].tolist()) == {0, 255}


MODES: dict[str, Callable[[int, int], Image.Image]] = {
    "1": lambda w, h: Image.new("1", (w, h), 1),
    "L": lambda w, h: Image.new("L", (w, h), 100),
    "LA": lambda w, h: Image.new("LA", (w, h), (100, 200)),
    "P": lambda w, h: palette().resize((w, h)),
    "RGB": lambda w, h: Image.new("RGB", (w, h), (10, 20, 30)),
    "RGBA": lambda w, h: Image.new("RGBA", (w, h), (10, 20, 30, 40)),
    "CMYK": lambda w, h: Image.new("CMYK", (w, h), (10, 20, 30, 40)),
    "I;16": lambda w, h: Image.fromarray(np.full((h, w), 1000, np.uint16)),
}


@given(
    st.sampled_from(sorted(MODES)),
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([8, 10, 28, 33]),
    st.sampled_from([1, 3]),
    st.sampled_from(["pad", "crop", "squeeze"]),
)
@example("L", 1, 1000, 8, 1, "pad")
@example("RGB", 1000, 1, 8, 3, "crop")
def test_any_picture_comes_out_in_the_shape_asked_for(
    mode: str, width: int, height: int, size: int, channels: Any, aspect: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder, "1.tiff"), MODES[mode](width, height))
        (looked,) = look_at([path], 1)
        found = read_picture(path, Shape(size, channels, aspect, BLACK))
    assert (looked.width, looked.height, looked.broken) == (width, height, None)
    assert found.dtype == np.uint8
    assert found.shape == (size, size, channels)
    if mode != "P":  # a flat picture stays flat, with no ringing at its edges
        inside = found[found.any(axis=-1)] if aspect == "pad" else found.reshape(-1, channels)
        assert len(np.unique(inside, axis=0)) <= 1


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.sampled_from([1, 3]))
def test_pixels_are_fitted_like_pictures(height: int, width: int, held: int, channels: Any) -> None:
    pixels, shape = noise(height, width, held).reshape(height, width, held), Shape(16, channels, "pad", BLACK)
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder, "1.png"), pixels[..., 0] if held == 1 else pixels)
        assert (fit_pixels(pixels, shape) == read_picture(path, shape)).all()


# ----------------------------------------------------------------------------------------------------------------- size


@given(st.integers(1, 3000))
def test_the_nearest_size_is_nearest_as_a_ratio(side: int) -> None:
    found = nearest_size([Look(side, side)])
    assert found in SIZES
    assert all(max(found / side, side / found) <= max(size / side, side / size) for size in SIZES)


def test_the_nearest_size_is_that_of_the_median() -> None:
    assert [nearest_size([Look(size, size)]) for size in SIZES] == list(SIZES)
    looks = [Look(28, 28), Look(30, 27), Look(2000, 3000), Look(broken="it has zero bytes"), Look(broken="no")]
    assert nearest_size(looks) == 28
    assert nearest_size([Look(64, 16)]) == 32  # the side of a square as large


# --------------------------------------------------------------------------------------------------------------- broken


def cut_png() -> bytes:
    return save_bytes("png")[:-80]


def save_bytes(suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return save(Path(folder, f"1.{suffix}"), noise(20, 24)).read_bytes()


BROKEN: dict[str, tuple[bytes | None, str]] = {
    "truncated.png": (cut_png(), "truncated"),
    "truncated.jpg": (save_bytes("jpg")[:-200], "truncated"),
    "truncated.bmp": (save_bytes("bmp")[:-200], "truncated"),
    "header.png": (cut_png()[:20], "Truncated"),
    "text.png": (b"not a picture", "not an image that Pillow can read"),
    "empty.png": (b"", "zero bytes"),
    "missing.png": (None, "not there"),
    "bomb.png": (huge_png(100_000), "too large"),
    "half a bomb.png": (huge_png(10_000), "too large"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_is_named_with_its_reason_and_harms_no_other(tmp_path: Path, name: str) -> None:
    data, reason = BROKEN[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    whole = save(tmp_path / "whole.png", noise())
    paths = [whole, tmp_path / name, whole]
    done = render(paths, COLOUR, tmp_path / "images.npy", 1)
    hashes, broken = done.hashes, done.broken
    assert list(broken) == [1]
    assert reason in broken[1]
    assert "\n" not in broken[1]
    assert hashes[1] == ""
    assert hashes[0] == hashes[2] != ""
    written = np.load(tmp_path / "images.npy")
    assert (written[[0, 2]] == noise()).all()
    assert not written[1].any()


@pytest.mark.parametrize("name", ["header.png", "text.png", "empty.png", "missing.png", "bomb.png", "half a bomb.png"])
def test_looking_finds_what_is_wrong_with_a_header(tmp_path: Path, name: str) -> None:
    data, reason = BROKEN[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert reason in str(look_at([tmp_path / name], 1)[0].broken)


def test_looking_decodes_nothing(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(cut_png())
    assert look_at([tmp_path / "1.png"], 1) == [Look(24, 20, colour=True)]


def test_a_smaller_limit_of_pixels_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 63)
    path = save(tmp_path / "1.png", noise())
    assert "too large" in str(look_at([path], 1)[0].broken)
    assert "too large" in render([path], COLOUR, tmp_path / "images.npy", 1).broken[0]


def test_the_refusal_lists_five_and_counts_the_rest() -> None:
    pictures.refuse_broken([], 9)
    with refused("7 of 9", "a0.png: cut", "a4.png: cut", "and 2 more", "data.on_broken: skip"):
        pictures.refuse_broken([(f"a{number}.png", "cut") for number in range(7)], 9)


# --------------------------------------------------------------------------------------------------------- many at once


def test_rows_keep_the_order_of_the_pictures(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).permutation(150).tolist()  # more than two chunks
    paths = [save(tmp_path / f"{level}.bmp", np.full((8, 8), level, np.uint8)) for level in levels]
    done: list[int] = []
    rendered = render(paths, GRAY, tmp_path / "images.npy", 1, done.append)
    assert np.load(tmp_path / "images.npy")[:, 0, 0, 0].tolist() == levels
    assert len(set(rendered.hashes)) == 150
    assert rendered.broken == {}
    assert rendered.flat == list(range(150))
    assert rendered.highs == levels
    assert done == sorted(done)
    assert done[-1] == 150


def test_several_processes_write_the_bytes_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "CHUNK", 3)
    suffixes = ["png", "jpg", "tiff", "webp"]
    paths = [
        save(tmp_path / f"{row}.{suffixes[row % 4]}", noise(5 + row % 7, 9, 1 + 2 * (row % 2), seed=row))
        for row in range(96)
    ]
    paths[50].write_bytes(b"broken")
    alone = render(paths, COLOUR, tmp_path / "alone.npy", 1)
    together = render(paths, COLOUR, tmp_path / "together.npy", 2)
    assert together == alone
    assert list(alone.broken) == [50]
    assert (tmp_path / "together.npy").read_bytes() == (tmp_path / "alone.npy").read_bytes()
    assert look_at(paths, 2) == look_at(paths, 1)


def kill_itself(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_a_worker_that_is_killed_is_told_with_the_way_out() -> None:
    with refused("a worker process was killed", "lower jobs in params.yaml", "ganaug init: set LOKY_MAX_CPU_COUNT=1"):
        list(pictures.parallel(2, kill_itself, [(number,) for number in range(8)]))


# ---------------------------------------------------------------------------------------------------- what is no raster


def test_postscript_is_not_run_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ghostscript(*_: Any, **__: Any) -> None:
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    path = tmp_path / "4.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n{} loop\n")
    reason = "it is PostScript, whatever its ending, which is not decoded; convert it to PNG"
    assert look_at([path], 1)[0].broken == reason
    assert render([path], GRAY, tmp_path / "images.npy", 1).broken == {0: reason}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"GRIB\0\0\0\1", "GRIB"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path: Path, head: bytes, kind: str) -> None:
    (tmp_path / "1.png").write_bytes(head + bytes(3000))
    assert f"it is {kind}, whatever its ending" in str(look_at([tmp_path / "1.png"], 1)[0].broken)


def test_only_rasters_are_opened() -> None:
    assert {"PNG", "JPEG", "TIFF", "GIF", "BMP", "PPM"} <= set(pictures.rasters()) <= pictures.RASTERS
    assert not {"EPS", "WMF", "FITS", "HDF5", "GRIB", "BUFR", "IPTC", "MPEG"} & pictures.RASTERS


# ----------------------------------------------------------------------------------------- a little file, a great cost


def big_png(width: int, height: int, bits: int, colour: int, folder: Path) -> Path:
    path = folder / "big.png"
    data = huge_png(1)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    path.write_bytes(data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:])
    return path


@pytest.mark.parametrize(("bits", "colour", "allowed"), [(8, 2, True), (16, 0, False), (8, 0, True), (8, 6, False)])
def test_what_an_image_takes_is_known_from_its_header(tmp_path: Path, bits: int, colour: int, allowed: bool) -> None:
    path = big_png(9_000, 9_000, bits, colour, tmp_path)
    found = str(look_at([path], 1)[0].broken)
    assert ("too large" not in found) == allowed
    assert allowed or "data.source.largest_mib (ganaug init: --largest-mib)" in found
    assert "too large" not in str(pictures._look(path, 8192).broken)
    assert "too large" in str(pictures._look(path, 100).broken)


def test_the_limit_of_pixels_can_be_raised(tmp_path: Path) -> None:
    path = big_png(10_000, 10_000, 8, 0, tmp_path)
    assert "largest_mib" in str(look_at([path], 1)[0].broken)
    assert look_at([path], 1, 4096)[0].broken is None


# ---------------------------------------------------------------------------------------------------- depth and losses


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize(("top", "depth"), [(255, 8), (256, 10), (1023, 10), (4095, 12), (16000, 14), (16384, 16)])
def test_the_depth_in_use_is_that_of_the_whole_set(tmp_path: Path, suffix: str, top: int, depth: int) -> None:
    dark = save(tmp_path / f"dark.{suffix}", np.full((8, 8), 200, np.uint16))
    bright = save(tmp_path / f"bright.{suffix}", np.full((8, 8), top, np.uint16))
    eight = save(tmp_path / f"eight.{suffix}", noise(channels=1))
    looks = look_at([dark, bright, eight], 1)
    assert [one.top for one in looks] == [200, top, 0]
    assert pictures.depth_of(looks) == depth
    shape = replace(GRAY, depth=depth)
    assert read_picture(dark, shape).max() == round(200 * 255 / (2**depth - 1))
    assert read_picture(bright, shape).max() == round(top * 255 / (2**depth - 1))
    assert (read_picture(eight, shape)[..., 0] == noise(channels=1)).all()


def test_colours_of_twelve_bits_in_sixteen_are_refused_and_full_ones_are_read(tmp_path: Path) -> None:
    """Pillow keeps their upper 8 bits alone."""

    def png(value: int) -> Path:
        path = tmp_path / f"{value}.png"
        rows = (b"\0" + struct.pack(">H", value) * 24) * 8
        header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
        body = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))
        return path

    low, full = look_at([png(4000), png(65535)], 1)
    assert (low.top, full.top) == (4095, 65535)
    assert (read_picture(png(65535), replace(COLOUR, depth=16)) == 255).all()
    with pytest.raises(ValueError, match="upper 8 alone are read, but the set makes use of the lower 12"):
        read_picture(png(4000), replace(COLOUR, depth=12))


def test_tiffs_of_signed_bytes_are_refused_and_white_may_be_zero(tmp_path: Path) -> None:
    path = save(tmp_path / "1.tiff", noise(channels=1), tiffinfo={339: 2})
    with pytest.raises(ValueError, match="it has signed pixels"):
        read_picture(path, GRAY)
    ramp = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1028
    path = save(tmp_path / "2.tiff", ramp)
    black, white = (struct.pack("<HHII", 262, 3, 1, kind) for kind in (1, 0))
    path.write_bytes(path.read_bytes().replace(black, white))
    assert (read_picture(path, GRAY)[..., 0] == 255 - ramp // 257).all()


def test_one_gray_level_of_sixteen_bits_may_be_transparent(tmp_path: Path) -> None:
    values = np.full((8, 8), 65535, np.uint16)
    values[:, 4:] = 7
    path = save(tmp_path / "1.png", values, transparency=7)
    assert np.unique(read_picture(path, Shape(8, 1, "pad", (99, 99, 99)))).tolist() == [99, 255]


def test_what_lies_in_the_transparency_alone_needs_another_background(tmp_path: Path) -> None:
    path = save(tmp_path / "1.png", np.dstack([np.zeros((8, 8, 3), np.uint8), noise(channels=1)]))
    with pytest.raises(ValueError, match=r"nothing of it can be seen on data\.background"):
        read_picture(path, COLOUR)
    assert (read_picture(path, Shape(8, 1, "pad", (255,) * 3))[..., 0] == 255 - noise(channels=1)).all()
    clear = save(tmp_path / "2.png", np.dstack([noise(), np.zeros((8, 8), np.uint8)]))
    with pytest.raises(ValueError, match="every pixel of it is transparent"):
        read_picture(clear, COLOUR)


def test_pages_frames_and_channels_that_are_not_read_are_known(tmp_path: Path) -> None:
    pages = [Image.fromarray(noise(seed=seed)) for seed in (1, 2)]
    for suffix in ("tiff", "gif", "png", "webp"):
        path = save(tmp_path / f"1.{suffix}", pages[0], save_all=True, append_images=pages[1:])
        assert look_at([path], 1)[0].left_out == "pages or frames after the first"
    four = save(tmp_path / "2.tiff", np.dstack([noise(), noise(channels=1)]))
    is_alpha, is_unknown = (struct.pack("<HHII", 338, 3, 1, kind) for kind in (2, 0))
    four.write_bytes(four.read_bytes().replace(is_alpha, is_unknown))
    assert look_at([four], 1)[0].left_out == "1 of 4 channels"
    assert look_at([save(tmp_path / "3.tiff", noise())], 1)[0].left_out == ""
