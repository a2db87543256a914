"""Bits and codebooks: a uniform grid, and values that weights share."""

from __future__ import annotations

import numpy as np

from ...core.values import Array
from ..checker import Slip, Task
from ._drawn import Rng, weights, whole


def _uniform(weights: Array, bits: int) -> Array:
    step = np.abs(weights).max() / (2 ** (bits - 1) - 1)
    on_grid: Array = np.round(weights / step) * step
    return on_grid


def _codebook_bits(weights: int, bits: int) -> int:
    total: int = weights * bits + 32 * 2**bits
    return total


def _centres(weights: Array, codes: Array, centres: Array) -> Array:
    own = [weights[codes == i] for i in range(len(centres))]
    return np.array([w.mean() if w.size else old for w, old in zip(own, centres, strict=True)])


def _clusters(rng: Rng) -> tuple[Array, Array, Array]:
    k = int(rng.integers(3, 6))
    codes = rng.integers(0, k - 1, 20)  # nobody chose the last one
    return np.round(rng.normal(size=20), 4), codes, np.round(np.sort(rng.normal(size=k)), 4)


TASKS = (
    Task(
        "uniform",
        _uniform,
        lambda rng: (weights(rng), int(rng.integers(2, 9))),
        (
            "Find the step first. With b bits there are 2**(b-1) - 1 levels on each side of zero.",
            "Divide by the step, round to a whole number, multiply by the step.",
            "step = largest magnitude / (2**(bits-1) - 1).",
        ),
        (
            Slip(
                lambda w, b: np.round(w / (np.abs(w).max() / 2 ** (b - 1))) * (np.abs(w).max() / 2 ** (b - 1)),
                "The largest weight gets a level of its own that b bits do not have: one level less on each side.",
            ),
            Slip(
                lambda w, b: np.round(w / (np.abs(w).max() / (2 ** (b - 1) - 1))),
                "These are the codes. Multiply by the step to get weights again.",
            ),
        ),
    ),
    Task(
        "codebook_bits",
        _codebook_bits,
        lambda rng: whole(rng, (50, 500_000), (1, 8)),
        (
            "Each weight is written as the number of its shared value. How many bits does that take?",
            "The shared values have to be written down too, once.",
            "The codebook has 2**bits values of 32 bits each.",
        ),
        (
            Slip(lambda n, b: n * b, "These are the codes. Nobody can read them without the codebook."),
            Slip(lambda n, b: n * b + 2**b, "A value of the codebook is a float: it has 32 bits."),
            Slip(lambda n, b: n * b + 32 * b, "With b bits one can number more than b values."),
        ),
    ),
    Task(
        "centres",
        _centres,
        _clusters,
        (
            "The weights with code i are weights[codes == i].",
            "The value that is nearest to all of them, in squared distance, is their mean.",
            "A centre that nobody chose has no mean: let it stay where it was.",
        ),
    ),
)
