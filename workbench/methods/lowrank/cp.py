"""CP: a convolution as a sum of rank-one kernels, one channel for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from ...core.compressed import CONV, Layer
from ...core.context import Context
from ...core.knob import knob
from ...layers.chain import ConvChain
from ...layers.plain import along, pointwise, put_weight
from .._factors import NO_FEWER, FactorMethod, Found
from ._ranks import rank_of_share
from ._tensors import MATRIX, Components, cp

_CANCELLING, _MOVING = 5.0, 1e-3


@dataclass(frozen=True)
class Cp(FactorMethod):
    """W ~ sum over r of t_r s_r x_r y_r: 1 x 1 to R channels, each convolved by itself, 1 x 1 to all outputs.

    Found by alternating least squares, which depends on where it starts, may need long, and may let components grow
    against each other without end: the run says where. A 1 x 1 kernel is a matrix, for which CP is the SVD: it stays
    whole. `separable` convolves down and across as published, `whole` keeps two-dimensional kernels.
    """

    title = "CP decomposition"
    citation = "Lebedev, Ganin, Rakhuba, Oseledets, Lempitsky 2015, arXiv:1412.6553; Phan et al. 2020, arXiv:2008.05441"
    axis = "rank_share"
    neutral = {"rank_share": 1.0}
    acts_on = (CONV,)

    choose: str = knob("rank_share", "what fixes the rank", choices=("rank_share", "rank"))
    rank_share: float = knob(
        0.25, "rank over the one at which the factors hold as many numbers as the layer", low=0.01, high=1.0, log=True
    )
    rank: int = knob(16, "components, when that fixes the rank", low=1, high=256)
    kernel: str = knob("separable", "what convolves each channel", choices=("separable", "whole"))
    starts: int = knob(2, "random starts, of which the best counts", low=1, high=10)
    sweeps: int = knob(50, "passes over the factors at most", low=1, high=500)
    ridge: float = knob(1e-6, "keeps components small, for a kernel of norm 1", low=1e-12, high=1e-2, log=True)

    def factors(self, module: nn.Module, layer: Layer, context: Context) -> Found | str:
        assert isinstance(module, nn.Conv2d)
        if module.kernel_size == (1, 1):
            return MATRIX
        modes = _modes(module.weight.detach(), self.kernel)
        rank = self.rank if self.choose == "rank" else rank_of_share(self.rank_share, _break_even(modes))
        if rank * sum(modes.shape) >= modes.numel():
            return f"at rank {rank} {NO_FEWER}"
        seed = context.generator("cp", layer.name).initial_seed()
        limits = {"starts": self.starts, "sweeps": self.sweeps}
        found = cp(modes, rank, seed=seed, **limits, ridge=self.ridge, check=context.progress.check)
        return Found(_chain(module, found.factors, self.kernel), tuple(_remarks(found)))


def _modes(weight: Tensor, kernel: str) -> Tensor:
    """(out, in, kh, kw) without a kernel side of 1, or (out, in, kh * kw) where kernels stay whole."""
    if kernel == "whole":
        return weight.flatten(2)
    return weight.reshape(*weight.shape[:2], *(k for k in weight.shape[2:] if k > 1))


def _break_even(modes: Tensor) -> int:
    """The lowest rank at which the factors hold as many numbers as the tensor."""
    return max(1, -(-modes.numel() // sum(modes.shape)))


def _chain(conv: nn.Conv2d, factors: tuple[Tensor, ...], kernel: str) -> ConvChain:
    """The layers in place of `conv`. factors: (out, R), (in, R), then (k, R) for each mode of the kernel."""
    out, into, *inner = factors
    rank, bias = out.shape[1], conv.bias
    sides = {"vertical": (0,), "horizontal": (1,)}
    axes = {"core": (0, 1)} if kernel == "whole" else {n: a for n, a in sides.items() if conv.kernel_size[a[0]] > 1}
    parts = {"first": put_weight(pointwise(conv.in_channels, rank), into.T)}
    for (name, where), factor in zip(axes.items(), inner, strict=True):
        parts[name] = put_weight(along(conv, where, (rank, rank), groups=rank), factor.T)
    parts["last"] = put_weight(pointwise(rank, conv.out_channels, bias is not None), out, bias)
    return ConvChain(parts)


def _remarks(found: Components) -> Iterator[tuple[str, str]]:
    """What the reader should know about how it was found."""
    if found.cancelling > _CANCELLING:
        yield (
            "found components that cancel each other, which rounding and training magnify (their squared norms over "
            "that of the kernel)",
            f"{found.cancelling:.1f}",
        )
    if found.moving > _MOVING:
        yield (
            "stopped before it had settled (what is missing of the kernel's norm, and the last sweep's gain)",
            f"{found.error:.2f}, {found.moving:.4f}",
        )
