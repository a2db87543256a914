"""A fair comparison: the same images, real bytes, equal size or equal accuracy, and how sure each number is.

Intervals are percentiles over draws. A draw moves every setting's accuracy by the chance of which test images there
were (Beta around the share of right answers), and, where a setting was run with several seeds, takes those seeds
again with replacement. All runs saw the same images, which would let differences be surer than is said here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from ..core.comparison import Bound, ComparedPoint, Comparison, Curve, Row
from ..core.errors import WorkbenchError
from ..core.frontier import frontier
from ..core.monotone import through
from ..core.names import listed
from ..core.recipe import Recipe, Step
from ..core.records import Accuracy, Measurement
from ..core.values import Array
from .pipeline import canonical

RATIOS = (4.0, 8.0, 16.0)
LOSSES = (0.005, 0.01, 0.02)
_TINY = 1e-9


class Measured(Protocol):
    """A Run, or anything else with a recipe and what was measured."""

    @property
    def recipe(self) -> Recipe: ...

    @property
    def measurement(self) -> Measurement: ...


class Entry(NamedTuple):
    """A recipe and what was measured on a file made by it."""

    recipe: Recipe
    measurement: Measurement


@dataclass(frozen=True, eq=False)
class _Line:
    """What at most so many bytes buy on one curve, and its draws.

    size: (n,) log bytes, ascending; accuracy: (draws + 1, n), of the best setting up to there, the first row as
    measured. Where more bytes bought nothing it is flat.
    """

    name: str
    size: Array
    accuracy: Array

    def accuracy_at(self, size: float) -> Array | None:
        """(draws + 1,) at a log size; more bytes than the largest setting takes buy no more, fewer cannot be had."""
        if size < self.size[0] - _TINY:
            return None
        inside = min(max(size, self.size[0]), self.size[-1])
        if len(self.size) == 1:
            return self.accuracy[:, 0].copy()
        return self.accuracies(np.array([inside]))[:, 0]

    def accuracies(self, sizes: Array) -> Array:
        """(draws + 1, k) at log sizes of (k,) between the ends."""
        return np.stack([through(self.size, drawn, sizes) for drawn in self.accuracy])

    def size_for(self, accuracy: Array) -> Array:
        """(draws + 1, k) log sizes for accuracies of (k,), held within each draw's own ends."""
        if len(self.size) == 1:
            return np.repeat(self.size[None], len(accuracy), 1).repeat(len(self.accuracy), 0)
        rising = np.maximum.accumulate(self.accuracy, 1) + _TINY * np.arange(len(self.size))
        return np.stack([through(a, self.size, np.clip(accuracy, a[0], a[-1])) for a in rising])


def compare(
    runs: Iterable[Measured],
    *,
    baseline: str | None = None,
    dense: Accuracy | None = None,
    ratios: Sequence[float] = RATIOS,
    losses: Sequence[float] = LOSSES,
    draws: int = 400,
    seed: int = 0,
) -> Comparison:
    """Runs of one dataset and split, grouped into a curve for each sequence of methods.

    baseline: the name of a curve, the first one when None. dense: accuracy of the dense network, where no run
    without steps tells it. ratios: dense bytes over file bytes at which accuracies are compared; losses: of
    accuracy, in [0, 1], at which bytes are. WorkbenchError when the runs cannot be compared.
    """
    entries = [Entry(canonical(run.recipe), run.measurement) for run in runs]
    _check(entries)
    plain = [e.measurement for e in entries if not e.recipe.steps]
    reference = dense or (plain[0].accuracy if plain else None)
    grouped = _grouped(e for e in entries if e.recipe.steps)
    if not grouped:
        raise WorkbenchError("There is nothing to compare: no run has a step.")
    rng = np.random.default_rng(seed)
    made = [_curve(name, settings, draws, rng) for name, settings in grouped.items()]
    curves, lines = tuple(curve for curve, _ in made), [line for _, line in made]
    name = baseline if baseline is not None else curves[0].name
    base = next((line for line in lines if line.name == name), None)
    if base is None:
        raise WorkbenchError(f"There is no curve {name!r} to compare with; there are {listed(grouped, name)}.")
    measured = entries[0].measurement
    dense_accuracy = None if reference is None else reference.accuracy
    return Comparison(
        dataset=entries[0].recipe.dataset,
        split=measured.accuracy.split,
        images=measured.accuracy.n,
        dense_bytes=measured.dense_bytes,
        dense_accuracy=dense_accuracy,
        curves=curves,
        frontier=_frontier(curves),
        at_bytes=tuple(_at_bytes(lines, ratio, measured.dense_bytes) for ratio in ratios),
        at_accuracy=tuple(_at_accuracy(lines, loss, dense_accuracy) for loss in losses if dense_accuracy is not None),
        baseline=name,
        rate={line.name: _rate(line, base) for line in lines if line is not base},
        gain={line.name: _gain(line, base) for line in lines if line is not base},
        area=_areas(lines),
    )


