"""Tucker and CP decompositions of kernels, stopped between sweeps when nobody wants them any more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from ...core.memo import remember

Check = Callable[[], None]
"""Called between sweeps; raises when the work should stop."""

MATRIX = "its kernel is 1 x 1, and so a matrix, which lowrank.tsvd factorises as well as can be"
"""Why such a convolution stays whole."""
_SETTLED, _SWEEPS = 1e-6, 20
_MOST = 1e6  # of a component's norm, where the tensor's is 1


class Tucker(NamedTuple):
    """weight ~ core x out x in. core: (r_out, r_in, kh, kw); out: (out, r_out), in: (in, r_in), both orthonormal."""

    core: Tensor
    out: Tensor
    into: Tensor


class Components(NamedTuple):
    """A sum of rank-one tensors. factors: one (size, rank) for each mode, the norm of a component shared among them.

    error: norm of what is left over that of the tensor; moving: how much the last sweep took off it; cancelling: what
    the squared norms of the components sum to, over that of the tensor: about 1 or less where they are of one mind.
    """

    factors: tuple[Tensor, ...]
    error: float
    moving: float
    cancelling: float


def spectra(weight: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(directions, singular values) of the unfoldings along outputs and inputs, float64: (n, n), (n,); remembered."""

    def compute() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        wide = weight.double()
        return _spectrum(wide), _spectrum(wide.transpose(0, 1))

    return remember("spectra of both modes", np.asarray(weight), compute)


