"""What every pruning method shares: which units stay, and how their scores are counted for the figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...core.memo import remember
from ...core.records import Decision, Histogram
from ...core.values import Array

BINS = 60


def kept_lowest(scores: Tensor, removed: int, ties: Tensor | None = None) -> Tensor:
    """All but the `removed` lowest, one at least: (units,) bool. Ties fall by `ties`, then in the units' order."""
    keep = torch.ones(len(scores), dtype=torch.bool)
    keep[ascending(scores, ties)[: max(0, min(removed, len(scores) - 1))]] = False
    return keep


def kept_anywhere(scores: Sequence[Tensor], removed: int, ties: Sequence[Tensor] | None = None) -> list[Tensor]:
    """The same over several layers at once: the `removed` lowest of all, one unit of each layer stays at least."""
    counts = [len(own) for own in scores]
    order = ascending(torch.cat(list(scores)), None if ties is None else torch.cat(list(ties)))
    layer = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))[order]
    places = torch.arange(len(order))
    last = torch.zeros(len(counts), dtype=torch.long).scatter_reduce(0, layer, places, "amax")
    gone = order[~torch.isin(places, last)][: max(0, removed)]
    keep = torch.ones(len(order), dtype=torch.bool)
    keep[gone] = False
    return list(torch.split(keep, counts))


def ascending(scores: Tensor, ties: Tensor | None = None) -> Tensor:
    """The order of the scores, the lowest first: (units,) integers."""
    if ties is None:
        return torch.from_numpy(order_of(scores.numpy()))
    first = torch.argsort(ties, stable=True)
    return first[torch.argsort(scores[first], stable=True)]


def order_of(scores: Array) -> Array:
    """The same for an array, (units,); equal scores in memory order, so that what growing shares leave is nested."""
    return remember("argsort", scores, lambda: np.argsort(scores, kind="stable"))


def histogram(scores: Array, kept: Array) -> Histogram:
    """Counts of scores in equal bins from 0 to the largest, kept and removed apart. Both arrays: (units,)."""
    top = float(scores.max(initial=0.0)) or 1.0
    edges = np.linspace(0.0, top, BINS + 1)
    counts = [np.histogram(part, BINS, (0.0, top))[0].tolist() for part in (scores[kept], scores[~kept])]
    return Histogram(tuple(edges.tolist()), *map(tuple, counts))


def of_many(layer: str, method: str, criterion: str, unit: str, scores: Array, keep: Array) -> Decision:
    """Why, where units are too many to be listed one by one. scores, keep: (units,)."""
    gone = scores[~keep]
    cut = float(gone.max()) if gone.size else None
    return Decision(layer, method, criterion, unit, cut, keep.size, gone.size, histogram=histogram(scores, keep))
