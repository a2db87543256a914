"""Range coding (Martin 1979) with a static model whose frequencies are stored as small logarithmic levels.

A level d stands for the frequency ((2 << m) - 1 - d mod 2^m) << (20 - d // 2^m): 2^m steps to each halving. All
arithmetic up to the coder is in integers, and the frequencies that it gets sum to a power of two, so that every
machine builds the same model.
"""

from __future__ import annotations

import numpy as np
from constriction import stream

from ..core.errors import FileError
from ..core.values import Array
from .words import opened, sealed

MOST_SYMBOLS = 1 << 16
FINEST = 3
_OCTAVES = 20
_TOTAL = 1 << 20
_LADDERS = [
    np.array([((2 << m) - 1 - d % (1 << m)) << (_OCTAVES - (d >> m)) for d in range((_OCTAVES + 1) << m)], np.int64)
    for m in range(FINEST + 1)
]


def fineness(n: int, k: int) -> int:
    """The m that balances k more bits of table with a quarter of the loss, 0.029 n / 4^m bits, that rounding costs."""
    return min(range(FINEST + 1), key=lambda m: 0.029 * n / 4**m + k * m)


def levels_of(counts: Array, m: int) -> Array:
    """What is stored for each symbol: 0 for one that never occurs, else 1 + level. counts: (k,) -> (k,)."""
    ladder = _LADDERS[m]
    wanted = counts * (int(ladder[0]) / int(counts.max()))
    middles = (ladder[:-1] + ladder[1:]) / 2
    found: Array = np.where(counts > 0, 1 + np.searchsorted(-middles, -wanted), 0)
    return found


def most_levels(m: int) -> int:
    """The largest number in a table."""
    return int(_LADDERS[m].size)


def frequencies(stored: Array, m: int) -> Array:
    """Frequencies of the used symbols, each at least 1, that sum to 2^20. stored: (k,) -> (used,)."""
    raw = _LADDERS[m][stored[stored > 0] - 1]
    out: Array = 1 + raw * (_TOTAL - raw.size) // int(raw.sum())
    out[np.argmax(out)] += _TOTAL - int(out.sum())
    return out


def information(counts: Array, stored: Array, m: int) -> float:
    """Bits that symbols occurring `counts` times cost under the stored model."""
    used = stored > 0
    return float(counts[used] @ (20 - np.log2(frequencies(stored, m))))


def encode(symbols: Array, stored: Array, m: int) -> bytes:
    """symbols: (n,) in [0, k), all of them used."""
    present = stored > 0
    ranks = symbols if present.all() else (np.cumsum(present) - 1)[symbols]
    encoder = stream.queue.RangeEncoder()
    encoder.encode(ranks.astype(np.int32), _model(stored, m))
    return sealed(encoder)


def decode(data: bytes | memoryview, stored: Array, m: int, count: int) -> Array:
    """The `count` symbols that `encode` wrote, int32; FileError when the model or the bits cannot be right."""
    used = np.flatnonzero(stored).astype(np.int32)
    if not 2 <= used.size <= MOST_SYMBOLS or stored.max() > most_levels(m):
        raise FileError("The file holds a range coded stream with an impossible model.")
    try:
        ranks = opened(data).decode(_model(stored, m), count)
    except AssertionError:  # what constriction raises for words that no encoder writes
        raise FileError("The file holds a range coded stream that its model cannot have written.") from None
    found: Array = used[ranks]
    return found


def _model(stored: Array, m: int) -> stream.model.Categorical:
    return stream.model.Categorical(frequencies(stored, m).astype(np.float64), perfect=False)
