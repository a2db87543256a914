"""Accuracy against the bytes of the file: what a method costs and what it saves.

Estimates, samples and measurements never look alike: hollow and dotted, half-filled with a wide interval, solid.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..core.frontier import frontier
from ..core.records import Accuracy, Estimate, Run
from ._frontier import frontier_line
from .theme import (
    ESTIMATE_DASH,
    Style,
    blank,
    bytes_text,
    bytes_ticks,
    empty,
    family_of,
    method_in,
    paint,
    percent,
    styles,
    wrapped,
)

Trace = dict[str, Any]
Methods = tuple[tuple[str, bool], ...]
"""(method id, whether layers have values of their own) for each step."""
OWN = " (own values)"

TITLE = "Accuracy against file size"
NOTHING = "Nothing is measured yet: the first point comes in a moment, or when you move a slider."


class Point(NamedTuple):
    """One mark. key and steps are empty where no recipe stands behind it; accuracy, low and high in [0, 1]."""

    key: str
    steps: str
    file_bytes: float
    accuracy: float
    low: float
    high: float
    details: tuple[str, ...]


class Line(NamedTuple):
    """The measured points of one method (or sequence of methods), ascending in bytes."""

    methods: tuple[str, ...]
    title: str
    family: str
    points: tuple[Point, ...]


class AccuracyBytesView(NamedTuple):
    """Everything that is drawn. frontier: the points that no other beats in both bytes and accuracy.

    guide: the neighbours of the estimate on its own line, through which its dotted line is drawn.
    now: one sentence on the current setting. selected: recipe key of the point with the ring. pinned: what the pinned
    point is called, and the point.
    """

    lines: tuple[Line, ...] = ()
    dense: Point | None = None
    estimate: Point | None = None
    sample: Point | None = None
    frontier: tuple[tuple[float, float], ...] = ()
    guide: tuple[tuple[float, float], ...] = ()
    selected: str | None = None
    now: str = ""
    pinned: tuple[str, Point] | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """Every measured point that belongs to a line."""
        return tuple(point for line in self.lines for point in line.points)


FRONTIER, DENSE, ESTIMATE, SAMPLE, SELECTED = range(5)
"""Index of the traces that are always there; the lines follow from `FIRST_LINE` in the order of `view.lines`, and after
them the pinned point where there is one."""
FIRST_LINE = 5


def view(
    runs: Sequence[Run],
    dense: Run | None = None,
    *,
    estimate: tuple[str, Estimate] | None = None,
    sample: tuple[Accuracy, float] | None = None,
    current: str | None = None,
    pinned: tuple[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
) -> AccuracyBytesView:
    """What there is to draw.

    runs: known runs in the order in which they were made. estimate: (label of the recipe, Estimate).
    sample: (Accuracy so far, bytes estimated). current: key of the recipe that the knobs stand for.
    pinned: (key, what it is called) of the run that others are held against.
    titles: method id -> name for the legend.
    """
    dense = dense or next((run for run in runs if not run.recipe.steps), None)
    lines = _lines(runs, titles or {})
    base = None if dense is None else _point(dense)
    here = next((p for line in lines for p in line.points if p.key == current), None)
    at_dense = base if base is not None and base.key == current else None
    guess = None if estimate is None else _guess(*estimate)
    partial = None if sample is None else _partial(*sample)
    every = [(p.file_bytes, p.accuracy) for line in lines for p in line.points] + _pair(base)
    return AccuracyBytesView(
        lines=lines,
        dense=base,
        estimate=guess,
        sample=partial,
        frontier=tuple(every[i] for i in frontier(every)),
        guide=() if guess is None else _guide(guess, lines, estimate[0] if estimate else ""),
        selected=current if here or at_dense else None,
        pinned=_pinned(pinned, [p for line in lines for p in line.points] + ([base] if base else [])),
        now=_now(here or at_dense, partial, guess, bool(lines)),
    )


def extent(view: AccuracyBytesView) -> tuple[float, float]:
    """The bytes that the axis spans: all that is drawn and a little to both sides."""
    sizes = [p.file_bytes for p in _everything(view)]
    return min(min(sizes) / 1.25, max(sizes) / 20), max(sizes) * 1.25


def _everything(view: AccuracyBytesView) -> list[Point]:
    return [p for p in (*view.points, view.dense, view.estimate, view.sample) if p is not None]


def _accuracy_range(view: AccuracyBytesView) -> list[float]:
    """A little room around the lowest interval and 100 %; from zero while only the dense network is known."""
    lowest = min(p.low for p in _everything(view)) if view.lines else 0.0
    return [max(0.0, lowest - 0.04 * (1 - lowest)), 1 + 0.03 * (1 - lowest)]


def recipe_at(view: AccuracyBytesView, trace: int, point: int) -> str | None:
    """The recipe key behind a click on (trace, point) of `figure(view)`, or None where none stands behind it."""
    if trace == DENSE and view.dense is not None:
        return view.dense.key
    line = trace - FIRST_LINE
    if line == len(view.lines) and view.pinned is not None:
        return view.pinned[1].key
    if 0 <= line < len(view.lines) and 0 <= point < len(view.lines[line].points):
        return view.lines[line].points[point].key
    return None


def figure(view: AccuracyBytesView, *, dark: bool = False) -> go.Figure:
    """The curve. Traces: FRONTIER, DENSE, ESTIMATE, SAMPLE, SELECTED, then one for each line of the view."""
    if not (view.lines or view.dense or view.estimate or view.sample):
        return empty(TITLE, NOTHING, dark=dark)
    colours = paint(dark)
    own = styles([line.family for line in view.lines], dark)
    traces = [
        frontier_line(view.frontier, "best so far: nothing is smaller and better", colours.faint),
        _dense(view, colours.ink),
        _estimate(view, colours.ink),
        _sample(view, colours.ink),
        _selected(view, colours.ink),
        *(_curve(line, style) for line, style in zip(view.lines, own, strict=True)),
        *([_pin(*view.pinned, colours.ink)] if view.pinned else []),
    ]
    low, high = extent(view)
    at, labels = bytes_ticks(low, high)
    size = {"text": "file size (log scale; further left is smaller)"}
    ends = [math.log10(low), math.log10(high)]
    axes = {
        "xaxis": {"title": size, "type": "log", "tickvals": at, "ticktext": labels, "range": ends},
        "yaxis": {"title": {"text": "accuracy"}, "tickformat": ".1~%", "range": _accuracy_range(view)},
        "hovermode": "closest",
        "legend": {"y": -0.2},
    }
    # Built at once from plain data: this one is drawn anew while a slider moves, and adding part by part takes longer.
    return blank(TITLE, view.now, dark=dark, height=400 + 22 * (len(view.lines) + 3), data=traces, layout=axes)


def table(view: AccuracyBytesView) -> list[dict[str, str]]:
    """The same numbers in rows: measured ones first, then the sample and the estimate, each saying what it is."""
    named = [("Dense network", view.dense, "measured")] if view.dense else []
    named += [(p.steps, p, "measured") for p in view.points]
    named += [(p.steps, p, what) for p, what in ((view.sample, "sample"), (view.estimate, "estimate")) if p]
    return [_row(name, point, what) for name, point, what in named]


def _row(name: str, point: Point, what: str) -> dict[str, str]:
    sign = "" if what == "measured" else "~"
    accuracy = ("~" if what == "estimate" else "") + percent(point.accuracy)
    interval = "" if what == "estimate" else f"{percent(point.low)} to {percent(point.high)}"
    size = sign + bytes_text(point.file_bytes)
    return {"recipe": name, "kind": what, "file size": size, "accuracy": accuracy, "95 % interval": interval}


def _lines(runs: Sequence[Run], titles: Mapping[str, str]) -> tuple[Line, ...]:
    """One line per sequence of methods, in order of first appearance; of two runs of one recipe the later counts.

    Steps with values of a layer's own make lines of their own: they are no points of the curve over one knob.
    """
    newest = {run.recipe.key: run for run in runs if run.recipe.steps}
    groups: dict[Methods, list[Run]] = {}
    for run in newest.values():
        groups.setdefault(_sequence(_spelled(run)), []).append(run)
    return tuple(_line(sequence, found, titles) for sequence, found in groups.items())


def _line(sequence: Methods, runs: Sequence[Run], titles: Mapping[str, str]) -> Line:
    points = sorted(map(_point, runs), key=lambda p: (p.file_bytes, p.accuracy, p.key))
    title = " + ".join(titles.get(method, method) + (OWN if own else "") for method, own in sequence)
    methods = tuple(method for method, _ in sequence)
    return Line(methods, title, family_of(methods), tuple(points))


def _sequence(steps: str) -> Methods:
    """The methods behind the spelling of some steps, and which have values of a layer's own."""
    return tuple((method_in(step), "/" in step) for step in steps.split("|"))


