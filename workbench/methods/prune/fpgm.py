"""Filter pruning by the distance from the other filters."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.knob import knob
from ._criteria import Distance
from ._filters import FilterMethod


@dataclass(frozen=True)
class Fpgm(FilterMethod):
    """Take out the filters nearest to the geometric median of their layer, which the others can stand in for.

    A filter's score is the sum of its distances from the other filters, whatever their norm; the paper prunes during
    training, here recovery is a step of its own. Tied layers add their sums.
    """

    title = "Geometric median"
    citation = "He, Liu, Wang, Hu, Yang 2019, arXiv:1811.00250"

    distance: str = knob("l2", "between two filters; cosine looks at their direction alone", choices=("l2", "cosine"))

    def ranking(self) -> Distance:
        return Distance(self.distance)
