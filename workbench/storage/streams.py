"""One stream of small integers: what each coder would take, and the writing and reading of the one chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import FileError
from ..core.values import Array
from . import huffman, ranges
from .wire import Cursor, Payload, Writer, pack_bits, packed_bytes, unpack_bits, width_of
from .words import sealed_bytes

CODERS = ("none", "huffman", "range")
TAGS = len(CODERS) * (ranges.FINEST + 1)
_WIDEST = 1 << 31
_TABLE_ENTRY_BYTES = 0.6


@dataclass(frozen=True, eq=False)
class Tally:
    """How often each symbol of [low, low + k) occurs in a stream of n; counts is None where k is too large to count."""

    n: int
    low: int
    k: int
    counts: Array | None

    @classmethod
    def of(cls, symbols: Array) -> Tally:
        """symbols: (n,) integers."""
        if symbols.size == 0:
            return cls(0, 0, 0, None)
        low, high = int(symbols.min()), int(symbols.max())
        few = high - low < ranges.MOST_SYMBOLS
        return cls(symbols.size, low, high - low + 1, np.bincount(_from_zero(symbols, low)) if few else None)

    @classmethod
    def of_counts(cls, counts: Array) -> Tally:
        """counts: (k,) how often 0..k-1 occur."""
        used = np.flatnonzero(counts)
        if used.size == 0:
            return cls(0, 0, 0, None)
        low, high = int(used[0]), int(used[-1])
        return cls(int(counts.sum()), low, high - low + 1, counts[low : high + 1])


def _from_zero(symbols: Array, low: int) -> Array:
    return symbols.astype(np.int64) - low


@dataclass(frozen=True, eq=False)
class Way:
    """One coder for one stream. table: (k,) code lengths or levels; size: bytes of table and codes, foreseen."""

    coder: str
    tally: Tally
    table: Array
    fineness: int
    size: int

    @property
    def width(self) -> int:
        """Bits of one entry of the table."""
        return width_of(int(self.table.max(initial=0)))

    @property
    def exact(self) -> bool:
        """Whether `size` is what it will be; the range coder's end is only foreseen."""
        return self.coder != "range"

    def encode(self, symbols: Array) -> bytes:
        """The table, then the codes. symbols: (n,) of the alphabet that was tallied."""
        shifted = _from_zero(symbols, self.tally.low)
        if self.coder == "none":
            return pack_bits(shifted, width_of(self.tally.k - 1))
        table = pack_bits(self.table, self.width)
        if self.coder == "huffman":
            return table + huffman.encode(shifted, self.table)
        return table + ranges.encode(shifted, self.table, self.fineness)

    def describe(self, meta: Writer, length: int) -> None:
        """Write what `read` needs to know; nothing for an empty stream. length: bytes of `encode`."""
        if self.tally.n == 0:
            return
        meta.uint(CODERS.index(self.coder) + len(CODERS) * self.fineness)
        meta.sint(self.tally.low)
        meta.uint(self.tally.k - 1)
        if self.coder != "none":
            meta.uint(self.width)
            meta.uint(length)


def outlook(tally: Tally, coder: str) -> int:
    """Bytes that the best way allowed by `coder` may take, roughly, without looking at any of them."""
    plain = packed_bytes(tally.n, width_of(max(0, tally.k - 1)))
    if coder == "none" or tally.counts is None or tally.k < 2:
        return plain
    # No Huffman code is shorter than a bit, however frequent its symbol.
    bits = entropy_bits(tally.counts, least=1.0 if coder == "huffman" else 0.0)
    coded = int(bits / 8 + _TABLE_ENTRY_BYTES * tally.k)
    return min(plain, coded) if coder == "smallest" else coded


