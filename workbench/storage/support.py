"""Which entries are stored: all of them, a bitmap, the gaps between them, or each in the light of its surroundings."""

from __future__ import annotations

import math

import numpy as np

from ..core.encoded import SUPPORTS, Encoded
from ..core.errors import FileError
from ..core.values import Array
from . import surroundings
from .sink import Option, Rival, Sink
from .streams import Stream, Tally
from .wire import Cursor, Payload

DENSE, BITMAP, GAPS, CONTEXT = 0, 1, 2, 3
# What a support is called when it is read back: one in context can only be chosen by leaving the choice.
NAMES = (*SUPPORTS[1:], SUPPORTS[0])
_CHUNKS = (1, 4, 8)
_WIDEST_GAP = 16
_DESCRIPTION = 6


def write_support(sink: Sink, encoded: Encoded) -> None:
    """Describe and store which entries of a tensor are stored."""
    keep = encoded.keep
    if keep is None or bool(keep.all()):
        sink.meta.uint(DENSE)
        return
    options = _bitmaps(keep.reshape(-1)) if encoded.support != "gaps" else []
    options += _gaps(keep.reshape(-1)) if encoded.support != "bitmap" else []
    free = encoded.support == "smallest" and encoded.coder == "smallest"
    sink.stream("positions", options, encoded.coder, _in_context(sink, keep) if free else None)


def as_matrix(keep: Array) -> Array:
    """Rows are the first axis. keep: any shape of at least one axis."""
    return keep.reshape(keep.shape[0], -1)


def _in_context(sink: Sink, keep: Array) -> Rival | None:
    if keep.ndim < 2:
        return None
    matrix, lag = as_matrix(keep), surroundings.lag_of(keep)
    work = surroundings.fronts(matrix.shape[0], matrix.shape[1])
    if not keep.any() or not surroundings.possible(matrix.shape[0], matrix.shape[1], lag) or not sink.affords(work):
        return None
    plan = surroundings.planned(matrix, lag, surroundings.foretold(sink.outputs, matrix.shape[1]))
    return Rival((CONTEXT,), plan.size + _DESCRIPTION, work, plan.describe, lambda: plan.encode(matrix))


def _bitmaps(keep: Array) -> list[Option]:
    """A bit per entry, read in chunks of 1, 4 or 8 bits as symbols."""
    octets = np.packbits(keep)
    by_octet = np.bincount(octets, minlength=256)
    nibbles = by_octet.reshape(16, 16)
    by_nibble = nibbles.sum(0) + nibbles.sum(1)
    by_nibble[0] -= 2 * octets.size - -(-keep.size // 4)
    kept = int(np.count_nonzero(keep))
    counts = {1: np.array([keep.size - kept, kept]), 4: by_nibble, 8: by_octet}
    return [Option((BITMAP, c), Tally.of_counts(counts[c]), lambda c=c: _chunks(keep, c)) for c in _CHUNKS]  # type: ignore[misc]


def _chunks(keep: Array, chunk: int) -> Array:
    if chunk == 1:
        return keep.view(np.uint8)
    octets = np.packbits(keep)
    return octets if chunk == 8 else np.stack([octets >> 4, octets & 15], 1).reshape(-1)[: -(-keep.size // 4)]


def _gaps(keep: Array) -> list[Option]:
    """Zeros before each kept entry, in g bits: a filler of 2^g - 1 stands for so many zeros more and stores no value.

    Deep Compression's relative index (Han, Mao, Dally 2016), but that its fillers also store a zero.
    """
    gaps = np.diff(np.flatnonzero(keep), prepend=-1) - 1
    if gaps.size == 0:
        return [Option((GAPS, 1, 0), Tally.of(gaps), lambda: gaps)]
    counts = np.bincount(gaps)
    lengths = np.flatnonzero(counts)
    return [_gaps_of(gaps, lengths, counts[lengths], g) for g in _likely_widths(gaps)]


def _likely_widths(gaps: Array) -> range:
    typical = int(gaps.mean()).bit_length()
    return range(max(1, typical - 1), min(_WIDEST_GAP, int(gaps.max() + 1).bit_length(), typical + 4) + 1)


def _gaps_of(gaps: Array, lengths: Array, counts: Array, g: int) -> Option:
    filler = (1 << g) - 1
    tally = np.bincount(lengths % filler, counts, filler + 1).astype(np.int64)
    tally[filler] = int(counts @ (lengths // filler))
    return Option((GAPS, g, int(tally.sum())), Tally.of_counts(tally), lambda: gap_symbols(gaps, g))


def gap_symbols(gaps: Array, g: int) -> Array:
    """gaps: (n,) zeros before each entry -> fillers and remainders, (n + fillers,)."""
    filler = (1 << g) - 1
    ends = np.cumsum(gaps // filler + 1)
    out = np.full(int(ends[-1]) if ends.size else 0, filler)
    out[ends - 1] = gaps % filler
    return out


def read_support(kind: int, shape: tuple[int, ...], meta: Cursor, payload: Payload) -> Array | None:
    """The bool array of `shape` that says which entries are stored; None for all."""
    size = math.prod(shape)
    if kind == DENSE:
        return None
    if kind == CONTEXT:
        rows, columns = (shape[0], size // shape[0]) if shape else (1, 1)
        return surroundings.read(rows, columns, payload.outputs, meta, payload.of("positions")).reshape(shape)
    if kind == BITMAP:
        chunk = meta.uint(_CHUNKS[-1])
        if chunk not in _CHUNKS:
            raise FileError(f"The file claims a bitmap in chunks of {chunk} bits; {_CHUNKS} are possible.")
        count = -(-size // chunk)
        return _from_chunks(Stream.parse(meta, count).read(payload.of("positions"), count), chunk, size).reshape(shape)
    g, count = meta.uint(_WIDEST_GAP), meta.uint(size)
    if kind != GAPS or g == 0:
        raise FileError(f"The file claims a support of kind {kind} with {g} bits; none is known.")
    return _from_gaps(Stream.parse(meta, count).read(payload.of("positions"), count), g, size).reshape(shape)


def _from_chunks(symbols: Array, chunk: int, size: int) -> Array:
    if symbols.size and not 0 <= int(symbols.min()) <= int(symbols.max()) < 1 << chunk:
        raise FileError("The file holds a bitmap with a chunk that is too large.")
    octets = symbols.astype(np.uint8)
    if chunk == 1:
        return octets.view(bool)
    bits = np.unpackbits(octets).reshape(-1, 8)[:, 8 - chunk :].reshape(-1)
    if bits[size:].any():
        raise FileError("The file holds a bitmap that is longer than its tensor.")
    return bits[:size].view(bool)


def _from_gaps(symbols: Array, g: int, size: int) -> Array:
    filler = (1 << g) - 1
    keep = np.zeros(size, bool)
    if symbols.size == 0:
        return keep
    if not 0 <= int(symbols.min()) <= int(symbols.max()) <= filler:
        raise FileError(f"The file holds a gap outside [0, {filler}].")
    entry = symbols < filler
    positions = np.cumsum(symbols + entry, dtype=np.int64)[entry] - 1
    if positions.size and int(positions[-1]) >= size:
        raise FileError("The file holds gaps that lead past the end of their tensor.")
    keep[positions] = True
    return keep
