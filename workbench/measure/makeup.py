"""Whether a network's weights and work lie in convolutions or in linear layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ..core.advice import Makeup
from ..core.compressed import CONV, layers_of, weight_of
from .macs import macs


def makeup(network: nn.Module, input_shape: Sequence[int]) -> Makeup:
    """Weights and multiply-adds of the layers that methods act on. input_shape: (channels, height, width)."""
    work = macs(network, input_shape)
    weights = {CONV: 0, "other": 0}
    adds = dict(weights)
    for layer in layers_of(network):
        kind = CONV if layer.kind == CONV else "other"
        weights[kind] += weight_of(network, layer).numel()
        adds[kind] += work.get(layer.name, 0)
    return Makeup(weights[CONV], weights["other"], adds[CONV], adds["other"])
