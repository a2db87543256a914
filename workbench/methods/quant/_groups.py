"""Which stored weights share one scale: all of a layer, or those of one filter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...core.encoded import Encoded
from ...core.values import Array


class Groups(NamedTuple):
    """of: (n,) the group of every stored weight; number: how many groups, of which some may hold no weight."""

    of: Array
    number: int

    @classmethod
    def whole(cls, given: Encoded) -> Groups:
        """One group for the layer."""
        return cls(np.zeros(given.values.n, np.int64), 1)

    @classmethod
    def filters(cls, given: Encoded) -> Groups:
        """One group for each output channel."""
        return cls(given.rows, given.shape[0])

    def sum(self, data: Array) -> Array:
        """data: (n,) -> (number,) float64."""
        return np.bincount(self.of, data, self.number)

    def mean(self, data: Array) -> Array:
        """data: (n,) -> (number,) float64, 0 for a group without weights."""
        sizes = np.bincount(self.of, minlength=self.number)
        return self.sum(data) / np.maximum(sizes, 1)
