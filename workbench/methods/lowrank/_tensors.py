"""Tucker and CP decompositions by tensorly, stopped between sweeps when nobody wants them any more.

tensorly is imported where it is first used: with scipy it takes longer to load than most layers take to decompose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...core.memo import remember

Check = Callable[[], None]
"""Called between sweeps; raises when the work should stop."""

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
    """(directions, singular values) of the unfoldings along outputs and inputs, float64: (n, k), (k,); remembered."""

    def compute() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        unfolded = (weight.double().flatten(1), weight.double().transpose(0, 1).flatten(1))
        out, into = (torch.linalg.svd(matrix, full_matrices=False)[:2] for matrix in unfolded)
        return out, into

    return remember("spectra of both modes", np.asarray(weight), compute)


def tucker2(weight: Tensor, ranks: tuple[int, int], check: Check) -> Tucker:
    """The decomposition along outputs and inputs alone, by HOOI from the HOSVD's start; remembered.

    weight: (out, in, kh, kw); ranks: of outputs and inputs. (De Lathauwer, De Moor, Vandewalle 2000.)
    """

    def compute() -> Tucker:
        from tensorly import backend_context
        from tensorly.decomposition import partial_tucker

        tensor = weight.double()
        factors = [u[:, :rank] for (u, _), rank in zip(spectra(weight), ranks, strict=True)]
        core, last = torch.einsum("oihw,op,iq->pqhw", tensor, *factors), float("inf")
        with backend_context("pytorch", local_threadsafe=True):
            for _ in range(_SWEEPS if float(tensor.norm()) else 0):
                check()
                (core, factors), errors = partial_tucker(
                    tensor, list(ranks), modes=[0, 1], init=(core, factors), n_iter_max=1
                )
                if last - float(errors[-1]) < _SETTLED:
                    break
                last = float(errors[-1])
        return Tucker(core.float(), factors[0].float(), factors[1].float())

    return remember(f"tucker2 {ranks}", np.asarray(weight), compute)


def cp(tensor: Tensor, rank: int, *, seed: int, starts: int, sweeps: int, ridge: float, check: Check) -> Components:
    """The best of several runs of alternating least squares from random starts; remembered.

    tensor: two modes or more; ridge: added to the normal equations of a tensor of norm 1, so that components that
    grow against each other stay finite.
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
    from tensorly import backend_context
    from tensorly.decomposition import parafac

    factors = [torch.randn(n, rank, generator=generator, dtype=torch.float64) for n in tensor.shape]
    ones, error, gain = torch.ones(rank, dtype=torch.float64), math.inf, math.inf
    with backend_context("pytorch", local_threadsafe=True):
        for _ in range(sweeps):
            check()
            try:
                (_, found), errors = parafac(
                    tensor, rank, n_iter_max=1, init=(ones, factors), l2_reg=ridge, tol=0, return_errors=True
                )
            except torch.linalg.LinAlgError:  # components alike to the last digit; what there is stands
                break
            new = float(errors[-1])
            if not (math.isfinite(new) and float(_norms(found).max()) < _MOST):
                break
            factors, gain, error = list(found), error - new, new
            if gain < _SETTLED:
                break
    return _judged(tensor, factors, gain)


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
    letters = "abcdefgh"[: len(factors)]
    return torch.einsum(",".join(f"{x}r" for x in letters) + "->" + letters, *factors)
