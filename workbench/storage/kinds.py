"""One writer and one reader for every kind of values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import FileError
from ..core.values import Array, Codebook, FixedPoint, Floats, Levels, ProductCodes, Values
from .sink import Option, Sink
from .streams import Stream, Tally
from .wire import Cursor, Payload, packed_bytes, unpack_bits, width_of

KINDS: tuple[str, ...] = tuple(c.kind for c in (Floats, Codebook, FixedPoint, Levels, ProductCodes))
ROLES = ("weight", "bias", "batchnorm", "buffer")
_FLOAT_PARTS = {"weight": "weights", "bias": "biases", "batchnorm": "batchnorm", "buffer": "weights"}
_MOST = (1 << 31) - 1


@dataclass(frozen=True)
class Place:
    """What values are read for and from. n: stored entries; size: entries of the tensor; rows: along its first axis."""

    n: int
    size: int
    rows: int
    role: str
    meta: Cursor
    payload: Payload

    def codes(self, n: int, low: int, high: int) -> Array:
        """The next stream: n codes, all of them in [low, high]."""
        codes = Stream.parse(self.meta, n).read(self.payload.of("codes"), n)
        if n and not low <= int(codes.min()) <= int(codes.max()) <= high:
            raise FileError(f"The file holds a code outside [{low}, {high}].")
        return codes


def write_values(sink: Sink, values: Values, role: str, coder: str) -> None:
    """Describe and store `values`; their kind is the caller's to write."""
    if isinstance(values, Floats):
        sink.floats(_FLOAT_PARTS[role], values.data)
    elif isinstance(values, Codebook):
        _write_codebook(sink, values, coder)
    elif isinstance(values, FixedPoint):
        _write_fixed_point(sink, values, coder)
    elif isinstance(values, Levels):
        _write_levels(sink, values, coder)
    else:
        assert isinstance(values, ProductCodes)
        _write_product(sink, values, coder)


def read_values(kind: str, place: Place) -> Values:
    """The values that write_values wrote; FileError where the file contradicts itself."""
    return _READERS[kind](place)


def _write_codes(sink: Sink, codes: Array, coder: str, tally: Tally | None = None) -> None:
    sink.stream("codes", [Option((), tally or Tally.of(codes), lambda: codes)], coder)


def _read_floats(place: Place) -> Values:
    return Floats(place.payload.of(_FLOAT_PARTS[place.role]).floats(place.n))


def _write_codebook(sink: Sink, values: Codebook, coder: str) -> None:
    """Entries of the book that no code uses are left out."""
    codes, book = values.codes, values.book
    counts = np.bincount(codes, minlength=book.size)
    used = counts > 0
    if not used.all():
        codes, book, counts = (np.cumsum(used) - 1)[codes], book[used], counts[used]
    sink.meta.uint(book.size)
    sink.floats("codebooks", book)
    _write_codes(sink, codes, coder, Tally.of_counts(counts))


def _read_codebook(place: Place) -> Values:
    book = place.payload.of("codebooks").floats(place.meta.uint(_MOST))
    return Codebook(place.codes(place.n, 0, book.size - 1), book)


def _write_fixed_point(sink: Sink, values: FixedPoint, coder: str) -> None:
    sink.meta.sint(values.low)
    sink.meta.sint(values.high)
    _write_scale(sink, values.scale)
    lowest = int(values.zero.min())
    above = values.zero.astype(np.int64) - lowest
    sink.meta.sint(lowest)
    sink.meta.uint(width_of(int(above.max())))
    sink.fixed("scales", above, width_of(int(above.max())))
    _write_codes(sink, values.codes, coder)


def _read_fixed_point(place: Place) -> Values:
    low, high = place.meta.sint(_MOST), place.meta.sint(_MOST)
    if low > high:
        raise FileError(f"The file claims fixed-point codes from {low} to {high}.")
    scale = _read_scale(place)
    lowest, width = place.meta.sint(_MOST), place.meta.uint(32)
    above = unpack_bits(place.payload.take(packed_bytes(scale.size, width)), width, scale.size)
    return FixedPoint(place.codes(place.n, low, high), scale, above.astype(np.int64) + lowest, low, high)


def _write_levels(sink: Sink, values: Levels, coder: str) -> None:
    sink.meta.uint(len(values.alphabet))
    for level in values.alphabet:
        sink.meta.sint(level)
    _write_scale(sink, values.scale)
    _write_codes(sink, values.codes, coder)


def _read_levels(place: Place) -> Values:
    alphabet = tuple(place.meta.sint(_MOST) for _ in range(place.meta.uint(256)))
    scale = _read_scale(place)
    return Levels(place.codes(place.n, 0, len(alphabet) - 1), scale, alphabet)


def _write_scale(sink: Sink, scale: Array) -> None:
    sink.meta.uint(int(scale.size > 1))
    sink.floats("scales", scale)


def _read_scale(place: Place) -> Array:
    return place.payload.of("scales").floats(place.rows if place.meta.uint(1) else 1)


def _write_product(sink: Sink, values: ProductCodes, coder: str) -> None:
    for length in values.books.shape:
        sink.meta.uint(length)
    sink.floats("codebooks", values.books)
    _write_codes(sink, values.codes.reshape(-1), coder)


def _read_product(place: Place) -> Values:
    s, k, d = (place.meta.uint(_MOST) for _ in range(3))
    if s * d == 0 or place.n != place.size or place.size % (s * d):
        raise FileError(f"The file claims {s} product codes of {d} values a row in a tensor of {place.size} entries.")
    books = place.payload.of("codebooks").floats(s * k * d).reshape(s, k, d)
    return ProductCodes(place.codes(place.size // d, 0, k - 1).reshape(-1, s), books)


_READERS = {
    Floats.kind: _read_floats,
    Codebook.kind: _read_codebook,
    FixedPoint.kind: _read_fixed_point,
    Levels.kind: _read_levels,
    ProductCodes.kind: _read_product,
}
