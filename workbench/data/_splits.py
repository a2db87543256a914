"""Splits by class from a fixed seed; the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SEED = 2012
VALIDATION = 5000


def carved(labels: NDArray[Any], size: int, salt: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rest, part): ascending indices, `size` in all for the part, every class by its share, at least one of each.

    labels: (n,) integers. The rounding goes to the classes with the largest remainders, earlier ones first.
    """
    random = np.random.RandomState(_SEED + salt)  # this generator's stream is frozen by NumPy's policy
    classes, counts = np.unique(labels, return_counts=True)
    quotas = _quotas(counts, size)
    chosen = [random.permutation(np.flatnonzero(labels == c))[:q] for c, q in zip(classes, quotas, strict=True)]
    part = np.sort(np.concatenate(chosen)).astype(np.int64)
    return np.setdiff1d(np.arange(len(labels), dtype=np.int64), part), part


def validation_size(train: int) -> int:
    """5,000, or a sixth where the training set is not the whole one."""
    return min(VALIDATION, train // 6)


def shuffled(rows: NDArray[np.int64], salt: int = 0) -> NDArray[np.int64]:
    """For sources in the order of their classes: a part of it should show them all."""
    return np.random.RandomState(_SEED + salt).permutation(rows)


def _quotas(counts: NDArray[Any], size: int) -> NDArray[np.int64]:
    exact = counts * size
    quotas: NDArray[np.int64] = np.maximum(exact // counts.sum(), 1)
    order = np.argsort(-(exact % counts.sum()), kind="stable")
    quotas[order[: max(0, size - int(quotas.sum()))]] += 1
    return quotas
