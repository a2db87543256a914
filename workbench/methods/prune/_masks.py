"""Masks over single weights and kernels: their scores, which of them stay, and how that is stored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ...core.compressed import Compressed, Layer
from ...core.values import Array
from ._criteria import Criterion, Norm
from ._scores import kept_anywhere, kept_lowest

UNITS = ("weight", "kernel")
_GONE = -1.0
"""Below every score, so that what is gone already stays gone."""


def unit_scores(scores: Tensor, stored: Array | None, unit: str, criterion: str) -> Tensor:
    """One score for each unit of a layer, the lowest go first; -1 for what is gone already: (units,).

    scores: of single weights, (out, in, ...), not negative; stored: bool of that shape, None when all are. A kernel is
    what one output does with one input; its score is the norm, mean or sum of its weights' as the criterion says.
    """
    count = scores.shape[0] * scores.shape[1] if unit == "kernel" else scores.numel()
    each = scores.reshape(count, -1).float()
    found = each.norm(dim=1) if criterion == "l2" else each.mean(1) if criterion in ("mean", "random") else each.sum(1)
    if stored is not None:
        found[~torch.from_numpy(stored.reshape(count, -1).any(1))] = _GONE
    return found


def title_of(criterion: Criterion, unit: str) -> str:
    """What the score of a unit is, in words; of a single weight every norm is its absolute value."""
    if isinstance(criterion, Norm) and unit == "weight":
        return "absolute value"
    return criterion.title.replace("filter", unit)


def kept_units(scores: Mapping[str, Tensor], wanted: Mapping[str, float], together: bool) -> dict[str, Tensor]:
    """Layer -> which units stay, (units,) bool; one of each at least.

    wanted: layer -> how many are to be gone in all, not rounded. together: in one ranking, which loses the sum of
    them; a layer of which none is wanted takes no part in it.
    """
    if not together:
        return {name: kept_lowest(own, round(wanted[name])) for name, own in scores.items()}
    some = [name for name in scores if wanted[name] > 0]
    total = round(sum(wanted[name] for name in some))
    keeps = kept_anywhere([scores[name] for name in some], total) if some else []
    whole = {name: torch.ones(len(own), dtype=torch.bool) for name, own in scores.items()}
    return whole | dict(zip(some, keeps, strict=True))


def store_kept(model: Compressed, layer: Layer, keep: Tensor) -> None:
    """Store those units of the layer alone. keep: (units,) bool."""
    given = model.stored(layer)
    each = np.broadcast_to(keep.numpy()[:, None], (len(keep), int(np.prod(given.shape)) // len(keep)))
    model.store(layer, given.restrict(each.reshape(given.shape)))
