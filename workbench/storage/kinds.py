"""One writer and one reader for every kind of values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..core.encoded import Encoded
from ..core.errors import FileError
from ..core.values import Array, Codebook, FixedPoint, Floats, Levels, ProductCodes, Values
from . import codes as contextual
from .floats import read_floats, write_floats
from .sink import Option, Rival, Sink
from .streams import TAGS, Stream, Tally
from .support import as_matrix
from .surroundings import lag_of
from .wire import Cursor, Payload, Writer, packed_bytes, unpack_bits, width_of

KINDS: tuple[str, ...] = tuple(c.kind for c in (Floats, Codebook, FixedPoint, Levels, ProductCodes))
ROLES = ("weight", "bias", "batchnorm", "buffer")
_FLOAT_PARTS = {"weight": "weights", "bias": "biases", "batchnorm": "batchnorm", "buffer": "weights"}
_MOST = (1 << 31) - 1
_CONTEXT = TAGS
_DESCRIPTION = 7


@dataclass(frozen=True)
class Place:
    """What values are read for and from. n: stored entries; shape: of the tensor; keep: which these are."""

    n: int
    shape: tuple[int, ...]
    keep: Array | None
    role: str
    meta: Cursor
    payload: Payload

    @property
    def size(self) -> int:
        """Entries of the tensor."""
        return math.prod(self.shape)

    @property
    def rows(self) -> int:
        """Along its first axis."""
        return self.shape[0] if self.shape else 1

    def codes(self, n: int, low: int, high: int) -> Array:
        """The next stream: n codes, all of them in [low, high]."""
        if n and self.keep is not None and self.keep.ndim > 1 and self.meta.follows(_CONTEXT):
            least, lag = self.meta.sint(_MOST), self.meta.uint(contextual.MOST_LAG)
            codes = least + contextual.read(as_matrix(self.keep), lag, self.meta, self.payload.of("codes"))
        else:
            codes = Stream.parse(self.meta, n).read(self.payload.of("codes"), n)
        if n and not low <= int(codes.min()) <= int(codes.max()) <= high:
            raise FileError(f"The file holds a code outside [{low}, {high}].")
        return codes


def write_values(sink: Sink, encoded: Encoded, role: str) -> None:
    """Describe and store the values of a tensor; their kind is the caller's to write."""
    values = encoded.values
    if isinstance(values, Floats):
        write_floats(sink, _FLOAT_PARTS[role], values.data, encoded.coder)
    elif isinstance(values, Codebook):
        _write_codebook(sink, values, encoded)
    elif isinstance(values, FixedPoint):
        _write_fixed_point(sink, values, encoded)
    elif isinstance(values, Levels):
        _write_levels(sink, values, encoded)
    else:
        assert isinstance(values, ProductCodes)
        _write_product(sink, values, encoded)


def read_values(kind: str, place: Place) -> Values:
    """The values that write_values wrote; FileError where the file contradicts itself."""
    return _READERS[kind](place)


def _write_codes(sink: Sink, codes: Array, encoded: Encoded, zero: int) -> None:
    """zero: the first code that stands for no negative number."""
    tally = Tally.of(codes)
    rival = _in_context(sink, codes, tally, encoded, zero) if encoded.coder == "smallest" else None
    sink.stream("codes", [Option((), tally, lambda: codes)], encoded.coder, rival)


def _in_context(sink: Sink, codes: Array, tally: Tally, encoded: Encoded, zero: int) -> Rival | None:
    if encoded.keep is None or encoded.keep.ndim < 2:
        return None
    matrix, lag = as_matrix(encoded.keep), lag_of(encoded.keep)
    if not contextual.possible(matrix, tally.k, lag) or not sink.affords(contextual.work(matrix, tally.k)):
        return None
    pivot = int(np.clip(zero - tally.low, 0, tally.k))
    plan = contextual.planned(contextual.places_of(matrix, lag), codes - tally.low, tally.k, pivot)
    if plan is None:
        return None

    def describe(meta: Writer, length: int) -> None:
        meta.sint(tally.low)
        meta.uint(lag)
        plan.describe(meta, length)

    work = contextual.work(matrix, tally.k)
    return Rival((_CONTEXT,), plan.size + _DESCRIPTION, work, describe, plan.encode)


