"""What every pruning method shares: which units stay, and how their scores are counted for the figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...core.records import Histogram
from ...core.values import Array

BINS = 60


def kept_lowest(scores: Tensor, removed: int, ties: Tensor | None = None) -> Tensor:
    """All but the `removed` lowest, one at least: (units,) bool. Ties fall by `ties`, then in the units' order."""
    keep = torch.ones(len(scores), dtype=torch.bool)
    keep[ascending(scores, ties)[: max(0, min(removed, len(scores) - 1))]] = False
    return keep


def kept_anywhere(scores: Sequence[Tensor], removed: int, ties: Sequence[Tensor] | None = None) -> list[Tensor]:
    """The same over several layers at once: the `removed` lowest of all, one unit of each layer stays at least."""
    keeps = [torch.ones(len(own), dtype=torch.bool) for own in scores]
    where = [(i, j) for i, own in enumerate(scores) for j in range(len(own))]
    left = [len(own) for own in scores]
    for place in ascending(torch.cat(list(scores)), None if ties is None else torch.cat(list(ties))).tolist():
        layer, unit = where[place]
        if removed > 0 and left[layer] > 1:
            keeps[layer][unit] = False
            left[layer] -= 1
            removed -= 1
    return keeps


def ascending(scores: Tensor, ties: Tensor | None = None) -> Tensor:
    """The order of the scores, the lowest first: (units,) integers."""
    first = torch.arange(len(scores)) if ties is None else torch.argsort(ties, stable=True)
    return first[torch.argsort(scores[first], stable=True)]


def histogram(scores: Array, kept: Array) -> Histogram:
    """Counts of scores in equal bins from 0 to the largest, kept and removed apart. Both arrays: (units,)."""
    top = float(scores.max(initial=0.0)) or 1.0
    edges = np.linspace(0.0, top, BINS + 1)
    counts = [np.histogram(part, BINS, (0.0, top))[0].tolist() for part in (scores[kept], scores[~kept])]
    return Histogram(tuple(edges.tolist()), *map(tuple, counts))
