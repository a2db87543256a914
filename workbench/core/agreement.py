"""A criterion against the truth: does a low score mean that the network can do without the unit?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of `n` units with its 95 % interval; None where one side has no order."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Mistake(NamedTuple):
    """A unit that the criterion put in the wrong place.

    regret: its change of the loss less that of the unit that belongs there, in nats. Positive: it would go too early;
    negative: it would stay too long. place, true_place: 1 for the first to go.
    """

    layer: str
    unit: int
    regret: float
    change: float
    place: int
    true_place: int
    units: int


@dataclass(frozen=True)
class LayerAgreement:
    """One group of units. layer: the first that makes them; tied: the others.

    changes: what the loss gains without each unit alone, in nats; costs: the share of the images that is lost.
    """

    layer: str
    tied: tuple[str, ...]
    scores: tuple[float, ...]
    changes: tuple[float, ...]
    costs: tuple[float, ...]
    correlation: Correlation

    def place(self, unit: int) -> int:
        """Where the criterion puts a unit."""
        return _places(self.scores)[unit]

    def true_place(self, unit: int) -> int:
        """Where the change of the loss puts it."""
        return _places(self.changes)[unit]

    def belong(self, removed: int) -> float:
        """The largest change of the loss among so many units that the truth would take out first; 0 for none."""
        return sorted(self.changes)[removed - 1] if removed else 0.0

    def costliest(self, removed: int) -> int:
        """The unit whose loss the network misses most, of so many that the criterion takes out first."""
        gone = [unit for unit, place in enumerate(_places(self.scores)) if place <= removed]
        return max(gone, key=lambda unit: self.changes[unit])

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Every unit, in their order."""
        places, true_places, ordered = _places(self.scores), _places(self.changes), sorted(self.changes)
        return tuple(
            Mistake(self.layer, i, change - ordered[place - 1], change, place, true, len(ordered))
            for i, (change, place, true) in enumerate(zip(self.changes, places, true_places, strict=True))
        )


@dataclass(frozen=True)
class Agreement:
    """Grows layer by layer, in forward order. n: images of `split` that the truth was measured on, of `total`.

    groups: how many there will be. overall: over all units at once, whatever their layer.
    """

    criterion: str
    title: str
    dense: float
    n: int
    total: int
    split: str
    layers: tuple[LayerAgreement, ...]
    overall: Correlation
    groups: int

    @property
    def complete(self) -> bool:
        return len(self.layers) == self.groups

    @property
    def mean(self) -> float | None:
        """Mean of the correlations of the layers: over all units at once, also what tells layers apart counts."""
        each = [g.correlation.value for g in self.layers if g.correlation.value is not None]
        return sum(each) / len(each) if each else None

    def of(self, layer: str) -> LayerAgreement | None:
        """The group that the layer belongs to, once it is there."""
        return next((g for g in self.layers if layer == g.layer or layer in g.tied), None)

    def worst(self, most: int = 5) -> tuple[Mistake, ...]:
        """The units with the largest regret of either sign, the largest first."""
        every = [m for group in self.layers for m in group.mistakes if m.regret]
        return tuple(sorted(every, key=lambda m: -abs(m.regret))[:most])


def _places(values: Sequence[float]) -> list[int]:
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    places = [0] * len(values)
    for place, unit in enumerate(order, 1):
        places[unit] = place
    return places
