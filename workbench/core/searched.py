"""What a search under a budget knows so far: plain data that grows trial by trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .budget import Budget
from .frontier import frontier
from .recipe import Recipe
from .records import Measurement


@dataclass(frozen=True)
class Proposal:
    """Settings worked out before anything is measured: all of it is an estimate.

    figures: the measures that could be foreseen; source: from what; met: whether they are within the budget.
    """

    recipe: Recipe
    figures: dict[str, float]
    met: bool
    source: str


@dataclass(frozen=True)
class Trial:
    """One real run on validation images, or why there was none. known: it had been measured before.

    number: from 0, in the order of the search; negative for what was known before it began.
    """

    number: int
    recipe: Recipe
    measurement: Measurement | None
    figures: dict[str, float] = field(default_factory=dict)
    met: bool = False
    known: bool = False
    why: str = ""


@dataclass(frozen=True)
class Search:
    """A search as far as it is. proposal: the answer that came at once; dense: its validation accuracy.

    earlier: what was known of these steps before; planned: how many trials there will be.
    """

    network: str
    dataset: str
    budget: Budget
    seed: int
    planned: int
    dense: float
    proposal: Proposal | None = None
    earlier: tuple[Trial, ...] = ()
    trials: tuple[Trial, ...] = ()
    complete: bool = False

    @property
    def measured(self) -> tuple[Trial, ...]:
        """All that can be drawn on a curve: what was known before, then the trials that did not fail."""
        return tuple(trial for trial in (*self.earlier, *self.trials) if trial.measurement is not None)

    @property
    def best(self) -> Trial | None:
        """The best within the budget, else the closest to it."""
        found = self.measured
        place = self.budget.best([trial.figures for trial in found])
        return None if place is None else found[place]

    @property
    def frontier(self) -> tuple[Trial, ...]:
        """What nothing else beats in the cost that the budget is about and in accuracy, cheapest first."""
        found = self.measured
        places = frontier([(t.figures[self.budget.cost], t.figures["accuracy"]) for t in found])
        return tuple(found[i] for i in places)

    @property
    def said(self) -> str:
        """The outcome so far in one sentence."""
        best = self.best
        if best is None:
            return "Nothing is measured yet." if not self.trials else f"Every trial was refused: {self.trials[-1].why}"
        many = f"{len(self.trials)} trials" if len(self.trials) != 1 else "1 trial"
        if best.met:
            return f"Best of {many} within {self.budget}: {_told(self.budget, best.figures)}."
        return f"None of {many} is within {self.budget}; the closest has {_told(self.budget, best.figures)}."


def _told(budget: Budget, figures: Mapping[str, float]) -> str:
    names = dict.fromkeys((*(limit.measure for limit in budget.limits), budget.cost, "accuracy"))
    return ", ".join(f"{name} {_number(figures[name])}" for name in names if name in figures)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
