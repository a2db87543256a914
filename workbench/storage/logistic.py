"""Bits with probabilities from a logistic regression, in whole numbers only, so that every machine has the same ones.

A bit's logit is the sum of weight x feature. Features are in 1/256 nat and weights, which the file states, in 1/32. The
tables of logarithms and of the logistic function are rounded from values that are nowhere near a half, so that every
mathematics library gives the same ones; a test holds that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from constriction import stream

from ..core.errors import FileError
from ..core.values import Array
from .words import opened, sealed

ONE = 256
WEIGHT_ONE = 32
MOST_WEIGHT = 1023
_BITS = 20
_REACH = 13 * ONE
_ROUNDS = 8
_RIDGE = 5.0
_MUCH = 1500
_WIDEST_DELTA = 12
_NONE = 3
_BIT = math.log(2)
_FIT_TO = 10000


@cache
def logarithms(size: int) -> Array:
    """round(256 ln x) for x in [0, size), with 0 for x = 0; int32."""
    out = np.zeros(size, np.int32)
    out[1:] = np.rint(ONE * np.log(np.arange(1, size)))
    return out


@cache
def _logistic() -> Array:
    """2^20 / (1 + exp(-x / 256)) for x in [-_REACH, _REACH], rounded and kept inside (0, 2^20)."""
    exact = (1 << _BITS) / (1 + np.exp(-np.arange(-_REACH, _REACH + 1) / ONE))
    return np.clip(np.rint(exact), 1, (1 << _BITS) - 1)


@cache
def _costs() -> Array:
    """Bits that a 1 costs at each entry of `_logistic`; a 0 costs what a 1 does at the mirrored one."""
    costs: Array = _BITS - np.log2(_logistic())
    return costs


@cache
def _chances() -> Array:
    """`_logistic` as the coder takes it: float64 multiples of 2^-20."""
    chances: Array = _logistic() / (1 << _BITS)
    return chances


def _places(features: Array, weights: Array) -> Array:
    """features: (m, n) int32, weights: (m,) -> (n,) indices into the tables."""
    found: Array = np.einsum("m,mn->n", weights.astype(np.int32), features)
    found >>= 5
    np.maximum(found, -_REACH, out=found)
    np.minimum(found, _REACH, out=found)
    found += _REACH
    return found


def probabilities(features: Array, weights: Array) -> Array:
    """Of a 1, for each of n bits: float64 multiples of 2^-20, which the coder takes as they are."""
    found: Array = _chances().take(_places(features, weights))
    return found


def cost(features: Array, weights: Array, bits: Array, times: Array | None = None) -> float:
    """Bits of information in `bits` (n,) bool under the model; times: how often each counts."""
    places = _places(features, weights)
    each = _costs()[np.where(bits, places, 2 * _REACH - places)]
    return float(each.sum() if times is None else (each * times).sum())


@dataclass(frozen=True, eq=False)
class Weights:
    """What the features are multiplied with. deltas: (m,) steps of 4, 2 or 1 from what is usual; coarse: 2, 1 or 0.

    A coarse of 3 says that there are no deltas.
    """

    usual: Array
    coarse: int
    deltas: Array

    @property
    def values(self) -> Array:
        """(m,) in units of 1/32."""
        found: Array = np.clip(self.usual + (self.deltas << self.coarse), -MOST_WEIGHT, MOST_WEIGHT)
        return found

    @cached_property
    def bits(self) -> Array:
        """How they are written: two bits for coarse, then every delta in Elias's gamma code with its sign lowest."""
        text = f"{self.coarse:02b}" + "".join(_gamma(int(d)) for d in self.deltas if self.coarse != _NONE)
        return np.frombuffer(text.encode(), np.uint8) - ord("0")


def _gamma(delta: int) -> str:
    binary = format(1 + (2 * delta if delta >= 0 else -2 * delta - 1), "b")
    return "0" * (len(binary) - 1) + binary


