"""Filter pruning by the norm of the filter."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...core.knob import knob
from ._filters import FilterMethod


@dataclass(frozen=True)
class L1Filter(FilterMethod):
    """Take out the filters with the smallest norm, their maps, and what the next layers do with them."""

    title = "L1 filter pruning"
    citation = "Li, Kadav, Durdanovic, Samet, Graf 2017, arXiv:1608.08710"
    criterion = "norm of the filter"

    norm: str = knob("l1", "which norm ranks the filters", choices=("l1", "l2"))
    selection: str = knob(
        "independent",
        "whether a filter's norm counts inputs that an earlier layer has lost",
        choices=("independent", "greedy"),
        whole=True,
    )

    def score(self, weight: Tensor) -> Tensor:
        return weight.flatten(1).norm(p=1 if self.norm == "l1" else 2, dim=1)

    def ignores_removed_inputs(self) -> bool:
        return self.selection == "greedy"
