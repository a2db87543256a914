"""A smooth curve through points that never swings past them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def between(xs: ArrayLike, ys: ArrayLike, x: float) -> float:
    """The value at `x` of the piecewise cubic through the points (xs, ys); xs: two or more, ascending, around x.

    Between two points it rises or falls as they do, so that a guess stays within what was measured. The slopes are
    those of Fritsch and Butland 1984, A method for constructing local monotone piecewise cubic interpolants.
    """
    at, to = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    assert len(at) >= 2 and at[0] <= x <= at[-1], "there is nothing between fewer than two points"
    slopes = _slopes(np.diff(at), np.diff(to) / np.diff(at))
    i = min(int(np.searchsorted(at, x, side="right")) - 1, len(at) - 2)
    h = at[i + 1] - at[i]
    t = (x - at[i]) / h
    ends = (1 + 2 * t) * (1 - t) ** 2 * to[i] + t**2 * (3 - 2 * t) * to[i + 1]
    return float(ends + h * t * (1 - t) * ((1 - t) * slopes[i] - t * slopes[i + 1]))


def _slopes(h: NDArray[np.float64], d: NDArray[np.float64]) -> NDArray[np.float64]:
    """The slope at every point. h: widths of the pieces, d: their secants."""
    if len(d) == 1:
        return np.array([d[0], d[0]])
    left, right = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    same = d[:-1] * d[1:] > 0
    a, b = np.where(same, d[:-1], 1.0), np.where(same, d[1:], 1.0)
    inner = np.where(same, (left + right) / (left / a + right / b), 0.0)
    return np.array([_end(h[0], h[1], d[0], d[1]), *inner, _end(h[-1], h[-2], d[-1], d[-2])])


def _end(h: float, after: float, d: float, beside: float) -> float:
    """The slope of the parabola through three points at the first of them, held back where it would swing."""
    slope = ((2 * h + after) * d - h * beside) / (h + after)
    if slope * d <= 0:
        return 0.0
    return 3 * d if d * beside <= 0 and abs(slope) > 3 * abs(d) else slope
