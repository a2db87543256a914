"""Image files of any kind as square bytes: grey, 16-bit, palettes, transparency, turned cameras, and broken ones."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"])
_GREY = ("1", "L", "LA", "La", "I", "F")
_CHUNK = 256
_SHOWN = 5
_MOST_PIXELS = 2**26
_MOST_OBLONG = 16
Origin = Path | bytes


class Square(NamedTuple):
    """How an image becomes (channels, size, size): the shorter side is scaled to `scaled`, the middle is cut out.

    As torchvision's Resize and CenterCrop do it; where both are the same, a large JPEG is first decoded smaller.
    """

    channels: int
    size: int
    scaled: int


class Broken(NamedTuple):
    """What is no readable image, and why, in words that end a sentence."""

    reason: str


def is_grey(path: Path) -> bool | None:
    """Whether an image has no colours, from its header alone; None when it cannot be read."""
    try:
        with _opened(path) as image:
            return is_grey_mode(image.mode)
    except ERRORS:
        return None


def is_grey_mode(mode: str) -> bool:
    """Whether Pillow's `mode` has no colours."""
    return mode in _GREY or mode.startswith("I;16")


def decoded(origin: Origin, square: Square) -> NDArray[np.uint8] | Broken:
    """(channels, size, size), or why not. Of an animation the first picture; behind what is transparent lies white."""
    try:
        with _opened(origin) as image:
            return cut_out(image, square)
    except ERRORS as error:
        return Broken(reason(error))


def cut_out(image: Image.Image, square: Square) -> NDArray[np.uint8]:
    """(channels, size, size) of an image that was opened; one of ERRORS when it cannot be decoded."""
    _reduced(image, square)
    pixels = np.asarray(_squared(flat(image, square.channels), square))
    return np.ascontiguousarray(pixels.reshape(square.size, square.size, square.channels).transpose(2, 0, 1))


def decoded_all(origins: Iterable[Origin], square: Square) -> Iterator[list[NDArray[np.uint8] | Broken]]:
    """The same for many, in their order, a few hundred at a time, on as many threads as there are processors."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        waiting: list[Origin] = []
        for origin in origins:
            waiting.append(origin)
            if len(waiting) == _CHUNK:
                yield list(pool.map(lambda o: decoded(o, square), waiting))
                waiting = []
        if waiting:
            yield list(pool.map(lambda o: decoded(o, square), waiting))


ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, MemoryError, UnidentifiedImageError,
    Image.DecompressionBombError,
)  # fmt: skip


def _opened(origin: Origin) -> Image.Image:
    return Image.open(origin if isinstance(origin, Path) else io.BytesIO(origin))


def _reduced(image: Image.Image, square: Square) -> None:
    """A JPEG is decoded at a fraction of its size; what is too large is not decoded at all."""
    if image.width * image.height > _MOST_PIXELS:
        raise Image.DecompressionBombError
    if square.size == square.scaled and not image.mode.startswith(("I", "F")):
        image.draft(None, (2 * square.scaled, 2 * square.scaled))


def flat(image: Image.Image, channels: int) -> Image.Image:
    """Upright, 8 bits, one or three channels; behind what is transparent lies white."""
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit greys by their upper byte; floating ones from [0, 1]."""
    values = np.asarray(image)
    scaled = values * 255.0 if image.mode == "F" else values / 257.0
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _squared(image: Image.Image, square: Square) -> Image.Image:
    width, height = image.size
    short = min(width, height)
    if max(width, height) > _MOST_OBLONG * short:
        image = ImageOps.fit(image, (min(width, 2 * short), min(height, 2 * short)))
        width, height = image.size
    if short != square.scaled:
        sides = [int(square.scaled * side / short) for side in (width, height)]
        image = image.resize((sides[0], sides[1]), Image.Resampling.BILINEAR)
    left, top = (round((side - square.size) / 2) for side in image.size)
    return image.crop((left, top, left + square.size, top + square.size))


def listed(left_out: Sequence[str], total: int) -> list[str]:
    """One sentence about the images that were left out, naming some of them; none when there are none."""
    if not left_out:
        return []
    more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
    shown = "; ".join(left_out[:_SHOWN])
    return [f"{len(left_out)} of {total:,} images cannot be read and are left out: {shown}{more}."]


def reason(error: BaseException) -> str:
    """Why it is no readable image, in words that end a sentence."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, Image.DecompressionBombError | MemoryError):
        return "too large"
    return "cut short" if "truncated" in str(error).lower() else f"damaged: {str(error).rstrip('.')}"
