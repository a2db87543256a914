"""What is known about one unit: who it is, what it answers to, and the truth about what is lost without it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .records import Z95, Count, Decision
from .values import Array

FILTER, NEURON, LAYER = "filter", "neuron", "layer"


@dataclass(frozen=True)
class Standing:
    """Where a criterion puts the unit: `place` counts from 1, the lowest score, which goes first, to `units`."""

    criterion: str
    title: str
    score: float
    place: int
    units: int


@dataclass(frozen=True)
class Neighbour:
    """The unit of the same layer that is most like `of`.

    by: "weights" or "responses", which of the two it was found by. cosine: of the weights; correlation: of what both
    answer to the same places of the same images, None where it is not known or one of them always answers the same.
    """

    of: int
    unit: int
    by: str
    cosine: float
    correlation: float | None = None


@dataclass(frozen=True)
class Responses:
    """What readers see of a unit. active: images of `n` in which it is not zero everywhere; least, most: of all."""

    n: int
    active: int
    least: float
    most: float

    @property
    def dead(self) -> bool:
        """Whether it answered the same to everything."""
        return self.least == self.most


@dataclass(frozen=True)
class Paired:
    """The same `n` images classified with and without: `lost` of them right before and wrong after, `gained` inverse.

    right: how many were classified right before.
    """

    right: int
    lost: int
    gained: int
    n: int

    @property
    def cost(self) -> float:
        """Share of the images that is lost; negative where some are gained."""
        return (self.lost - self.gained) / self.n if self.n else 0.0

    @property
    def without(self) -> Count:
        """Right answers without."""
        return Count(self.right - self.lost + self.gained, self.n)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `cost`. Agresti and Min 2005: Wald's for pairs, after half a pair is added to each cell."""
        return self.within(Z95)

    def within(self, z: float) -> tuple[float, float]:
        """The interval of `cost` that reaches `z` standard errors far."""
        n, cost = self.n + 2, self.lost - self.gained
        reach = z * math.sqrt(max(0.0, self.lost + self.gained + 1 - cost * cost / n))
        return max(-1.0, (cost - reach) / n), min(1.0, (cost + reach) / n)


@dataclass(frozen=True)
class Truth:
    """What happened when the unit alone, with the units tied to it, was taken out: measured, not guessed.

    dense, without: mean cross-entropy in nats; error: standard error of their difference. classes: one Paired each.
    """

    dense: float
    without: float
    error: float
    classes: tuple[Paired, ...]
    split: str
    total: int

    @property
    def all(self) -> Paired:
        """All classes together."""
        return Paired(*(sum(getattr(c, name) for c in self.classes) for name in ("right", "lost", "gained", "n")))

    @property
    def change(self) -> float:
        """What the loss gains without it, in nats."""
        return self.without - self.dense

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `change`, by the normal approximation."""
        return self.change - Z95 * self.error, self.change + Z95 * self.error

    @property
    def worst(self) -> int | None:
        """The class that loses most beyond chance, or None. Bonferroni: the intervals hold for all classes together."""
        z = _z_for(max(1, sum(c.n > 0 for c in self.classes)))
        hurt = [i for i, c in enumerate(self.classes) if c.n and c.within(z)[0] > 0]
        return max(hurt, key=lambda i: self.classes[i].cost, default=None)


@dataclass(frozen=True)
class Consumer:
    """A layer that reads the unit. shift: how far its output moves without it, |change| / |output|.

    hardest: its output that moves most, and by how much of its own size.
    """

    layer: str
    shift: float
    hardest: int
    hardest_shift: float


@dataclass(frozen=True, eq=False)
class Example:
    """An image that excites the unit. index: in the split; value: the highest answer in it.

    image: (channels, height, width) in [0, 1]; box: (top, left, bottom, right), the pixels that the highest answer
    depends on, None where that is all of them.
    """

    index: int
    label: int
    value: float
    image: Array
    box: tuple[int, int, int, int] | None

    @property
    def patch(self) -> Array:
        """The pixels in the box, (channels, h, w)."""
        if self.box is None:
            return self.image
        top, left, bottom, right = self.box
        return self.image[:, top:bottom, left:right]


@dataclass(frozen=True)
class Served:
    """What the unit adds to the score of class `target`, in logits, mean over `n` images of that class.

    layer: the sum of it over all units of the layer; share of the unit: conductance / layer.
    """

    target: int
    conductance: float
    layer: float
    n: int


@dataclass(frozen=True, eq=False)
class UnitCard:
    """Everything about one unit, or about a layer as a whole where `unit` is None. Parts come one after another.

    tied: the other layers whose unit of this number goes with it, since their outputs are added up. refusal: why it
    cannot be taken out, or "". kernel: (inputs, height, width) weights. twins: for a layer, the most alike pairs.
    classes_note: why it is not known which classes it serves.
    """

    layer: str
    unit: int | None
    kind: str
    units: int
    tied: tuple[str, ...] = ()
    refusal: str = ""
    kernel: Array | None = None
    standings: tuple[Standing, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    responses: Responses | None = None
    truth: Truth | None = None
    consumers: tuple[Consumer, ...] = ()
    examples: tuple[Example, ...] = ()
    classes: tuple[Served, ...] = ()
    classes_note: str = ""
    complete: bool = False

    @property
    def name(self) -> str:
        """`filter 3 of conv1`, or the layer's name."""
        return self.layer if self.unit is None else f"{self.kind} {self.unit} of {self.layer}"


@dataclass(frozen=True)
class Fate:
    """What a recipe's decision did with the unit. place: 1 for the lowest score of `units`; threshold: the cut.

    removed_units: how many of the layer went.
    """

    removed: bool
    method: str
    criterion: str
    score: float
    place: int
    units: int
    threshold: float | None
    removed_units: int


def fate_of(decisions: Sequence[Decision], layer: str, unit: int | None) -> Fate | None:
    """The decision about a unit of the dense network, or None where its layer's units were never ranked.

    A later step counts the units that earlier ones left, which is followed here.
    """
    if unit is None:
        return None
    found, at = None, unit
    for decision in decisions:
        if decision.layer != layer or at >= len(decision.kept):
            continue
        found = _fate(decision, at)
        if found.removed:
            return found
        at = sum(decision.kept[:at])
    return found


def _fate(decision: Decision, unit: int) -> Fate:
    return Fate(
        removed=not decision.kept[unit],
        method=decision.method,
        criterion=decision.criterion,
        score=decision.scores[unit],
        place=place_of(decision.scores, unit),
        units=len(decision.scores),
        threshold=decision.threshold,
        removed_units=decision.removed,
    )


def place_of(scores: Sequence[float], unit: int) -> int:
    """1 for the lowest score; equal ones in their order, as methods remove them."""
    own = scores[unit]
    return 1 + sum(s < own or (s == own and i < unit) for i, s in enumerate(scores))


def _z_for(tests: int) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(1 - 0.025 / tests)
