"""How many singular directions to keep."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_STEPS = 2048  # of the noise level that is searched


def rank_of_share(share: float, full: int) -> int:
    """The nearest rank to a share of the full one, 1 at least."""
    return max(1, round(share * full))


def rank_of_energy(s: Tensor, energy: float) -> int:
    """The smallest rank that holds this share of the squared singular values. s: (k,), descending."""
    held = torch.cumsum(s.double() ** 2, 0)
    if held[-1] == 0:
        return 1
    return int(torch.searchsorted(held, energy * held[-1] * (1 - 1e-12))) + 1


def rank_of_evidence(s: Tensor, rows: int, columns: int) -> int:
    """How many singular values of a (rows, columns) matrix are more than noise, 1 at least. s: all of them, descending.

    Empirical variational Bayes in closed form (Nakajima, Sugiyama, Babacan, Tomioka 2013, JMLR 14): the noise is the
    level at which the free energy is lowest, and a value counts when it is above what noise alone would give.
    """
    low, high = min(rows, columns), max(rows, columns)
    squares = s.double().square() / high
    total = float(squares.sum())
    if not total:
        return 1
    alpha = low / high
    tau = 2.5129 * math.sqrt(alpha)
    edge = (1 + tau) * (1 + alpha / tau)
    noise = _noise(squares, alpha, edge, total / low)
    return max(1, int((squares > noise * edge).sum()))


def _noise(squares: Tensor, alpha: float, edge: float, highest: float) -> float:
    """The variance with the lowest free energy. squares: (k,) squared singular values over the longer side."""
    most = min(math.ceil(len(squares) / (1 + alpha)) - 1, len(squares) - 1)  # signals that can be told from noise
    rest = squares[most:]
    lowest = max(float(rest[0]) / edge, float(rest.mean()), 1e-12 * highest)
    levels = torch.logspace(math.log10(lowest), math.log10(max(highest, lowest)), _STEPS, dtype=torch.float64)
    return float(levels[_free_energy(squares / levels[:, None], alpha, edge).argmin()])


def _free_energy(x: Tensor, alpha: float, edge: float) -> Tensor:
    """Up to a constant, for each row of x: (levels, k) -> (levels,)."""
    x = x.clamp_min(1e-300)
    middle = (x - 1 - alpha).clamp_min(2 * math.sqrt(alpha))
    tau = (middle + (middle.square() - 4 * alpha).clamp_min(0).sqrt()) / 2
    signal = torch.log1p(tau) + alpha * torch.log1p(tau / alpha) - tau
    return (x - x.log() + torch.where(x > edge, signal, 0.0)).sum(1)
