"""Which stored weights share one scale: all of a layer, or those of one filter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...core.encoded import Encoded
from ...core.values import Array


@dataclass(frozen=True)
class Groups:
    """sizes: (groups,) how many stored weights each group holds, which stand one after the other; some hold none."""

    sizes: Array

    @classmethod
    def whole(cls, given: Encoded) -> Groups:
        """One group for the layer."""
        return cls(np.array([given.values.n]))

    @classmethod
    def filters(cls, given: Encoded) -> Groups:
        """One group for each output channel."""
        rows = given.shape[0]
        if given.keep is None:
            return cls(np.full(rows, given.values.n // max(1, rows)))
        return cls(np.count_nonzero(given.keep.reshape(rows, math.prod(given.shape[1:])), axis=1))

    def sum(self, data: Array) -> Array:
        """data: (n,) -> (groups,) float64."""
        out, some = np.zeros(self.sizes.size), self.sizes > 0
        starts = np.cumsum(self.sizes) - self.sizes
        if some.any():
            out[some] = np.add.reduceat(data, starts[some], dtype=np.float64)
        return out

    def mean(self, data: Array) -> Array:
        """data: (n,) -> (groups,) float64, 0 for a group without weights."""
        return self.sum(data) / np.maximum(self.sizes, 1)

    def spread(self, each: Array) -> Array:
        """Its group's value for every weight. each: (groups,) -> (n,), or (1,) where there is but one group."""
        return each if each.size == 1 else np.repeat(each, self.sizes)

    def split(self, data: Array) -> list[Array]:
        """The weights of each group. data: (n,)."""
        return np.split(data, np.cumsum(self.sizes)[:-1])
