"""What every pruning criterion shares: how scores are counted for the figures."""

from __future__ import annotations

import numpy as np

from ...core.records import Histogram
from ...core.values import Array

BINS = 60


def histogram(scores: Array, kept: Array) -> Histogram:
    """Counts of scores in equal bins from 0 to the largest, kept and removed apart. Both arrays: (units,)."""
    top = float(scores.max(initial=0.0)) or 1.0
    edges = np.linspace(0.0, top, BINS + 1)
    counts = [np.histogram(part, BINS, (0.0, top))[0].tolist() for part in (scores[kept], scores[~kept])]
    return Histogram(tuple(edges.tolist()), *map(tuple, counts))
