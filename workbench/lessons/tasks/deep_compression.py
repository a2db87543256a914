"""Deep Compression: codes of different lengths, and gaps that fit into few bits."""

from __future__ import annotations

import heapq
import math

import numpy as np

from ...core.values import Array
from ..checker import Slip, Task
from ._drawn import Rng
from .redundant import entropy_of


def _mean_length(counts: Array) -> float:
    """Of a Huffman code: every merge adds a bit to all that is merged."""
    heap, bits = [int(c) for c in counts if c], 0
    total = sum(heap)
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        bits += both
        heapq.heappush(heap, both)
    return bits / total


def _stored(places: Array, bits: int) -> int:
    gaps = np.diff(np.concatenate([[-1], places])) - 1
    return len(places) + int((gaps // 2**bits).sum())


def _places(rng: Rng) -> tuple[Array, int]:
    return np.sort(rng.choice(200, int(rng.integers(3, 15)), replace=False)), int(rng.integers(2, 5))


TASKS = (
    Task(
        "mean_length",
        _mean_length,
        lambda rng: (rng.integers(1, 60, int(rng.integers(3, 9))),),
        (
            "Take the two smallest counts, merge them, put the sum back; repeat until one is left.",
            "Each merge makes the codes of all that is merged one bit longer.",
            "The sum of all merged counts is the number of bits in all; divide by the number of symbols.",
        ),
        (
            Slip(entropy_of, "That is the entropy, which no code beats. Huffman's lengths are whole numbers of bits."),
            Slip(
                lambda c: math.ceil(math.log2(len(c))),
                "That is a code of equal lengths; frequent symbols deserve less.",
            ),
        ),
    ),
    Task(
        "stored",
        _stored,
        _places,
        (
            "A gap is how many zeros lie between two weights that stay. With b bits it can be 0 to 2**b - 1.",
            "A longer gap needs a filler: a stored zero after 2**b - 1 zeros, from which one counts on.",
            "Each weight is an entry, and a gap g needs g // 2**b fillers.",
        ),
        (
            Slip(lambda p, b: len(p), "These are the weights alone. What about gaps that b bits cannot say?"),
            Slip(
                lambda p, b: len(p) + int(((np.diff(np.concatenate([[-1], p])) - 1) // (2**b - 1)).sum()),
                "Almost: a gap of exactly 2**b - 1 still fits, and a filler takes the place of a zero itself.",
            ),
        ),
    ),
)
