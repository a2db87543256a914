"""Truncated SVD: a layer becomes two thinner ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...core.compressed import Compressed, Layer
from ...core.context import Context
from ...core.errors import WorkbenchError
from ...core.knob import knob
from ...core.memo import remember
from ...core.method import ModelMethod, chosen
from ...core.order import FACTORS
from ...layers.factorised import FactorisedConv2d, FactorisedLinear
from ...layers.swap import fixtures


@dataclass(frozen=True)
class Tsvd(ModelMethod):
    """Keep the k leading singular directions of each weight matrix and store the two factors.

    A linear layer m x n becomes n -> k -> m. A convolution is read as a matrix: `kernel_first` gives k kernels of
    full size, then 1 x 1; `kernel_last` gives 1 x 1 to k channels, then the full size. A layer whose factors would
    hold as many numbers as itself stays whole, and the run says so.
    """

    title = "Truncated SVD"
    citation = "Eckart, Young 1936; Denton, Zaremba, Bruna, LeCun, Fergus 2014, arXiv:1404.0736"
    sets = FACTORS
    axis = "rank_share"
    neutral = {"rank_share": 1.0}
    grows = True

    choose: str = knob("rank_share", "what fixes the rank", choices=("rank_share", "energy"))
    rank_share: float = knob(0.25, "kept rank over full rank", low=0.01, high=1.0, log=True)
    energy: float = knob(0.9, "kept share of the squared singular values, when that fixes the rank", low=0.5, high=1.0)
    convolution: str = knob(
        "kernel_first", "which factor of a convolution has the kernel", choices=("kernel_first", "kernel_last")
    )

    def apply(self, model: Compressed, context: Context) -> Compressed:
        targets, fixed = chosen(self, model, context), fixtures(model.network, context.input_shape)
        for i, layer in enumerate(targets):
            context.progress(f"{self.title}: {layer.name}", i / len(targets))
            if layer.name in fixed:
                model.note(f"{self.id()} left {layer.name} whole: {fixed[layer.name]}.")
            else:
                self.at(layer.name, context)._factorise(model, layer)
        return model

    def _factorise(self, model: Compressed, layer: Layer) -> None:
        module = model.network.get_submodule(layer.name)
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            model.note(f"{self.id()} left {layer.name} whole: it is a grouped convolution.")
            return
        matrix = self._matrix(module.weight.detach())
        u, s, vh = _svd(matrix)
        rank, (m, n) = self._rank(s), matrix.shape
        if rank * (m + n) >= m * n:
            model.note(f"{self.id()} left {layer.name} whole: at rank {rank} its factors hold no fewer numbers.")
            return
        root = s[:rank].sqrt()
        factors = self._layer(module, u[:, :rank] * root, root[:, None] * vh[:rank])
        model.replace(layer, factors)

    def _rank(self, s: Tensor) -> int:
        if self.choose == "rank_share":
            return max(1, round(self.rank_share * s.numel()))
        held = torch.cumsum(s.double() ** 2, 0)
        if held[-1] == 0:
            return 1
        return int(torch.searchsorted(held, self.energy * held[-1] * (1 - 1e-12))) + 1

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
                factors.second.bias.copy_(module.bias)
        return factors


def _svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """u, s, vh of (m, n); remembered, since a slider asks for the same one again and again."""

    def compute() -> tuple[Tensor, Tensor, Tensor]:
        try:
            return tuple(torch.linalg.svd(matrix, full_matrices=False))
        except torch.linalg.LinAlgError as error:
            raise WorkbenchError(
                f"The singular values of a {tuple(matrix.shape)} weight were not found: {error}."
            ) from None

    return remember("svd", np.asarray(matrix), compute)
