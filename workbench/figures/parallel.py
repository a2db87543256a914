"""Measured runs across several axes at once: one line a run, to find those that are good in every respect."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..core.frontier import frontier
from ..core.records import Run
from .theme import Paint, Style, blank, bytes_text, empty, family_of, paint, percent, styles

TITLE = "Every measured run, across its numbers"
NOTHING = "Measure a curve, or a few settings, to see them here."
OUTSIDE = 0
"""Index of the trace of the runs that the filters leave out; one for each sequence of methods follows."""
Range = tuple[float | None, float | None]


class Axis(NamedTuple):
    """name: `bytes`, `accuracy`, `macs`, `latency` or `METHOD KNOB`. low and high: of the runs, in the axis's unit."""

    name: str
    title: str
    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        """How high a value stands, 0 at the lowest run and 1 at the highest."""
        low, high, value = (math.log(max(x, 1e-9)) if self.log else x for x in (self.low, self.high, value))
        return 0.5 if high == low else (value - low) / (high - low)

    def value(self, at: float) -> float:
        """The other way round."""
        if self.log:
            return float(math.exp(math.log(max(self.low, 1e-9)) * (1 - at) + math.log(max(self.high, 1e-9)) * at))
        return self.low + at * (self.high - self.low)

    def text(self, value: float | None) -> str:
        """A value with its unit; a dash where the run has none."""
        return "–" if value is None else _TEXTS.get(self.name, _number)(value)


class Thread(NamedTuple):
    """One run. values: by axis, None where it has none. inside: whether the filters let it through.

    best: nothing that was measured is smaller and better.
    """

    key: str
    name: str
    steps: str
    methods: tuple[str, ...]
    values: tuple[float | None, ...]
    inside: bool
    best: bool


