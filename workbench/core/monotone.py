"""A smooth curve through points that never swings past them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def between(xs: ArrayLike, ys: ArrayLike, x: float) -> float:
    """The value at one `x` of the curve that `through` draws."""
    return float(through(xs, ys, [x])[0])


def through(xs: ArrayLike, ys: ArrayLike, x: ArrayLike) -> NDArray[np.float64]:
    """The values at `x`, (k,), of the piecewise cubic through the points (xs, ys); xs: two or more, ascending.

    Every x lies between the first and the last of `xs`. Between two points the curve rises or falls as they do, so
    that a guess stays within what was measured. The slopes are those of Fritsch and Butland 1984, A method for
    constructing local monotone piecewise cubic interpolants.
    """
    at, to, wanted = (np.asarray(values, dtype=np.float64) for values in (xs, ys, x))
    assert len(at) >= 2, "there is nothing between fewer than two points"
    assert wanted.min() >= at[0] and wanted.max() <= at[-1], "a point outside the curve"
    slopes = _slopes(np.diff(at), np.diff(to) / np.diff(at))
    i = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, len(at) - 2)
    h = at[i + 1] - at[i]
    t = (wanted - at[i]) / h
    ends = (1 + 2 * t) * (1 - t) ** 2 * to[i] + t**2 * (3 - 2 * t) * to[i + 1]
    values: NDArray[np.float64] = ends + h * t * (1 - t) * ((1 - t) * slopes[i] - t * slopes[i + 1])
    return values


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