def _spectrum(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors and values of the unfolding along the first mode, descending, through its Gram matrix."""
    unfolded = tensor.flatten(1)
    squares, directions = torch.linalg.eigh(unfolded @ unfolded.T)
    return directions.flip(1), squares.flip(0).clamp_min(0).sqrt()


def tucker2(weight: Tensor, ranks: tuple[int, int], check: Check) -> Tucker:
    """The decomposition along outputs and inputs alone, by HOOI from the HOSVD's start; remembered.

    weight: (out, in, kh, kw); ranks: of outputs and inputs. Each sweep takes the leading directions of one side given
    the other's (De Lathauwer, De Moor, Vandewalle 2000).
    """

    def compute() -> Tucker:
        wide, norm = weight.double(), float(weight.double().norm())
        out, into = (u[:, :rank] for (u, _), rank in zip(spectra(weight), ranks, strict=True))
        last = 0.0
        for _ in range(_SWEEPS):
            check()
            out = _spectrum(torch.einsum("oihw,iq->oqhw", wide, into))[0][:, : ranks[0]]
            into, s = _spectrum(torch.einsum("oihw,op->iphw", wide, out))
            into, held = into[:, : ranks[1]], float(s[: ranks[1]].norm())
            if held - last <= _SETTLED * norm:
                break
            last = held
        return Tucker(torch.einsum("oihw,op,iq->pqhw", wide, out, into).float(), out.float(), into.float())

    return remember(f"tucker2 {ranks}", np.asarray(weight), compute)


def cp(tensor: Tensor, rank: int, *, seed: int, starts: int, sweeps: int, ridge: float, check: Check) -> Components:
    """The best of several runs of alternating least squares from random starts; remembered.

    tensor: (out, in, ...) of three modes or more; ridge: added to the normal equations of a tensor of norm 1, so that
    components that grow against each other stay finite.
    """

    def compute() -> Components:
        norm = float(tensor.double().norm())
        if not norm:
            return Components(tuple(torch.zeros(n, rank) for n in tensor.shape), 0.0, 0.0, 0.0)
        generator = torch.Generator().manual_seed(seed)
        runs = (_als(tensor.double() / norm, rank, generator, sweeps, ridge, check) for _ in range(starts))
        best = min(runs, key=lambda run: run.error)
        scale = norm ** (1 / tensor.ndim)
        return best._replace(factors=tuple((scale * factor).float() for factor in best.factors))

    key = f"cp {rank} {seed} {starts} {sweeps} {ridge}"
    return remember(key, np.asarray(tensor), compute)


def _als(tensor: Tensor, rank: int, generator: torch.Generator, sweeps: int, ridge: float, check: Check) -> Components:
    """One run; it ends early when a sweep gains next to nothing, or when components outgrow what floats can cancel."""
    factors = [torch.randn(n, rank, generator=generator, dtype=torch.float64) for n in tensor.shape]
    error = gain = math.inf
    for _ in range(sweeps):
        check()
        try:
            found, new = _sweep(tensor, factors, ridge)
        except LinAlgError:  # components alike to the last digit; what there is stands
            break
        if not (math.isfinite(new) and float(_norms(found).max()) < _MOST):
            break
        factors, gain, error = found, error - new, new
        if gain < _SETTLED:
            break
    return _judged(tensor, factors, gain)


def _sweep(tensor: Tensor, factors: Sequence[Tensor], ridge: float) -> tuple[list[Tensor], float]:
    """Every factor once, the best given the others; and the error after it. tensor: of norm 1.

    The kernel's modes are small: the tensor is multiplied with the two others once each, and they share the result.
    """
    out, into, *kernel = factors
    sides, matrix = tensor.shape[2:], tensor.flatten(1)
    inner = _components(kernel).flatten(0, -2)
    out = _solved(matrix @ (into[:, None] * inner).flatten(0, 1), [into, *kernel], ridge)
    partial = (matrix.T @ out).unflatten(0, (len(into), -1))
    into = _solved((partial * inner).sum(1), [out, *kernel], ridge)
    rest = (partial * into[:, None]).sum(0).unflatten(0, sides)
    for i in range(len(kernel)):
        others = [factor for j, factor in enumerate(kernel) if j != i]
        moved = rest.movedim(i, 0)
        against = (moved * _components(others)).flatten(1, -2).sum(1) if others else moved
        kernel[i] = _solved(against, [out, into, *others], ridge)
    found = [out, into, *kernel]
    squared = 1 - 2 * (kernel[-1] * against).sum() + _grams(found).sum()
    return found, math.sqrt(max(0.0, float(squared)))


def _solved(against: Tensor, others: Sequence[Tensor], ridge: float) -> Tensor:
    """The factor of the normal equations. against: (size, rank), the tensor times the other factors."""
    gram = _grams(others) + ridge * torch.eye(against.shape[1], dtype=against.dtype)
    solution: Tensor = torch.linalg.solve(gram, against.T)
    return solution.T


def _grams(factors: Sequence[Tensor]) -> Tensor:
    """Inner products of the components, (rank, rank)."""
    return torch.stack([factor.T @ factor for factor in factors]).prod(0)


def _components(factors: Sequence[Tensor]) -> Tensor:
    """The components, not yet summed. factors: (size, rank) each -> (size, size, ..., rank)."""
    whole = factors[0]
    for factor in factors[1:]:
        whole = whole.unsqueeze(-2) * factor
    return whole


def _judged(tensor: Tensor, factors: list[Tensor], gain: float) -> Components:
    """The components, the norm of each shared evenly among its factors. tensor: of norm 1."""
    norms = _norms(factors)
    each = norms ** (1 / len(factors))
    even = tuple(f / f.norm(dim=0).clamp_min(torch.finfo(f.dtype).tiny) * each for f in factors)
    error = (tensor - composed(even)).norm()
    return Components(even, float(error), 0.0 if math.isinf(gain) else gain, float(norms.square().sum()))


def _norms(factors: Sequence[Tensor]) -> Tensor:
    """Of the components: (rank,)."""
    return torch.stack([factor.norm(dim=0) for factor in factors]).prod(0)


def composed(factors: Sequence[Tensor]) -> Tensor:
    """The sum of the components. factors: (size, rank) each -> (size, size, ...)."""
    return _components(factors).sum(-1)
