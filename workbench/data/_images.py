"""Image files of any kind as square bytes: grey, 16-bit, palettes, transparency, turned cameras, and broken ones."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"])
_GREY = ("1", "L", "LA", "La", "I", "F")
_CHUNK = 256
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
            return image.mode in _GREY or image.mode.startswith("I;16")
    except _ERRORS:
        return None


def decoded(origin: Origin, square: Square) -> NDArray[np.uint8] | Broken:
    """(channels, size, size), or why not. Of an animation the first picture; behind what is transparent lies white."""
    try:
        with _opened(origin) as image:
            pixels = np.asarray(_squared(_flat(image, square), square))
    except _ERRORS as error:
        return Broken(_reason(error))
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


_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, MemoryError, UnidentifiedImageError,
    Image.DecompressionBombError,
)  # fmt: skip


def _opened(origin: Origin) -> Image.Image:
    return Image.open(origin if isinstance(origin, Path) else io.BytesIO(origin))


def _flat(image: Image.Image, square: Square) -> Image.Image:
    """Upright, 8 bits, one or three channels."""
    if image.width * image.height > _MOST_PIXELS:
        raise Image.DecompressionBombError
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    elif square.size == square.scaled:
        image.draft(None, (2 * square.scaled, 2 * square.scaled))  # a JPEG is decoded at a fraction of its size
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if square.channels == 1 else "RGB")


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


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, Image.DecompressionBombError | MemoryError):
        return "too large"
    return "cut short" if "truncated" in str(error).lower() else f"damaged: {str(error).rstrip('.')}"
