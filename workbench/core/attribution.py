"""What two networks look at, how alike that is, and how far the pictures can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .records import Z95, Count
from .values import Array

UNTRAINED = 0.5
"""From this rank correlation with the picture of an untrained network on, a method is flagged."""
TOP = 0.1
"""The share of all pixels that counts as the strongest ones."""


class Similarity(NamedTuple):
    """Of two maps. rank: Spearman's correlation in [-1, 1]; top: share of the strongest pixels that are the same, in
    [0, 1], TOP by chance; ssim: structural similarity in [-1, 1]. 1 is the same picture.
    """

    rank: float
    top: float
    ssim: float


@dataclass(frozen=True)
class Balance:
    """What a map adds up to. total: the sum of the map; owed: what its method promises, in units of the score.

    held: the part that the biases hold (LRP). scale: the largest score of the network, against which a gap counts.
    """

    total: float
    owed: float
    held: float = 0.0
    scale: float = 1.0

    @property
    def gap(self) -> float:
        """What is missing or too much, as a share of `scale`."""
        return abs(self.total + self.held - self.owed) / self.scale if self.scale else 0.0


@dataclass(frozen=True, eq=False)
class AttributionPair:
    """Attribution maps of one image for one class, from both networks.

    index, label: of a validation image; None for a picture that the person brought, whose class nobody has said.
    image: (channels, height, width) in [0, 1]; dense, compressed: (height, width) signed, in units of the target's
    score; probabilities are those of `target`; predictions are the classes that each network answers. The balances
    are None for methods that promise no sum.
    """

    method: str
    index: int | None
    label: int | None
    target: int
    image: Array
    dense: Array
    compressed: Array
    dense_probability: float
    compressed_probability: float
    dense_prediction: int
    compressed_prediction: int
    similarity: Similarity
    note: str = ""
    dense_balance: Balance | None = None
    compressed_balance: Balance | None = None

    @property
    def difference(self) -> Array:
        """compressed - dense, (height, width)."""
        return self.compressed - self.dense


@dataclass(frozen=True)
class Likeness:
    """How alike the maps of both networks are over several images, as far as it is known.

    values: one for each image; images: which ones of the split; total: how many there will be.
    """

    method: str
    images: tuple[int, ...]
    values: tuple[Similarity, ...]
    total: int

    def mean(self, measure: str) -> tuple[float, float, float]:
        """(mean, low, high) of a field of Similarity: a 95 % interval of the mean over images."""
        return mean_interval([getattr(value, measure) for value in self.values])


@dataclass(frozen=True)
class Curve:
    """shares: of the pixels taken away or put back, rising from 0 to 1; values: the probability of the class."""

    shares: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def area(self) -> float:
        """Under the curve, by trapezoids: the mean probability."""
        return float(np.trapezoid(self.values, self.shares))


@dataclass(frozen=True)
class Trust:
    """How faithful one map is to its network; None where it is not known yet.

    deletion, insertion: pixels go to black, or come back, the most important first; the random ones are means over
    random orders. infidelity: error with which the map predicts what blackening a square does, at its best scale, as
    a share of what saying nothing would miss, in [0, 1] (Yeh et al. 2019). sensitivity: the largest relative change of
    the map for a change of the image by at most RADIUS (same source).
    """

    deletion: Curve
    insertion: Curve
    random_deletion: Curve
    random_insertion: Curve
    infidelity: float | None = None
    sensitivity: float | None = None


@dataclass(frozen=True)
class Faithfulness:
    """Of the maps of one image for one class."""

    method: str
    index: int | None
    target: int
    dense: Trust
    compressed: Trust | None = None


@dataclass(frozen=True)
class Stage:
    """layers: how many, counted from the last, hold random weights; values: rank correlation, one for each draw."""

    layers: int
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)


@dataclass(frozen=True)
class Randomised:
    """A method's picture while the network loses what it has learnt, from the last layer to the first.

    Rank correlations of the maps' strengths with the trained network's. Adebayo et al. 2018. layers: of the network.
    """

    method: str
    index: int | None
    target: int
    layers: int
    stages: tuple[Stage, ...]

    @property
    def complete(self) -> bool:
        return bool(self.stages) and self.stages[-1].layers == self.layers

    @property
    def flagged(self) -> bool:
        """Whether an untrained network gets nearly the same picture."""
        return self.complete and self.stages[-1].mean >= UNTRAINED


@dataclass(frozen=True)
class ObjectPoint:
    """value: of the knob, None for the dense network. shares: of what speaks for the class, how much is on the object,
    one for each image. hits: images whose strongest pixel is on it (the pointing game, Zhang et al. 2016).
    """

    value: float | None
    shares: tuple[float, ...]
    hits: Count

    @property
    def share(self) -> tuple[float, float, float]:
        """(mean, low, high)."""
        return mean_interval(self.shares)


@dataclass(frozen=True)
class ObjectCurve:
    """Is the object what the network looks at? Against one knob. area: the object's mean share of the image."""

    method: str
    step: str
    knob: str
    area: float
    points: tuple[ObjectPoint, ...]
    total: int


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): a 95 % interval of the mean; as wide as can be for one value."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, -1.0, 1.0
    half = Z95 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, mean - half, mean + half
