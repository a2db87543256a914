"""Guess between known runs: what a slider shows before anything has been computed."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np

from ..core.knob import knobs_of
from ..core.monotone import between
from ..core.recipe import Recipe
from ..core.records import Estimate, Run
from ..methods import method_named

_ANY = "?"


class Known:
    """Runs indexed by everything but one knob, so that a guess along that knob is a look-up."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._along: dict[tuple[str, int, str], dict[float, Run]] = defaultdict(dict)

    def add(self, run: Run) -> None:
        """Remember a measured run; its recipe is canonical."""
        self._runs[run.recipe.key] = run
        for key, value in _directions(run.recipe).items():
            self._along[key][value] = run

    def get(self, recipe: Recipe) -> Run | None:
        """The run of exactly this recipe."""
        return self._runs.get(recipe.key)

    def estimate(self, recipe: Recipe) -> Estimate | None:
        """A guess from the runs that differ in one numeric knob only, along the best known of them; None without."""
        exact = self.get(recipe)
        if exact is not None:
            return Estimate(exact.measurement.accuracy.accuracy, exact.measurement.file_bytes, "this very run")
        lines = [(self._along[key], value, key[2]) for key, value in _directions(recipe).items() if key in self._along]
        if not lines:
            return None
        runs, value, knob = max(lines, key=lambda line: _merit(*line[:2]))
        return _between(runs, value, knob)


def _directions(recipe: Recipe) -> dict[tuple[str, int, str], float]:
    """(key of the recipe without one numeric knob, step, knob) -> the knob's value."""
    found = {}
    for i, step in enumerate(recipe.steps):
        for name, knob in knobs_of(method_named(step.method)).items():
            if knob.numeric and name in step.knobs:
                blank = replace(step, knobs={**step.knobs, name: _ANY})
                steps = (*recipe.steps[:i], blank, *recipe.steps[i + 1 :])
                found[replace(recipe, steps=steps).key, i, name] = float(step.knobs[name])
    return found


def _merit(runs: dict[float, Run], value: float) -> tuple[bool, int]:
    """Lines that reach past the value on both sides are better, then those with more runs."""
    return min(runs) <= value <= max(runs), len(runs)


def _between(runs: dict[float, Run], value: float, knob: str) -> Estimate:
    xs = sorted(runs)
    ms = [runs[x].measurement for x in xs]
    if len(xs) == 1:
        return Estimate(ms[0].accuracy.accuracy, ms[0].file_bytes, f"the only known run, which differs in {knob}")
    inside = min(max(value, xs[0]), xs[-1])
    accuracy = between(xs, [m.accuracy.accuracy for m in ms], inside)
    size = math.exp(between(xs, np.log([m.file_bytes for m in ms]), inside))
    where = f"{len(xs)} runs along {knob}" if inside == value else f"the nearest of {len(xs)} runs along {knob}"
    return Estimate(min(max(accuracy, 0.0), 1.0), size, where)
