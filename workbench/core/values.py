"""What is stored for the kept entries of a tensor: floats, or integer codes with a few real parameters.

Every kind is numpy only, so that a file can be decoded without torch. `n` counts kept entries in C order;
`rows` is the index along the tensor's first axis of each kept entry, which per-row scales need.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .errors import WorkbenchError

Array = NDArray[Any]
SIGN = (-1, 1)
TERNARY = (-1, 0, 1)


class Values(ABC):
    """The kept entries of one tensor. Subclasses are frozen dataclasses of arrays."""

    kind: ClassVar[str]
    quantized: ClassVar[bool] = True

    @property
    @abstractmethod
    def n(self) -> int:
        """How many entries are stored."""

    @abstractmethod
    def decode(self, rows: Array) -> Array:
        """The stored entries. rows: (n,) integers -> (n,) float32."""

    @abstractmethod
    def take(self, kept: Array) -> Values:
        """The same representation for a subset. kept: (n,) bool."""


@dataclass(frozen=True, eq=False)
class Floats(Values):
    """Plain float32. data: (n,)."""

    data: Array
    kind: ClassVar[str] = "float"
    quantized: ClassVar[bool] = False

    @property
    def n(self) -> int:
        return int(self.data.size)

    def decode(self, rows: Array) -> Array:
        return self.data

    def take(self, kept: Array) -> Floats:
        return Floats(self.data[kept])


@dataclass(frozen=True, eq=False)
class Codebook(Values):
    """An index per entry into shared floats. codes: (n,) in [0, k); book: (k,) float32.

    short: every value of the book is a bfloat16, and training leaves it one.
    """

    codes: Array
    book: Array
    short: bool = False
    kind: ClassVar[str] = "codebook"

    @property
    def n(self) -> int:
        return int(self.codes.size)

    def decode(self, rows: Array) -> Array:
        return self.book[self.codes]

    def take(self, kept: Array) -> Codebook:
        return replace(self, codes=self.codes[kept])


def bfloat16(values: Array) -> Array:
    """The nearest floats whose lower 16 bits are zero, ties to even; finite (..., ) float32 -> float32.

    A file leaves such bytes out.
    """
    bits = np.asarray(values, np.float32).view(np.uint32)
    short = (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) & np.uint32(0xFFFF0000)
    found: Array = short.view(np.float32)
    return found


@dataclass(frozen=True, eq=False)
class FixedPoint(Values):
    """value = scale * (code - zero), with one scale and zero for the tensor or one per row.

    codes: (n,) integers in [low, high]; scale: (g,) float32, zero: (g,) integers, g = 1 or the number of rows.
    binary: every scale is a power of two, and training leaves it one.
    """

    codes: Array
    scale: Array
    zero: Array
    low: int
    high: int
    binary: bool = False
    kind: ClassVar[str] = "fixed_point"

    @property
    def n(self) -> int:
        return int(self.codes.size)

    @property
    def bits(self) -> int:
        """Width of one code."""
        return max(1, math.ceil(math.log2(self.high - self.low + 1)))

    def decode(self, rows: Array) -> Array:
        group = rows if self.scale.size > 1 else slice(None)  # all of the one
        steps = self.codes.astype(np.int64) - self.zero.astype(np.int64)[group]
        return (steps.astype(np.float32) * self.scale[group]).astype(np.float32)

    def take(self, kept: Array) -> FixedPoint:
        return replace(self, codes=self.codes[kept])


@dataclass(frozen=True, eq=False)
class Levels(Values):
    """value = scale * level, level from a small fixed alphabet: SIGN for binary, TERNARY for ternary weights.

    codes: (n,) indices into `alphabet`; scale: (g,) float32, g = 1 or the number of rows.
    """

    codes: Array
    scale: Array
    alphabet: tuple[int, ...]
    kind: ClassVar[str] = "levels"

    @property
    def n(self) -> int:
        return int(self.codes.size)

    def decode(self, rows: Array) -> Array:
        scale = self.scale[rows] if self.scale.size > 1 else self.scale
        return np.asarray(self.alphabet, np.float32)[self.codes] * scale

    def take(self, kept: Array) -> Levels:
        return replace(self, codes=self.codes[kept])


@dataclass(frozen=True, eq=False)
class ProductCodes(Values):
    """Product quantization of a dense (m, s*d) matrix: block j of row i is books[j, codes[i, j]].

    codes: (m, s) indices; books: (s, k, d) float32. Stands for m*s*d entries.
    """

    codes: Array
    books: Array
    kind: ClassVar[str] = "product"

    @property
    def n(self) -> int:
        return int(self.codes.size * self.books.shape[2])

    def decode(self, rows: Array) -> Array:
        blocks = self.books[np.arange(self.books.shape[0]), self.codes]
        return np.ascontiguousarray(blocks, np.float32).reshape(-1)

    def take(self, kept: Array) -> Values:
        if bool(kept.all()):
            return self
        raise WorkbenchError("Product codes stand for whole blocks; single weights cannot be taken out of them.")
