"""The same images answered twice: how much changed, and how sure that is, from those that changed alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from .records import wilson


@dataclass(frozen=True)
class Pairs:
    """n images by how they were answered before and after: right both times, lost, gained, wrong both times."""

    both: int
    lost: int
    gained: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.lost + self.gained + self.neither

    @property
    def before(self) -> float:
        """Share that was right before, in [0, 1]."""
        return (self.both + self.lost) / self.n if self.n else 0.0

    @property
    def after(self) -> float:
        """Share that is right after, in [0, 1]."""
        return (self.both + self.gained) / self.n if self.n else 0.0

    @property
    def change(self) -> float:
        """after - before, in [-1, 1]."""
        return (self.gained - self.lost) / self.n if self.n else 0.0

    @property
    def p_value(self) -> float:
        """How likely so lopsided a change is when gaining and losing are equally likely: McNemar's test, mid-p."""
        return mcnemar(self.lost, self.gained)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of `change`, at this level: Newcombe's hybrid of two Wilson intervals (1998, Stat. Med. 17, method 10).

        (-1, 1) when there is no image.
        """
        if not self.n:
            return -1.0, 1.0
        z = NormalDist().inv_cdf((1 + level) / 2)
        p, q, phi = self.after, self.before, self._phi()
        (p_low, p_high), (q_low, q_high) = (wilson(share * self.n, self.n, z) for share in (p, q))
        below = _joined(p - p_low, q_high - q, phi)
        above = _joined(p_high - p, q - q_low, phi)
        return max(-1.0, self.change - below), min(1.0, self.change + above)

    def _phi(self) -> float:
        """Correlation of the two answers, drawn towards 0 where it is positive, as the method asks."""
        a, b, c, d = self.both, self.lost, self.gained, self.neither
        spread = math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
        together = a * d - b * c
        if not spread:
            return 0.0
        return (max(together - self.n / 2, 0.0) if together > 0 else together) / spread


def mcnemar(lost: int, gained: int, *, mid: bool = True) -> float:
    """Two-sided p-value of McNemar's test on the pairs that changed, exact, or mid-p: less conservative, and as safe.

    Fagerland, Lydersen and Laake 2013, BMC Med. Res. Methodol. 13:91.
    """
    n, fewer = lost + gained, min(lost, gained)
    if n == 0:
        return 1.0
    here = _binomial(fewer, n)
    if lost == gained:
        return 1.0 - here / 2 if mid else 1.0
    exact = 2 * math.fsum(_binomial(k, n) for k in range(fewer + 1))
    return min(1.0, exact - here if mid else exact)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values of several tests at once: any below 0.05 means at most a 5 % chance of one false alarm in all.

    Holm 1979, Scand. J. Statist. 6.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = largest
    return tuple(adjusted)


def _binomial(k: int, n: int) -> float:
    """The chance of k heads in n tosses."""
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))


def _joined(a: float, b: float, phi: float) -> float:
    return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))
