"""Ternary weights: the sign of the large weights, 0 for the small ones, and one scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.compressed import Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.order import VALUES
from ...core.values import SIGN, TERNARY, Array, Levels
from ...storage.estimate import estimate_bytes
from ._groups import Groups
from ._policy import SAME, first_last_knob
from ._straight_through import StraightThroughMethod


@dataclass(frozen=True)
class Twn(StraightThroughMethod):
    """W ~ alpha T: T = sign(w) where |w| > delta and 0 elsewhere, alpha the mean of those magnitudes.

    delta = 0.7 mean|W| as published, or the one with the least squared error, found exactly by sorting. Weights that
    were removed before count in neither. The zeros are stored as symbols or as positions, whatever takes fewer bytes.
    """

    title = "Ternary weights (TWN)"
    citation = "Li, Zhang, Liu 2016, Ternary Weight Networks, arXiv:1605.04711"
    sets = VALUES
    axis = "threshold"
    excused = {
        "neutral": "three values never are all the values of a layer",
        "monotone": "three symbols take most bytes where they are equally frequent, and fewer on either side",
    }

    threshold: float = knob(0.7, "delta over the mean magnitude", low=0.3, high=1.2, step=0.01)
    choose: str = knob("threshold", "what fixes delta", choices=("threshold", "least_error"))
    per_filter: bool = knob(False, "a delta and a scale for each filter, or one for the layer as published")
    first_last: str = first_last_knob(SAME)

    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        weight = given.stored()
        groups = Groups.filters(given) if self.per_filter else Groups.whole(given)
        size = np.abs(weight)
        large = size > groups.spread(self._delta(size, groups))
        count = np.maximum(groups.sum(large), 1)
        alpha = (groups.sum(size * large) / count).astype(np.float32)
        return given.with_values(Levels(1 + np.where(weight > 0, large, -large.astype(np.int32)), alpha, TERNARY))

    def final(self, encoded: Encoded) -> Encoded:
        return min(encoded, _sparse(encoded), key=lambda e: estimate_bytes({"": e}, {}, {}))

    def _delta(self, size: Array, groups: Groups) -> Array:
        """(groups,) float32, below the largest magnitude of each group."""
        if self.choose == "least_error":
            return np.array([least_error_delta(own) for own in groups.split(size)], np.float32)
        return (self.threshold * groups.mean(size)).astype(np.float32)


def least_error_delta(size: Array) -> np.float32:
    """The delta that leaves the least squared error: keeping the k largest gains (their sum)^2 / k. size: (n,) >= 0."""
    if not size.size:
        return np.float32(0)
    largest = np.sort(size)[::-1]
    gain = np.cumsum(largest, dtype=np.float64) ** 2 / np.arange(1, size.size + 1)
    smaller = largest[largest < largest[int(np.argmax(gain))]]
    return np.float32(smaller[0]) if smaller.size else np.nextafter(largest[-1], np.float32(-1))


def _sparse(encoded: Encoded) -> Encoded:
    """The same with the zeros left out of what is stored."""
    values = encoded.values
    assert isinstance(values, Levels)
    there = values.codes != TERNARY.index(0)
    keep = np.zeros(encoded.shape, bool)
    keep[np.ones(encoded.shape, bool) if encoded.keep is None else encoded.keep] = there
    signs = replace(values, codes=values.codes[there] // 2, alphabet=SIGN)
    return replace(encoded, values=signs, keep=keep)
