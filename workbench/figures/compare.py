"""Sequences of methods against each other: accuracy over bytes, equal sizes, equal accuracies, and how sure each is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..core.comparison import Bound, ComparedPoint, Comparison, Curve, Row
from ._frontier import frontier_line
from .theme import Style, blank, bytes_text, bytes_ticks, empty, family_of, paint, percent, points, styles, wrapped

TITLE = "Which is smaller at the same accuracy?"
NOTHING = "Measure a curve, or a few settings, to compare them."
FRONTIER, DENSE = range(2)
"""Index of the traces that are always there; two for each curve follow from `FIRST_CURVE`: its best and its others."""
FIRST_CURVE = 2


class Table(NamedTuple):
    """One row for each curve after the head."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class CompareView(NamedTuple):
    """common: the bytes that the best settings of every curve span, or None; marks: (ratio, bytes) of equal sizes.

    curves are named in `names` as people read them, in the same order; frontier: (bytes, accuracy in [0, 1]).
    """

    curves: tuple[Curve, ...] = ()
    names: tuple[str, ...] = ()
    frontier: tuple[tuple[float, float], ...] = ()
    dense: float | None = None
    common: tuple[float, float] | None = None
    marks: tuple[tuple[float, float], ...] = ()
    sentence: str = ""
    tables: tuple[Table, ...] = ()


def view(comparison: Comparison | None, *, titles: Mapping[str, str] | None = None) -> CompareView:
    """titles: method id -> name. None: nothing was compared."""
    if comparison is None:
        return CompareView()
    names = {curve.name: named(curve.name, titles or {}) for curve in comparison.curves}
    return CompareView(
        curves=comparison.curves,
        names=tuple(names.values()),
        frontier=tuple((size, accuracy) for _, size, accuracy in comparison.frontier),
        dense=comparison.dense_accuracy,
        common=_common(comparison.curves),
        marks=tuple((comparison.dense_bytes / row.at, row.at) for row in comparison.at_bytes),
        sentence=f"{comparison.images:,} {comparison.split} images of {comparison.dataset}; bars are 95 % intervals",
        tables=_tables(comparison, names),
    )


def named(curve: str, titles: Mapping[str, str]) -> str:
    """`prune.magnitude_iter (trained) + recover.batchnorm` with the methods' names."""
    parts = [part.partition(" ") for part in curve.split(" + ")]
    return " + ".join(titles.get(method, method) + space + rest for method, space, rest in parts)


def figure(view: CompareView, *, dark: bool = False) -> go.Figure:
    """Traces: FRONTIER, DENSE, then two for each curve of the view: its best settings and the others."""
    if not view.curves:
        return empty(TITLE, NOTHING, dark=dark)
    low, high = extent(view)
    own = styles([family_of(curve.methods) for curve in view.curves], dark)
    best = frontier_line(view.frontier, "frontier: nothing is smaller and better", paint(dark).faint)
    traces = [best, _dense(view, paint(dark).ink, low, high)]
    for curve, name, style in zip(view.curves, view.names, own, strict=True):
        traces += [_best(curve, name, style), _others(curve, name, style)]
    at, labels = bytes_ticks(low, high)
    size = {"text": "file size (log scale; further left is smaller)"}
    shapes, notes = _marks(view, low, high, dark)
    layout = {
        "xaxis": {
            "title": size,
            "type": "log",
            "tickvals": at,
            "ticktext": labels,
            "range": [math.log10(low), math.log10(high)],
        },
        "yaxis": {"title": {"text": "accuracy"}, "tickformat": ".1~%"},
        "shapes": shapes,
        "annotations": notes,
        "hovermode": "closest",
        "margin": {"t": 96},
        "legend": {"y": -0.2},
    }
    return blank(TITLE, view.sentence, dark=dark, height=440 + 22 * (len(view.curves) + 2), data=traces, layout=layout)


def extent(view: CompareView) -> tuple[float, float]:
    """The bytes that the axis spans: every setting and a little to both sides."""
    sizes = [point.file_bytes for curve in view.curves for point in curve.points]
    return min(sizes) / 1.25, max(sizes) * 1.25


def _common(curves: Sequence[Curve]) -> tuple[float, float] | None:
    if len(curves) < 2:
        return None
    best = [[p.file_bytes for p in curve.points if p.best] for curve in curves]
    low, high = max(map(min, best)), min(map(max, best))
    return (low, high) if low < high else None


