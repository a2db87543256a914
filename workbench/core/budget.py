"""A budget: what a compressed network may cost and must still do, in words that people and commands share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import WorkbenchError
from .records import Measurement

MOST, LEAST = "<=", ">="
ACCURACIES = ("accuracy", "accuracy_drop")
SENSES = {
    "bytes": MOST,
    "accuracy": LEAST,
    "accuracy_drop": MOST,
    "macs": MOST,
    "latency_ms": MOST,
    "parameters": MOST,
    "compression_ratio": LEAST,
}
"""What can be limited, and on which side."""
_LIMIT = re.compile(r"\s*([a-z_]+)\s*(<=|>=)\s*([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*")
_ALIKE = 10.0
"""Ten points of accuracy too few weigh as much as a cost that is twice what was allowed."""
_EXACT = 1e-9
_ALLOWED = ", ".join(f"{name}{sense}" for name, sense in SENSES.items())


@dataclass(frozen=True)
class Limit:
    """One inequality. accuracy and accuracy_drop are shares in [0, 1]; latency is in milliseconds."""

    measure: str
    value: float

    def __str__(self) -> str:
        return f"{self.measure}{SENSES[self.measure]}{self.value:.15g}"

    def excess(self, value: float) -> float:
        """By how much `value` misses the limit, at most 0 where it holds; 1 is twice the cost, or ten points."""
        over = value - self.value if SENSES[self.measure] == MOST else self.value - value
        return over * _ALIKE if self.measure in ACCURACIES else over / self.value

    def holds(self, value: float) -> bool:
        """Whether `value` is allowed, forgiving what floating point adds to a difference of two shares."""
        return self.excess(value) <= _EXACT


@dataclass(frozen=True)
class Budget:
    """At least one limit, each measure at most once. The figures of a network are a number for each measure."""

    limits: tuple[Limit, ...]

    def __str__(self) -> str:
        return ",".join(map(str, self.limits))

    @property
    def costs(self) -> tuple[Limit, ...]:
        """The limits of everything but accuracy."""
        return tuple(limit for limit in self.limits if limit.measure not in ACCURACIES)

    @property
    def accuracies(self) -> tuple[Limit, ...]:
        return tuple(limit for limit in self.limits if limit.measure in ACCURACIES)

    @property
    def cost(self) -> str:
        """What is made small: the first cost that has a limit, else bytes. The ratio is bytes seen from above."""
        first = self.costs[0].measure if self.costs else "bytes"
        return "bytes" if first == "compression_ratio" else first

    @property
    def aims(self) -> tuple[str, ...]:
        """What is still open within the limits: accuracy, the cost, or both where both are limited."""
        if not self.accuracies:
            return ("accuracy",)
        return (self.cost, "accuracy") if self.costs else (self.cost,)

    def met(self, figures: Mapping[str, float]) -> bool:
        return self.missed(figures) == 0.0

    def missed(self, figures: Mapping[str, float]) -> float:
        """By how much the limits are missed in all, 0 when the budget is met; what is not known counts as met."""
        known = [(limit, figures[limit.measure]) for limit in self.limits if limit.measure in figures]
        return sum(limit.excess(value) for limit, value in known if not limit.holds(value))

    def rank(self, figures: Mapping[str, float]) -> tuple[float, float, float]:
        """A key that sorts the best first: what misses least, then what the budget leaves open.

        Where accuracy has a limit, the smallest cost within it; where it has none, the highest accuracy.
        """
        cost, wrong = figures[self.cost], -figures["accuracy"]
        return (self.missed(figures), cost, wrong) if self.accuracies else (self.missed(figures), wrong, cost)

    def best(self, many: Sequence[Mapping[str, float]]) -> int | None:
        """The place of the best figures, or of the closest when none meet the budget; None without any."""
        return min(range(len(many)), key=lambda i: self.rank(many[i]), default=None)


def parse_budget(text: str) -> Budget:
    """`bytes<=30000,accuracy_drop<=0.01` as a Budget; WorkbenchError in one sentence for anything else."""
    limits = tuple(map(_limit, text.split(",")))
    for i, limit in enumerate(limits):
        if limit.measure in [earlier.measure for earlier in limits[:i]]:
            raise WorkbenchError(f"The budget limits {limit.measure} twice; each measure can be named once.")
    return Budget(limits)


def _limit(text: str) -> Limit:
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise WorkbenchError(f"{text.strip()!r} is no limit of a budget; allowed are {_ALLOWED}, each with a number.")
    name, sense, number = found.groups()
    if name not in SENSES:
        raise WorkbenchError(f"A budget cannot limit {name!r}; allowed are {_ALLOWED}.")
    if sense != SENSES[name]:
        raise WorkbenchError(f"A budget can ask for {name}{SENSES[name]} only; got {text.strip()!r}.")
    value, most = float(number), 1.0 if name in ACCURACIES else 1e15
    if value > most or (value == 0.0 and name not in ACCURACIES):
        allowed = "a share in [0, 1]" if name in ACCURACIES else "a number above 0 and at most 1e15"
        raise WorkbenchError(f"The limit of {name} must be {allowed}; got {number}.")
    return Limit(name, value)


def figures_of(measurement: Measurement, dense: float) -> dict[str, float]:
    """A number for every measure that was measured. dense: accuracy of the dense network on the same images."""
    accuracy = measurement.accuracy.accuracy
    found = {
        "bytes": float(measurement.file_bytes),
        "accuracy": accuracy,
        "accuracy_drop": dense - accuracy,
        "macs": float(measurement.macs),
        "parameters": float(measurement.parameters),
        "compression_ratio": measurement.compression_ratio,
    }
    return found if measurement.latency is None else {**found, "latency_ms": measurement.latency.median_ms}
