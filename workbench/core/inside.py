"""What compression changed inside: the error that each layer adds and is given, its levels, the directions it lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .values import Array


@dataclass(frozen=True)
class Ratio:
    """Signal over error in decibels: 10 log10(sum y^2 / sum (y - y')^2), infinite where nothing differs.

    low, high: 95 % interval over which images there were (bootstrap).
    """

    db: float
    low: float
    high: float


@dataclass(frozen=True)
class LayerNoise:
    """One layer of the dense network. None where the two cannot be compared; `note` says why.

    weights: decibels of its weights. alone: of its output when it alone is compressed, given what it gets in the
    dense network. together: of its output when all before it is compressed too.
    """

    layer: str
    kind: str
    weights: float | None = None
    alone: Ratio | None = None
    together: Ratio | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class LayerLevels:
    """The weights of one stored tensor before, and the levels that it has now.

    edges: (bins + 1,); before: (bins,) counts of the dense weights that are still stored, removed: of those that were
    taken out; empty where the dense network has no such tensor. levels: (k,) ascending, at: (k,) how many weights
    have it. unit: what the numbers are in, "" for plain values.
    """

    layer: str
    stored_as: str
    bits: int
    edges: Array
    before: Array
    removed: Array
    levels: Array
    at: Array
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values of one reading of a layer's weight as a matrix, of which `rank` were kept.

    reading: which side of the matrix is cut, in words. values: (k,) descending.
    """

    reading: str
    values: Array
    rank: int

    @property
    def energy(self) -> float:
        """Share of the squared singular values that was kept, in [0, 1]."""
        squared = self.values**2
        return float(squared[: self.rank].sum() / squared.sum()) if squared.sum() else 1.0


@dataclass(frozen=True, eq=False)
class Directions:
    """What one factorised layer lost. spectra: one, two where both sides were cut, none where nothing is ordered.

    lost: share of the variance of the layer's output that the discarded directions carry, on `n` images; indices,
    responses: the images that these directions answer to most, their mean squared response over that variance.
    by_class: (classes,) mean response, nan for a class without images.
    """

    layer: str
    spectra: tuple[Spectrum, ...]
    lost: float
    indices: tuple[int, ...]
    responses: tuple[float, ...]
    by_class: Array
    n: int
    note: str = ""


@dataclass(frozen=True, eq=False)
class Inside:
    """Grows: noise on some of the images, on all `total` of them, then the directions.

    answer: of the networks' scores. pictures: of the images that `directions` name, (height, width, channels) uint8;
    labels: their true classes.
    """

    split: str
    n: int
    total: int
    noise: tuple[LayerNoise, ...]
    answer: Ratio | None
    levels: tuple[LayerLevels, ...] = ()
    directions: tuple[Directions, ...] = ()
    pictures: Mapping[int, Array] = field(default_factory=dict)
    labels: Mapping[int, int] = field(default_factory=dict)
    complete: bool = False
