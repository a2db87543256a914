"""What is redundant: counting parameters, and the bits that values need."""

from __future__ import annotations

import math

import numpy as np

from ...core.values import Array
from ..checker import Slip, Task
from ._drawn import Rng, whole


def _parameters(outputs: int, inputs: int, kernel: int) -> int:
    return outputs * (inputs * kernel**2 + 1)


def entropy_of(counts: Array) -> float:
    """Bits that a symbol needs at least, on average. counts: (symbols,), some may be 0."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _counts(rng: Rng) -> tuple[Array]:
    counts = rng.integers(0, 50, int(rng.integers(2, 9)))
    counts[0] += 1
    return (counts,)


TASKS = (
    Task(
        "parameters",
        _parameters,
        lambda rng: whole(rng, (1, 64), (1, 64), (1, 7)),
        (
            "Count one filter first: how many numbers does it multiply, over all the channels that it looks at?",
            "Each output has its filter and one bias beside it.",
            "A filter has inputs x kernel x kernel weights and a bias; there is one for each output.",
        ),
        (
            Slip(lambda o, i, k: o * i * k**2, "That would be it without biases: each output has one."),
            Slip(lambda o, i, k: o * (i * k + 1), "The kernel is a square: it has kernel x kernel places."),
            Slip(lambda o, i, k: o * i * k**2 + 1, "There is more than one bias: each output has its own."),
        ),
    ),
    Task(
        "entropy",
        entropy_of,
        _counts,
        (
            "Make shares of the counts first, so that they add up to 1.",
            "What does a value that never occurs add? Leave it out, because its logarithm does not exist.",
            "Add up −share x log2(share) over the values that do occur.",
        ),
        (
            Slip(
                lambda c: float(-(c[c > 0] / c.sum() * np.log(c[c > 0] / c.sum())).sum()),
                "That is in nats. Bits need the logarithm to base 2.",
            ),
            Slip(lambda c: math.log2(np.count_nonzero(c)), "That is what equally frequent values would take."),
        ),
    ),
)
