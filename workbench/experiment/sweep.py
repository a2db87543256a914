"""The axis of a method's curve, and runs along it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..core.errors import WorkbenchError
from ..core.knob import Value, knobs_of
from ..core.recipe import Recipe
from ..methods import method_named

POINTS = 9


def axis(method: str, points: int = POINTS) -> tuple[str, list[Value]]:
    """(knob, values): along which knob a method's curve runs, and at most `points` values that span it."""
    cls = method_named(method)
    return cls.axis, knobs_of(cls)[cls.axis].grid(points)


def along(recipe: Recipe, step: int, knob: str, values: list[Value]) -> Iterator[Recipe]:
    """The recipe with one knob of one step at each of `values`; WorkbenchError names a knob that is not there."""
    if not 0 <= step < len(recipe.steps):
        raise WorkbenchError(f"The recipe has {len(recipe.steps)} steps; there is no step {step + 1}.")
    chosen = recipe.steps[step]
    knobs = knobs_of(method_named(chosen.method))
    if knob not in knobs:
        raise WorkbenchError(f"{chosen.method} has no knob {knob!r}; it has {', '.join(knobs)}.")
    for value in values:
        turned = replace(chosen, knobs={**chosen.knobs, knob: value})
        yield replace(recipe, steps=(*recipe.steps[:step], turned, *recipe.steps[step + 1 :]))
