"""The codes of kept entries, each in the light of those before it: a few levels as decisions of one bit.

First which side of zero a code lies on, then, away from zero, whether there is one more level, and one more. Signs go
together in patches and along columns; magnitudes go with the row, the column and how many entries these keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..core.errors import FileError
from ..core.memo import remember
from ..core.values import Array
from . import logistic
from .wire import Cursor, Payload, Writer
from .words import sealed_bytes

MOST_LEVELS = 16
MOST_ENTRIES = 1 << 16
MOST_WIDTH = 1 << 14
MOST_LAG = 255
WORTH = 0.99
# The usual weights of the features, for which side a code is on and for whether there is one more level.
SIDE = np.array([0, 5, 30, 1, 85, 5, 3, 65, 12, 0, 0, 0, 0])
MORE = np.array([-70, 8, 10, 3, 10, 0, 0, 9, 3, 0, 14, 12, 0])


@dataclass(frozen=True, eq=False)
class Places:
    """Where some entries of a matrix are. i, j: (n,) rows and columns in C order; hints: (3, n) int32 about each."""

    i: Array
    j: Array
    shape: tuple[int, int]
    lag: int
    hints: Array

    def part(self, chosen: Array, hint: Array) -> Places:
        """The chosen entries, with one more thing known about each."""
        hints = self.hints[:, chosen]
        hints[2] = hint[chosen]
        return Places(self.i[chosen], self.j[chosen], self.shape, self.lag, hints)

    @cached_property
    def neighbours(self) -> Array:
        """(7, n): 1 + which entry is the one before it in its row, then 1 and 2 to the left, above, and at the lag."""
        side = self.lag + 1
        rows, columns = self.shape
        index = np.zeros((rows + 1, columns + side), np.int32)
        index[self.i + 1, self.j + side] = np.arange(1, self.i.size + 1)
        flat, at = index.reshape(-1), (self.i + 1) * (columns + side) + self.j + side
        steps = (1, 2, columns + side, self.lag, self.lag - 1, self.lag + 1)
        before = np.where(_ranks(self.i) > 0, np.arange(self.i.size), 0)
        return np.stack([before, *(flat[at - step] for step in steps)])

    @cached_property
    def by_column(self) -> Array:
        """The entries sorted by column, then row."""
        return np.argsort(self.j, kind="stable")

    @cached_property
    def ranks(self) -> Array:
        """(2, n): how many entries come before each in its row and in its column."""
        down = np.empty(self.i.size, np.int32)
        down[self.by_column] = _ranks(self.j[self.by_column])
        return np.stack([_ranks(self.i), down]).astype(np.int32)

    @cached_property
    def lines(self) -> Array:
        """(2, n): the row of each entry, and its column counted on from the last row."""
        return np.stack([self.i, self.shape[0] + self.j])

    def about(self, order: Array) -> About:
        """order: (m,) entries."""
        parts = (self.ranks + 3, self.neighbours, self.hints, self.lines)
        return About(*(part[:, order] for part in parts))

    def levels(self) -> list[Array]:
        """Entries in groups: all that comes before one in its row and in its column is in earlier groups."""
        lines, others = (self.i, self.j) if self.shape[0] <= self.shape[1] else (self.j, self.i)
        entries = np.argsort(lines, kind="stable")
        deepest = np.zeros(max(self.shape), np.int64)
        level = np.empty(entries.size, np.int64)
        for line in np.split(entries, np.flatnonzero(np.diff(lines[entries])) + 1):
            steps = np.arange(line.size)
            across = others[line]
            level[line] = deepest[across] = np.maximum.accumulate(deepest[across] - steps) + steps + 1
        order = np.argsort(level, kind="stable")
        return np.split(order, np.cumsum(np.bincount(level))[:-1])[1:]


class About(NamedTuple):
    """What is fixed about some entries, in the order in which they are asked for; n of them.

    Decoding asks for a few hundred entries at a time, thousands of times: in this order they are slices.
    """

    fullness: Array
    neighbours: Array
    hints: Array
    lines: Array

    def features(self, at: slice, known: Array, sums: Array) -> Array:
        """(13, m) int32 for entries `at` (m).

        known: one more than there are entries, of -256, 0 (not known) and 256, entry e at e + 1; sums: (2, m) of what
        comes before in the row and in the column.
        """
        near = known.take(self.neighbours[:, at])
        out = np.empty((SIDE.size, near.shape[1]), np.int32)
        out[0] = logistic.ONE
        np.floor_divide(sums, self.fullness[:, at], out=out[1:3])
        out[3:8] = near[:5]
        np.add(near[5], near[6], out=out[8])
        np.multiply(out[1], out[2], out=out[9])
        out[9] >>= 8
        out[10:] = self.hints[:, at]
        return out


def _ranks(groups: Array) -> Array:
    """Position of each in its run of equal numbers. groups: (n,) sorted."""
    where = np.arange(groups.size)
    starts = np.r_[True, groups[1:] != groups[:-1]] if groups.size else np.zeros(0, bool)
    found: Array = where - np.maximum.accumulate(np.where(starts, where, 0))
    return found


def _sums_before(groups: Array, values: Array) -> Array:
    """For each, the sum of what comes before it in its run of equal numbers. groups: (n,) sorted."""
    total = np.cumsum(values) - values
    found: Array = total - total[np.arange(groups.size) - _ranks(groups)]
    return found


def places_of(keep: Array, lag: int) -> Places:
    """keep: (rows, columns) bool. What is known of an entry: how full its row and its column are."""
    i, j = np.nonzero(keep)
    log = logistic.logarithms(MOST_WIDTH + 2)
    rows, columns = (np.count_nonzero(keep, axis) for axis in (1, 0))
    hints = np.stack([log[rows[i]] - log[2], log[columns[j]] - log[2], np.zeros(i.size, np.int32)])
    return Places(i, j, (keep.shape[0], keep.shape[1]), lag, hints.astype(np.int32))


def possible(keep: Array, k: int, lag: int) -> bool:
    """Whether codes of `k` levels behind `keep` (rows, columns) can be coded this way, in bounded time and memory."""
    n = int(np.count_nonzero(keep))
    return 2 <= k <= MOST_LEVELS and 0 < n <= MOST_ENTRIES and max(keep.shape) <= MOST_WIDTH and 2 <= lag <= MOST_LAG


def work(keep: Array, k: int) -> int:
    """How many steps decoding takes at most."""
    return (k - 1) * min(int(np.count_nonzero(keep)), sum(keep.shape))


def _decisions(k: int, pivot: int) -> range:
    """Step -1 decides the side, if there are two; step b whether a code is more than b levels from the pivot."""
    return range(-1 if 0 < pivot < k else 0, max(pivot, k - pivot) - 1)


def _room(step: int, k: int, pivot: int, positive: Array) -> Array:
    """Whether a side has more than `step` + 1 levels."""
    found: Array = np.where(positive, k - pivot, pivot) > step + 1
    return found


@dataclass(frozen=True, eq=False)
class _Pass:
    """One decision about some entries, and the model of it."""

    places: Places
    bits: Array
    weights: logistic.Weights


def _features(places: Places, bits: Array, order: Array) -> Array:
    """As About.features, for all entries in that order, whose bits (n,) are all known."""
    known = _signs(bits)
    sums = np.empty((2, bits.size), np.int32)
    sums[0] = _sums_before(places.i, known)
    sums[1, places.by_column] = _sums_before(places.j[places.by_column], known[places.by_column])
    return places.about(order).features(slice(None), np.r_[np.int32(0), known], sums[:, order])


def _signs(bits: Array) -> Array:
    """(n,) of 256 for a 1 and -256 for a 0."""
    signs: Array = 2 * logistic.ONE * bits.astype(np.int32) - logistic.ONE
    return signs


@dataclass(frozen=True, eq=False)
class Plan:
    """How codes would be coded. size: bytes of the stream, foreseen."""

    k: int
    pivot: int
    passes: tuple[_Pass, ...]
    size: int

    def describe(self, meta: Writer, length: int) -> None:
        """Write what `read` needs to know, but for what the caller knows."""
        for number in (self.k, self.pivot, length):
            meta.uint(number)

    def encode(self) -> bytes:
        """The stream."""
        pieces = []
        for one in self.passes:
            order = np.concatenate(one.places.levels())
            pieces.append(logistic.even(one.weights.bits))
            pieces.append(
                (one.bits[order], logistic.probabilities(_features(one.places, one.bits, order), one.weights.values))
            )
        return logistic.encode(pieces)


def planned(places: Places, codes: Array, k: int, pivot: int, *, worth: float = WORTH) -> Plan | None:
    """The plan for codes (n,) in [0, k); those below the pivot are of one sign, the others of the other.

    None where the first decisions take more than the share `worth` of what they would without surroundings.
    """
    parts = _passes(places, codes, k, pivot)
    key = f"codes' models of {k} levels from {pivot} at lag {places.lag} of {places.shape}, worth {worth}"
    fit = remember(key, (places.i, places.j, codes), lambda: _fit(parts, worth))
    if fit is None:
        return None
    passes = tuple(_Pass(part, bits, weights) for (_, part, bits), weights in zip(parts, fit[0], strict=True))
    return Plan(k, pivot, passes, sealed_bytes(fit[1]))


def _passes(places: Places, codes: Array, k: int, pivot: int) -> list[tuple[int, Places, Array]]:
    """Every decision that somewhere has to be made: the step, where, and how it is decided there."""
    positive = codes >= pivot
    depth = np.where(positive, codes - pivot, pivot - 1 - codes)
    found = []
    for step in _decisions(k, pivot):
        chosen = (depth >= step) & _room(step, k, pivot, positive) if step >= 0 else np.ones(codes.size, bool)
        if chosen.any():
            bits = depth[chosen] > step if step >= 0 else positive
            found.append((step, places.part(chosen, _hint(step, positive)), bits))
    return found


def _fit(parts: list[tuple[int, Places, Array]], worth: float) -> tuple[list[logistic.Weights], float] | None:
    """A model for each decision, and the bits of information that all take; None where they are not worth it."""
    models, information, alone = [], 0.0, 0.0
    for step, part, bits in parts:
        features = _features(part, bits, np.arange(bits.size))
        models.append(logistic.fitted(features, bits, np.ones(bits.size), MORE if step >= 0 else SIDE))
        information += models[-1].bits.size + logistic.cost(features, models[-1].values, bits)
        alone += _alone(bits)
        if step >= 0 and information > alone * worth:
            return None
    return models, information


def _alone(bits: Array) -> float:
    """Bits of information without any surroundings."""
    ones = int(np.count_nonzero(bits))
    return sum(count * float(np.log2(bits.size / count)) for count in (ones, bits.size - ones) if count)


def _hint(step: int, positive: Array) -> Array:
    """Once it is known, the side tells about the magnitude."""
    return np.where(positive, logistic.ONE, 0).astype(np.int32) if step >= 0 else np.zeros(positive.size, np.int32)


def read(keep: Array, lag: int, meta: Cursor, payload: Payload) -> Array:
    """The codes (n,) int32 that `Plan` described and encoded. keep: (rows, columns) bool."""
    k, pivot, length = meta.uint(MOST_LEVELS), meta.uint(MOST_LEVELS), meta.uint(1 << 40)
    if not possible(keep, k, lag) or pivot > k:
        raise FileError(f"The file claims codes of {k} levels, {pivot} of them negative; none are known.")
    payload.work(work(keep, k))
    places = places_of(keep, lag)
    payload.coded("context")
    decoder = logistic.Decoder(payload.take(length))
    positive, depth = np.full(places.i.size, pivot == 0), np.zeros(places.i.size, np.int32)
    for step in _decisions(k, pivot):
        chosen = (depth >= step) & _room(step, k, pivot, positive) if step >= 0 else np.ones(depth.size, bool)
        if not chosen.any():
            continue
        part = places.part(chosen, _hint(step, positive))
        bits = _bits(part, decoder.weights(MORE if step >= 0 else SIDE), decoder)
        if step < 0:
            positive = bits
        else:
            depth[chosen] += bits
    return np.where(positive, pivot + depth, pivot - 1 - depth).astype(np.int32)


def _bits(places: Places, weights: Array, decoder: logistic.Decoder) -> Array:
    """One decision for all of the places, group by group: one entry of a row or a column at most in each."""
    known = np.zeros(places.i.size + 1, np.int32)
    sums = np.zeros(sum(places.shape), np.int32)
    levels = places.levels()
    about, end = places.about(np.concatenate(levels)), 0
    for entries in levels:
        at = slice(end, end := end + entries.size)
        lines = about.lines[:, at]
        before = sums.take(lines)
        found = _signs(decoder.take(logistic.probabilities(about.features(at, known, before), weights)))
        known[entries + 1] = found
        sums[lines] = before + found
    return known[1:] > 0
