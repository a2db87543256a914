"""What each stream of a file takes beside what it would take at its empirical entropy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.encoded import Encoded
from ..core.values import Array, Codebook, FixedPoint, Levels, ProductCodes
from .artifact import Artifact
from .streams import entropy_bits


@dataclass(frozen=True)
class StreamRow:
    """One stream. part: as in bytes_by_part; coder: "none" for what is stored as it is; size: its bytes in the payload.

    entropy_bytes: symbols x their empirical entropy, every symbol by itself (Shannon 1948): a bound for coders that
    take no notice of what is around a symbol, and only for these. None for floats.
    """

    tensor: str
    part: str
    coder: str
    symbols: int
    size: int
    entropy_bytes: float | None

    @property
    def ratio(self) -> float | None:
        """Bytes over bytes at the entropy."""
        return self.size / self.entropy_bytes if self.entropy_bytes else None


def stream_rows(artifact: Artifact) -> list[StreamRow]:
    """A row for every stream of every tensor, in the order of the file."""
    rows = []
    for name, encoded in artifact.tensors.items():
        for part, size in artifact.streams[name].items():
            symbols = _symbols(encoded, part)
            entropy = None if symbols is None else entropy_bytes(symbols)
            count = encoded.values.n if symbols is None else symbols.size
            rows.append(StreamRow(name, part, artifact.coders[name].get(part, "none"), count, size, entropy))
    return rows


def entropy_bytes(symbols: Array) -> float:
    """Symbols x entropy of how often each occurs, in bytes; 0 for none. symbols: (n,) integers."""
    counts = np.unique(symbols, return_counts=True)[1]
    return entropy_bits(counts) / 8 if symbols.size else 0.0


def _symbols(encoded: Encoded, part: str) -> Array | None:
    """The integers that a part stands for, whatever they were turned into."""
    values = encoded.values
    if part == "positions" and encoded.keep is not None:
        return encoded.keep.reshape(-1)
    if part == "codes" and isinstance(values, Codebook | FixedPoint | Levels | ProductCodes):
        return values.codes.reshape(-1)
    return None
