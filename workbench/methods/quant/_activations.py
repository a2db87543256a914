"""Activation quantization: what the layers are given is looked at on a few images, and a grid is chosen for each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from ...core.compressed import Compressed, Layer
from ...core.context import Context
from ...core.knob import knob
from ...core.method import LayerMethod
from ...core.values import Array
from ...layers.activations import InputQuantizer, quantize_input
from ...layers.swap import fixtures

MINMAX, PERCENTILE, MSE = "minmax", "percentile", "mse"
RANGES = (MINMAX, PERCENTILE, MSE)
WIDEST, FLOAT_BITS = 16, 32
INSIDE = 99.9
_CHUNK, _SAMPLE, _TRIED = 64, 2**18, 2**14
_SHRINK = 2.0 ** (-np.arange(0, 49) / 8)

ALWAYS_ROUNDS = "every width rounds the weights; there is no setting that leaves them as they are"
"""Why a quantizer has no neutral setting."""

Appointed = tuple[Layer, LayerMethod]
"""A layer and who quantizes it, with the layer's own knob values."""


@dataclass(frozen=True)
class Seen:
    """What a layer was given: lowest and highest value of all, and some of the values. sample: (n,) float32."""

    low: float
    high: float
    sample: Array

    def span(self, rule: str, bits: int, symmetric: bool = False) -> tuple[float, float]:
        """The ends of the grid, 0 between them.

        minmax: all values; percentile: INSIDE % of the magnitudes; mse: the share of minmax with the least squared
        error at this width.
        """
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        if rule == PERCENTILE and self.sample.size:
            cut = float(np.percentile(np.abs(self.sample), INSIDE))
            return max(low, -cut), min(high, cut)
        if rule == MSE and self.sample.size:
            share = min(_SHRINK, key=lambda s: self._error(low * s, high * s, bits, symmetric))
            return low * float(share), high * float(share)
        return low, high

    def _error(self, low: float, high: float, bits: int, symmetric: bool) -> float:
        some = self.sample[:: max(1, self.sample.size // _TRIED) | 1].astype(np.float64)
        scale, first, last = grid_of(low, high, bits, symmetric)
        return float(np.square(np.clip(np.rint(some / scale), first, last) * scale - some).sum())


def grid_of(low: float, high: float, bits: int, symmetric: bool = False) -> tuple[float, int, int]:
    """(scale, lowest step, highest step) of 2^bits values from low to high, 0 among them.

    symmetric: as many steps below 0 as above, unless nothing lies below.
    """
    steps = 2**bits - 1
    if symmetric and low < 0 and bits > 1:
        half = 2 ** (bits - 1) - 1
        return max(high, -low) / half, -half, half
    scale = (high - low) / steps
    if scale < np.finfo(np.float32).tiny:
        return 1.0, 0, steps
    zero = round(-low / scale)
    return scale, -zero, steps - zero


def range_knob(default: str, *others: str, meaning: str = "") -> Any:
    """The knob that says how a grid's ends are found. others: further choices, explained by `meaning`."""
    rules = f"all values, {INSIDE} % of them, or the least squared error"
    meaning = f"ends of the grid of activations, found on training images: {rules}{meaning}"
    return knob(default, meaning, choices=(*RANGES, *others))


def width_knob(default: int, *, low: int = 1) -> Any:
    """The knob that says how finely what a layer is given is rounded."""
    meaning = f"width of what a layer is given; more than {WIDEST} leave it in floating point"
    return knob(default, meaning, low=low, high=FLOAT_BITS, unit="bit")


@dataclass(frozen=True)
class InputsMethod(LayerMethod):
    """A quantizer that can also round what its layers are given, and so the activations of the network."""

    activation_bits: int = width_knob(FLOAT_BITS)

    @abstractmethod
    def grid(self, seen: Seen) -> InputQuantizer:
        """The grid for what a layer was seen to be given."""

    @property
    def rounds_inputs(self) -> bool:
        return self.activation_bits <= WIDEST

    def inputs(self, model: Compressed, appointed: Sequence[Appointed], context: Context) -> list[Appointed]:
        """Put a quantizer before every layer that wants one; the layers under their names from then on."""
        wanting = {layer.name: own for layer, method in appointed if (own := self._own(method)).rounds_inputs}
        if not wanting or context.calibration is None:
            if wanting:
                names = ", ".join(wanting)
                model.note(f"{self.id()} left the inputs of {names} in floating point: it was run without images.")
            return list(appointed)
        for name, why in fixtures(model.network, context.input_shape).items():
            if wanting.pop(name, None) is not None:
                model.note(f"{self.id()} left the inputs of {name} in floating point: {why}.")
        seen = observed(model.network, tuple(wanting), context)
        found = []
        for layer, method in appointed:
            if layer.name in wanting:
                layer = quantize_input(model, layer, wanting[layer.name].grid(seen[layer.name]))
            found.append((layer, method))
        return found

    def _own(self, method: LayerMethod) -> Self:
        """What decides about the input of a layer that `method` quantizes; in 8 bits where another method does."""
        if isinstance(method, type(self)):
            return method
        return replace(self, activation_bits=8) if self.rounds_inputs else self


def observed(network: nn.Module, layers: Sequence[str], context: Context) -> dict[str, Seen]:
    """What each layer is given while the network answers the calibration images; Cancelled when that is not wanted."""
    assert context.calibration is not None
    parts = torch.split(context.calibration.images, _CHUNK)
    given: dict[str, list[tuple[float, float, Array]]] = {name: [] for name in layers}
    with _watched(network, given, _SAMPLE // len(parts)), torch.no_grad():
        for i, part in enumerate(parts):
            context.progress("looking at activations", i / len(parts))
            network(part)
    return {name: _joined(pieces) for name, pieces in given.items()}


def _joined(pieces: Sequence[tuple[float, float, Array]]) -> Seen:
    if not pieces:  # a layer that does not run
        return Seen(0.0, 0.0, np.zeros(0, np.float32))
    lows, highs, samples = zip(*pieces, strict=True)
    return Seen(min(lows), max(highs), np.concatenate(samples))


@contextmanager
def _watched(network: nn.Module, given: Mapping[str, list[Any]], most: int) -> Iterator[None]:
    """Inside, what the layers are given is noted; no hook is left behind. most: values of one batch that are kept."""

    def note(into: list[Any], x: Tensor) -> None:
        flat = x.detach().flatten()
        step = (
            -(-flat.numel() // most) | 1 if flat.numel() > most else 1
        )  # odd, so that no column of pixels is favoured
        into.append((float(flat.min()), float(flat.max()), flat[::step].cpu().numpy().astype(np.float32)))

    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda _module, args, into=into: note(into, args[0]))
        for name, into in given.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
