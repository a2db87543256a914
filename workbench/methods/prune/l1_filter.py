"""Filter pruning by the norm of the filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...core.context import Context
from ...core.knob import knob
from ...layers.channels import IN, Group
from ._criteria import Norm
from ._criterion import weight_of
from ._filters import FilterMethod
from ._scores import kept_lowest


@dataclass(frozen=True)
class L1Filter(FilterMethod):
    """Take out the filters with the smallest norm, their maps, and what the next layers do with them."""

    title = "L1 filter pruning"
    citation = "Li, Kadav, Durdanovic, Samet, Graf 2017, arXiv:1608.08710"

    norm: str = knob("l1", "which norm ranks the filters", choices=("l1", "l2"))
    selection: str = knob(
        "independent",
        "whether a filter's norm counts inputs that an earlier layer has lost",
        choices=("independent", "greedy"),
        whole=True,
    )

    def ranking(self) -> Norm:
        return Norm(self.norm)

    def scores(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor]:
        if self.selection == "independent":
            return super().scores(network, context, groups)
        found: list[Tensor] = []
        lost: dict[str, Tensor] = {}
        for group in groups:
            own = [self.at(n, context).ranking().units(_left(weight_of(network, n), n, lost)) for n in group.producers]
            found.append(self.ranking().join(own))
            keep = kept_lowest(found[-1], round(self.ratio(group, context) * group.count))
            for member in (m for m in group.members if m.side == IN):
                gone = ~member.kept(keep)
                lost[member.module] = lost.get(member.module, torch.zeros_like(gone)) | gone
        return found


def _left(weight: Tensor, name: str, lost: dict[str, Tensor]) -> Tensor:
    """The weight without the inputs that are gone."""
    fits = name in lost and weight.shape[1] == lost[name].numel()
    return weight[:, ~lost[name]] if fits else weight
