"""Sensitivity and pruning: which weights stay, and what a filter takes with it."""

from __future__ import annotations

import numpy as np

from ...core.values import Array
from ..checker import Slip, Task
from ._drawn import weights, whole


def _keep(weights: Array, ratio: float) -> Array:
    removed = np.argsort(np.abs(weights), axis=None)[: round(ratio * weights.size)]
    kept = np.ones(weights.size, bool)
    kept[removed] = False
    return kept.reshape(weights.shape)


def _signed(weights: Array, ratio: float) -> Array:
    above: Array = weights > np.quantile(weights, ratio)
    return above


def _saved(filters: int, inputs: int, kernel: int, next_outputs: int, next_kernel: int) -> int:
    return filters * (inputs * kernel**2 + 1 + next_outputs * next_kernel**2)


TASKS = (
    Task(
        "keep",
        _keep,
        lambda rng: (weights(rng), float(rng.choice([0.25, 0.5, 0.75]))),
        (
            "True is for weights that stay. How many should stay when the ratio is 0.75?",
            "The size of a weight is what counts, not its sign.",
            "Find the magnitude below which round(ratio x number of weights) of them lie; keep what is above.",
        ),
        (
            Slip(_signed, "This takes the most negative ones out. A weight of −3 matters as much as one of 3."),
            Slip(lambda w, r: ~_keep(w, r), "This is the other way round: True where the weight goes."),
            Slip(
                lambda w, r: w * _keep(w, r),
                "The weights are right, but what is asked for is the mask: True or False.",
            ),
        ),
    ),
    Task(
        "saved",
        _saved,
        lambda rng: whole(rng, (1, 8), (1, 32), (1, 5), (8, 64), (1, 5)),
        (
            "A filter has its own weights and its bias. What else in the network was there only because of it?",
            "The next layer looked at its map: every one of its filters had a slice for that.",
            "Per filter: inputs x kernel² + 1 of its own, and next_outputs x next_kernel² in the next layer.",
        ),
        (
            Slip(
                lambda f, i, k, o, n: f * (i * k**2 + 1),
                "Its own weights are right. The next layer gets smaller too.",
            ),
            Slip(lambda f, i, k, o, n: f * (i * k**2 + o * n**2), "Almost: the filter's bias goes as well."),
        ),
    ),
)
