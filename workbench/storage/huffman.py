"""Canonical Huffman codes (Huffman 1952) of at most 16 bits; the table is one code length per symbol."""

from __future__ import annotations

import numpy as np

from ..core.errors import FileError
from ..core.values import Array

LONGEST = 16
_HOP = 4
_SEGMENT = 1 << 17


def code_lengths(counts: Array) -> Array:
    """Length in bits of every symbol's code, 0 for a symbol that never occurs. counts: (k,), two or more used."""
    used = np.flatnonzero(counts)
    assert 2 <= used.size <= 1 << LONGEST
    weights = counts[used].astype(np.int64)
    lengths = _optimal_lengths(weights)
    # Halving flattens the tree; all ones gives ceil(log2 k) <= 16, so this ends.
    while lengths.max() > LONGEST:
        weights = (weights + 1) // 2
        lengths = _optimal_lengths(weights)
    out = np.zeros(counts.size, np.int64)
    out[used] = lengths
    return out


def _optimal_lengths(weights: Array) -> Array:
    """Huffman's algorithm with two queues: sorted leaves, and inner nodes that are born in order."""
    order = np.argsort(weights, kind="stable")
    k = weights.size
    weight = [*weights[order].tolist(), *([0] * (k - 1))]
    parent = [0] * (2 * k - 1)
    leaf, inner = 0, k
    for node in range(k, 2 * k - 1):
        for _ in range(2):
            if leaf < k and (inner >= node or weight[leaf] <= weight[inner]):
                child, leaf = leaf, leaf + 1
            else:
                child, inner = inner, inner + 1
            weight[node] += weight[child]
            parent[child] = node
    depth = [0] * (2 * k - 1)
    for node in range(2 * k - 3, -1, -1):
        depth[node] = depth[parent[node]] + 1
    out = np.empty(k, np.int64)
    out[order] = depth[:k]
    return out


def canonical_codes(lengths: Array) -> Array:
    """The code word of every symbol as a number of lengths[symbol] bits: shorter first, then by symbol."""
    order = _canonical_order(lengths)
    sizes = lengths[order]
    # The word is the left edge of the symbol's share of [0, 1), in units of 2^-length.
    edges = np.cumsum(1 << (LONGEST - sizes)) - (1 << (LONGEST - sizes))
    out = np.zeros(lengths.size, np.int64)
    out[order] = edges >> (LONGEST - sizes)
    return out


def _canonical_order(lengths: Array) -> Array:
    used = np.flatnonzero(lengths)
    return used[np.argsort(lengths[used], kind="stable")]


def kraft_sum(lengths: Array) -> float:
    """Sum of 2^-length over the used symbols; 1 for a complete code."""
    return float(np.sum(2.0 ** -lengths[lengths > 0]))


def encode(symbols: Array, lengths: Array) -> bytes:
    """The code words of `symbols` back to back, first bit highest. symbols: (n,) in [0, k)."""
    sizes = lengths[symbols]
    ends = np.cumsum(sizes)
    starts = ends - sizes
    words = canonical_codes(lengths)[symbols].astype(np.uint64)
    shifted = words << (64 - sizes - (starts & 31)).astype(np.uint64)
    return _words(shifted, starts >> 5, int(ends[-1]))


def _words(shifted: Array, index: Array, bits: int) -> bytes:
    """64-bit pieces added at 32-bit word `index`; sums of disjoint bits are exact in float64."""
    count = bits // 32 + 2
    high = np.bincount(index, (shifted >> np.uint64(32)).astype(np.float64), count)
    low = np.bincount(index + 1, (shifted & np.uint64(0xFFFFFFFF)).astype(np.float64), count)
    return (high + low).astype(np.uint64).astype(">u4").tobytes()[: (bits + 7) // 8]


def decode(data: bytes | memoryview, lengths: Array, count: int) -> Array:
    """The `count` symbols that `encode` wrote, int32; FileError when the table or the bits cannot be right."""
    longest = int(lengths.max(initial=0))
    if longest > LONGEST or kraft_sum(lengths) != 1.0:
        raise FileError("The file holds a Huffman table that is not a complete code.")
    if count > 8 * len(data):
        raise FileError(f"The file claims {count} Huffman codes in {len(data)} bytes.")
    order = _canonical_order(lengths)
    repeat = 1 << (longest - lengths[order])
    symbol_at = np.repeat(order, repeat).astype(np.int32)
    length_at = np.repeat(lengths[order], repeat).astype(np.int32)
    octets = np.concatenate([np.frombuffer(data, np.uint8), np.zeros(4, np.uint8)])
    out, done, at, end = np.empty(count, np.int32), 0, 0, 0
    for first in range(0, len(data), _SEGMENT):
        window = _windows(octets[first : min(first + _SEGMENT, len(data)) + 4], longest)
        starts, at = _chain(length_at[window], at)
        starts = starts[: count - done]
        out[done : done + starts.size] = symbol_at[window[starts]]
        done += starts.size
        if starts.size:
            end = 8 * first + int(starts[-1] + length_at[window[starts[-1]]])
    if done != count or not 8 * len(data) - 8 < end <= 8 * len(data):
        raise FileError("The file holds Huffman codes that do not end where they should.")
    return out


def _windows(octets: Array, width: int) -> Array:
    """The `width` bits that start at every bit position but those of the last four bytes: (8 * (len - 4),)."""
    wide = octets.astype(np.uint32)
    four = wide[:-4] << 24 | wide[1:-3] << 16 | wide[2:-2] << 8 | wide[3:-1]
    shifts = np.uint32(32 - width) - np.arange(8, dtype=np.uint32)
    return (four[:, None] >> shifts & np.uint32((1 << width) - 1)).reshape(-1)


def _chain(steps: Array, first: int) -> tuple[Array, int]:
    """Positions visited from `first` by p -> p + steps[p] until they leave the array, and where they leave it.

    Hops of 2^_HOP steps come from squaring the step map, so that Python walks one position in 16.
    """
    n = steps.size
    one = np.arange(n + LONGEST, dtype=np.int32)
    one[:n] += steps
    hop = one
    for _ in range(_HOP):
        hop = hop[hop]
    anchors, at, hops = [], first, hop.data
    while at < n:
        anchors.append(at)
        at = hops[at]
    grid = np.empty((len(anchors), 1 << _HOP), np.int32)
    column = np.asarray(anchors, np.int32)
    for i in range(1 << _HOP):
        grid[:, i] = column
        column = one[column]
    walked = grid.reshape(-1)
    return walked[: np.searchsorted(walked, n)], at - n