def ways(tally: Tally, coder: str) -> list[Way]:
    """Every way to write the stream that `coder` allows and that may turn out smallest.

    One symbol needs no bits and too wide an alphabet no table, so these are always written without a coder.
    """
    plain = Way("none", tally, np.zeros(0, np.int64), 0, packed_bytes(tally.n, width_of(max(0, tally.k - 1))))
    if coder == "none" or tally.counts is None or tally.k < 2:
        return [plain]
    if coder == "huffman":
        return [_huffman(tally)]
    ranged = _range(tally)
    if coder == "range":
        return [ranged]
    found = [plain, ranged]
    return [*found, _huffman(tally)] if _huffman_at_least(tally) < min(way.size for way in found) else found


def _huffman(tally: Tally) -> Way:
    assert tally.counts is not None
    lengths = huffman.code_lengths(tally.counts)
    bits = int(tally.counts @ lengths)
    return Way("huffman", tally, lengths, 0, packed_bytes(tally.k, width_of(int(lengths.max()))) + (bits + 7) // 8)


def _huffman_at_least(tally: Tally) -> int:
    """The average length is no less than the entropy, and some length is no less than log2 of the alphabet."""
    assert tally.counts is not None
    width = width_of(width_of(int(np.count_nonzero(tally.counts)) - 1))
    return packed_bytes(tally.k, width) + int(entropy_bits(tally.counts) / 8)


def _range(tally: Tally) -> Way:
    assert tally.counts is not None
    m = ranges.fineness(tally.n, tally.k)
    levels = ranges.levels_of(tally.counts, m)
    table = packed_bytes(tally.k, width_of(int(levels.max())))
    return Way("range", tally, levels, m, table + sealed_bytes(ranges.information(tally.counts, levels, m)))


def entropy_bits(counts: Array, *, least: float = 0.0) -> float:
    """n times the entropy of the stream, in bits, no symbol counted with fewer than `least`. counts: (k,), some > 0."""
    used = counts[counts > 0]
    return float(used @ np.maximum(least, np.log2(used.sum() / used)))


@dataclass(frozen=True)
class Stream:
    """What the file says about a stream, checked; `read` then decodes it."""

    coder: str
    fineness: int
    low: int
    k: int
    width: int
    length: int

    @classmethod
    def parse(cls, meta: Cursor, n: int) -> Stream:
        """n: how many symbols there are."""
        if n == 0:
            return cls("none", 0, 0, 1, 0, 0)
        tag = meta.uint(TAGS - 1)
        coder, low, k = CODERS[tag % len(CODERS)], meta.sint(_WIDEST), meta.uint(_WIDEST) + 1
        if coder == "none":
            return cls(coder, 0, low, k, width_of(k - 1), packed_bytes(n, width_of(k - 1)))
        if not 2 <= k <= ranges.MOST_SYMBOLS:
            raise FileError(f"The file claims an alphabet of {k} where a table holds 2 to {ranges.MOST_SYMBOLS}.")
        return cls(coder, tag // len(CODERS), low, k, meta.uint(16), meta.uint(1 << 40))

    def read(self, payload: Payload, n: int) -> Array:
        """(n,) int32 (int64 where the symbols need it) in [low, low + k)."""
        payload.coded(self.coder)
        data = payload.take(self.length)
        symbols = self._symbols(data, n)
        if self.low == 0:
            return symbols
        return symbols + self.low if abs(self.low) + self.k < _WIDEST else symbols.astype(np.int64) + self.low

    def _symbols(self, data: memoryview, n: int) -> Array:
        if self.coder == "none":
            out = unpack_bits(data, self.width, n)
            if n and self.width and int(out.max()) >= self.k:
                raise FileError("The file holds a code outside its own alphabet.")
            return out
        size = packed_bytes(self.k, self.width)
        if size > len(data):
            raise FileError(f"The file claims a table of {size} bytes in a stream of {len(data)}.")
        table = unpack_bits(data[:size], self.width, self.k).astype(np.int64)
        if self.coder == "huffman":
            return huffman.decode(data[size:], table, n)
        return ranges.decode(data[size:], table, self.fineness, n)
