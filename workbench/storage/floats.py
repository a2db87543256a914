"""Single floats without loss: as they are, or their bytes apart, less the low bytes that are zero in all of them.

The exponents of weights and biases are few and take two or three bits of their eight. The rest of a float is noise,
unless a method made it round.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import FileError
from ..core.values import Array
from .sink import Option, Sink
from .streams import Stream, Tally, ways
from .wire import Cursor, Payload

# Whole floats; exponents in a stream of their own; every byte in one.
_WHOLE, _EXPONENTS, _BYTES = range(3)
_MOST_DROPPED = 2
_FEWEST = 8
_DESCRIPTION = 5
_MOST_BOOK = 1 << 16


def write_floats(sink: Sink, part: str, data: Array, coder: str) -> None:
    """Describe and store `data` (any shape) as float32; apart where `coder` leaves the choice and it helps."""
    bits = np.ascontiguousarray(data, "<f4").reshape(-1).view("<u4")
    free = coder in ("smallest", "range")
    dropped = _zero_bytes(bits) if free else 0
    planes = planes_of(bits)[: 4 - dropped]
    form = _smallest_form(planes) if free and _FEWEST <= bits.size <= _most(part) else _WHOLE
    sink.meta.uint(dropped + (1 + _MOST_DROPPED) * form)
    if form == _WHOLE:
        sink.octets(part, bits.astype(">u4").view(np.uint8).reshape(-1, 4)[:, : 4 - dropped])
        return
    for i, plane in enumerate(planes):
        if form == _BYTES or i == 0:
            sink.stream(part, [Option((), Tally.of(plane), lambda plane=plane: plane)], "smallest")  # type: ignore[misc]
        else:
            sink.octets(part, plane)


def _zero_bytes(bits: Array) -> int:
    low = int(np.bitwise_or.reduce(bits, initial=0))
    return 2 if low & 0xFFFF == 0 else 1 if low & 0xFF == 0 else 0


def _smallest_form(planes: list[Array]) -> int:
    alone = [_DESCRIPTION + min(way.size for way in ways(Tally.of(plane), "smallest")) for plane in planes]
    rest = [plane.size for plane in planes[1:]]
    sizes = {_WHOLE: planes[0].size + sum(rest), _EXPONENTS: alone[0] + sum(rest), _BYTES: sum(alone)}
    return min(sizes, key=lambda form: sizes[form])


def planes_of(bits: Array) -> list[Array]:
    """Exponents, then sign and upper mantissa, then the mantissa's lower bytes. (n,) uint32 -> four (n,) uint8."""
    rest = bits & np.uint32(0x7FFFFF) | bits >> np.uint32(31) << np.uint32(23)
    shifted = [bits >> np.uint32(23), rest >> np.uint32(16), rest >> np.uint32(8), rest]
    return [(plane & np.uint32(0xFF)).astype(np.uint8) for plane in shifted]


def _most(part: str) -> int:
    """Floats apart may take no bytes at all; only of codebooks can a file claim more than its tensors hold."""
    return _MOST_BOOK if part == "codebooks" else 1 << 31


def read_floats(part: str, count: int, meta: Cursor, payload: Payload) -> Array:
    """The `count` float32 that write_floats wrote."""
    form, dropped = divmod(meta.uint(3 * (1 + _MOST_DROPPED) - 1), 1 + _MOST_DROPPED)
    payload, kept = payload.of(part), 4 - dropped
    if form == _WHOLE:
        octets = np.frombuffer(payload.take(kept * count), np.uint8).reshape(count, kept)
        whole = np.zeros((count, 4), np.uint8)
        whole[:, :kept] = octets
        return whole.view(">f4").reshape(count).astype(np.float32)
    if count > _most(part):
        raise FileError(f"The file claims {count} {part} in coded form; at most {_most(part)} are possible.")
    planes = [_read_plane(form == _BYTES or i == 0, count, meta, payload) for i in range(kept)]
    payload.coded("bytes apart")
    return _joined([*planes, *[np.zeros(count, np.uint32)] * dropped])


def _read_plane(coded: bool, count: int, meta: Cursor, payload: Payload) -> Array:
    if not coded:
        return np.frombuffer(payload.take(count), np.uint8).astype(np.uint32)
    return Stream.parse(meta, count).read(payload, count).astype(np.uint32) & np.uint32(0xFF)


def _joined(planes: list[Array]) -> Array:
    exponent, upper, middle, low = planes
    rest = upper << np.uint32(16) | middle << np.uint32(8) | low
    sign, mantissa = rest >> np.uint32(23) << np.uint32(31), rest & np.uint32(0x7FFFFF)
    found: Array = (sign | exponent << np.uint32(23) | mantissa).view(np.float32)
    return found
