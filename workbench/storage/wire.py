"""Small numbers and slices in a byte string, read back with every claim checked."""

from __future__ import annotations

import numpy as np

from ..core.errors import FileError
from ..core.values import Array

# Steps of 0.1 ms or so: what a file may cost whoever reads it.
MOST_WORK = 1 << 17


class Writer:
    """Bytes under construction; whole numbers take 7 bits a byte, lowest first."""

    def __init__(self) -> None:
        self.data = bytearray()

    def uint(self, value: int) -> None:
        """Append value >= 0."""
        assert value >= 0
        while value > 127:
            self.data.append(value & 127 | 128)
            value >>= 7
        self.data.append(value)

    def sint(self, value: int) -> None:
        """Append any whole number; the sign goes into the lowest bit."""
        self.uint(2 * value if value >= 0 else -2 * value - 1)


class Cursor:
    """Reads what Writer wrote; FileError when the bytes end early or a number is larger than allowed."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = memoryview(data)
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.at

    def take(self, count: int) -> memoryview:
        """The next `count` bytes."""
        if count > self.left:
            raise FileError(f"The file claims {count} more bytes where only {self.left} are left.")
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self, most: int) -> int:
        """The next number, in [0, most]."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift > 63:
                break
        if value > most or byte > 127:
            raise FileError(f"The file claims a number of {value} where at most {most} is possible.")
        return value

    def sint(self, most: int) -> int:
        """The next number, in [-most, most]."""
        value = self.uint(2 * most)
        return -(value + 1) // 2 if value & 1 else value // 2

    def follows(self, byte: int) -> bool:
        """Whether the next byte is this one; if so, it is taken."""
        if self.left and self.data[self.at] == byte:
            self.at += 1
            return True
        return False


class Payload(Cursor):
    """A Cursor that also counts what is taken, by part, and notes which coder each part of a tensor was in.

    outputs: kept entries by row of the matrix that was read last.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        super().__init__(data)
        self.parts: dict[str, int] = {}
        self.coders: dict[str, str] = {}
        self._part = ""
        self.outputs: Array | None = None
        self._worked = 0

    def of(self, part: str) -> Payload:
        """Itself; what is taken from now on belongs to `part`."""
        self._part = part
        return self

    def coded(self, coder: str) -> None:
        """The part that is being read is in this coder."""
        self.coders[self._part] = coder

    def work(self, steps: int) -> None:
        """Note that decoding takes so many steps of Python; FileError when a file asks for more than is written."""
        self._worked += steps
        if self._worked > MOST_WORK:
            raise FileError(f"The file takes more than the {MOST_WORK} steps that a reader accepts.")

    def take(self, count: int) -> memoryview:
        taken = super().take(count)
        if count:
            self.parts[self._part] = self.parts.get(self._part, 0) + count
        return taken


def width_of(largest: int) -> int:
    """Bits that hold every number in [0, largest]."""
    return int(largest).bit_length()


def packed_bytes(count: int, width: int) -> int:
    """Bytes of `count` numbers of `width` bits."""
    return (count * width + 7) // 8


def pack_bits(numbers: Array, width: int) -> bytes:
    """Fixed width packing, first number in the highest bits. numbers: (n,) integers in [0, 2**width), width <= 32."""
    if width == 0 or numbers.size == 0:
        return b""
    size = packed_bytes(numbers.size, width)
    if width <= 8:
        return _pack_eights(numbers, width)[:size]
    octets = np.ascontiguousarray(numbers.astype(">u4")).view(np.uint8).reshape(-1, 4)
    return np.packbits(np.unpackbits(octets, axis=1)[:, 32 - width :].reshape(-1)).tobytes()


def unpack_bits(data: bytes | memoryview, width: int, count: int) -> Array:
    """The numbers that pack_bits packed: (count,) int32 for width < 32, else int64."""
    dtype = np.int32 if width < 32 else np.int64
    if width == 0 or count == 0:
        return np.zeros(count, dtype)
    octets = np.frombuffer(data, np.uint8)
    if width <= 8:
        return _unpack_eights(octets, width)[:count]
    padded = np.zeros((count, 32), np.uint8)
    padded[:, 32 - width :] = np.unpackbits(octets, count=count * width).reshape(count, width)
    return np.packbits(padded, axis=1).view(">u4").reshape(-1).astype(dtype)


def _pack_eights(numbers: Array, width: int) -> bytes:
    """Eight numbers of up to 8 bits make one word of `width` whole bytes."""
    eights = np.zeros((-(-numbers.size // 8), 8), np.uint64)
    eights.reshape(-1)[: numbers.size] = numbers
    words = np.zeros(len(eights), np.uint64)
    for i in range(8):
        words |= eights[:, i] << np.uint64(width * (7 - i))
    return words.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - width :].tobytes()


def _unpack_eights(octets: Array, width: int) -> Array:
    padded = np.zeros((-(-octets.size // width), 8), np.uint8)
    filled = np.zeros((len(padded), width), np.uint8)
    filled.reshape(-1)[: octets.size] = octets
    padded[:, 8 - width :] = filled
    words = padded.view(">u8").reshape(-1).astype(np.uint64)
    out = np.empty((len(words), 8), np.int32)
    for i in range(8):
        out[:, i] = words >> np.uint64(width * (7 - i)) & np.uint64((1 << width) - 1)
    return out.reshape(-1)
