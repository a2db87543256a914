"""Pruning by what the loss would lose, after its Taylor expansion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.compressed import CONV, LINEAR
from ...core.context import Context
from ...core.knob import knob
from ._by_gradient import FORMS
from ._criteria import Taylor
from ._filters import Quota, Ranked
from ._rounds import RoundsFilterMethod
from ._scores import kept_anywhere


@dataclass(frozen=True)
class Taylor2019(RoundsFilterMethod):
    """Take out the filters and neurons without which the loss changes least, as its gradient says.

    The score is the squared change of the loss, mean over mini-batches of training images. Layers that a sum ties
    together share their gates. Scores of all layers are comparable, so the paper ranks the whole network at once, a
    few units at a time with training in between.
    """

    title = "Taylor importance"
    citation = "Molchanov, Mallya, Tyree, Frosio, Kautz 2019, arXiv:1906.10771"
    needs = ("calibration",)
    acts_on = (CONV, LINEAR)

    scope: str = knob(
        "network",
        "rank all layers together, which then lose what their ratios come to in all, or each by itself",
        choices=("network", "layer"),
        whole=True,
    )
    form: str = knob(
        "gate", "what is expanded: a gate on the unit, or the filter's own weights", choices=FORMS, whole=True
    )
    images: int = knob(256, "training images that are looked at", low=8, high=256, step=8, whole=True)
    batch: int = knob(
        32, "images whose gradients are averaged before squaring; 1 for each by itself", low=1, high=256, whole=True
    )

    def ranking(self) -> Taylor:
        return Taylor(self.form, self.images, self.batch)

    def kept(self, ranked: Sequence[Ranked], quota: Quota, context: Context) -> list[Tensor]:
        if self.scope == "layer":
            return super().kept(ranked, quota, context)
        some = [own for own in ranked if self.ratio(own.group, context) > 0]
        found = kept_anywhere([own.scores for own in some], sum(quota(own.group) for own in some)) if some else []
        lost = {own.group.producers: keep for own, keep in zip(some, found, strict=True)}
        whole = (torch.ones(own.group.count, dtype=torch.bool) for own in ranked)
        return [lost.get(own.group.producers, all_) for own, all_ in zip(ranked, whole, strict=True)]

    def why_nothing(self, ratio: float, count: int) -> str:
        own = super().why_nothing(ratio, count)
        return own if self.scope == "layer" else "units of other layers score lower"
