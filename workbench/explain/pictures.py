"""Images of a batch as people see them: small, in bytes, without torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.context import Batch
from ..core.values import Array

SIDE = 64
"""Pixels of the longer side, at most."""


def pictures(batch: Batch, indices: Sequence[int]) -> dict[int, Array]:
    """index -> (height, width, channels) uint8, larger images made smaller; one channel or three."""
    if not indices:
        return {}
    images = batch.images[torch.as_tensor(indices)].float()
    return dict(zip(indices, _bytes(_small(images)), strict=True))


def _small(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    shrink = SIDE / max(height, width)
    if shrink >= 1:
        return images
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    return F.interpolate(images, size=size, mode="area")


def _bytes(images: Tensor) -> list[Array]:
    """(n, c, h, w) -> n of (h, w, c); stretched only where an image leaves [0, 1], as normalised ones do."""
    low, high = images.amin((1, 2, 3), keepdim=True).clamp(max=0), images.amax((1, 2, 3), keepdim=True).clamp(min=1)
    levels = (255 * (images - low) / (high - low)).round().byte()
    levels = levels if levels.shape[1] == 3 else levels[:, :1]
    return list(levels.permute(0, 2, 3, 1).contiguous().numpy())
