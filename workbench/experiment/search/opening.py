"""How a search begins: what is open, the settings to start from, what was known; kept, so that it can go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.budget import Budget
from ...core.errors import WorkbenchError
from ...core.progress import Progress
from ...core.recipe import Recipe, Step
from ...core.records import Run, Sensitivity
from ...core.searched import Proposal
from ..sensitivity import scan, scan_of
from ..store import Store
from ..subject import Subject
from .pipelines import fitting
from .solve import IMAGES, ladder_of, sampled, sizes_of, solve
from .space import Params, Space, open_by_layer, space_of

_STEPS = (1.0, 0.5, 2.0, 0.25)
"""Tolerances to start from, over that of the estimate."""
_REACH = 4.0
"""The search stays as near to the estimate as a tolerance so many times higher or lower."""


@dataclass(frozen=True)
class Opening:
    """The steps of one pipeline, what is open in them, and settings to try first, the estimate before all."""

    space: Space
    starts: tuple[Params, ...]
    proposal: Proposal


@dataclass(frozen=True)
class Plan:
    """openings: the most promising first; earlier: keys of the recipes of these steps that were measured before."""

    openings: tuple[Opening, ...]
    earlier: tuple[str, ...]


def planned(
    recipe: Recipe,
    budget: Budget,
    subject: Subject,
    *,
    store: Store | None,
    known: Sequence[Run],
    progress: Progress,
) -> Plan:
    """The plan of a search that was begun before with the same words, or a new one, which is kept."""
    if store is not None and (old := store.get_plan(recipe, str(budget), subject.fingerprint, Plan)) is not None:
        return old  # type: ignore[no-any-return]
    recipes = [recipe] if recipe.steps else fitting(recipe, budget, subject)
    parts = [progress.part(i / len(recipes), (i + 1) / len(recipes)) for i in range(len(recipes))]
    made = [_opening(one, budget, subject, store, part) for one, part in zip(recipes, parts, strict=True)]
    made.sort(key=lambda opening: budget.rank(opening.proposal.figures))
    within = [x for x in made if _costs_hold(x.proposal, budget)]
    earlier = [run.recipe.key for run in known if any(x.space.params_of(run.recipe) is not None for x in made)]
    plan = Plan(tuple(within or made), tuple(earlier))
    if store is not None:
        store.put_plan(recipe, str(budget), subject.fingerprint, plan)
    return plan


def _costs_hold(proposal: Proposal, budget: Budget) -> bool:
    return all(x.holds(proposal.figures[x.measure]) for x in budget.costs if x.measure in proposal.figures)


def _opening(recipe: Recipe, budget: Budget, subject: Subject, store: Store | None, progress: Progress) -> Opening:
    scans = _scans(recipe, subject, store, progress.part(0.0, 0.6))
    sizes = sizes_of(subject, budget.cost)
    ladder = ladder_of(space_of(recipe, scans, sizes), scans, sizes)
    tolerance, proposal = solve(ladder, budget, subject, progress.part(0.6, 1.0, "working out an estimate: "))
    starts: list[Params] = []
    for factor in _STEPS:
        if (params := ladder.at(min(tolerance * factor, 1.0))) not in starts:
            starts.append(params)
    return Opening(ladder.near(tolerance, _REACH), tuple(starts), proposal)


def _scans(recipe: Recipe, subject: Subject, store: Store | None, progress: Progress) -> tuple[Sensitivity | None, ...]:
    """The scan of every step whose layers may differ, None for the others."""
    wanted = [i for i, step in enumerate(recipe.steps) if open_by_layer(step)]
    parts = {i: progress.part(n / len(wanted), (n + 1) / len(wanted)) for n, i in enumerate(wanted)}
    return tuple(
        _scanned(step, recipe, subject, store, parts[i]) if i in parts else None for i, step in enumerate(recipe.steps)
    )


def _scanned(step: Step, recipe: Recipe, subject: Subject, store: Store | None, progress: Progress) -> Sensitivity:
    """A whole scan where one is known; else of some of the images, which is kept as such."""
    alone, some = recipe.with_steps(scan_of(step)), sampled(subject)
    few = f"{subject.fingerprint}/{IMAGES}" if some is not subject else subject.fingerprint
    for kept in (subject.fingerprint, few) if store is not None else ():
        assert store is not None
        if (found := store.get_sensitivity(alone, kept)) is not None:
            return found
    *_, found = scan(alone.steps[0], some, seed=recipe.seed, progress=progress)
    if not found.points:
        raise WorkbenchError(f"{step.method} can act on no layer of {recipe.network}, so there is nothing to search.")
    if store is not None:
        store.put_sensitivity(alone, found, few)
    return found
