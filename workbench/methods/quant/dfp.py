"""Dynamic fixed point: whole numbers times a power of two that each layer has for itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...core.compressed import Compressed, Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.order import VALUES
from ...core.values import Array, FixedPoint
from ...layers.activations import InputQuantizer
from ._activations import ALWAYS_ROUNDS, Appointed, InputsMethod, Seen, width_knob
from ._policy import SAME, first_last_knob
from ._straight_through import Job, StraightThroughMethod

_LENGTHS = range(-126, 127)  # 2^-length is a normal float32


@dataclass(frozen=True)
class Dfp(InputsMethod, StraightThroughMethod):
    """x ~ 2^-f n with n a whole number of B bits: weights, biases and activations of each layer have their own f.

    f = B - (ceil(log2 max|x|) + 1), so that nothing overflows, or the f with the least squared error, which lets a
    few of the largest saturate. Training rounds the weights at random in proportion, as published.
    """

    title = "Dynamic fixed point"
    citation = "Gysel, Motamedi, Ghiasi 2016, Ristretto, arXiv:1604.03168; Ma, Suda, Cao, Seo, Vrudhula 2016, FPL"
    sets = VALUES
    axis = "bits"
    grows = True
    excused = {"neutral": ALWAYS_ROUNDS}

    bits: int = knob(8, "width of a stored weight or bias", low=2, high=16, unit="bit")
    activation_bits: int = width_knob(8, low=2)
    length: str = knob(
        "range",
        "fraction bits: as many as let nothing overflow, or as give the least error",
        choices=("range", "error"),
    )
    rounding: str = knob(
        "stochastic", "of weights while training; what is stored is the nearest", choices=("stochastic", "nearest")
    )
    first_last: str = first_last_knob(SAME)

    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        return self._fixed(given, 0.5)

    def noisy(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        if self.rounding == "nearest":
            return self._fixed(given, 0.5)
        return self._fixed(given, torch.rand(given.values.n).numpy().astype(np.float64))

    def jobs(self, model: Compressed, appointed: Sequence[Appointed], context: Context) -> list[Job]:
        found = super().jobs(model, appointed, context)
        biased = [job for job in found if model.network.get_submodule(job.layer.name).bias is not None]
        return [*found, *(job._replace(tensor=f"{job.layer.name}.bias") for job in biased)]

    def grid(self, seen: Seen) -> InputQuantizer:
        ends = np.array([seen.low, seen.high])
        length = self._length(ends if self.length == "range" else seen.sample, self.activation_bits)
        half = 2 ** (self.activation_bits - 1)
        return InputQuantizer(-half, half - 1, -length)

    def _fixed(self, given: Encoded, up: float | Array) -> Encoded:
        """up: what is added before rounding down; 0.5 gives the nearest, evenly drawn ones give the mean."""
        weight, half = given.stored().astype(np.float64), 2 ** (self.bits - 1)
        length = self._length(weight, self.bits)
        codes = np.clip(np.floor(weight * 2.0**length + up), -half, half - 1).astype(np.int32)
        scale, zero = np.array([2.0**-length], np.float32), np.zeros(1, np.int32)
        return given.with_values(FixedPoint(codes, scale, zero, -half, half - 1, binary=True))

    def _length(self, x: Array, bits: int) -> int:
        """How many of `bits` stand behind the point."""
        safe = safe_length(float(np.abs(x).max(initial=0.0)), bits)
        if self.length == "range":
            return safe
        half = 2 ** (bits - 1)
        tried = [f for f in range(safe, safe + 5) if f in _LENGTHS]
        return min(tried, key=lambda f: np.square(np.clip(np.rint(x * 2.0**f), -half, half - 1) * 2.0**-f - x).sum())


def safe_length(top: float, bits: int) -> int:
    """Fraction bits of the finest grid of `bits` that reaches to -top: bits - (ceil(log2 top) + 1)."""
    mantissa, exponent = math.frexp(top)  # top = mantissa 2^exponent, mantissa in [1/2, 1)
    whole = exponent - (mantissa == 0.5) + 1
    return min(max(bits - whole, _LENGTHS[0]), _LENGTHS[-1]) if top else bits - 1
