"""Single floats without loss: as they are, or each of their four bytes in a stream of its own.

The exponents of weights and biases are few and take two or three bits of their eight; the rest of a float is noise,
unless a method made it round.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import FileError
from ..core.values import Array
from .sink import Option, Sink
from .streams import Stream, Tally, ways
from .wire import Cursor, Payload

RAW, PLANES = 0, 1
_PLANES = 4
_FEWEST = 8
_DESCRIPTION = 5
_MOST_BOOK = 1 << 16


def _most(part: str) -> int:
    """Floats in coded form may take no bytes at all; only of codebooks can a file claim more than its tensors hold."""
    return _MOST_BOOK if part == "codebooks" else 1 << 31


def write_floats(sink: Sink, part: str, data: Array, coder: str) -> None:
    """Describe and store `data` (any shape) as float32; apart by bytes where `coder` leaves the choice and it helps."""
    apart = coder in ("smallest", "range") and _FEWEST <= data.size <= _most(part)
    planes = planes_of(data) if apart else []
    tallies = [Tally.of(plane) for plane in planes]
    small = sum(_DESCRIPTION + min(way.size for way in ways(tally, "smallest")) for tally in tallies)
    if not planes or small >= 4 * data.size:
        sink.meta.uint(RAW)
        sink.raw(part, data)
        return
    sink.meta.uint(PLANES)
    for plane, tally in zip(planes, tallies, strict=True):
        sink.stream(part, [Option((), tally, lambda plane=plane: plane)], "smallest")  # type: ignore[misc]


def planes_of(data: Array) -> list[Array]:
    """The exponents, then sign and upper mantissa, then the mantissa's lower bytes: four of (n,) in [0, 256)."""
    bits = np.ascontiguousarray(data, "<f4").reshape(-1).view("<u4")
    turned = (bits << np.uint32(1)) | (bits >> np.uint32(31))
    exponent, upper = turned >> np.uint32(24), turned & np.uint32(0xFF)
    middle, low = (turned >> np.uint32(16)) & np.uint32(0xFF), (turned >> np.uint32(8)) & np.uint32(0xFF)
    return [plane.astype(np.int32) for plane in (exponent, middle, low, upper)]


def read_floats(part: str, count: int, meta: Cursor, payload: Payload) -> Array:
    """The `count` float32 that write_floats wrote."""
    payload = payload.of(part)
    if meta.uint(PLANES) == RAW:
        return np.frombuffer(payload.take(4 * count), "<f4").astype(np.float32)
    if count > _most(part):
        raise FileError(f"The file claims {count} {part} in coded form; at most {_most(part)} are possible.")
    exponent, middle, low, upper = (
        Stream.parse(meta, count).read(payload, count).astype(np.uint32) & np.uint32(0xFF) for _ in range(_PLANES)
    )
    turned = exponent << np.uint32(24) | middle << np.uint32(16) | low << np.uint32(8) | upper
    payload.coded("planes")
    found: Array = ((turned >> np.uint32(1)) | (turned << np.uint32(31))).view(np.float32)
    return found