def curve_name(recipe: Recipe) -> str:
    """The methods in order, those that train after compressing marked so: `prune.magnitude_iter (trained)`."""
    return " + ".join(map(_step_name, recipe.steps))


def _step_name(step: Step) -> str:
    own = not step.method.startswith(("kd.", "recover.")) and step.knobs.get("epochs")
    return f"{step.method} (trained)" if own else step.method


def _check(entries: Sequence[Entry]) -> None:
    if not entries:
        raise WorkbenchError("There is nothing to compare: no run was given.")
    views: dict[str, Callable[[Entry], object]] = {
        "datasets": lambda e: e.recipe.dataset,
        "splits": lambda e: e.measurement.accuracy.split,
        "numbers of images": lambda e: e.measurement.accuracy.n,
        "networks": lambda e: e.recipe.network,
    }
    for what, of in views.items():
        found = sorted({str(of(e)) for e in entries})
        if len(found) > 1:
            raise WorkbenchError(f"These runs cannot be compared: they are of several {what}, {', '.join(found)}.")


def _grouped(entries: Iterable[Entry]) -> dict[str, dict[str, list[Entry]]]:
    """curve name -> key of the setting without its seed -> its runs."""
    found: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        found[curve_name(entry.recipe)][replace(entry.recipe, seed=0).key].append(entry)
    return {name: dict(settings) for name, settings in found.items()}


def _curve(name: str, settings: dict[str, list[Entry]], draws: int, rng: np.random.Generator) -> tuple[Curve, _Line]:
    points = [(_point(runs, draws, rng), runs[0].recipe) for runs in settings.values()]
    points.sort(key=lambda p: (p[0].size, -p[0].accuracy[0]))
    best = frontier([(point.size, float(point.accuracy[0])) for point, _ in points])
    shown = tuple(_shown(point, recipe, i in best) for i, (point, recipe) in enumerate(points))
    line = _line(name, [point for point, _ in points])
    return Curve(name, tuple(step.method for step in points[0][1].steps), shown), line


def _line(name: str, points: Sequence[_Point]) -> _Line:
    """points: in the order of the frontier. Those that are surely worse than a smaller one have no say."""
    sizes, best = [points[0].size], [points[0].accuracy]
    for point in points[1:]:
        if point.size - sizes[-1] > _TINY and np.percentile(point.accuracy, 97.5) >= best[-1][0]:
            sizes.append(point.size)
            best.append(max(best[-1], point.accuracy, key=lambda drawn: float(drawn[0])))
    return _Line(name, np.array(sizes), np.stack(best, 1))


class _Point(NamedTuple):
    """One setting. size: log bytes; accuracy: (draws + 1,), the first as measured; runs: how many seeds."""

    size: float
    accuracy: Array
    runs: int