def fitted(features: Array, bits: Array, times: Array, usual: Array) -> Weights:
    """The weights that make the bits cheapest, rounded, where these say enough, else what is usual; Newton's method.

    features: (m, n), the first of them constant; bits: (n,) bool; times: (n,) how often each counts; usual: (m,).
    """
    some = slice(None, None, 1 + bits.size // _FIT_TO)
    x, bits, times = features[:, some].astype(np.float64) / ONE, bits[some].astype(np.float64), times[some]
    prior = usual / WEIGHT_ONE
    weights = prior.copy()
    logits = _weighed(weights, x)
    loss = _loss(logits, weights - prior, bits, times)
    for _ in range(_ROUNDS):
        before, step = loss, _step(x, logits, weights - prior, bits, times)
        for _ in range(6):
            logits = _weighed(weights + step, x)
            loss = _loss(logits, weights + step - prior, bits, times)
            if loss <= before:
                weights = weights + step
                break
            step = step / 4
        if before - loss < 1 + 5e-4 * before:
            break
    curvature = _curvature(x, logits, times).diagonal()
    tried = _rounded(usual, weights - prior, curvature, coarse=2 if loss < _MUCH else 1 if loss < 8 * _MUCH else 0)
    return min(
        tried, key=lambda w: w.bits.size + _loss(_weighed(w.values / WEIGHT_ONE, x), 0 * prior, bits, times) / _BIT
    )


def _rounded(usual: Array, moved: Array, curvature: Array, *, coarse: int) -> list[Weights]:
    """All deltas; those that alone save more than they take; and none. moved: (m,) nats from what is usual."""
    deltas = np.rint(moved * WEIGHT_ONE / (1 << coarse)).astype(np.int64)
    saves = curvature * (deltas * (1 << coarse) / WEIGHT_ONE) ** 2 / 2 / _BIT
    takes = np.array([len(_gamma(int(delta))) - 1 for delta in deltas])
    few = [Weights(usual, coarse, np.where(saves > more + takes, deltas, 0)) for more in (0, 4)]
    return [Weights(usual, coarse, deltas), *few, Weights(usual, _NONE, 0 * deltas)]


def _weighed(weights: Array, x: Array) -> Array:
    """The logits. einsum, here and below, because threaded products of small matrices are slow on a busy machine."""
    logits: Array = np.einsum("m,mn->n", weights, x)
    return logits


def _loss(logits: Array, moved: Array, bits: Array, times: Array) -> float:
    """moved: (m,) from what is usual."""
    each = np.log1p(np.exp(-np.abs(logits))) + np.maximum(logits, 0) - bits * logits
    return float((each * times).sum() + (_ridge(moved) * moved**2).sum() / 2)


def _ridge(moved: Array) -> Array:
    return np.where(np.arange(moved.size) > 0, _RIDGE, _RIDGE / 20)


def _step(x: Array, logits: Array, moved: Array, bits: Array, times: Array) -> Array:
    chance = 1 / (1 + np.exp(-np.clip(logits, -40, 40)))
    gradient = np.einsum("mn,n->m", x, times * (bits - chance)) - _ridge(moved) * moved
    step: Array = np.linalg.solve(_curvature(x, logits, times) + np.diag(_ridge(moved)), gradient)
    return step


def _curvature(x: Array, logits: Array, times: Array) -> Array:
    chance = 1 / (1 + np.exp(-np.clip(logits, -40, 40)))
    found: Array = np.einsum("mn,kn->mk", x * (times * chance * (1 - chance)), x)
    return found


def encode(pieces: Sequence[tuple[Array, Array]]) -> bytes:
    """pieces: bits (n,) in {0, 1} with their chances (n,) of a 1."""
    encoder = stream.queue.RangeEncoder()
    bits, chances = (np.concatenate([piece[i] for piece in pieces]) for i in (0, 1))
    if bits.size:
        encoder.encode(bits.astype(np.int32), stream.model.Bernoulli(perfect=False), chances.astype(np.float64))
    return sealed(encoder)


def even(bits: Array) -> tuple[Array, Array]:
    """A piece of bits of which nothing is known beforehand."""
    return bits, np.full(bits.size, 0.5)


class Decoder:
    """Takes back, piece by piece, the bits that `encode` wrote."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._decoder = opened(data)
        self._model = stream.model.Bernoulli(perfect=False)

    def take(self, chances: Array) -> Array:
        """The next bits: (n,) int32."""
        try:
            found: Array = self._decoder.decode(self._model, chances)
        except AssertionError:  # what constriction raises for words that no encoder writes
            raise FileError("The file holds a range coded stream that its model cannot have written.") from None
        return found

    def weights(self, usual: Array) -> Array:
        """The values of the Weights with these usual ones that come next, (m,)."""
        coarse = self._number(2)
        deltas = [0 if coarse == _NONE else self._delta() for _ in range(usual.size)]
        return Weights(usual, coarse, np.array(deltas)).values

    def _number(self, width: int) -> int:
        number = 0
        for bit in self.take(np.full(width, 0.5)).tolist():
            number = 2 * number + bit
        return number

    def _delta(self) -> int:
        width = 0
        while not self._number(1):
            width += 1
            if width > _WIDEST_DELTA:
                raise FileError("The file holds a weight that no model has.")
        coded = (1 << width) + self._number(width) - 1 if width else 0
        return -(coded + 1) // 2 if coded & 1 else coded // 2
