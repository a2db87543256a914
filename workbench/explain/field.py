"""The receptive field: which pixels one place of a feature map depends on, found by trying.

A pixel that is not a number makes everything that depends on it not a number, through strides, padding, pooling,
residual sums and concatenations alike. One image for each row and one for each column give the field of every place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.progress import Progress
from ..methods.prune._maps import per_map

FINEST = 32
"""Rows that are tried apart; a taller image is tried in bands, which a field then consists of."""

Box = tuple[int, int, int, int]
"""(top, left, bottom, right), the last two just outside."""


class Field(NamedTuple):
    """rows[i]: (first, past the last) row that row i of the map depends on; columns likewise."""

    rows: tuple[tuple[int, int], ...]
    columns: tuple[tuple[int, int], ...]

    def box(self, place: int) -> Box:
        """The pixels behind a place, counted row by row through the map."""
        i, j = divmod(place, len(self.columns))
        (top, bottom), (left, right) = self.rows[i], self.columns[j]
        return top, left, bottom, right


def field_of(network: nn.Module, layer: str, input_shape: Sequence[int], progress: Progress) -> Field | None:
    """The field of a layer's maps as their readers see them; None where the layer gives no map.

    input_shape: (channels, height, width). Raises Cancelled.
    """
    height, width = input_shape[1:]
    sides: list[tuple[tuple[int, int], ...]] = []
    for axis, size in ((1, height), (2, width)):
        band = math.ceil(size / FINEST)
        images = _struck(input_shape, axis, band)
        hit = per_map(network, images, [layer], _hit, progress)[layer]
        if hit.ndim != 3 or not bool(hit.any()):
            return None
        lines = hit.bool().any(2 if axis == 1 else 1)
        sides.append(tuple(_span(lines[:, i], band, size) for i in range(lines.shape[1])))
    return Field(*sides)


def _struck(input_shape: Sequence[int], axis: int, band: int) -> Tensor:
    """One image for each band along `axis`, in which it is not a number."""
    places = torch.arange(input_shape[axis]) // band
    images = torch.full((int(places[-1]) + 1, *input_shape), 0.5)
    for i, image in enumerate(images):
        image.transpose(0, axis)[places == i] = torch.nan
    return images


def _hit(maps: Tensor) -> Tensor:
    """(n, units, h, w) -> (n, h, w): 1 where a place is not a number; anything else -> (n, 1)."""
    return maps.isnan().any(1).float() if maps.ndim == 4 else torch.zeros(len(maps), 1)


def _span(hit: Tensor, band: int, size: int) -> tuple[int, int]:
    found = torch.nonzero(hit).flatten()
    if not len(found):
        return 0, size
    return int(found[0]) * band, min(size, (int(found[-1]) + 1) * band)
