"""Pruning by the average percentage of zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ...core.compressed import CONV, LINEAR
from ...core.context import Context
from ...core.knob import knob
from ._criteria import Activity
from ._filters import Quota, Ranked
from ._rounds import RoundsFilterMethod
from ._scores import kept_lowest


@dataclass(frozen=True)
class Apoz(RoundsFilterMethod):
    """Take out filters and neurons that are zero behind their activation on most images and places.

    APoZ is the share of zeros; the score is what is left to 100 %. The paper cuts where APoZ is more than a standard
    deviation above the layer's mean, trains from the weights that are left, and repeats. Tied layers have their mean.
    """

    title = "Average percentage of zeros"
    citation = "Hu, Peng, Tai, Tang 2016, arXiv:1607.03250"
    needs = ("calibration",)
    acts_on = (CONV, LINEAR)

    images: int = knob(256, "training images that are looked at", low=8, high=256, step=8, whole=True)
    rule: str = knob(
        "ratio",
        "take out the pruning ratio, or whatever is more than so many deviations from its layer's mean",
        choices=("ratio", "deviations"),
        whole=True,
    )
    deviations: float = knob(1.0, "standard deviations, for that rule", low=0.0, high=2.0, step=0.1, whole=True)

    def ranking(self) -> Activity:
        return Activity(self.images)

    def kept(self, ranked: Sequence[Ranked], quota: Quota, context: Context) -> list[Tensor]:
        if self.rule == "ratio":
            return super().kept(ranked, quota, context)
        return [kept_lowest(own.scores, self._low(own.scores)) for own in ranked]

    def why_nothing(self, ratio: float, count: int) -> str:
        return super().why_nothing(ratio, count) if self.rule == "ratio" else "no unit is that far from their mean"

    def _low(self, scores: Tensor) -> int:
        """How many units are too often zero. scores: (units,)."""
        return int((scores < scores.mean() - self.deviations * scores.std(correction=0)).sum())
