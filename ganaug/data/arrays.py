"""Images, labels, groups and conditions as arrays: what they may be, wherever they come from."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganaug.errors import UserError, one_line, quoted

_ROUNDING = 1e-6  # by which scaled floats may miss 0 and 1: a thousandth of a level


def pixels_of(images: ArrayLike) -> NDArray[np.uint8]:
    """Images (N, H, W, C) uint8 from (N, H, W) or (N, H, W, C), uint8 or floats in 0..1. Raises UserError if they are
    anything else."""
    pixels = _array(images, "images")
    if pixels.dtype.kind == "f":
        pixels = _from_floats(pixels)
    check_pixels(pixels.dtype, pixels.shape, "images")
    if not len(pixels):
        raise UserError("images: must be at least one, got none; give an image for each label")
    return pixels if pixels.ndim == 4 else pixels[..., np.newaxis]


def values_of(values: Any, images: int, name: str) -> NDArray[Any]:
    """The array called ``name``, of labels, groups or conditions: int64 or text, (N,), one for each of so many
    ``images``. Raises UserError if it is anything else.

    Text may come as objects, as pandas has it.
    """
    found = _array(values, name)
    if found.dtype == object and found.size and all(isinstance(one, str) for one in found.flat):
        found = found.astype("U")
    return one_for_each(found, images, name)


def _array(given: Any, name: str) -> NDArray[Any]:
    try:
        found = np.asarray(given)
        # Of a list of words and numbers NumPy makes words alone.
        if found.dtype.kind in "US" and not hasattr(given, "dtype"):
            found = np.asarray(given, dtype=object)
    except Exception as error:  # whatever is given may be asked for an array
        reason = one_line(str(error), 100) or type(error).__name__
        raise UserError(f"{name}: must be an array, got {quoted(type(given).__name__)} ({reason}); make one") from None
    return found


def _from_floats(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # also NaN
        got = "some that are not finite" if not (np.isfinite(low) and np.isfinite(high)) else f"{low:g} to {high:g}"
        raise UserError(f"images: floats must be in 0..1, got {got}; scale them, or give uint8 in 0..255")
    whole: NDArray[np.uint8] = np.rint(pixels * 255).astype(np.uint8)
    return whole


def with_channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(N, H, W, C), also where the one channel is left out."""
    return (*shape, 1) if len(shape) == 3 else shape


def check_pixels(dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> None:
    """Raises UserError unless the array called ``name``, of this ``dtype`` and ``shape``, holds images."""
    if dtype != np.uint8:
        raise UserError(f"{name} must be uint8 in 0..255, got {dtype}; convert the array")
    full = with_channels(shape)
    if len(full) != 4 or full[3] not in (1, 3) or 0 in full[1:]:
        raise UserError(f"{name} must be (N, H, W) or (N, H, W, 1 or 3), got {shape}; reshape the array")


def one_for_each(found: NDArray[Any], images: int, name: str) -> NDArray[Any]:
    """The values (N,) of the array called ``name``, of labels, groups or conditions, for so many ``images``, checked:
    text or int64. Raises UserError if they are of another type, or not one for each image."""
    values = found.reshape(-1) if found.ndim == 2 and found.shape[1] == 1 else found
    if values.ndim != 1 or len(values) != images or values.dtype.kind not in "iubUS":
        one = name.rpartition(" ")[2].rpartition("_")[2].removesuffix("s")
        raise UserError(
            f"{name} must hold one {one} for each of the {images} images, whole numbers or text, "
            f"got {found.dtype} {found.shape}; correct the array"
        )
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", errors="backslashreplace")
    if values.dtype.kind in "bU":
        return values
    if values.dtype == np.uint64 and values.max(initial=0) >= 2**63:
        raise UserError(f"{name} must be below 2**63, got {values.max()}; count from 0")
    return values.astype(np.int64)  # one type for all parts' labels
