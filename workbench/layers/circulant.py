"""A linear layer of circulant blocks: what is stored are the first columns of the blocks alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .plain import sizes

_FFT_FROM = 8
"""Smallest block that is multiplied by FFT. Measured on a CPU: from 8 on it is quicker than writing the dense weight
out, for one image and for 256, with 256 to 4096 units; for blocks of 4 and many images it is several times slower."""


class CirculantLinear(nn.Module):
    """y = R D x + bias: R of circulant blocks, R[i, j] = r[(i - j) mod block] in each; D fixed random signs.

    `vectors` is an ordinary linear layer that never runs itself: row p of its weight (rows of blocks, columns of
    blocks * block) is the r of the blocks in that row, one after the other, so that later steps prune and quantize
    them as any weight. The signs come from `seed`, None for none. Inputs are filled up with zeros, outputs cut.
    """

    signs: Tensor

    def __init__(
        self, in_features: int, out_features: int, block: int, bias: bool = True, seed: int | None = None
    ) -> None:
        super().__init__()
        if not (0 < block <= max(in_features, out_features)):
            raise ValueError(f"a block of {block} is no part of {out_features} x {in_features}")
        self.in_features, self.out_features, self.block, self.seed = in_features, out_features, block, seed
        self.vectors = nn.Linear(-(-in_features // block) * block, -(-out_features // block), bias=False)
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        self.register_buffer("signs", signs_of(seed, in_features), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.block < _FFT_FROM:
            return F.linear(x, self.dense(), self.bias)
        y = self.multiplied(x)
        return y if self.bias is None else y + self.bias

    def multiplied(self, x: Tensor) -> Tensor:
        """R D x by FFT. x: (..., in) -> (..., out)."""
        r = self.columns()
        x = F.pad(x.to(r.dtype) * self.signs, (0, self.vectors.in_features - self.in_features))
        spectrum = torch.fft.rfft(x.unflatten(-1, (-1, self.block)))
        products = torch.einsum("...qf,pqf->...pf", spectrum, torch.fft.rfft(r))
        y: Tensor = torch.fft.irfft(products, n=self.block)
        return y.flatten(-2)[..., : self.out_features]

    def dense(self) -> Tensor:
        """The weight of the linear layer that computes the same: (out, in)."""
        i = torch.arange(self.block, device=self.signs.device)
        blocks = self.columns()[:, :, (i[:, None] - i) % self.block]
        whole = blocks.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
        return whole[: self.out_features, : self.in_features] * self.signs

    def columns(self) -> Tensor:
        """The first column of every block: (rows of blocks, columns of blocks, block)."""
        found: Tensor = self.vectors.weight.unflatten(1, (-1, self.block))
        return found

    def macs(self) -> int:
        """Real multiply-accumulates for one input of (in,), as `forward` computes it.

        A real transform of length b counts b log2 b, a product of two spectra 4 for each frequency; the spectra of
        the blocks are computed anew each time.
        """
        if self.block < _FFT_FROM:
            return self.in_features * self.out_features
        rows, columns = self.vectors.out_features, self.vectors.in_features // self.block
        transforms = (rows + columns + rows * columns) * self.block * math.ceil(math.log2(self.block))
        return transforms + 4 * rows * columns * (self.block // 2 + 1)

    def spec(self) -> dict[str, Any]:
        """Plain data for `of_spec`."""
        about = {"sizes": [self.in_features, self.out_features, self.block], "bias": self.bias is not None}
        return about if self.seed is None else {**about, "seed": self.seed}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> CirculantLinear:
        seed = spec.get("seed")
        if type(seed) not in (int, type(None)) or not 0 <= (seed or 0) < 2**64:
            raise ValueError(f"a seed in [0, 2^64) expected, got {seed!r}")
        into, out, block = sizes(spec["sizes"], 3)
        return cls(into, out, block, bool(spec["bias"]), seed)


def signs_of(seed: int | None, n: int) -> Tensor:
    """n values of 1 or -1: bits of PCG64, whose stream numpy promises to keep; all 1 without a seed."""
    if seed is None:
        return torch.ones(n, device="cpu")
    words = np.random.PCG64(seed).random_raw(-(-n // 64)).astype("<u8")
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")[:n]
    return torch.from_numpy(1.0 - 2.0 * bits.astype(np.float32))


def nearest_columns(weight: Tensor, block: int) -> Tensor:
    """The first columns of the circulant blocks nearest to a weight, each the mean of a diagonal that goes around.

    weight: (out, in) -> (rows of blocks, columns of blocks, block); what lies outside of the weight does not count.
    """
    out, into = weight.shape
    fill = (0, -into % block, 0, -out % block)
    total, count = (_diagonals(F.pad(t, fill), block) for t in (weight.double(), torch.ones_like(weight).double()))
    return (total / count.clamp_min(1)).to(weight.dtype)


def _diagonals(weight: Tensor, block: int) -> Tensor:
    """Sums along diagonals (i - j) mod block of every block: (rows, columns) -> (rows, columns of blocks, block)."""
    blocks: Tensor = weight.unflatten(1, (-1, block)).unflatten(0, (-1, block)).transpose(1, 2)
    j = torch.arange(block)
    return blocks[:, :, (j + j[:, None]) % block, j].sum(-1)