def _spelled(run: Run) -> str:
    return " | ".join(map(str, run.recipe.steps))


def _point(run: Run) -> Point:
    measured, steps = run.measurement, _spelled(run)
    low, high = measured.accuracy.interval
    return Point(
        run.recipe.key, steps, measured.file_bytes, measured.accuracy.accuracy, low, high, tuple(_details(run))
    )


def _details(run: Run) -> list[str]:
    measured, accuracy = run.measurement, run.measurement.accuracy
    lines = [f"<b>{line}</b>" for step in run.recipe.steps for line in wrapped(str(step))] or [
        "<b>Dense network</b> (nothing compressed)"
    ]
    lines.append(_accuracy_text(accuracy))
    ratio = f"{measured.compression_ratio:.1f}× smaller than {bytes_text(measured.dense_bytes)} of dense weights"
    lines.append(f"file {bytes_text(measured.file_bytes)}, {ratio}")
    lines.append(f"{measured.nonzeros:,} non-zero of {measured.parameters:,} stored parameters")
    lines.append(f"{measured.macs:,} multiply-adds an image (dense: {measured.dense_macs:,})")
    if measured.latency is not None:
        time = measured.latency
        lines.append(f"{time.median_ms:.2f} ms for a batch of {time.batch} in {measured.arithmetic}")
    notes = [line for note in run.notes for line in textwrap.wrap(f"note: {note}", 80)]
    return [*lines, f"seed {run.recipe.seed}", *notes]


