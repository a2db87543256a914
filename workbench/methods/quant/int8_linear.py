"""Uniform quantization: evenly spaced levels for weights, one scale for a tensor or a row, and for activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.compressed import Compressed, Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.order import VALUES
from ...core.values import Array, FixedPoint
from ...layers.activations import InputQuantizer
from .._tuned import TunedLayerMethod
from ._activations import ALWAYS_ROUNDS, MINMAX, InputsMethod, Seen, grid_of, range_knob

_TINY = np.float32(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Int8Linear(InputsMethod, TunedLayerMethod):
    """Round each weight to scale * (code - zero); 0 is always one of the levels.

    Symmetric, as in the paper: signed codes, scale = max|w| / (2^(bits-1) - 1). Affine: the grid spans [min, max]
    with 0 inside. Activations are rounded likewise, unsigned where none is negative; unless asked for they stay in
    floating point, for they take no bytes of the file.
    """

    title = "Uniform quantization"
    citation = "Vanhoucke, Senior, Mao 2011, Improving the speed of neural networks on CPUs"
    sets = VALUES
    axis = "bits"
    grows = True
    excused = {"neutral": ALWAYS_ROUNDS}

    bits: int = knob(8, "width of a stored weight", low=2, high=16, unit="bit")
    scheme: str = knob("symmetric", "whether the grid is centred on zero", choices=("symmetric", "affine"))
    granularity: str = knob("channel", "weights that share one scale", choices=("tensor", "channel"))
    percentile: float = knob(
        100.0, "share of the weights inside the grid; the rest is clipped to its ends", low=99.0, high=100.0, unit="%"
    )

    activation_range: str = range_knob(MINMAX)

    def apply(self, model: Compressed, context: Context) -> Compressed:
        appointed = [(layer, self.at(layer.name, context)) for layer in self.targets(model, context)]
        self.inputs(model, appointed, context)
        return super().apply(model, context)

    def grid(self, seen: Seen) -> InputQuantizer:
        symmetric = self.scheme == "symmetric"
        low, high = seen.span(self.activation_range, self.activation_bits, symmetric)
        return InputQuantizer.of(*grid_of(low, high, self.activation_bits, symmetric))

    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        stored, rows = given.stored(), given.rows
        groups = given.shape[0] if self.granularity == "channel" else 1
        group = rows if groups > 1 else np.zeros_like(rows)
        low, high = self._range(stored, group, groups)
        codes_low, codes_high = self._codes()
        scale = np.maximum((high - low) / np.float32(codes_high - codes_low), _TINY).astype(np.float32)
        zero = np.zeros(groups, np.int32)
        if self.scheme == "affine":
            zero = np.clip(np.rint(-low / scale), codes_low, codes_high).astype(np.int32)
        codes = np.rint(stored / scale[group]) + zero[group]
        codes = np.clip(codes, codes_low, codes_high).astype(np.int32)
        return given.with_values(FixedPoint(codes, scale, zero, codes_low, codes_high))

    def _codes(self) -> tuple[int, int]:
        if self.scheme == "affine":
            return 0, 2**self.bits - 1
        return -(2 ** (self.bits - 1) - 1), 2 ** (self.bits - 1) - 1

    def _range(self, stored: Array, group: Array, groups: int) -> tuple[Array, Array]:
        """Ends of the grid, (groups,) each, 0 always inside."""
        inside = self._clipped(stored)
        low, high = np.zeros(groups, np.float32), np.zeros(groups, np.float32)
        np.minimum.at(low, group, inside)
        np.maximum.at(high, group, inside)
        if self.scheme == "symmetric":
            high = np.maximum(high, -low)
            low = -high
        return low, high

    def _clipped(self, stored: Array) -> Array:
        if self.percentile >= 100.0 or not stored.size:
            return stored
        cut = np.float32(np.percentile(np.abs(stored), self.percentile))
        return np.clip(stored, -cut, cut)
