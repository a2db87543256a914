"""Tucker-2: a convolution between fewer channels, with 1 x 1 convolutions into and out of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...core.compressed import CONV, Layer
from ...core.context import Context
from ...core.knob import knob
from ...layers.chain import ConvChain, numbers
from ...layers.plain import along, pointwise, put_weight
from .._factors import NO_FEWER, FactorMethod, Found
from ._ranks import rank_of_energy, rank_of_evidence, rank_of_share
from ._tensors import MATRIX, spectra, tucker2


@dataclass(frozen=True)
class Tucker2(FactorMethod):
    """W ~ core x U_out x U_in: 1 x 1 to r_in channels, the kernel from r_in to r_out, 1 x 1 to all outputs.

    The factors are orthonormal, from the HOSVD on improved by alternating. A side at its full rank gets no layer of
    its own. A 1 x 1 kernel is a matrix, for which Tucker's decomposition is the SVD: it stays whole.
    """

    title = "Tucker-2"
    citation = "Kim, Park, Yoo, Choi, Yang, Shin 2016, arXiv:1511.06530"
    axis = "rank_share"
    neutral = {"rank_share": 1.0}
    acts_on = (CONV,)

    choose: str = knob(
        "rank_share",
        "what fixes the ranks; vbmf keeps the directions that stand out of noise, as published",
        choices=("rank_share", "energy", "vbmf"),
    )
    rank_share: float = knob(0.5, "kept channels between the 1 x 1 convolutions, of all", low=0.05, high=1.0, step=0.01)
    lean: float = knob(
        1.0, "that share of the inputs over that of the outputs, when it fixes the ranks", low=0.25, high=4.0, log=True
    )
    energy: float = knob(
        0.9, "kept share of the squared singular values on each side, when that fixes the ranks", low=0.5, high=1.0
    )

    def factors(self, module: nn.Module, layer: Layer, context: Context) -> Found | str:
        assert isinstance(module, nn.Conv2d)
        if module.kernel_size == (1, 1):
            return MATRIX
        ranks = self._ranks(module.weight.detach())
        shape = _shape(module, *ranks)
        if numbers(shape) >= module.weight.numel():
            return f"at ranks {ranks[1]} and {ranks[0]} {NO_FEWER}"
        core, out, into = tucker2(module.weight.detach(), ranks, context.progress.check)
        return Found(_filled(shape, module, core, out, into))

    def _ranks(self, weight: Tensor) -> tuple[int, int]:
        """Of outputs and inputs."""
        if self.choose == "rank_share":
            root, (out, into) = self.lean**0.5, weight.shape[:2]
            shares = min(1.0, self.rank_share / root), min(1.0, self.rank_share * root)
            return rank_of_share(shares[0], out), rank_of_share(shares[1], into)
        found = [
            rank_of_energy(s, self.energy) if self.choose == "energy" else rank_of_evidence(s, n, weight.numel() // n)
            for (_, s), n in zip(spectra(weight), weight.shape, strict=False)
        ]
        return found[0], found[1]


def _shape(conv: nn.Conv2d, r_out: int, r_in: int) -> ConvChain:
    """The layers in place of `conv`, weights not yet set; a side at full rank is part of the core."""
    whole_in, whole_out = r_in == conv.in_channels, r_out == conv.out_channels
    core = along(conv, (0, 1), (r_in, r_out))
    if whole_out and conv.bias is not None:
        core.bias = nn.Parameter(torch.zeros(r_out))
    parts = {} if whole_in else {"first": pointwise(conv.in_channels, r_in)}
    parts["core"] = core
    return ConvChain(parts if whole_out else {**parts, "last": pointwise(r_out, conv.out_channels, _biased(conv))})


def _filled(chain: ConvChain, conv: nn.Conv2d, core: Tensor, out: Tensor, into: Tensor) -> ConvChain:
    parts = dict(chain.named_children())
    if "first" in parts:
        _put(parts["first"], into.T)
    else:
        core = torch.einsum("pqhw,iq->pihw", core, into)
    if "last" in parts:
        _put(parts["last"], out, conv.bias)
        _put(parts["core"], core)
    else:
        _put(parts["core"], torch.einsum("pqhw,op->oqhw", core, out), conv.bias)
    return chain


def _put(part: nn.Module, weight: Tensor, bias: Tensor | None = None) -> None:
    assert isinstance(part, nn.Conv2d)
    put_weight(part, weight, bias)


def _biased(conv: nn.Conv2d) -> bool:
    return conv.bias is not None
