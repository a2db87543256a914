"""One picture that somebody brings to be looked at: bytes of unknown origin, judged by their content."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..core.errors import FileError, WorkbenchError
from ._images import ERRORS, Square, cut_out, flat, reason

PICTURE_BYTES = 5_000_000
PICTURE_TYPES = "image/png,image/jpeg,image/webp,image/bmp"
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_MOST_PIXELS = 2**25


def picture_too_large(size: int) -> str:
    """The sentence about a file of `size` bytes."""
    return f"A picture may have at most {PICTURE_BYTES / 1e6:g} MB; this one has {size / 1e6:.1f} MB."


def picture(content: bytes, shape: tuple[int, ...]) -> Tensor:
    """The picture as an image of `shape`, (channels, height, width) float32 in [0, 1], as `folder:` would read it.

    Of an animation the first picture; behind what is transparent lies white. FileError, in one sentence, when it is
    too large or no readable PNG, JPEG, WebP or BMP; WorkbenchError when no picture can have this shape.
    """
    if shape[0] not in (1, 3):
        raise WorkbenchError(f"A picture has 1 or 3 channels; the images here have {shape[0]}.")
    if len(content) > PICTURE_BYTES:
        raise FileError(picture_too_large(len(content)))
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            _check_pixels(*image.size)
            return torch.tensor(_planes(image, shape)).float().div_(255)
    except UnidentifiedImageError:
        raise FileError("This file is not a picture; it must be a PNG, JPEG, WebP or BMP.") from None
    except Image.DecompressionBombError:
        raise FileError("This picture has far too many pixels.") from None
    except ERRORS as error:
        if isinstance(error, WorkbenchError):
            raise
        raise FileError(f"This picture cannot be read: it is {reason(error)}.") from None


def _check_pixels(width: int, height: int) -> None:
    """Before anything is decoded."""
    if width * height > _MOST_PIXELS:
        most = f"{_MOST_PIXELS / 1e6:.0f} million pixels"
        raise FileError(f"A picture may have at most {most}; this one has {width} x {height}.")


def _planes(image: Image.Image, shape: tuple[int, ...]) -> NDArray[Any]:
    channels, height, width = shape
    if height == width:
        return cut_out(image, Square(channels, height, height))
    fitted = ImageOps.fit(flat(image, channels), (width, height), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(fitted).reshape(height, width, channels).transpose(2, 0, 1))
