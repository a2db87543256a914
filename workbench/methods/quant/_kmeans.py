"""k-means on a line: sorted once, so that an iteration costs k binary searches and not a pass over the weights."""

from __future__ import annotations

import numpy as np

from ...core.memo import remember
from ...core.values import Array

STARTS = ("linear", "density", "random")


class Line:
    """Sorted values with prefix sums. values: (n,) floats, any order."""

    def __init__(self, values: Array) -> None:
        self.sorted: Array = np.sort(values.astype(np.float64))
        self.sums: Array = np.concatenate([[0.0], np.cumsum(self.sorted)])

    @classmethod
    def of(cls, values: Array) -> Line:
        """The line of these values; sorting is remembered."""
        return remember("kmeans line", values, lambda: cls(values))

    @property
    def nbytes(self) -> int:
        return int(self.sorted.nbytes + self.sums.nbytes)

    def centres(self, k: int, start: str, rng: np.random.Generator, rounds: int = 100) -> Array:
        """At most k centres, ascending, after Lloyd's iteration has settled. Lloyd 1982.

        start: centres evenly over the range, over the quantiles ("density"), or drawn from the values ("random").
        """
        centres = self._start(k, start, rng)
        for _ in range(rounds):
            moved = self._means(self._borders(centres), centres)
            if np.array_equal(moved, centres):
                break
            centres = moved
        counts = np.diff(self._borders(centres))
        return centres[counts > 0]

    def _start(self, k: int, start: str, rng: np.random.Generator) -> Array:
        if start == "density":
            return np.unique(np.quantile(self.sorted, (np.arange(k) + 0.5) / k))
        if start == "random":
            return np.unique(rng.choice(self.sorted, min(k, self.sorted.size), replace=False))
        return np.unique(np.linspace(self.sorted[0], self.sorted[-1], k))

    def _borders(self, centres: Array) -> Array:
        """Where each centre's run of sorted values begins, with 0 and n at the ends: (k + 1,)."""
        inner = np.searchsorted(self.sorted, (centres[1:] + centres[:-1]) / 2, side="right")
        return np.concatenate([[0], inner, [self.sorted.size]])

    def _means(self, borders: Array, centres: Array) -> Array:
        """Mean of each run; an empty run keeps its centre."""
        counts, sums = np.diff(borders), np.diff(self.sums[borders])
        return np.where(counts > 0, sums / np.maximum(counts, 1), centres)


def nearest(values: Array, centres: Array) -> Array:
    """Index of the nearest centre, ties to the lower. values: (n,), centres ascending -> (n,) int32."""
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values, side="left").astype(np.int32)
