"""How one tensor is stored: support x values x entropy coder."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .values import Array, Floats, Values

SUPPORTS = ("smallest", "dense", "bitmap", "gaps")
CODERS = ("smallest", "none", "huffman", "range")


@dataclass(frozen=True, eq=False)
class Encoded:
    """One stored tensor; decodes to exactly the tensor that the network runs with.

    shape:   of the tensor.
    values:  the entries that are stored, in C order.
    keep:    which entries those are, bool of `shape`; None when all are stored. The others are zero.
    support: how `keep` is written; "smallest" lets the writer choose what takes fewest bytes.
    coder:   how codes and support are entropy coded; "smallest" likewise.
    """

    shape: tuple[int, ...]
    values: Values
    keep: Array | None = None
    support: str = "smallest"
    coder: str = "smallest"

    def __post_init__(self) -> None:
        stored = math.prod(self.shape) if self.keep is None else int(np.count_nonzero(self.keep))
        assert stored == self.values.n, f"{stored} kept entries, {self.values.n} stored values"
        assert self.support in SUPPORTS and self.coder in CODERS, (self.support, self.coder)
        assert (self.support == "dense") <= (self.keep is None), "a dense support stores every entry"

    @classmethod
    def dense(cls, weight: Array) -> Encoded:
        """Every entry as float32. weight: any shape."""
        weight = np.asarray(weight, np.float32, order="C")  # ascontiguousarray would make a row of a single number
        return cls(tuple(weight.shape), Floats(weight.reshape(-1)))

    @property
    def nonzeros(self) -> int:
        """Entries whose decoded value is not zero."""
        return int(np.count_nonzero(self.decode()))

    @property
    def rows(self) -> Array:
        """Index along the first axis of every stored entry, (n,)."""
        rows, row = (self.shape[0] if self.shape else 1), math.prod(self.shape[1:])
        each = row if self.keep is None else np.count_nonzero(self.keep.reshape(rows, row), axis=1)
        return np.repeat(np.arange(rows), each)

    def decode(self) -> Array:
        """The tensor it stands for, float32 of `shape`."""
        stored = self.values.decode(self.rows)
        if self.keep is None:
            return stored.reshape(self.shape).copy()
        out = np.zeros(self.shape, np.float32)
        out[self.keep] = stored
        return out

    def restrict(self, keep: Array) -> Encoded:
        """Store only what is stored now and in `keep` (bool of `shape`); the representation of values stays."""
        both = keep if self.keep is None else keep & self.keep
        if bool(both.all()):
            return self
        kept = both.reshape(-1) if self.keep is None else both[self.keep]
        return replace(self, values=self.values.take(kept), keep=both)

    def with_values(self, values: Values) -> Encoded:
        """The same support with other values."""
        return replace(self, values=values)

    def stored(self) -> Array:
        """The kept entries as float32, (n,), in C order."""
        return self.values.decode(self.rows)
