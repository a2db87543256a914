"""What the exercises are tried on."""

from __future__ import annotations

import numpy as np

from ...core.values import Array

Rng = np.random.Generator


def whole(rng: Rng, *ranges: tuple[int, int]) -> tuple[int, ...]:
    """One whole number from each range, both ends included."""
    return tuple(int(rng.integers(low, high + 1)) for low, high in ranges)


def weights(rng: Rng) -> Array:
    """A small matrix of either sign, with few digits so that it can be read in a message."""
    return np.round(rng.normal(size=(int(rng.integers(3, 9)), int(rng.integers(4, 12)))), 6)
