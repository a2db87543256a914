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
_SAMPLES = {True: 10000, False: 32000}


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
    """

    def __init__(self, shape: tuple[int, int], lag: int, prior: int, columns: Array) -> None:
        self.rows, self.columns = shape
        self.lag, self.prior, self.about = lag, prior, columns
        self.delay = lag // 2 + 1
        self.width = self.columns + 2 * (lag + 1)
        self.first = max(2, self.delay) * self.width + lag + 1
        size = (self.rows + max(2, self.delay) + 1) * self.width
        self.kept, self.above, self.left = (np.zeros(size, np.int32) for _ in range(3))
        self._log = logistic.logarithms(_UNIT * 2 * max(shape) + (1 << _PRIOR_BITS) + 1)

    def inside(self, flat: Array) -> Array:
        """flat: as (rows + 1, columns + 1) from the first entry on, a view."""
        step = flat.itemsize
        return np.lib.stride_tricks.as_strided(
            flat[self.first :], (self.rows + 1, self.columns + 1), (self.width * step, step)
        )

    def fill(self, keep: Array) -> Field:
        """Itself, with all of `keep` (rows, columns) known."""
        whole = keep.astype(np.int32)
        self.inside(self.kept)[:-1, :-1] = whole
        np.cumsum(whole, 0, out=self.inside(self.above)[1:, :-1])
        np.cumsum(whole, 1, out=self.inside(self.left)[:-1, 1:])
        return self

    def put(self, i: Array, j: Array, found: Array) -> None:
        """Entries (i, j) are now known to be kept (1) or not (0)."""
        at = self.first + i * self.width + j
        self.kept[at] = found
        self.above[at + self.width] = self.above[at] + found
        self.left[at + 1] = self.left[at] + found

    def features(self, i: Array, j: Array) -> Array:
        """What speaks for or against entries (i, j): (15, n) int32 in 1/256 nat."""
        at = self.first + i * self.width + j
        above, kept, lag, width = self.above, self.kept, self.lag, self.width
        late = np.maximum(i - self.delay + 1, 0)
        out = np.empty((USUAL.size, at.size), np.int32)
        out[0] = logistic.ONE
        out[1] = self._odds(above[at], i)
        out[2] = self._odds(self.left[at], j)
        out[3] = self._odds(above[at - 1] + above[at + 1], 2 * i)
        out[4] = self._odds(above[at - lag] + above[at + lag - (self.delay - 1) * width], i + late)
        out[5] = self._odds(self.left[at] - self.left[np.maximum(at - lag, at - j)], np.minimum(j, lag))
        out[6] = kept[at - 1] << 8
        out[7] = kept[at - 2] << 8
        out[8] = kept[at - width] << 8
        out[9] = kept[at - lag] << 8
        out[10] = (kept[at - lag - 1] + kept[at - lag + 1]) << 8
        out[11] = out[1] * out[2] >> 8
        out[12] = out[1] * out[1] >> 8
        out[13] = out[2] * out[2] >> 8
        out[14] = self.about[j]
        return out

    def _odds(self, kept: Array, of: Array) -> Array:
        """Logarithm of kept to left-out entries, both with a head start by the prior, less that of the prior."""
        one, zero = self.prior, (1 << _PRIOR_BITS) - self.prior
        log = self._log
        out: Array = log[_UNIT * kept + one] - log[_UNIT * (of - kept) + zero] - (log[one] - log[zero])
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
        pieces = range(0, i.size, 1 << 16)
        chances = [
            logistic.probabilities(self.field.features(i[p : p + (1 << 16)], j[p : p + (1 << 16)]), self.weights.values)
            for p in pieces
        ]
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
        i = np.arange(max(0, -((columns - 1 - front) // 2)), min(rows - 1, front // 2) + 1)
        j = front - 2 * i
        field.put(i, j, decoder.take(logistic.probabilities(field.features(i, j), weights)))
    keep: Array = field.inside(field.kept)[:-1, :-1] != 0
    return keep