def _marks(view: CompareView, low: float, high: float, dark: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(shapes, annotations): the common range shaded, and a line at every equal size that is in the picture."""
    colours = paint(dark)
    tall = {"yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []

    def note(text: str, at: float, y: float, anchor: str) -> dict[str, Any]:
        place = {"x": math.log10(at), "y": y, "yref": "paper", "xanchor": anchor, "yanchor": "bottom"}
        return {"text": text, "showarrow": False, "font": {"size": 12, "color": colours.ink}, **place}

    if view.common is not None:
        ends = {"x0": view.common[0], "x1": view.common[1], "line": {"width": 0}}
        shapes.append({"type": "rect", "fillcolor": colours.grid, "opacity": 0.45, **ends, **tall})
        notes.append(note("sizes that all reach", math.sqrt(view.common[0] * view.common[1]), 0.0, "center"))
    for ratio, size in view.marks:
        if low <= size <= high:
            line = {"color": colours.faint, "width": 1, "dash": "dot"}
            shapes.append({"type": "line", "x0": size, "x1": size, "line": line, **tall})
            notes.append(note(f"{ratio:g}×", size, 1.0, "center"))
    return shapes, notes


def _scatter(points_: Sequence[ComparedPoint], name: str, **looks: Any) -> dict[str, Any]:
    up, down = [p.high - p.accuracy for p in points_], [p.accuracy - p.low for p in points_]
    return {
        "type": "scatter",
        "name": name,
        "x": [p.file_bytes for p in points_],
        "y": [p.accuracy for p in points_],
        "error_y": {"type": "data", "array": up, "arrayminus": down, "thickness": 1, "width": 3},
        "text": [_details(p, name) for p in points_],
        "hovertemplate": "%{text}<extra></extra>",
        "legendgroup": name,
        **looks,
    }


def _details(point: ComparedPoint, name: str) -> str:
    lines = [f"<b>{name}</b>", *wrapped(point.label)]
    lines.append(f"{percent(point.accuracy)} right, 95 % interval {percent(point.low)} to {percent(point.high)}")
    lines.append(f"file {bytes_text(point.file_bytes)}")
    return "<br>".join([*lines, f"mean of {point.runs} seeds"] if point.runs > 1 else lines)


def _best(curve: Curve, name: str, style: Style) -> dict[str, Any]:
    looks = {"mode": "lines+markers", "line": {"dash": style.dash, "width": 2, "color": style.colour}, "zorder": 3}
    marker = {"symbol": style.marker, "size": 9, "color": style.colour}
    return _scatter([p for p in curve.points if p.best], name, marker=marker, **looks)


def _others(curve: Curve, name: str, style: Style) -> dict[str, Any]:
    """Settings that another of the same curve beats: hollow, without a line."""
    marker = {"symbol": f"{style.marker}-open", "size": 7, "color": style.colour}
    looks = {"mode": "markers", "showlegend": False, "opacity": 0.6, "zorder": 2}
    return _scatter([p for p in curve.points if not p.best], name, marker=marker, **looks)


def _dense(view: CompareView, colour: str, low: float, high: float) -> dict[str, Any]:
    trace = {"type": "scatter", "name": "dense network", "mode": "lines", "zorder": 1, "hoverinfo": "skip"}
    if view.dense is None:
        return trace | {"showlegend": False}
    line = {"color": colour, "width": 1.5, "dash": "dash"}
    return trace | {"x": [low, high], "y": [view.dense] * 2, "line": line, "showlegend": True}


def _tables(found: Comparison, names: Mapping[str, str]) -> tuple[Table, ...]:
    """Equal sizes, equal accuracies, and the means against the baseline."""
    sizes = [f"{found.dense_bytes / row.at:g}× smaller ({bytes_text(row.at)})" for row in found.at_bytes]
    made = [_answers("Accuracy at the same size", sizes, found.at_bytes, names, percent)]
    if found.at_accuracy and found.dense_accuracy is not None:
        wanted = [f"{percent(row.at)} ({points(row.at - found.dense_accuracy)})" for row in found.at_accuracy]
        made.append(_answers("Bytes for the same accuracy", wanted, found.at_accuracy, names, bytes_text))
    return (*made, _means(found, names))


def _answers(
    title: str, head: Sequence[str], rows: Sequence[Row], names: Mapping[str, str], spelled_as: Callable[[float], str]
) -> Table:
    body = [(names[curve], *(_text(row.answers[curve], spelled_as) for row in rows)) for curve in names]
    return Table(title, ("", *head), tuple(body))


def _means(found: Comparison, names: Mapping[str, str]) -> Table:
    """One number for a whole curve: how much smaller, how much better, and the mean."""
    head = (
        "",
        "bytes at equal accuracy (− is smaller)",
        "accuracy at equal bytes (+ is better)",
        "mean accuracy over the sizes that all reach",
    )

    def row(curve: str) -> tuple[str, ...]:
        if curve == found.baseline:
            against = ("the baseline", "the baseline")
        else:
            against = (_text(found.rate[curve], _change), _text(found.gain[curve], points))
        return names[curve], *against, _text(found.area[curve], percent)

    title = f"Whole curves, against {names[found.baseline]}"
    return Table(title, head, tuple(map(row, names)))


def _text(bound: Bound, spelled_as: Callable[[float], str]) -> str:
    """`97.2 % (96.1 % to 98.0 %)`, or `not possible: its smallest file has 20,000 bytes`."""
    if bound.value is None or bound.low is None or bound.high is None:
        return f"not possible: {bound.why}"
    return f"{spelled_as(bound.value)} ({spelled_as(bound.low)} to {spelled_as(bound.high)})"


def _change(value: float) -> str:
    """A share more or less: `−20.0 %`."""
    return f"{100 * value + 0.0:+.1f} %".replace("-", "−")
