"""Arrays of images and labels as people hold them: which axis is which, which kind of number, what is refused.

Nothing is copied: what comes out are views of what came in. `owner` begins every sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import WorkbenchError

CHUNK = 1024
BYTES, SHARES, NORMALISED = "bytes", "shares", "normalised"
_CHANNELS = (1, 2, 3, 4)
_FAR = 100.0


def chunks(images: Tensor) -> Iterator[Tensor]:
    """`images` a thousand at a time, so that looking at all of them takes no memory."""
    for start in range(0, len(images), CHUNK):
        yield images[start : start + CHUNK]


def tensor_of(values: Any, owner: str, what: str) -> Tensor:
    """A tensor on the memory of an array; WorkbenchError for what is no array of numbers."""
    if isinstance(values, Tensor):
        return values.detach().cpu()
    try:
        array = np.asarray(values)
        return torch.from_numpy(array if all(step >= 0 for step in array.strides) else array.copy())
    except (TypeError, ValueError):
        raise WorkbenchError(f"{owner}: the {what} must be an array of numbers of one shape; these are not.") from None


def paired(images: Any, labels: Any, owner: str) -> tuple[Tensor, Tensor]:
    """(n, channels, height, width) and (n,) int64, as many of the one as of the other."""
    known = _labels(tensor_of(labels, owner, "labels"), owner)
    planes = _planes(tensor_of(images, owner, "images"), isinstance(images, np.ndarray), owner)
    if len(planes) != len(known):
        raise WorkbenchError(
            f"{owner}: there must be one label for each image; got {len(planes):,} and {len(known):,}."
        )
    return planes, known


def _labels(labels: Tensor, owner: str) -> Tensor:
    if labels.ndim != 1:
        shape = tuple(labels.shape)
        raise WorkbenchError(f"{owner}: labels must be one integer for each image; these have the shape {shape}.")
    if len(labels) and (labels.dtype.is_floating_point or labels.dtype.is_complex or labels.dtype == torch.bool):
        raise WorkbenchError(f"{owner}: labels must be integers; these are {_kind(labels)}.")
    return labels.to(torch.int64)


def _planes(images: Tensor, from_numpy: bool, owner: str) -> Tensor:
    if images.ndim not in (3, 4):
        raise WorkbenchError(
            f"{owner}: images must have the shape (n, channels, height, width), (n, height, width, channels) or "
            f"(n, height, width); these have {tuple(images.shape)}."
        )
    check_kind(images, owner)
    return images[:, None] if images.ndim == 3 else channels_first(images, from_numpy)


def channels_first(images: Tensor, from_numpy: bool) -> Tensor:
    """By which axis is as short as channels are; where both are, arrays of numpy have them last and tensors first."""
    first, last = images.shape[-3] in _CHANNELS, images.shape[-1] in _CHANNELS
    return images.movedim(-1, -3) if last and (from_numpy or not first) else images


def check_kind(images: Tensor, owner: str) -> None:
    """WorkbenchError unless there are pixels, and they are bytes or floating numbers."""
    if 0 in images.shape[1 if images.ndim == 4 else 0 :] and len(images):
        raise WorkbenchError(f"{owner}: images must have pixels; these have the shape {tuple(images.shape)}.")
    if images.dtype != torch.uint8 and not images.dtype.is_floating_point:
        raise WorkbenchError(f"{owner}: images must be uint8 or floating numbers; these are {_kind(images)}.")


def scale_of(images: Tensor, owner: str) -> str:
    """BYTES, SHARES (floats in [0, 1]) or NORMALISED (floats around 0); WorkbenchError for NaN and other ranges.

    Normalised means that some value is below 0 and none is further away than 100.
    """
    if images.dtype == torch.uint8:
        return BYTES
    low, high = 0.0, 0.0
    for at, part in enumerate(chunks(images)):
        if not torch.isfinite(part).all():
            bad = int((~torch.isfinite(part).flatten(1).all(1)).nonzero()[0])
            raise WorkbenchError(
                f"{owner}: every value must be a number; image {at * CHUNK + bad} has NaN or infinity."
            )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if low >= 0 and high <= 1:
        return SHARES
    if low < 0 and max(-low, high) <= _FAR:
        return NORMALISED
    raise WorkbenchError(
        f"{owner}: images must be uint8, floats in [0, 1], or floats normalised around 0; these floats reach from "
        f"{low:g} to {high:g}."
    )


def _kind(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")
