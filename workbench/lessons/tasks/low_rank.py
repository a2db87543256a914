"""Low rank: where factors begin to pay, and the best of a rank."""

from __future__ import annotations

import numpy as np

from ...core.values import Array
from ..checker import Slip, Task
from ._drawn import Rng, weights, whole


def _break_even(rows: int, columns: int) -> int:
    return (rows * columns - 1) // (rows + columns)


def _shape(rng: Rng) -> tuple[int, int]:
    """Every second one divides evenly."""
    rows, columns = whole(rng, (1, 300), (2, 600))
    return (2 * rows, 2 * rows) if rng.random() < 0.5 else (rows + 1, columns)


def _truncate(weights: Array, rank: int) -> Array:
    u, s, vh = np.linalg.svd(weights, full_matrices=False)
    nearest: Array = (u[:, :rank] * s[:rank]) @ vh[:rank]
    return nearest


TASKS = (
    Task(
        "break_even",
        _break_even,
        _shape,
        (
            "How many numbers do the two factors of rank r have together?",
            "r (rows + columns) has to be smaller than rows x columns; equal is not smaller.",
            "Count down from min(rows, columns), or divide and be careful when it divides evenly.",
        ),
        (
            Slip(
                lambda m, n: m * n // (m + n),
                "Where it divides evenly this rank saves nothing: it has to be smaller.",
            ),
        ),
    ),
    Task(
        "truncate",
        _truncate,
        lambda rng: (weights(rng), int(rng.integers(1, 3))),
        (
            "np.linalg.svd(weights, full_matrices=False) gives u, s, vh.",
            "Keep the first `rank` columns of u, the first of s, the first rows of vh.",
            "(u[:, :rank] * s[:rank]) @ vh[:rank] has the shape of the weights.",
        ),
        (Slip(lambda w, r: w, "These are the weights as they were: nothing was left out."),),
    ),
)
