"""What compression cost, and whom: every image answered by both networks, and where the two answers part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .paired import Pairs
from .values import Array

BROKEN, MENDED, OTHER = "right to wrong", "wrong to right", "wrong to another wrong"
FATES = (BROKEN, MENDED, OTHER)
SURE = 0.05
TWICE = 2


@dataclass(frozen=True)
class Flip:
    """One image whose answer is another one now.

    index: in the split; label, dense, compressed: class indices, the true one and the two answers. dense_says,
    compressed_says: the probability that each network gives its own answer; kept: what the compressed network still
    gives the dense network's answer.
    """

    index: int
    label: int
    dense: int
    compressed: int
    dense_says: float
    compressed_says: float
    kept: float

    @property
    def fate(self) -> str:
        """One of FATES."""
        return BROKEN if self.dense == self.label else MENDED if self.compressed == self.label else OTHER

    @property
    def lost(self) -> float:
        """Confidence in the dense network's answer that is gone, in [0, 1]."""
        return self.dense_says - self.kept


@dataclass(frozen=True)
class ClassChange:
    """One class before and after. low, high: of the change, wide enough that those of all classes hold at once.

    p_value: of McNemar's mid-p test, adjusted for the number of classes (Holm).
    """

    label: int
    pairs: Pairs
    low: float
    high: float
    p_value: float

    @property
    def worse(self) -> bool:
        """Whether the class has surely lost."""
        return self.high < 0


@dataclass(frozen=True, eq=False)
class Costs:
    """The first `n` of the `total` images of a split in a random order, all of them at the end.

    level: of the intervals of single classes; with so wide ones, all hold at once 19 times of 20. classes: those
    with images. flips: most confidence lost first. before, after: (classes, classes) counts, true class in rows,
    answer in columns; sure: cells that have surely changed (adjusted for `cells` tests, Holm). file: whether the
    compressed network's answers are those of a file that was written and read back. pictures: of the first flips, by
    index, (height, width, channels) uint8.
    """

    split: str
    n: int
    total: int
    pairs: Pairs
    classes: tuple[ClassChange, ...]
    level: float
    flips: tuple[Flip, ...]
    before: Array
    after: Array
    sure: Array
    cells: int
    file: bool = False
    pictures: Mapping[int, Array] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return self.n == self.total

    @property
    def hidden(self) -> tuple[ClassChange, ...]:
        """Classes whose loss the average hides, the worst first: surely more than TWICE that of all images together.

        Said from the intervals: the least that the class may have lost is more than TWICE the most that all images
        may have. Where nearly everything is lost, the average hides nothing.
        """
        low, _ = self.pairs.interval()
        hidden = [c for c in self.classes if c.worse and c.high < min(low, TWICE * low)]
        return tuple(sorted(hidden, key=lambda c: c.pairs.change))
