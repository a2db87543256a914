"""Filter pruning by the rank of the feature map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ...core.context import Context
from ...core.knob import knob
from ...layers.channels import Group
from ._criteria import Norm, Rank
from ._filters import FilterMethod


@dataclass(frozen=True)
class HRank(FilterMethod):
    """Take out the filters whose feature maps have the lowest rank, on average over images and without labels.

    Maps count as the next layer gets them, behind the activation; tied layers count as the mean of their ranks. Maps
    of one pixel have rank 0 or 1, which says little. The paper takes 500 images and finds fewer to do as well.
    """

    title = "HRank"
    citation = "Lin, Ji, Wang, Zhang, Zhang, Tian, Shao 2020, arXiv:2002.10179"
    needs = ("calibration",)

    images: int = knob(256, "training images that are looked at", low=8, high=256, step=8, whole=True)
    tolerance: float = knob(
        0.0,
        "share of a map's largest singular value up to which others do not count; 0 for the precision of the numbers",
        low=0.0,
        high=0.1,
        step=0.001,
        whole=True,
    )
    equal: str = knob("norm", "what decides between filters of equal rank", choices=("norm", "order"), whole=True)

    def ranking(self) -> Rank:
        return Rank(self.images, self.tolerance)

    def ties(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor | None]:
        return [*Norm("l1").groups(network, context, groups)] if self.equal == "norm" else [None] * len(groups)
