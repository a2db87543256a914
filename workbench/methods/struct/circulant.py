"""Circulant projection: a linear layer of blocks that one column each describes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ...core.compressed import LINEAR, Compressed, Layer
from ...core.context import Context
from ...core.knob import knob
from ...layers.circulant import CirculantLinear, nearest_columns
from .._factors import FactorMethod, Found
from .._tuned import TunedMethod


@dataclass(frozen=True)
class Circulant(TunedMethod, FactorMethod):
    """y = R D x: R of circulant blocks, b numbers for b x b weights; D random signs, regenerated from their seed.

    R starts as the circulant matrices nearest to the weight, the means of its diagonals, which loses nearly
    everything; training moves the defining columns and so stays circulant. From blocks of 8 on the product is
    computed by FFT. Blocks larger than the layer are as large as its longer side, as published.
    """

    title = "Circulant projection"
    citation = "Cheng, Yu, Feris, Kumar, Choudhary, Chang 2015, arXiv:1502.03436"
    axis = "exponent"
    neutral = {"exponent": 0}
    grows = False
    acts_on = (LINEAR,)
    excused = {
        "monotone": "blocks that do not divide a layer are filled up, so that larger ones may hold a few numbers more"
    }

    exponent: int = knob(3, "blocks have 2^this rows and columns; 0 leaves the layer as it is", low=0, high=12)
    signs: bool = knob(True, "turn the signs of random inputs first, as published")

    def factors(self, module: nn.Module, layer: Layer, context: Context) -> Found | str:
        assert isinstance(module, nn.Linear)
        out, into = module.weight.shape
        block = min(2**self.exponent, max(out, into))
        seed = context.generator("signs", layer.name).initial_seed() if self.signs else None
        made = CirculantLinear(into, out, block, module.bias is not None, seed)
        if made.vectors.weight.numel() >= module.weight.numel():
            return f"its circulant blocks of {block} hold no fewer numbers"
        with torch.no_grad():
            nearest = nearest_columns(module.weight * made.signs, block)
            made.vectors.weight.copy_(nearest.flatten(1))
            if made.bias is not None:
                made.bias.copy_(module.bias)
        return Found(made)

    def apply(self, model: Compressed, context: Context) -> Compressed:
        return self.recover(super().apply(model, context), context)
