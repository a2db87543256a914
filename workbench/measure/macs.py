"""Multiply-accumulates of one image, per layer, counted on the shapes that really flow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers.circulant import CirculantLinear
from .evaluate import device_of, evaluating, scores

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def macs(network: nn.Module, input_shape: Sequence[int]) -> dict[str, int]:
    """Layer name -> multiply-accumulates for one image. input_shape: (channels, height, width).

    Convolution and linear modules count, everywhere in the network and each time they run; biases, BatchNorm,
    activations and pooling do not, as in the papers. A zero weight counts like any other: dense arithmetic is
    what runs. What a circulant layer's transforms cost counts for its `vectors`. The network comes back as it was,
    also after a failure.
    """
    found: Counter[str] = Counter()

    def counted(name: str, module: nn.Module, given: Tensor, out: Tensor) -> None:
        found[name] += _macs_of(module, given, out)

    layers = [(name, m) for name, m in network.named_modules() if isinstance(m, (nn.Linear, *_CONV, *_TRANSPOSED))]
    hooks = [
        m.register_forward_hook(lambda m, given, out, name=name: counted(name, m, given[0], out)) for name, m in layers
    ]
    hooks += [
        m.register_forward_hook(lambda m, _given, out, name=f"{name}.vectors": counted(name, m, out, out))
        for name, m in network.named_modules()
        if isinstance(m, CirculantLinear)
    ]
    try:
        with evaluating(network):
            scores(network, torch.zeros(1, *input_shape, device=device_of(network)))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: found[name] for name, _ in layers}


def total_macs(network: nn.Module, input_shape: Sequence[int]) -> int:
    """Multiply-accumulates of one image through the whole network."""
    return sum(macs(network, input_shape).values())


def _macs_of(module: nn.Module, given: Tensor, out: Tensor) -> int:
    """Outputs times the inputs each one sums over; a transposed convolution is the same sum seen from its input."""
    if isinstance(module, nn.Linear):
        return out.numel() * module.in_features
    if isinstance(module, CirculantLinear):
        return out.numel() // module.out_features * module.macs()
    assert isinstance(module, (*_CONV, *_TRANSPOSED))
    window = math.prod(module.kernel_size)
    if isinstance(module, _TRANSPOSED):
        return given.numel() * module.out_channels // module.groups * window
    return out.numel() * module.in_channels // module.groups * window