def _read_floats(place: Place) -> Values:
    return Floats(read_floats(_FLOAT_PARTS[place.role], place.n, place.meta, place.payload))


def _write_codebook(sink: Sink, values: Codebook, encoded: Encoded) -> None:
    """The book ascends; entries that no code uses are left out."""
    used = np.flatnonzero(np.bincount(values.codes, minlength=values.book.size))
    order = used[np.argsort(values.book[used], kind="stable")]
    rank = np.zeros(values.book.size, np.int64)
    rank[order] = np.arange(order.size)
    book = values.book[order]
    sink.meta.uint(book.size)
    write_floats(sink, "codebooks", book, encoded.coder)
    _write_codes(sink, rank[values.codes], encoded, int(np.count_nonzero(book < 0)))


def _read_codebook(place: Place) -> Values:
    book = read_floats("codebooks", place.meta.uint(_MOST), place.meta, place.payload)
    return Codebook(place.codes(place.n, 0, book.size - 1), book)


def _write_fixed_point(sink: Sink, values: FixedPoint, encoded: Encoded) -> None:
    sink.meta.sint(values.low)
    sink.meta.sint(values.high)
    _write_scale(sink, values.scale, encoded.coder)
    lowest = int(values.zero.min())
    above = values.zero.astype(np.int64) - lowest
    sink.meta.sint(lowest)
    sink.meta.uint(width_of(int(above.max())))
    sink.fixed("scales", above, width_of(int(above.max())))
    _write_codes(sink, values.codes, encoded, round(float(values.zero.mean())))


def _read_fixed_point(place: Place) -> Values:
    low, high = place.meta.sint(_MOST), place.meta.sint(_MOST)
    if low > high:
        raise FileError(f"The file claims fixed-point codes from {low} to {high}.")
    scale = _read_scale(place)
    lowest, width = place.meta.sint(_MOST), place.meta.uint(32)
    above = unpack_bits(place.payload.take(packed_bytes(scale.size, width)), width, scale.size)
    return FixedPoint(place.codes(place.n, low, high), scale, above.astype(np.int64) + lowest, low, high)


def _write_levels(sink: Sink, values: Levels, encoded: Encoded) -> None:
    sink.meta.uint(len(values.alphabet))
    for level in values.alphabet:
        sink.meta.sint(level)
    _write_scale(sink, values.scale, encoded.coder)
    _write_codes(sink, values.codes, encoded, sum(level < 0 for level in values.alphabet))


def _read_levels(place: Place) -> Values:
    alphabet = tuple(place.meta.sint(_MOST) for _ in range(place.meta.uint(256)))
    scale = _read_scale(place)
    return Levels(place.codes(place.n, 0, len(alphabet) - 1), scale, alphabet)


def _write_scale(sink: Sink, scale: Array, coder: str) -> None:
    sink.meta.uint(int(scale.size > 1))
    write_floats(sink, "scales", scale, coder)


def _read_scale(place: Place) -> Array:
    return read_floats("scales", place.rows if place.meta.uint(1) else 1, place.meta, place.payload)


def _write_product(sink: Sink, values: ProductCodes, encoded: Encoded) -> None:
    for length in values.books.shape:
        sink.meta.uint(length)
    write_floats(sink, "codebooks", values.books, encoded.coder)
    codes = values.codes.reshape(-1)
    sink.stream("codes", [Option((), Tally.of(codes), lambda: codes)], encoded.coder)


def _read_product(place: Place) -> Values:
    s, k, d = (place.meta.uint(_MOST) for _ in range(3))
    if s * d == 0 or place.n != place.size or place.size % (s * d):
        raise FileError(f"The file claims {s} product codes of {d} values a row in a tensor of {place.size} entries.")
    books = read_floats("codebooks", s * k * d, place.meta, place.payload).reshape(s, k, d)
    return ProductCodes(place.codes(place.size // d, 0, k - 1).reshape(-1, s), books)


_READERS = {
    Floats.kind: _read_floats,
    Codebook.kind: _read_codebook,
    FixedPoint.kind: _read_fixed_point,
    Levels.kind: _read_levels,
    ProductCodes.kind: _read_product,
}