class ParallelView(NamedTuple):
    """threads in the order in which they were measured; groups: (methods, title) in that of their first appearance.

    marks: recipe key -> what the run is, for those that are drawn on top. ranges: axis -> the values let through.
    """

    axes: tuple[Axis, ...] = ()
    threads: tuple[Thread, ...] = ()
    groups: tuple[tuple[tuple[str, ...], str], ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    ranges: tuple[tuple[str, Range], ...] = ()

    @property
    def inside(self) -> tuple[Thread, ...]:
        return tuple(thread for thread in self.threads if thread.inside)

    @property
    def sentence(self) -> str:
        """How many there are."""
        if not self.ranges:
            return f"{len(self.threads)} runs; drag across an axis to see only what is within"
        return f"{len(self.inside)} of {len(self.threads)} runs are within the limits"


def view(
    runs: Sequence[Run],
    *,
    knobs: Sequence[tuple[str, str]] = (),
    names: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
    ranges: Mapping[str, Range] | None = None,
    marks: Mapping[str, str] | None = None,
) -> ParallelView:
    """knobs: (method id, knob) pairs that get an axis each where runs have them. names: recipe key -> name.

    titles: method id -> name. ranges: axis -> (lowest, highest) to let through, None where there is no limit; a run
    without a value on a limited axis is left out.
    """
    runs = [run for run in {run.recipe.key: run for run in runs}.values() if run.recipe.steps]
    if not runs:
        return ParallelView()
    found = [axis for axis in (_axis(named, runs) for named in _axes(knobs, titles or {})) if axis is not None]
    limits = {name: limit for name, limit in (ranges or {}).items() if name in [axis.name for axis in found]}
    best = {runs[i].recipe.key for i in frontier([(r.measurement.file_bytes, _accuracy(r)) for r in runs])}
    threads = tuple(_thread(run, found, limits, names or {}, run.recipe.key in best) for run in runs)
    groups = dict.fromkeys(thread.methods for thread in threads)
    called = tuple((methods, " + ".join((titles or {}).get(m, m) for m in methods)) for methods in groups)
    known = {thread.key for thread in threads}
    return ParallelView(
        tuple(found),
        threads,
        called,
        tuple((k, w) for k, w in (marks or {}).items() if k in known),
        tuple(limits.items()),
    )


def run_at(view: ParallelView, trace: int, point: int) -> str | None:
    """The recipe key behind a click on (trace, point) of `figure(view)`, or None."""
    drawn = _drawn(view)
    if not 0 <= trace < len(drawn):
        return None
    line = point // (len(view.axes) + 1)
    return drawn[trace][line].key if 0 <= line < len(drawn[trace]) else None


def brushed(view: ParallelView, x: tuple[float, float], y: tuple[float, float]) -> dict[str, Range]:
    """The limits that a box drawn on the figure means: on the axes that it crosses, or else on the nearest one."""
    if not view.axes:
        return {}
    (left, right), (low, high) = sorted(x), sorted(y)
    crossed = [i for i in range(len(view.axes)) if left <= i <= right]
    middle = min(max(round((left + right) / 2), 0), len(view.axes) - 1)
    return {
        axis.name: (axis.value(low) if low > 0 else None, axis.value(high) if high < 1 else None)
        for axis in (view.axes[i] for i in crossed or [middle])
    }


def figure(view: ParallelView, *, dark: bool = False) -> go.Figure:
    """One polyline a run. Traces: OUTSIDE, one for each group of the view, then one for each mark."""
    if not view.threads:
        return empty(TITLE, NOTHING, dark=dark)
    colours, drawn = paint(dark), _drawn(view)
    own = styles([family_of(methods) for methods, _ in view.groups], dark)
    faint = Style(colours.grid, "circle", "solid")
    traces = [_trace(view, drawn[0], faint, "outside the limits", width=1)]
    for (_, title), style, threads in zip(view.groups, own, drawn[1:], strict=False):
        traces.append(_trace(view, threads, style, title, width=1.5))
    for (_, what), threads in zip(view.marks, drawn[1 + len(view.groups) :], strict=True):
        traces.append(_trace(view, threads, Style(colours.ink, *_MARKS.get(what, _MARK)), what, width=3.5))
    ends = [-0.45, len(view.axes) - 0.55]
    axes = {"tickvals": list(range(len(view.axes))), "ticktext": [f"<b>{_narrow(a.title)}</b>" for a in view.axes]}
    layout = {
        "xaxis": {**axes, "range": ends, "side": "top", "showgrid": False, "zeroline": False, "ticks": ""},
        "yaxis": {"visible": False, "range": [-0.14, 1.12]},
        "shapes": [_pole(i, colours) for i in range(len(view.axes))] + _limits(view, colours),
        "annotations": [note for i, axis in enumerate(view.axes) for note in _ends(i, axis)],
        "margin": {"t": 110, "b": 20, "l": 24, "r": 24},
        "dragmode": "select",
        "hovermode": "closest",
        "legend": {"y": -0.02},
    }
    height = 430 + 22 * (len(view.groups) + len(view.marks))
    return blank(TITLE, view.sentence, dark=dark, height=height, data=traces, layout=layout)


def table(view: ParallelView) -> list[dict[str, str]]:
    """One row a run."""
    return [
        {"run": thread.name or thread.steps}
        | {axis.title: axis.text(value) for axis, value in zip(view.axes, thread.values, strict=True)}
        | {"within the limits": "yes" if thread.inside else "no"}
        for thread in view.threads
    ]


PICKED, PINNED, NOW = "picked", "pinned", "chosen now"
_MARK = ("diamond", "solid")
_MARKS = {PICKED: _MARK, PINNED: ("star-square", "dash"), NOW: ("circle", "longdashdot")}
_TEXTS: dict[str, Callable[[float], str]] = {
    "bytes": bytes_text,
    "accuracy": percent,
    "macs": lambda n: f"{n / 1e6:.3g} M" if n >= 1e6 else f"{n / 1e3:.3g} k",
    "latency": lambda ms: f"{ms:.2f} ms",
}
_COSTS: dict[str, tuple[str, bool, Callable[[Run], float | None]]] = {
    "bytes": ("file size", True, lambda run: run.measurement.file_bytes),
    "accuracy": ("accuracy", False, lambda run: _accuracy(run)),
    "macs": ("multiply-adds", True, lambda run: run.measurement.macs),
    "latency": ("time", True, lambda run: _latency_ms(run)),
}
_Named = tuple[str, str, bool, Callable[[Run], float | None]]


def _narrow(title: str) -> str:
    """In lines that have room beside the next axis."""
    return "<br>".join(line for part in title.split("<br>") for line in textwrap.wrap(part, 15))


def _number(value: float) -> str:
    return f"{value:.4g}"


def _accuracy(run: Run) -> float:
    return run.measurement.accuracy.accuracy


def _latency_ms(run: Run) -> float | None:
    found = run.measurement.latency
    return None if found is None else found.median_ms


def _axes(knobs: Sequence[tuple[str, str]], titles: Mapping[str, str]) -> list[_Named]:
    """Everything that may become an axis: (name, title, log, value of a run)."""
    made: list[_Named] = [(name, *rest) for name, rest in _COSTS.items()]
    for method, knob in dict.fromkeys(knobs):
        title = f"{knob.replace('_', ' ')}<br>{titles.get(method, method)}"
        made.append((f"{method} {knob}", title, False, partial(_knob, method=method, knob=knob)))
    return made


def _knob(run: Run, method: str, knob: str) -> float | None:
    found = next((s.knobs.get(knob) for s in run.recipe.steps if s.method == method), None)
    return float(found) if isinstance(found, int | float) else None


def _axis(named: _Named, runs: Sequence[Run]) -> Axis | None:
    name, title, log, of = named
    values = [value for value in map(of, runs) if value is not None]
    return Axis(name, title, min(values), max(values), log) if values else None


def _thread(
    run: Run, axes: Sequence[Axis], limits: Mapping[str, Range], names: Mapping[str, str], best: bool
) -> Thread:
    values = tuple(_value(run, axis.name) for axis in axes)
    inside = all(_within(value, limits.get(axis.name, (None, None))) for axis, value in zip(axes, values, strict=True))
    steps, methods = " | ".join(map(str, run.recipe.steps)), tuple(step.method for step in run.recipe.steps)
    return Thread(run.recipe.key, names.get(run.recipe.key, ""), steps, methods, values, inside, best)


def _value(run: Run, axis: str) -> float | None:
    if axis in _COSTS:
        return _COSTS[axis][2](run)
    method, knob = axis.split(" ", 1)
    return _knob(run, method, knob)


def _within(value: float | None, limit: Range) -> bool:
    low, high = limit
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def _drawn(view: ParallelView) -> list[list[Thread]]:
    """The threads of every trace of the figure."""
    groups = [[x for x in view.inside if x.methods == methods] for methods, _ in view.groups]
    marked = [[x for x in view.threads if x.key == key] for key, _ in view.marks]
    return [[x for x in view.threads if not x.inside], *groups, *marked]


def _trace(view: ParallelView, threads: Sequence[Thread], style: Style, name: str, *, width: float) -> dict[str, Any]:
    """All lines of a group as one, with a gap after each."""
    across: list[float | None] = [*range(len(view.axes)), None]
    y: list[float | None] = []
    text: list[str] = []
    for thread in threads:
        pairs = list(zip(view.axes, thread.values, strict=True))
        y += [*(None if value is None else axis.at(value) for axis, value in pairs), None]
        told = "<br>".join(
            [
                f"<b>{thread.name or thread.steps}</b>",
                *(f"{a.title.replace('<br>', ' of ')}: {a.text(v)}" for a, v in pairs),
            ]
        )
        text += [told] * (len(pairs) + 1)
    return {
        "type": "scatter",
        "name": name,
        "mode": "lines+markers",
        "x": across * len(threads),
        "y": y,
        "text": text,
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": style.colour, "dash": style.dash, "width": width},
        "marker": {"symbol": style.marker, "color": style.colour, "size": 6 + width},
        "showlegend": bool(threads),
    }


def _pole(i: int, colours: Paint) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": i,
        "x1": i,
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"color": colours.faint, "width": 1.5},
    }


def _limits(view: ParallelView, colours: Paint) -> list[dict[str, Any]]:
    """A bar over the part of an axis that is let through."""
    bars = []
    for i, axis in enumerate(view.axes):
        low, high = dict(view.ranges).get(axis.name, (None, None))
        if low is not None or high is not None:
            ends = [min(max(e, -0.02), 1.02) for e in (_at(axis, low, 0.0), _at(axis, high, 1.0))]
            line = {"color": colours.ink, "width": 1.5}
            bars.append({"type": "rect", "x0": i - 0.06, "x1": i + 0.06, "y0": ends[0], "y1": ends[1], "line": line})
    return bars


def _at(axis: Axis, value: float | None, without: float) -> float:
    return without if value is None else axis.at(value)


def _ends(i: int, axis: Axis) -> list[dict[str, Any]]:
    common = {"x": i, "showarrow": False, "font": {"size": 12}}
    return [
        {**common, "y": 1, "yanchor": "bottom", "yshift": 4, "text": axis.text(axis.high)},
        {**common, "y": 0, "yanchor": "top", "yshift": -4, "text": axis.text(axis.low)},
    ]
