"""Pruning by what the loss would lose, after its Taylor expansion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ...core.compressed import CONV, LINEAR
from ...core.context import Context
from ...core.knob import knob
from ._by_gradient import FORMS
from ._criteria import Taylor
from ._filters import Quota, Ranked
from ._rounds import RoundsFilterMethod


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
        by = super().kept if self.scope == "layer" else self.kept_together
        return by(ranked, quota, context)

    def why_nothing(self, ratio: float, count: int) -> str:
        own = super().why_nothing(ratio, count)
        return own if self.scope == "layer" else "units of other layers score lower"
