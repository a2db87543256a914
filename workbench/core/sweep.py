"""Many recipes and what came of each: plain data that grows while it is being measured."""

from __future__ import annotations

from dataclasses import dataclass

from .knob import Value, spelled
from .recipe import Recipe
from .records import Run, measurement_json


@dataclass(frozen=True)
class SweepPoint:
    """One recipe, every knob spelled out. run: once it is measured; failure: why it never will be, in a sentence.

    known: it was measured before this sweep began.
    """

    recipe: Recipe
    run: Run | None = None
    failure: str = ""
    known: bool = False

    @property
    def settled(self) -> bool:
        return self.run is not None or bool(self.failure)


@dataclass(frozen=True)
class Sweep:
    """Every point in the order in which it was asked for. running: keys of the recipes being computed now.

    seconds_left: until all are settled, as far as can be told by now.
    """

    split: str
    points: tuple[SweepPoint, ...]
    running: tuple[str, ...] = ()
    seconds_left: float | None = None

    @property
    def settled(self) -> int:
        return sum(point.settled for point in self.points)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do; points that failed are settled too."""
        return self.settled == len(self.points)

    @property
    def known(self) -> int:
        """How many points had been measured before."""
        return sum(point.known for point in self.points)

    @property
    def computed(self) -> int:
        """How many points were measured by this sweep."""
        return sum(point.run is not None and not point.known for point in self.points)

    @property
    def failed(self) -> tuple[SweepPoint, ...]:
        return tuple(point for point in self.points if point.failure)

    @property
    def axes(self) -> dict[str, tuple[Value, ...]]:
        """What differs between the points: `METHOD:knob`, or `seed`, to the value at every point.

        A method that stands in the recipe more than once has the number of its step in front.
        """
        found = {name: tuple(turned(point.recipe)[name] for point in self.points) for name in self._names()}
        return {name: values for name, values in found.items() if len({spelled(v) for v in values}) > 1}

    def _names(self) -> list[str]:
        return list(turned(self.points[0].recipe)) if self.points else []


def turned(recipe: Recipe) -> dict[str, Value]:
    """Every knob of every step, and the seed, by name."""
    ids = [step.method for step in recipe.steps]
    names = [m if ids.count(m) == 1 else f"{i}. {m}" for i, m in enumerate(ids, 1)]
    knobs: dict[str, Value] = {
        f"{name}:{knob}": value
        for name, step in zip(names, recipe.steps, strict=True)
        for knob, value in step.knobs.items()
    }
    return {**knobs, "seed": recipe.seed}


def sweep_json(sweep: Sweep) -> dict[str, object]:
    """The document of the command line: every point with its values on the axes, and what was measured or why not."""
    axes = sweep.axes
    points = [
        {
            "key": point.recipe.key,
            "values": {name: values[i] for name, values in axes.items()},
            "recipe": point.recipe,
            "known": point.known,
            "failure": point.failure,
            "notes": () if point.run is None else point.run.notes,
            "provenance": None if point.run is None else point.run.provenance,
            **({} if point.run is None else measurement_json(point.run.measurement)),
        }
        for i, point in enumerate(sweep.points)
    ]
    counts = {"known": sweep.known, "computed": sweep.computed, "failed": len(sweep.failed)}
    return {"split": sweep.split, **counts, "points": points}
