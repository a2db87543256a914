"""Binary weights: the sign of each weight, and one scale for each filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...core.compressed import Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.order import VALUES
from ...core.values import SIGN, Levels
from ._groups import Groups
from ._straight_through import StraightThroughMethod


@dataclass(frozen=True)
class Bwn(StraightThroughMethod):
    """W ~ alpha B with B = sign(W) and alpha = mean|W|, which together have the least squared error there is.

    Trained, the gradient that reaches a real weight is (1/n + alpha 1[|w| <= 1]) times that of the binary one, as
    published. Weights that were removed before stay zero and do not count in alpha.
    """

    title = "Binary weights (BWN)"
    citation = "Rastegari, Ordonez, Redmon, Farhadi 2016, XNOR-Net, arXiv:1603.05279"
    sets = VALUES
    axis = "per_filter"
    grows = True
    excused = {"neutral": "a weight that is stored as its sign never keeps its value"}

    per_filter: bool = knob(True, "a scale for each filter, as published, or one for the layer")

    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        weight = given.stored()
        groups = Groups.filters(given) if self.per_filter else Groups.whole(given)
        alpha = groups.mean(np.abs(weight)).astype(np.float32)
        return given.with_values(Levels((weight >= 0).astype(np.int32), alpha, SIGN))

    def soft(self, weight: Tensor, keep: Tensor) -> Tensor:
        size, axes = weight.detach().abs(), tuple(range(int(self.per_filter), weight.ndim))
        n = keep.sum(axes, keepdim=True).clamp_min(1)
        alpha = size.sum(axes, keepdim=True) / n
        return weight * (1 / n + alpha * (size <= 1))
