"""DoReFa-Net: one formula for weights, activations and gradients of any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.compressed import Compressed, Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.order import VALUES
from ...core.values import Levels
from ...layers.activations import InputQuantizer, round_gradients
from ._activations import ALWAYS_ROUNDS, FLOAT_BITS, MSE, WIDEST, InputsMethod, Seen, grid_of, range_knob, width_knob
from ._straight_through import Job, StraightThroughMethod

UNIT = "unit"


@dataclass(frozen=True)
class Dorefa(InputsMethod, StraightThroughMethod):
    """With q(r) = round((2^k - 1) r) / (2^k - 1): w -> 2 q(tanh w / (2 max|tanh w|) + 1/2) - 1; at k = 1 its sign.

    That grid is [-1, 1] as printed, for networks that normalise afterwards; `fitted` multiplies it by what fits the
    weights best, which at k = 1 is the paper's mean|w|. Activations: q(clip(x, 0, 1)) as printed (`unit`), or between
    ends that are found on images. Gradients: q with noise, where an activation is rounded too.
    """

    title = "DoReFa-Net"
    citation = "Zhou, Wu, Ni, Zhou, Wen, Zou 2016, arXiv:1606.06160"
    sets = VALUES
    axis = "bits"
    grows = True
    excused = {"neutral": ALWAYS_ROUNDS}

    bits: int = knob(2, "width of a stored weight", low=1, high=8, unit="bit")
    scale: str = knob(
        "fitted", "what the grid in [-1, 1] is multiplied by: the best fit, or 1", choices=("fitted", UNIT)
    )
    activation_bits: int = width_knob(4)
    activation_range: str = range_knob(MSE, UNIT, meaning="; unit: 0 to 1")
    gradient_bits: int = knob(
        FLOAT_BITS,
        "width of gradients while training; more than 16 leave them in floating point",
        low=2,
        high=FLOAT_BITS,
        unit="bit",
        whole=True,
    )

    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        weight, steps = given.stored().astype(np.float64), 2**self.bits - 1
        bent = np.tanh(weight)
        top = np.abs(bent).max(initial=0.0)
        codes = np.rint(steps * (bent / (2 * top) + 0.5)) if top > 0 else np.zeros(weight.size)
        levels = 2 * codes - steps
        scale = _fit(weight, levels) if self.bits == 1 or self.scale != UNIT else 1 / steps
        alphabet = tuple(range(-steps, steps + 1, 2))
        return given.with_values(Levels(codes.astype(np.int32), np.array([scale], np.float32), alphabet))

    def soft(self, weight: Tensor, keep: Tensor) -> Tensor:
        if self.bits == 1:
            return weight
        bent = torch.tanh(weight)
        unit = bent / bent.abs().max().clamp_min(torch.finfo(bent.dtype).tiny)
        return unit if self.scale == UNIT else unit * _fit(weight.detach(), unit.detach())

    def grid(self, seen: Seen) -> InputQuantizer:
        if self.activation_range == UNIT:
            return InputQuantizer.of(*grid_of(0.0, 1.0, self.activation_bits))
        low, high = seen.span(self.activation_range, self.activation_bits)
        return InputQuantizer.of(*grid_of(low, high, self.activation_bits))

    def trained(self, model: Compressed, jobs: Sequence[Job], context: Context) -> Compressed:
        wanted = self.gradient_bits <= WIDEST
        if wanted and not round_gradients(model.network, self.gradient_bits):
            model.note(f"{self.id()} rounded no gradients: it does so where activations are rounded.")
        model = super().trained(model, jobs, context)
        if wanted:
            round_gradients(model.network, 0)
        return model


def _fit(weight: Any, levels: Any) -> Any:
    """The factor of `levels` with the least squared error, for arrays and for tensors."""
    return (weight * levels).sum() / (levels * levels).sum().clip(1e-30)
