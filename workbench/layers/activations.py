"""A layer whose input is rounded to a few evenly spaced values before it runs: activation quantization, simulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..core.compressed import Compressed, Layer
from ..core.layer import KINDS, paths_of

_WIDEST = 2**16
_EXPONENTS = range(-126, 128)


class InputQuantizer(nn.Module):
    """x -> scale * n, n the nearest integer in [low, high]; 0 is always one of the values.

    An affine code q with zero point z is n = q - z. The scale is a float that is stored, or 2^exponent and then part
    of the layer's description. Gradients go straight through inside the grid and stop outside.
    """

    scale: Tensor

    def __init__(self, low: int, high: int, exponent: int | None = None) -> None:
        super().__init__()
        if not (low <= 0 <= high and 0 < high - low < _WIDEST):
            raise ValueError(f"a grid from {low} to {high} has no zero, one value or more than {_WIDEST}")
        if exponent is not None and exponent not in _EXPONENTS:
            raise ValueError(f"2^{exponent} is no float32")
        self.low, self.high, self.exponent = low, high, exponent
        self.gradient_bits = 0
        start = torch.tensor([1.0 if exponent is None else 2.0**exponent])
        self.register_buffer("scale", start, persistent=exponent is None)

    @classmethod
    def of(cls, scale: float, low: int, high: int) -> InputQuantizer:
        """With a scale that is stored as a float."""
        made = cls(low, high)
        made.scale.fill_(scale)
        return made

    @property
    def bits(self) -> int:
        """Width of one activation."""
        return (self.high - self.low).bit_length()

    def forward(self, x: Tensor) -> Tensor:
        return rounded(x, self.scale, self.low, self.high, self.gradient_bits)

    def spec(self) -> dict[str, Any]:
        """Plain data for the constructor; a stored scale is not among it."""
        exponent = {} if self.exponent is None else {"exponent": self.exponent}
        return {"low": self.low, "high": self.high, **exponent}


class QuantizedInput(nn.Module):
    """`layer`, given its input through `quantizer`; stands in the layer's place, so that `conv1` is `conv1.layer`."""

    def __init__(self, layer: nn.Module, quantizer: InputQuantizer) -> None:
        super().__init__()
        if type(layer) not in KINDS:
            raise ValueError(f"a {type(layer).__name__} is not a convolution or linear layer")
        self.quantizer = quantizer
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(self.quantizer(x))
        return out

    def spec(self) -> dict[str, Any]:
        """Plain data for `of_spec`, without the layer."""
        return self.quantizer.spec()

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any], layer: nn.Module | None) -> QuantizedInput:
        low, high, exponent = spec["low"], spec["high"], spec.get("exponent")
        if not all(type(n) is int for n in (low, high)) or type(exponent) not in (int, type(None)):
            raise ValueError(f"whole numbers expected, got {dict(spec)!r}")
        assert layer is not None
        return cls(layer, InputQuantizer(low, high, exponent))


def quantize_input(model: Compressed, layer: Layer, quantizer: InputQuantizer) -> Layer:
    """From now on the layer sees its input through `quantizer`; how it is stored moves to its new name."""
    module = model.network.get_submodule(layer.name)
    for path in paths_of(model.network, module):
        for key in module._parameters:
            if f"{path}.{key}" in model.encoded:
                model.encoded[f"{path}.layer.{key}"] = model.encoded.pop(f"{path}.{key}")
    model.replace(layer, QuantizedInput(module, quantizer))
    return Layer(f"{layer.name}.layer", layer.kind, layer.index, layer.count)


def bare(module: nn.Module) -> nn.Module:
    """The layer itself, without what may be around it."""
    return module.layer if isinstance(module, QuantizedInput) else module


def round_gradients(network: nn.Module, bits: int) -> int:
    """From now on training rounds gradients at random where it rounds inputs; 0 bits: no more. In how many places."""
    places = [module for module in network.modules() if isinstance(module, InputQuantizer)]
    for place in places:
        place.gradient_bits = bits
    return len(places)


@fx.wrap
def rounded(x: Tensor, scale: Tensor, low: int, high: int, gradient_bits: int = 0) -> Tensor:
    """scale * clip(round(x / scale), low, high), ties to even. x: any shape; scale: (1,)."""
    if torch.is_grad_enabled() and x.requires_grad:
        out: Tensor = _StraightThrough.apply(x, scale, low, high, gradient_bits)  # type: ignore[no-untyped-call]
        return out
    return torch.div(x, scale).round_().clamp_(low, high).mul_(scale)


def noisy_gradient(g: Tensor, bits: int) -> Tensor:
    """The gradient on 2^bits levels in [-max|g|, max|g|] of each image, right in the mean (Zhou et al. 2016).

    g: (n, ...). Noise is drawn from torch's global generator, as dropout's is.
    """
    steps = 2**bits - 1
    span = 2 * g.abs().amax(tuple(range(1, g.ndim)), keepdim=True).clamp_min(torch.finfo(g.dtype).tiny)
    noise = (torch.rand_like(g) - 0.5) / steps
    out: Tensor = span * (torch.round((g / span + 0.5 + noise).clamp(0, 1) * steps) / steps - 0.5)
    return out


class _StraightThrough(torch.autograd.Function):
    """The gradient of a clip: rounding itself has none that would help (Bengio, Leonard, Courville 2013)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, low: int, high: int, gradient_bits: int) -> Tensor:
        ctx.save_for_backward((x >= low * scale) & (x <= high * scale))
        ctx.bits = gradient_bits
        return torch.div(x, scale).round_().clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (inside,) = ctx.saved_tensors
        g = noisy_gradient(gradients[0], ctx.bits) if ctx.bits else gradients[0]
        return g * inside, None, None, None, None
