"""The axis of a method's curve, and recipes along it or on a grid of several."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...core.errors import WorkbenchError
from ...core.knob import Knob, Value, knobs_of
from ...core.recipe import Recipe, Step
from ...methods import method_named

POINTS = 9
MOST = 10_000


class Axis(NamedTuple):
    """The values that one knob of one step takes in turn; steps count from 0."""

    step: int
    knob: str
    values: tuple[Value, ...]


def axis(method: str, points: int = POINTS) -> tuple[str, list[Value]]:
    """(knob, values): along which knob a method's curve runs, and at most `points` values that span it."""
    cls = method_named(method)
    return cls.axis, knobs_of(cls)[cls.axis].grid(points)


def along(recipe: Recipe, step: int, knob: str, values: Sequence[Value]) -> Iterator[Recipe]:
    """The recipe with one knob of one step at each of `values`; WorkbenchError names a knob that is not there."""
    if not 0 <= step < len(recipe.steps):
        raise WorkbenchError(f"The recipe has {len(recipe.steps)} steps; there is no step {step + 1}.")
    chosen = recipe.steps[step]
    _knob(chosen.method, knob)
    for value in values:
        turned = replace(chosen, knobs={**chosen.knobs, knob: value})
        yield replace(recipe, steps=(*recipe.steps[:step], turned, *recipe.steps[step + 1 :]))


def grid(recipe: Recipe, axes: Sequence[Axis], seeds: Sequence[int] = (0,)) -> list[Recipe]:
    """The recipe at every combination of the axes' values and the seeds, the seeds turning fastest.

    WorkbenchError for a knob that is not there, an axis without values, and more than 10,000 points.
    """
    for turned in axes:
        if not turned.values:
            raise WorkbenchError(f"sweep: there is no value of {turned.knob} to try.")
    points = math.prod(len(turned.values) for turned in axes) * len(seeds)
    if points > MOST:
        raise WorkbenchError(f"sweep: these are {points:,} points; at most {MOST:,} are allowed.")
    recipes = [recipe]
    for turned in axes:
        recipes = [r for made in recipes for r in along(made, turned.step, turned.knob, turned.values)]
    return [replace(made, seed=seed) for made, seed in itertools.product(recipes, seeds)]


def parse_axis(text: str, steps: Sequence[Step], own: int) -> Axis:
    """`[ID:]knob=v1,v2,...` as on the command line, of step `own` where no ID says of which; values are checked."""
    name, equals, listed = text.partition("=")
    words = [word.strip() for word in listed.split(",") if word.strip()]
    if not equals or not words:
        raise WorkbenchError(f"sweep: an axis is written [ID:]knob=value,value,...; got {text!r}.")
    method, colon, knob = name.strip().rpartition(":")
    step = _step_of(method, steps) if colon else own
    method = steps[step].method
    declared = _knob(method, knob)
    return Axis(step, knob, tuple(declared.parse(f"{method}: {knob}", word) for word in words))


def _step_of(method: str, steps: Sequence[Step]) -> int:
    found = [i for i, step in enumerate(steps) if step.method == method]
    if len(found) != 1:
        there = ", ".join(step.method for step in steps)
        raise WorkbenchError(f"sweep: {method!r} must be exactly one of the steps, which are {there}.")
    return found[0]


def _knob(method: str, name: str) -> Knob:
    knobs = knobs_of(method_named(method))
    if name not in knobs:
        raise WorkbenchError(f"{method} has no knob {name!r}; it has {', '.join(knobs)}.")
    return knobs[name]