def _accuracy_text(accuracy: Accuracy) -> str:
    low, high = accuracy.interval
    right = f"{percent(accuracy.accuracy)} right on {accuracy.n:,} of {accuracy.total:,} {accuracy.split} images"
    return f"{right}, 95 % interval {percent(low)} to {percent(high)}"


def _guess(label: str, estimate: Estimate) -> Point:
    size, share = estimate.file_bytes, estimate.accuracy
    text = f"~{bytes_text(size)}, ~{percent(share)}: an estimate, not measured"
    name = "<br>".join(wrapped(label))
    return Point("", label, size, share, share, share, (f"<b>{name}</b>", text, estimate.source))


def _partial(accuracy: Accuracy, file_bytes: float) -> Point:
    low, high = accuracy.interval
    text = (f"sample: {_accuracy_text(accuracy)}", f"file ~{bytes_text(file_bytes)} (estimated)")
    return Point("", f"sample of {accuracy.n:,} images", file_bytes, accuracy.accuracy, low, high, text)


def _pair(point: Point | None) -> list[tuple[float, float]]:
    return [] if point is None else [(point.file_bytes, point.accuracy)]


def _guide(guess: Point, lines: Sequence[Line], label: str) -> tuple[tuple[float, float], ...]:
    """The nearest measured points left and right of the estimate on the line of the same methods."""
    same = [line for line in lines if _sequence(line.points[0].steps) == _sequence(label)]
    own = [(p.file_bytes, p.accuracy) for line in same for p in line.points]
    left = [p for p in own if p[0] <= guess.file_bytes]
    right = [p for p in own if p[0] > guess.file_bytes]
    return (*left[-1:], (guess.file_bytes, guess.accuracy), *right[:1])


def _now(here: Point | None, sample: Point | None, guess: Point | None, any_line: bool) -> str:
    if here is not None:
        return f"Now: {bytes_text(here.file_bytes)}, {percent(here.accuracy)} right (measured)"
    if sample is not None:
        return f"Now: ~{bytes_text(sample.file_bytes)}, {percent(sample.accuracy)} right ({sample.steps} so far)"
    if guess is not None:
        return f"Now: ~{bytes_text(guess.file_bytes)}, ~{percent(guess.accuracy)} right (estimate)"
    return "" if any_line else NOTHING


