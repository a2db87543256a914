"""Where a tensor's pieces go while it is taken apart: into the bytes of a file, or only into sums of sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.values import Array
from .streams import Tally, Way, outlook, ways
from .wire import MOST_WORK, Writer, pack_bits, packed_bytes

# A foreseen size of a range coded stream is off by a byte or two; options as close as that are written and compared.
_DOUBT = 4
_HUFFMAN_LOOKS = 4


@dataclass(frozen=True, eq=False)
class Option:
    """One way to turn something into symbols. head: numbers that say which; symbols: made only when needed."""

    head: tuple[int, ...]
    tally: Tally
    symbols: Callable[[], Array]


@dataclass(frozen=True, eq=False)
class Rival:
    """Something that writes the whole stream in a way of its own, and is taken when it is foreseen to be smaller.

    size: bytes with their description; work: steps of decoding; describe: takes `meta` and the bytes that encode gave.
    """

    head: tuple[int, ...]
    size: int
    work: int
    describe: Callable[[Writer, int], None]
    encode: Callable[[], bytes]


class Sink:
    """Takes pieces and knows their sizes by part; `meta` collects what describes them.

    looks: how many of a stream's options, by their outlook, are worked out. outputs: kept entries by row of the matrix
    that came last.
    """

    looks = 1

    def __init__(self) -> None:
        self.meta = Writer()
        self.parts: dict[str, int] = {}
        self.outputs: Array | None = None
        self._worked = 0

    def affords(self, work: int) -> bool:
        """Whether a reader would still take so many steps."""
        return self._worked + work <= MOST_WORK

    def octets(self, part: str, data: Array) -> None:
        """data: any shape of uint8, stored as it is."""
        self._count(part, data.size)

    def fixed(self, part: str, numbers: Array, width: int) -> None:
        """numbers: (n,) in [0, 2**width)."""
        self._count(part, packed_bytes(numbers.size, width))

    def stream(self, part: str, options: Sequence[Option], coder: str, rival: Rival | None = None) -> None:
        """Describe and take the smallest of the options."""
        # The entropy says little about Huffman codes of small alphabets, so these are worked out more widely.
        looks = max(self.looks, _HUFFMAN_LOOKS if coder == "huffman" else 0)
        likely = sorted(options, key=lambda option: outlook(option.tally, coder))[:looks]
        found = [(way, option) for option in likely for way in ways(option.tally, coder)]
        if rival is not None and rival.size < min(way.size for way, _ in found):
            self._take(part, rival)
            return
        way, option, size = self._smallest(found)
        for number in option.head:
            self.meta.uint(number)
        way.describe(self.meta, size)
        self._count(part, size)

    def _take(self, part: str, rival: Rival) -> None:
        self._worked += rival.work
        size = self._rival_bytes(rival)
        for number in rival.head:
            self.meta.uint(number)
        rival.describe(self.meta, size)
        self._count(part, size)

    def _rival_bytes(self, rival: Rival) -> int:
        description = Writer()
        rival.describe(description, rival.size)
        return rival.size - len(description.data)

    def _smallest(self, found: list[tuple[Way, Option]]) -> tuple[Way, Option, int]:
        way, option = min(found, key=lambda pair: pair[0].size)
        return way, option, way.size

    def _count(self, part: str, size: int) -> None:
        if size:
            self.parts[part] = self.parts.get(part, 0) + size


class BytesSink(Sink):
    """Also keeps the bytes."""

    looks = 3

    def __init__(self) -> None:
        super().__init__()
        self.payload = bytearray()

    def octets(self, part: str, data: Array) -> None:
        super().octets(part, data)
        self.payload += data.tobytes()

    def fixed(self, part: str, numbers: Array, width: int) -> None:
        super().fixed(part, numbers, width)
        self.payload += pack_bits(numbers, width)

    def _rival_bytes(self, rival: Rival) -> int:
        data = rival.encode()
        self.payload += data
        return len(data)

    def _smallest(self, found: list[tuple[Way, Option]]) -> tuple[Way, Option, int]:
        best: tuple[bytes, Way, Option] | None = None
        for way, option in sorted(found, key=lambda pair: pair[0].size):
            if best is None or way.size < len(best[0]) + (0 if way.exact else _DOUBT):
                data = way.encode(option.symbols())
                if best is None or len(data) < len(best[0]):
                    best = data, way, option
        assert best is not None
        self.payload += best[0]
        return best[1], best[2], len(best[0])
