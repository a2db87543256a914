"""The end of a range coded stream: no byte more than it takes to tell where in the last interval it lies."""

from __future__ import annotations

import numpy as np
from constriction import stream

_STATE = 64


def sealed(encoder: stream.queue.RangeEncoder) -> bytes:
    """What was encoded, as 32-bit words with their highest byte first, less the zero bytes it can end in."""
    at, (low, width) = encoder.pos()
    words = np.asarray(encoder.get_compressed())
    whole = words.astype(">u4").tobytes()
    for count in range(_STATE // 8):
        unit = 1 << (_STATE - 8 * count)
        point = -(-low // unit) * unit
        if point < min(low + width, 1 << _STATE):
            short = whole[: 4 * at] + point.to_bytes(_STATE // 8, "big")[:count]
            return (short if len(short) < len(whole) else whole).rstrip(b"\0")
    return whole


def opened(data: bytes | memoryview) -> stream.queue.RangeDecoder:
    """The decoder of what `sealed` gave."""
    padded = bytes(data) + bytes(-len(data) % 4)
    return stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))


def sealed_bytes(bits: float) -> int:
    """Bytes of so much information, foreseen to one or two."""
    return max(1, int(bits + 4) // 8)
