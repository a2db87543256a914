"""Which entries are kept, each coded in the light of those before it: its column, its row and its neighbours.

A tensor is a matrix of rows (its first axis) and columns (all others). Magnitude pruning empties whole columns (the
border of an image), thins whole rows (a unit that hardly matters) and leaves clusters (what a unit looks at). Entry
(i, j) belongs to front j + 2 i; all it is judged by lies in earlier fronts, so that a front is decoded at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import FileError
from ..core.memo import remember
from ..core.values import Array
from . import logistic
from .wire import Cursor, Payload, Writer
from .words import sealed_bytes

MOST_SIZE = 1 << 22
MOST_FRONTS = 1 << 14
MOST_LAG = 255
USUAL = np.array([-80, 10, 8, 4, 4, 5, 30, -6, 3, 20, 3, -1, 1, 0, 16])
_UNIT = 16
_FURTHEST = 128
_PRIOR_BITS = 5
_PIECE = 1 << 12
_SAMPLES = {True: 10000, False: 32000}
Places = Array | slice
"""Rows or columns of some entries, one for each."""


def possible(rows: int, columns: int, lag: int) -> bool:
    """Whether a matrix can be coded this way with neighbours at that distance, in bounded time and memory."""
    if rows < 2 or columns < 8 or rows * columns > MOST_SIZE or fronts(rows, columns) > MOST_FRONTS:
        return False
    return 2 <= lag <= min(MOST_LAG, columns // 4, 2 * rows - 2)


def fronts(rows: int, columns: int) -> int:
    """How many steps decoding takes."""
    return int(columns + 2 * rows - 2)


class Field:
    """What is known of a matrix: kept entries, and how many there are above and to the left of each place.

    lag: distance of the far neighbours, as of an image's lines. prior: chance of a kept entry in 32nds.
    columns: (columns,) what another tensor says about each, in 1/256 nat.

    Decoding asks for a few hundred entries at a time, thousands of times: what numpy takes for a call counts, so that
    everything known lies in one array, `self._known`, from which one call takes all that speaks about some entries.
    """

    def __init__(self, shape: tuple[int, int], lag: int, prior: int, columns: Array) -> None:
        self.rows, self.columns = shape
        self.lag, self.prior, self.about = lag, prior, columns
        delay = lag // 2 + 1
        self._width = self.columns + 2 * (lag + 1)
        self._first = max(2, delay) * self._width + lag + 1
        self._size = (self.rows + max(2, delay) + 1) * self._width
        self._known = np.zeros(3 * self._size, np.int32)
        self._kept, self._above, self._left = self._known.reshape(3, -1)
        self._near = self._neighbours(delay)
        rows, of_columns = np.arange(self.rows), np.arange(self.columns)
        self._row, self._column = self._first + rows * self._width, of_columns
        self._behind = np.minimum(of_columns, lag)
        self._of_row = np.stack([rows, 2 * rows, rows + np.maximum(rows - delay + 1, 0)])
        self._of_column = np.stack([of_columns, self._behind])
        log = logistic.logarithms(_UNIT * 2 * max(shape) + (1 << _PRIOR_BITS) + 1)
        one, zero = prior, (1 << _PRIOR_BITS) - prior
        self._for = log[one::_UNIT] - (log[one] - log[zero])
        self._against = log[zero::_UNIT]

    def _neighbours(self, delay: int) -> Array:
        """(14, 1): where in `_known`, from an entry's place on, that lies which `features` takes, in its order."""
        above, left, far, width = self._size, 2 * self._size, self.lag, self._width
        counts = (above, left, above - 1, above - far, left, above + 1, above + far - (delay - 1) * width, left)
        return np.array([*counts, -1, -2, -width, -far, -far - 1, -far + 1])[:, None]

    def inside(self, flat: Array) -> Array:
        """flat: as (rows + 1, columns + 1) from the first entry on, a view."""
        step = flat.itemsize
        return np.lib.stride_tricks.as_strided(
            flat[self._first :], (self.rows + 1, self.columns + 1), (self._width * step, step)
        )

    @property
    def keep(self) -> Array:
        """(rows, columns) bool, as far as it is known."""
        found: Array = self.inside(self._kept)[:-1, :-1] != 0
        return found

    def fill(self, keep: Array) -> Field:
        """Itself, with all of `keep` (rows, columns) known."""
        whole = keep.astype(np.int32)
        self.inside(self._kept)[:-1, :-1] = whole
        np.cumsum(whole, 0, out=self.inside(self._above)[1:, :-1])
        np.cumsum(whole, 1, out=self.inside(self._left)[:-1, 1:])
        return self

    def put(self, i: Places, j: Places, found: Array) -> None:
        """Entries (i, j) are now known to be kept (1) or not (0)."""
        at = self._row[i] + self._column[j]
        self._kept[at] = found
        self._above[at + self._width] = self._above[at] + found
        self._left[at + 1] = self._left[at] + found

    def features(self, i: Places, j: Places) -> Array:
        """What speaks for or against entries (i, j): (15, n) int32 in 1/256 nat."""
        at = self._row[i] + self._column[j]
        where = at + self._near
        where[7] -= self._behind[j]
        near = self._known.take(where)
        counts, of = near[:5], np.empty((5, at.size), np.int32)
        counts[2:4] += near[5:7]
        counts[4] -= near[7]
        # counts and of, in the order of the five odds: above, to the left, on both sides above, far above, near left
        of[0:4:3], of[2], of[1:5:3] = self._of_row[::2, i], self._of_row[1, i], self._of_column[:, j]
        of -= counts
        out = np.empty((USUAL.size, at.size), np.int32)
        out[0] = logistic.ONE
        np.subtract(self._for.take(counts), self._against.take(of), out=out[1:6])
        near[12] += near[13]
        np.left_shift(near[8:13], 8, out=out[6:11])
        np.multiply(out[1:3], out[1:3], out=out[12:14])
        np.multiply(out[1], out[2], out=out[11])
        out[11:14] >>= 8
        out[14] = self.about[j]
        return out


