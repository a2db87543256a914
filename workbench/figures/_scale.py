"""Where a score stands on an axis: as it is, or by its logarithm where most scores would lie in one bar."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

CROWDED = 20.0
"""A largest score so many times the median calls for a logarithmic axis."""


class Scale(NamedTuple):
    """floor: the least score that a logarithmic axis shows, at which also zeros stand; 0 for a linear axis."""

    floor: float = 0.0

    @classmethod
    def of(cls, scores: Sequence[float]) -> Scale:
        """The scale on which the scores can be told apart; linear where one is negative or nothing is crowded."""
        positive = [score for score in scores if score > 0]
        if not positive or min(scores) < 0 or max(positive) <= CROWDED * statistics.median(positive):
            return cls()
        return cls(max(min(positive), max(positive) * 1e-12))

    def place(self, score: float) -> float:
        """Where `score` stands on the axis."""
        return math.log10(max(score, self.floor)) if self.floor else score

    def score(self, place: float) -> float:
        """The score that stands there."""
        return 10**place if self.floor else place

    def axis(self, low: float, high: float) -> dict[str, Any]:
        """Ticks for an axis from place `low` to `high`: plotly's own, or powers of ten."""
        if not self.floor:
            return {"exponentformat": "power"}
        first, last = math.ceil(low), math.floor(high)
        every = range(first, last + 1, max(1, (last - first + 3) // 6))
        return {"tickvals": list(every), "ticktext": [f"10<sup>{k}</sup>".replace("-", "\u2212") for k in every]}