def _point(runs: Sequence[Entry], draws: int, rng: np.random.Generator) -> _Point:
    right = np.array([e.measurement.accuracy.correct for e in runs], float)
    n = runs[0].measurement.accuracy.n
    mean = right.mean() / n
    again = right[rng.integers(len(runs), size=(draws, len(runs)))].mean(1) / n
    chance = rng.beta(mean * n + 0.5, (1 - mean) * n + 0.5, draws) - mean
    size = float(np.mean([np.log(e.measurement.file_bytes) for e in runs]))
    return _Point(size, np.concatenate([[mean], np.clip(again + chance, 0.0, 1.0)]), len(runs))


def _shown(point: _Point, recipe: Recipe, best: bool) -> ComparedPoint:
    low, high = np.percentile(point.accuracy[1:], [2.5, 97.5])
    label = " | ".join(map(str, recipe.steps))
    size, accuracy = float(np.exp(point.size)), float(point.accuracy[0])
    return ComparedPoint(label, size, accuracy, min(float(low), accuracy), max(float(high), accuracy), point.runs, best)


def _frontier(curves: Sequence[Curve]) -> tuple[tuple[str, float, float], ...]:
    every = [(curve.name, p.file_bytes, p.accuracy) for curve in curves for p in curve.points]
    return tuple(every[i] for i in frontier([(size, accuracy) for _, size, accuracy in every]))


def _bound(draws: Array) -> Bound:
    """draws: the number as measured, then as drawn."""
    low, high = np.percentile(draws[1:], [2.5, 97.5])
    value = float(draws[0])
    return Bound(value, min(float(low), value), max(float(high), value))


def _at_bytes(lines: Sequence[_Line], ratio: float, dense_bytes: int) -> Row:
    size = dense_bytes / ratio
    answers = {}
    for line in lines:
        found = line.accuracy_at(float(np.log(size)))
        why = f"its smallest file has {np.exp(line.size[0]):,.0f} bytes"
        answers[line.name] = Bound(None, why=why) if found is None else _bound(found)
    return Row(f"accuracy at {ratio:g}x, {size:,.0f} bytes", size, answers)


def _at_accuracy(lines: Sequence[_Line], loss: float, dense: float | None) -> Row:
    assert dense is not None
    wanted = dense - loss
    answers = {}
    for line in lines:
        top = float(line.accuracy[0].max())
        if top < wanted:
            answers[line.name] = Bound(None, why=f"it reaches {100 * top:.2f} %")
        else:
            answers[line.name] = _bound(np.exp(line.size_for(np.array([wanted]))[:, 0]))
    return Row(f"bytes at {100 * loss:g} points under dense, {100 * wanted:.2f} %", wanted, answers)


_STEPS = 64


def _rate(line: _Line, base: _Line) -> Bound:
    """Bjontegaard's mean difference in log bytes over the accuracies that both reach, as a share."""
    low, high = (pick(float(end(x.accuracy[0])) for x in (line, base)) for pick, end in ((max, np.min), (min, np.max)))
    if high - low <= _TINY:
        return Bound(None, why="the two reach no accuracy in common")
    at = _midpoints(low, high)
    return _bound(np.expm1((line.size_for(at) - base.size_for(at)).mean(1)))


def _gain(line: _Line, base: _Line) -> Bound:
    """Mean difference in accuracy over the log bytes that both cover."""
    low, high = max(line.size[0], base.size[0]), min(line.size[-1], base.size[-1])
    if high - low <= _TINY:
        return Bound(None, why="the two have no file sizes in common")
    return _bound(_mean_accuracy(line, low, high) - _mean_accuracy(base, low, high))


def _areas(lines: Sequence[_Line]) -> dict[str, Bound]:
    low, high = max(x.size[0] for x in lines), min(x.size[-1] for x in lines)
    if high - low <= _TINY:
        return {line.name: Bound(None, why="the curves have no file sizes in common") for line in lines}
    return {line.name: _bound(_mean_accuracy(line, low, high)) for line in lines}


def _mean_accuracy(line: _Line, low: float, high: float) -> Array:
    return np.asarray(line.accuracies(_midpoints(low, high)).mean(1))


def _midpoints(low: float, high: float) -> Array:
    return low + (np.arange(_STEPS) + 0.5) * (high - low) / _STEPS