def foretold(counts: Array | None, columns: int) -> Array:
    """What kept entries by row of an earlier tensor, whose outputs these columns take, say about each column."""
    if counts is None or columns % counts.size or not counts.any():
        return np.zeros(columns, np.int32)
    log = logistic.logarithms(1 << 16)
    unit = np.minimum(8 * counts + 4, (1 << 16) - 1)
    mean = int(unit.sum()) // counts.size
    return np.repeat(log[unit] - log[mean], columns // counts.size).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Plan:
    """How a matrix would be coded. size: bytes of the stream, foreseen."""

    field: Field
    weights: logistic.Weights
    size: int

    def describe(self, meta: Writer, length: int) -> None:
        """Write what `read` needs to know."""
        for number in (self.field.lag, self.field.prior, length):
            meta.uint(number)

    def encode(self, keep: Array) -> bytes:
        """keep: (rows, columns) bool."""
        i, j = _in_order(self.field.rows, self.field.columns)
        pieces = (slice(p, p + _PIECE) for p in range(0, i.size, _PIECE))
        chances = [logistic.probabilities(self.field.features(i[p], j[p]), self.weights.values) for p in pieces]
        return logistic.encode([logistic.even(self.weights.bits), (keep[i, j], np.concatenate(chances))])


def planned(keep: Array, lag: int, about: Array) -> Plan:
    """The plan that takes fewest bytes, its size foreseen from a sample. keep: (rows, columns) bool."""
    prior = int(np.clip(round((1 << _PRIOR_BITS) * float(keep.mean())), 1, (1 << _PRIOR_BITS) - 1))
    field = Field((keep.shape[0], keep.shape[1]), lag, prior, about).fill(keep)

    def fit() -> tuple[logistic.Weights, float]:
        i, j, bits, times = _sample(keep)
        features = field.features(i, j)
        weights = logistic.fitted(features, bits, times, USUAL)
        return weights, weights.bits.size + logistic.cost(features, weights.values, bits, times)

    weights, information = remember(f"support's model at lag {lag}", (keep, about), fit)
    return Plan(field, weights, sealed_bytes(information))


def _sample(keep: Array) -> tuple[Array, Array, Array, Array]:
    """Rows and columns to look at, what is there, and how many entries each stands for.

    Kept entries and others are taken at regular distances from columns, and rows within them, in order of how much
    these keep: so a sample has its share of the full and of the empty ones.
    """
    rows, columns = (np.argsort(np.count_nonzero(keep, axis), kind="stable") for axis in (1, 0))
    ordered = keep[rows][:, columns].T.reshape(-1)
    found = []
    for wanted, most in _SAMPLES.items():
        places = np.flatnonzero(ordered == wanted)
        step = max(1, places.size // most)
        chosen = places if step == 1 else places[_jittered(places.size, step)]
        found.append((chosen, np.full(chosen.size, wanted), np.full(chosen.size, places.size / max(1, chosen.size))))
    at, bits, times = (np.concatenate(each) for each in zip(*found, strict=True))
    j, i = np.divmod(at, rows.size)
    return rows[i], columns[j], bits, times


def _jittered(size: int, step: int) -> Array:
    starts = np.arange(0, size - step, step)
    return starts + np.random.default_rng(0).integers(0, step, starts.size)


def _in_order(rows: int, columns: int) -> tuple[Array, Array]:
    """All entries front by front, rows ascending in each."""
    front = (np.arange(columns) + 2 * np.arange(rows)[:, None]).reshape(-1)
    i, j = np.divmod(np.argsort(front, kind="stable"), columns)
    return i, j


def lag_of(keep: Array) -> int:
    """A distance at which neighbours may matter: a kernel's line, else where the columns' fullness is most alike.

    keep: (rows, ...) bool.
    """
    rows, columns = keep.shape[0], keep.size // keep.shape[0]
    most = min(columns // 4, 2 * rows - 2, MOST_LAG)
    if keep.ndim == 4 and keep.shape[3] > 1:
        return int(max(2, min(most, keep.shape[3])))
    fullness: Array = np.count_nonzero(keep.reshape(rows, -1), 0).astype(np.int64)
    above = fullness * columns - int(fullness.sum())
    alike = [int((above[:-lag] * above[lag:]).sum()) for lag in range(3, min(most, _FURTHEST) + 1)]
    return 3 + alike.index(max(alike)) if alike else 2


def read(rows: int, columns: int, counts: Array | None, meta: Cursor, payload: Payload) -> Array:
    """The (rows, columns) bool that `Plan` described and encoded. counts: as for `foretold`."""
    lag, prior, length = meta.uint(MOST_LAG), meta.uint((1 << _PRIOR_BITS) - 1), meta.uint(1 << 40)
    if not possible(rows, columns, lag) or prior == 0:
        raise FileError(f"The file claims neighbours at {lag} in a matrix of {rows} x {columns}; none is known.")
    payload.work(fronts(rows, columns))
    payload.coded("context")
    decoder = logistic.Decoder(payload.take(length))
    weights = decoder.weights(USUAL)
    field = Field((rows, columns), lag, prior, foretold(counts, columns))
    for front in range(fronts(rows, columns)):
        i, j = _front(front, rows, columns)
        field.put(i, j, decoder.take(logistic.probabilities(field.features(i, j), weights)))
    return field.keep


def _front(front: int, rows: int, columns: int) -> tuple[slice, slice]:
    """The rows, ascending, and the columns of the entries of a front."""
    first, last = max(0, -((columns - 1 - front) // 2)), min(rows - 1, front // 2)
    end = front - 2 * last - 2
    return slice(first, last + 1), slice(front - 2 * first, end if end >= 0 else None, -2)
