"""Truncated SVD: a layer becomes two thinner ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from ...core.compressed import Layer
from ...core.context import Context
from ...core.errors import WorkbenchError
from ...core.knob import knob
from ...core.memo import remember
from ...layers.factorised import FactorisedConv2d, FactorisedLinear
from .._factors import NO_FEWER, FactorMethod, Found
from ._ranks import rank_of_energy, rank_of_share


@dataclass(frozen=True)
class Tsvd(FactorMethod):
    """Keep the k leading singular directions of each weight matrix and store the two factors.

    A linear layer m x n becomes n -> k -> m. A convolution is read as a matrix: `kernel_first` gives k kernels of
    full size, then 1 x 1; `kernel_last` gives 1 x 1 to k channels, then the full size. A layer whose factors would
    hold as many numbers as itself stays whole, and the run says so.
    """

    title = "Truncated SVD"
    citation = "Eckart, Young 1936; Denton, Zaremba, Bruna, LeCun, Fergus 2014, arXiv:1404.0736"
    axis = "rank_share"
    neutral = {"rank_share": 1.0}

    choose: str = knob("rank_share", "what fixes the rank", choices=("rank_share", "energy"))
    rank_share: float = knob(0.25, "kept rank over full rank", low=0.01, high=1.0, log=True)
    energy: float = knob(0.9, "kept share of the squared singular values, when that fixes the rank", low=0.5, high=1.0)
    convolution: str = knob(
        "kernel_first", "which factor of a convolution has the kernel", choices=("kernel_first", "kernel_last")
    )

    def factors(self, module: nn.Module, layer: Layer, context: Context) -> Found | str:
        assert isinstance(module.weight, Tensor)
        matrix = self._matrix(module.weight.detach())
        u, s, vh = _svd(matrix)
        rank, (m, n) = self._rank(s), matrix.shape
        if rank * (m + n) >= m * n:
            return f"at rank {rank} {NO_FEWER}"
        root = s[:rank].sqrt()
        return Found(self._layer(module, u[:, :rank] * root, root[:, None] * vh[:rank]))

    def _rank(self, s: Tensor) -> int:
        return (
            rank_of_share(self.rank_share, s.numel()) if self.choose == "rank_share" else rank_of_energy(s, self.energy)
        )

    def _matrix(self, weight: Tensor) -> Tensor:
        """(out, in, kh, kw) -> (out, in*kh*kw), or (out*kh*kw, in) when the kernel comes last."""
        if weight.ndim == 2 or self.convolution == "kernel_first":
            return weight.flatten(1)
        return weight.permute(0, 2, 3, 1).flatten(0, 2)

    def _layer(self, module: nn.Module, left: Tensor, right: Tensor) -> nn.Module:
        """The factorised layer. left: (rows, k), right: (k, columns) of `_matrix`."""
        rank = left.shape[1]
        factors: FactorisedLinear | FactorisedConv2d
        if isinstance(module, nn.Linear):
            factors = FactorisedLinear(module.in_features, rank, module.out_features, module.bias is not None)
        else:
            assert isinstance(module, nn.Conv2d)
            factors = FactorisedConv2d(module, rank, self.convolution == "kernel_first")
            if not factors.wide_first:
                out, _, kh, kw = module.weight.shape
                left = left.reshape(out, kh, kw, rank).permute(0, 3, 1, 2)
        with torch.no_grad():
            factors.first.weight.copy_(right.reshape(factors.first.weight.shape))
            factors.second.weight.copy_(left.reshape(factors.second.weight.shape))
            if module.bias is not None:
                assert factors.second.bias is not None
                factors.second.bias.copy_(module.bias)
        return factors


def _svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """u, s, vh of (m, n); remembered, since a slider asks for the same one again and again."""

    def compute() -> tuple[Tensor, Tensor, Tensor]:
        try:
            return tuple(torch.linalg.svd(matrix, full_matrices=False))
        except LinAlgError as error:
            raise WorkbenchError(
                f"The singular values of a {tuple(matrix.shape)} weight were not found: {error}."
            ) from None

    return remember("svd", np.asarray(matrix), compute)