def _scatter(name: str, points: Sequence[Point], colour: str, *, zorder: int) -> Trace:
    up, down = [p.high - p.accuracy for p in points], [p.accuracy - p.low for p in points]
    return {
        "type": "scatter",
        "name": name,
        "x": [p.file_bytes for p in points],
        "y": [p.accuracy for p in points],
        "error_y": {"type": "data", "array": up, "arrayminus": down, "thickness": 1, "width": 3, "color": colour},
        "text": ["<br>".join(p.details) for p in points],
        "hovertemplate": "%{text}<extra></extra>",
        "zorder": zorder,
    }


def _curve(line: Line, style: Style) -> Trace:
    return _scatter(line.title, line.points, style.colour, zorder=3) | {
        "mode": "lines+markers",
        "line": {"dash": style.dash, "width": 2},
        "marker": {"symbol": style.marker, "size": 9, "color": style.colour},
    }


def _pinned(pinned: tuple[str, str] | None, known: Sequence[Point]) -> tuple[str, Point] | None:
    found = next((p for p in known if pinned is not None and p.key == pinned[0]), None)
    return None if found is None or pinned is None else (pinned[1], found)


def _pin(name: str, point: Point, colour: str) -> Trace:
    return {
        "type": "scatter",
        "name": f"pinned: {name}",
        "x": [point.file_bytes],
        "y": [point.accuracy],
        "mode": "markers+text",
        "marker": {"symbol": "star-square-open", "size": 16, "color": colour, "line": {"width": 2}},
        "text": [name],
        "textposition": "top center",
        "hovertext": ["<br>".join(point.details)],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "zorder": 7,
    }


def _dense(view: AccuracyBytesView, colour: str) -> Trace:
    """A horizontal line over all that is drawn, with the dense network's own point on it."""
    trace = {"type": "scatter", "name": "dense network", "mode": "lines+markers", "zorder": 1}
    if view.dense is None:
        return trace | {"showlegend": False}
    low, high = extent(view)
    return trace | {
        "showlegend": True,
        "x": [low, view.dense.file_bytes, high],
        "y": [view.dense.accuracy] * 3,
        "marker": {"symbol": "diamond-wide", "size": [0, 13, 0], "color": colour, "opacity": 1},
        "line": {"color": colour, "width": 1.5, "dash": "dash"},
        "text": ["<br>".join(view.dense.details)] * 3,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _estimate(view: AccuracyBytesView, colour: str) -> Trace:
    guess = view.estimate
    trace = {"type": "scatter", "name": "~ estimate", "mode": "lines+markers+text", "zorder": 4}
    if guess is None:
        return trace | {"showlegend": False}
    at = [size == guess.file_bytes and share == guess.accuracy for size, share in view.guide]
    sizes = [14 if own else 0 for own in at]
    return trace | {
        "showlegend": True,
        "x": [size for size, _ in view.guide],
        "y": [share for _, share in view.guide],
        "line": {"dash": ESTIMATE_DASH, "color": colour, "width": 2},
        "marker": {"symbol": "circle-open", "size": sizes, "color": colour, "line": {"width": 2}},
        "text": [f"~{percent(guess.accuracy)}" if own else "" for own in at],
        "textposition": "bottom center",
        "hovertext": ["<br>".join(guess.details) if own else "" for own in at],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _sample(view: AccuracyBytesView, colour: str) -> Trace:
    points: list[Point] = [view.sample] if view.sample else []
    trace = _scatter(view.sample.steps if view.sample else "sample", points, colour, zorder=5)
    marker = {"symbol": "circle-open-dot", "size": 11, "color": colour, "line": {"width": 2}}
    return trace | {"mode": "markers", "marker": marker, "showlegend": bool(points)}


def _selected(view: AccuracyBytesView, colour: str) -> Trace:
    every = [*view.points, *([view.dense] if view.dense else [])]
    here = [p for p in every if view.selected is not None and p.key == view.selected]
    return {
        "type": "scatter",
        "name": "current setting",
        "x": [p.file_bytes for p in here],
        "y": [p.accuracy for p in here],
        "mode": "markers",
        "marker": {"symbol": "circle-open", "size": 18, "color": colour, "line": {"width": 2.5}},
        "hoverinfo": "skip",
        "showlegend": bool(here),
        "zorder": 6,
    }
