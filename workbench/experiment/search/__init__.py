"""Say the budget, get the settings: an estimate at once, then trials that are real runs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...core.budget import Budget, figures_of, parse_budget
from ...core.errors import WorkbenchError
from ...core.progress import Progress
from ...core.recipe import Recipe
from ...core.records import Run
from ...core.searched import Search, Trial
from ...methods import checked
from ..pipeline import canonical
from ..questions import SPLIT
from ..run import run
from ..store import Store
from ..subject import Subject, subject_named
from .opening import Plan, planned
from .propose import Tried, optuna, proposed
from .space import Params, Space

TRIALS = 30
MOST = 10_000
_AGAIN = 20
"""Proposals for one trial before everything is taken to be tried."""

_NEAR = 0.3
"""Of a value's range, how far from the best so far the next one may be: few trials do better there than anywhere."""


class Met(NamedTuple):
    """A validation run, and whether it had been measured before."""

    run: Run
    known: bool


Measure = Callable[[Recipe, Progress], Met]


def search(
    recipe: Recipe,
    budget: Budget | str,
    *,
    trials: int = TRIALS,
    store: Store | None = None,
    subject: Subject | None = None,
    measure: Measure | None = None,
    progress: Progress | None = None,
) -> Iterator[Search]:
    """The growing search for settings of `recipe` within `budget`: what is known, the estimate, then trial by trial.

    The knobs that a step of the recipe names are held, all others are searched (space.py says which); without steps
    the best of a few pipelines is found first. Every trial is a run on validation images, measured by `measure` if
    given. The recipe's seed is that of all draws; with a store the same call goes on where it was killed, and what it
    has is free. Raises WorkbenchError in one sentence, Cancelled.
    """
    budget = parse_budget(budget) if isinstance(budget, str) else budget
    if not 1 <= trials <= MOST:
        raise WorkbenchError(f"search: trials must be an integer in [1, {MOST}]; got {trials}.")
    for step in recipe.steps:
        checked(step)
    optuna()
    progress = progress or Progress()
    subject = subject or subject_named(recipe.network, recipe.dataset, progress)
    course = _Course(recipe, budget, trials, subject, store, measure or _measured_with(subject, store))
    return course.run(progress)


def foresee(
    recipe: Recipe,
    budget: Budget | str,
    *,
    store: Store | None = None,
    subject: Subject | None = None,
    progress: Progress | None = None,
) -> Search:
    """The estimate that a search begins with, and what was known before, without any trial; it needs no Optuna.

    What a later search with the same words begins with is kept in the store. Raises WorkbenchError, Cancelled.
    """
    budget = parse_budget(budget) if isinstance(budget, str) else budget
    progress = progress or Progress()
    subject = subject or subject_named(recipe.network, recipe.dataset, progress)
    return _Course(recipe, budget, 0, subject, store, _measured_with(subject, store)).begin(progress)[1]


def _measured_with(subject: Subject, store: Store | None) -> Measure:
    def measure(recipe: Recipe, progress: Progress) -> Met:
        known = None if store is None else store.get(recipe, SPLIT, subject.fingerprint)
        if known is not None:
            return Met(known, True)
        return Met(run(recipe, split=SPLIT, store=store, progress=progress, subject=subject).run, False)

    return measure


class _Course:
    """One search on its way."""

    def __init__(
        self, recipe: Recipe, budget: Budget, trials: int, subject: Subject, store: Store | None, measure: Measure
    ) -> None:
        self.recipe, self.budget, self.planned = recipe, budget, trials
        self.subject, self.store, self.measure = subject, store, measure
        self.tried: set[str] = set()

    def begin(self, progress: Progress) -> tuple[Plan, Search]:
        """The plan, and a search without trials."""
        dense = self.subject.dense_accuracy(SPLIT).accuracy
        known = self._runs()
        made = Search(self.recipe.network, self.recipe.dataset, self.budget, self.recipe.seed, self.planned, dense)
        plan = planned(self.recipe, self.budget, self.subject, store=self.store, known=known, progress=progress)
        wanted = [run for key in plan.earlier for run in known if run.recipe.key == key]
        earlier = tuple(self._trial(i - len(wanted), Met(run, True)) for i, run in enumerate(wanted))
        return plan, replace(made, proposal=plan.openings[0].proposal, earlier=earlier, complete=not self.planned)

    def run(self, progress: Progress) -> Iterator[Search]:
        plan, made = self.begin(progress.part(0.0, 0.1))
        yield made
        for number in range(self.planned):
            part = progress.part(0.1 + 0.9 * number / self.planned, 0.1 + 0.9 * (number + 1) / self.planned)
            part = replace(part, report=_titled(part.report, f"trial {number + 1} of {self.planned}: "))
            part("choosing settings", 0.0)
            wanted_next = self._next(plan, made, number)
            if wanted_next is None:
                break
            made = replace(made, trials=(*made.trials, self._try(number, wanted_next, part)))
            yield made
        yield replace(made, complete=True)

    def _runs(self) -> list[Run]:
        key = self.recipe.network, self.recipe.dataset
        return [] if self.store is None else self.store.runs(*key, SPLIT, self.subject.fingerprint)

    def _next(self, plan: Plan, made: Search, number: int) -> Recipe | None:
        """The recipe to try next; None when everything near is tried."""
        if number < len(plan.openings):
            return self._new(plan.openings[number].space, [plan.openings[number].starts[0]])
        opening = plan.openings[self._ahead(plan, made)]
        space, past = opening.space, self._past(opening.space, made)
        return self._new(space, opening.starts) or self._new(space, self._proposals(space, past, number))

    def _ahead(self, plan: Plan, made: Search) -> int:
        """The pipeline whose estimate turned out best."""
        first = made.trials[: len(plan.openings)]
        ran = [i for i, trial in enumerate(first) if trial.measurement is not None]
        return min(ran, key=lambda i: self.budget.rank(first[i].figures), default=0)

    def _past(self, space: Space, made: Search) -> list[Tried]:
        found = [(space.params_of(trial.recipe), trial.figures) for trial in made.measured]
        return [Tried(params, figures) for params, figures in found if params is not None]

    def _proposals(self, space: Space, past: Sequence[Tried], number: int) -> Iterator[Params]:
        best = self.budget.best([tried.figures for tried in past])
        near = space if best is None else space.around(past[best].params, _NEAR)
        for attempt in range(_AGAIN if space.free else 0):
            seed = zlib.crc32(repr((self.recipe.seed, number, attempt)).encode())
            yield proposed(near, self.budget, past, seed=seed, chance=attempt > 2)

    def _new(self, space: Space, many: Sequence[Params] | Iterator[Params]) -> Recipe | None:
        """The first recipe that was not tried in this search."""
        for params in many:
            recipe = space.recipe_of(params)
            if recipe.key not in self.tried:
                self.tried.add(recipe.key)
                return recipe
        return None

    def _try(self, number: int, recipe: Recipe, progress: Progress) -> Trial:
        try:
            return self._trial(number, self.measure(canonical(recipe), progress))
        except WorkbenchError as error:
            return Trial(number, recipe, None, why=str(error))

    def _trial(self, number: int, met: Met) -> Trial:
        measured = met.run.measurement
        figures = figures_of(measured, self.subject.dense_accuracy(SPLIT).accuracy)
        return Trial(number, met.run.recipe, measured, figures, self.budget.met(figures), met.known)


def _titled(report: Callable[[str, float | None], None], title: str) -> Callable[[str, float | None], None]:
    return lambda doing, share: report(title + doing, share)
