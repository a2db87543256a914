"""Magnitude pruning: the smallest weights go, the rest may be retrained, round after round."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.compressed import Compressed, Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.order import SUPPORT
from ...core.records import Decision
from .._tuned import TunedLayerMethod
from ._schedules import share_gone
from ._scores import of_many, order_of


@dataclass(frozen=True)
class MagnitudeIter(TunedLayerMethod):
    """Zero the given share of each layer's weights, smallest |w| first; survivors keep their values.

    With several rounds the share grows so that each round removes the same part of what is left, and training
    runs between them. The paper retrains for each of its rounds; with 0 epochs this is the one-shot form.
    """

    title = "Magnitude pruning"
    citation = "Han, Pool, Tran, Dally 2015, arXiv:1506.02626"
    sets = SUPPORT
    axis = "pruning_ratio"
    neutral = {"pruning_ratio": 0.0}
    grows = False

    pruning_ratio: float = knob(0.5, "share of a layer's weights that are removed", low=0.0, high=0.99, step=0.01)
    rounds: int = knob(1, "rounds of pruning and training", low=1, high=10, whole=True)

    def apply(self, model: Compressed, context: Context) -> Compressed:
        for done in range(1, self.rounds):
            early = replace(self, pruning_ratio=share_gone(self.pruning_ratio, done / self.rounds), rounds=1)
            own = {
                layer: {n: share_gone(float(v), done / self.rounds) if n == self.axis else v for n, v in knobs.items()}
                for layer, knobs in context.per_layer.items()
            }
            part = context.progress.part((done - 1) / self.rounds, done / self.rounds)
            decisions = model.decisions
            model = early.apply(model, replace(context, per_layer=own, progress=part))
            model.decisions = decisions  # the last round's decision contains the earlier ones
        last = context.progress.part((self.rounds - 1) / self.rounds, 1.0)
        return super().apply(model, replace(context, progress=last))

    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        size = np.abs(given.decode()).reshape(-1)
        keep = np.ones(size.size, bool)
        keep[order_of(size)[: round(self.pruning_ratio * size.size)]] = False
        return given.restrict(keep.reshape(given.shape)) if self.pruning_ratio else given

    def decide(self, given: Encoded, result: Encoded, layer: Layer) -> Decision:
        size = np.abs(given.decode()).reshape(-1)
        keep = np.ones(size.size, bool) if result.keep is None else result.keep.reshape(-1)
        return of_many(layer.name, self.id(), "absolute value", "weight", size, keep)
