"""The images that excite a unit most, and the patch of each that it answers to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..core.context import Batch
from ..core.units import Example
from ..core.values import Array
from .field import Field
from .responses import LayerResponses

MOST = 8


def examples(
    found: LayerResponses, unit: int, batch: Batch, *, field: Field | None, indices: Sequence[int], most: int = MOST
) -> tuple[Example, ...]:
    """The highest answers first, at most one of each image; nothing from a unit that always answers the same.

    batch: the images that `found` is about; indices: their numbers in the split.
    """
    peaks = found.peaks[:, unit]
    if found.of(unit).dead:
        return ()
    order = np.argsort(-peaks, kind="stable")[:most]
    return tuple(
        Example(
            indices[i],
            int(batch.labels[i]),
            float(peaks[i]),
            picture(batch.images[i]),
            _box(field, int(found.places[i, unit]), batch.images[i]),
        )
        for i in map(int, order)
    )


def picture(image: Tensor) -> Array:
    """The image in [0, 1], stretched only where it leaves that range. image: (channels, height, width)."""
    pixels = np.asarray(image.detach().cpu().numpy(), np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    return pixels if low >= 0 and high <= 1 else (pixels - low) / (high - low)


def _box(field: Field | None, place: int, image: Tensor) -> tuple[int, int, int, int] | None:
    if field is None:
        return None
    box = field.box(place)
    return None if box == (0, 0, *image.shape[1:]) else box
