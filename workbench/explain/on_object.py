"""Where the object is known: does what speaks for the class lie on it?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..core.attribution import ObjectPoint
from ..core.progress import Progress
from ..core.records import Count
from ..core.values import Array
from .attribution import effect_maps

IMAGES = 32
"""Images of one point, and CHUNK of them at once."""
CHUNK = 4


def drawn(n: int) -> Tensor:
    """Which of n images are looked at: IMAGES of them, always the same."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:IMAGES]


def on_object(
    method: str,
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    masks: Tensor,
    *,
    value: float | None = None,
    progress: Progress,
) -> ObjectPoint:
    """Of maps for the right class. images: (n, c, h, w); labels: (n,); masks: (n, h, w) bool; value: of the knob."""
    found = []
    for start in range(0, len(images), CHUNK):
        batch, right = images[start : start + CHUNK], labels[start : start + CHUNK]
        part = progress.part(start / len(images), min(1.0, (start + CHUNK) / len(images)))
        found.append(effect_maps(method, network, batch, right, part))
    values, where = np.concatenate(found), masks.numpy()
    shares = shares_inside(values, where)
    return ObjectPoint(value, tuple(shares.tolist()), Count(int(points_inside(values, where).sum()), len(values)))


def shares_inside(values: Array, masks: Array) -> Array:
    """Share of the positive attribution on the object: (n, h, w) twice -> (n,), 0 where nothing is positive."""
    positive = values.clip(min=0)
    total = positive.sum((1, 2))
    return np.asarray((positive * masks).sum((1, 2)) / np.where(total > 0, total, 1))


def points_inside(values: Array, masks: Array) -> Array:
    """Whether the strongest positive pixel lies on the object: (n,) bool. Zhang et al. 2016, the pointing game."""
    flat, places = values.reshape(len(values), -1), values.reshape(len(values), -1).argmax(1)
    rows = np.arange(len(values))
    return np.asarray(masks.reshape(len(masks), -1)[rows, places] & (flat[rows, places] > 0))
