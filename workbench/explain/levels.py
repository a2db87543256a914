"""The few values that a quantized weight may take, beside the many that it had."""

from __future__ import annotations

import numpy as np
from torch import nn

from ..core.compressed import Compressed
from ..core.encoded import Encoded
from ..core.inside import LayerLevels
from ..core.layer import layers_of
from ..core.values import Array, Codebook, FixedPoint, Levels

BINS = 80
MOST = 256
"""Levels that are told one by one; of more, only how many bits they have."""
STEPS = "steps of its own filter"
_STORED = {"codebook": "shared values", "fixed_point": "evenly spaced values", "levels": "signs or three values"}


def levels(dense: nn.Module, compressed: Compressed) -> tuple[LayerLevels, ...]:
    """Every layer of the compressed network whose weight is stored as codes."""
    before = {layer.tensor: dense.get_parameter(layer.tensor) for layer in layers_of(dense)}
    found = []
    for layer in layers_of(compressed.network):
        encoded = compressed.encoded.get(layer.tensor)
        if encoded is not None and encoded.values.kind in _STORED and encoded.values.n:
            name = layer.name.removesuffix(".layer")  # a layer whose input is quantized stands one deeper
            weight = before.get(f"{name}.weight")
            if weight is not None and tuple(weight.shape) != encoded.shape:
                weight = None
            found.append(levels_of(name, encoded, None if weight is None else weight.detach().cpu().numpy()))
    return tuple(found)


def levels_of(name: str, encoded: Encoded, weight: Array | None) -> LayerLevels:
    """weight: the dense one, of the encoded shape, or None. Scales of their own become the unit of each filter."""
    levels, at, scale = _levels(encoded)
    keep = np.ones(encoded.shape, bool) if encoded.keep is None else encoded.keep
    values = encoded.decode() if weight is None else weight
    if scale is not None:
        values = values / scale.reshape(-1, *([1] * (values.ndim - 1)))
    edges = _edges(values, levels)
    shown = np.clip(values, edges[0], edges[-1])
    return LayerLevels(
        layer=name,
        stored_as=_STORED[encoded.values.kind],
        bits=_bits(encoded),
        edges=edges,
        before=np.histogram(shown[keep], edges)[0] if weight is not None else np.zeros(0, int),
        removed=np.histogram(shown[~keep], edges)[0] if weight is not None else np.zeros(0, int),
        levels=levels,
        at=at,
        unit="" if scale is None else STEPS,
    )


def _levels(encoded: Encoded) -> tuple[Array, Array, Array | None]:
    """(levels, weights at each, scale of each row where rows have their own)."""
    values = encoded.values
    if isinstance(values, Codebook):
        return (*_counted(values.book[values.codes]), None)
    assert isinstance(values, FixedPoint | Levels)
    rows = encoded.rows if values.scale.size > 1 else np.zeros(values.n, np.intp)
    steps = (
        values.codes.astype(np.int64) - values.zero.astype(np.int64)[rows if values.zero.size > 1 else 0]
        if isinstance(values, FixedPoint)
        else np.asarray(values.alphabet)[values.codes]
    )
    own = values.scale.size > 1
    return (*_counted(steps if own else steps * float(values.scale[0])), values.scale if own else None)


def _counted(values: Array) -> tuple[Array, Array]:
    found, counts = np.unique(values, return_counts=True)
    few = len(found) <= MOST
    return (found.astype(float), counts) if few else (np.zeros(0), np.zeros(0, int))


def _edges(values: Array, levels: Array) -> Array:
    """Bins over all levels and nearly all weights: a single far one would squeeze the rest into one bin."""
    low, high = np.percentile(values, [0.05, 99.95])
    if levels.size:
        low, high = min(low, levels[0]), max(high, levels[-1])
    return np.linspace(low, high if high > low else low + 1.0, BINS + 1)


def _bits(encoded: Encoded) -> int:
    values = encoded.values
    if isinstance(values, FixedPoint):
        return values.bits
    assert isinstance(values, Codebook | Levels)
    count = values.book.size if isinstance(values, Codebook) else len(values.alphabet)
    return max(1, int(count - 1).bit_length())
