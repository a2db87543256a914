"""How alike two attribution maps are."""

from __future__ import annotations

import math

import numpy as np

from ..core.attribution import TOP, Similarity
from ..core.values import Array


def similarity(first: Array, second: Array) -> Similarity:
    """first, second: (height, width)."""
    return Similarity(rank_correlation(first, second), top_overlap(first, second), ssim(first, second))


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's, ties sharing their mean rank; 0 where just one of them is constant."""
    a, b = _ranks(first), _ranks(second)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float(np.ptp(a) == np.ptp(b))
    return float(np.corrcoef(a, b)[0, 1])


def top_overlap(first: Array, second: Array, share: float = TOP) -> float:
    """Share of the strongest pixels, whichever their sign, that both maps have in common; in [0, 1]."""
    k = max(1, round(share * first.size))
    a, b = (set(np.argsort(-np.abs(values).reshape(-1), kind="stable")[:k].tolist()) for values in (first, second))
    return len(a & b) / k


def ssim(first: Array, second: Array) -> float:
    """Mean structural similarity of Wang et al. 2004 (Gaussian window, sigma 1.5), each map divided by its maximum."""
    from scipy.ndimage import gaussian_filter

    def around(values: Array) -> Array:
        return np.asarray(gaussian_filter(values, 1.5, truncate=3.5))

    a, b = (values.astype(np.float64) / (np.abs(values).max() or 1.0) for values in (first, second))
    steady, contrast = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # the values span [-1, 1]
    mean_a, mean_b = around(a), around(b)
    var_a, var_b = around(a * a) - mean_a**2, around(b * b) - mean_b**2
    both = around(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + steady) * (2 * both + contrast)
    found = float((top / ((mean_a**2 + mean_b**2 + steady) * (var_a + var_b + contrast))).mean())
    return found if math.isfinite(found) else 0.0


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values.reshape(-1), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]
