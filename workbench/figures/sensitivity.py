"""Which layer minds most: accuracy when each layer alone is compressed, as lines and as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from ..core.records import Allocation, Sensitivity, SensitivityPoint
from .theme import blank, empty, paint, percent, points, series

TITLE = "Which layer minds most?"
NOTHING = "Start the sensitivity scan to see which layer minds compression most."


class LayerLine(NamedTuple):
    """One layer alone compressed, ascending in the knob's value; shares in [0, 1]."""

    layer: str
    values: tuple[float, ...]
    accuracy: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    details: tuple[str, ...]


class Chosen(NamedTuple):
    """The value that was chosen for a layer, and its accuracy with that layer alone compressed so, a share."""

    layer: str
    value: float
    accuracy: float
    reason: str


class SensitivityView(NamedTuple):
    """loss[i][j]: dense accuracy minus that of layers[i] at levels[j], a share; None where nothing is measured yet."""

    method: str
    knob: str
    dense: float
    lines: tuple[LayerLine, ...]
    layers: tuple[str, ...]
    levels: tuple[float, ...]
    loss: tuple[tuple[float | None, ...], ...]
    selected: str | None
    state: str
    chosen: tuple[Chosen, ...] = ()


def view(
    sensitivity: Sensitivity | None, *, selected: str | None = None, allocation: Allocation | None = None
) -> SensitivityView:
    """What has been measured so far; `selected` is the layer to emphasise. None: nothing was measured.

    allocation: what was chosen from this scan.
    """
    if sensitivity is None:
        return SensitivityView("", "", 0.0, (), (), (), (), None, "")
    found = {p.layer: None for p in sensitivity.points}
    layers = sensitivity.layers or tuple(found)
    levels = tuple(sorted({p.value for p in sensitivity.points}))
    dense = sensitivity.dense.accuracy
    at = {(p.layer, p.value): dense - p.accuracy.accuracy for p in sensitivity.points}
    return SensitivityView(
        method=sensitivity.method,
        knob=sensitivity.knob,
        dense=dense,
        lines=tuple(_line(layer, sensitivity.points, dense) for layer in layers if layer in found),
        layers=layers,
        levels=levels,
        loss=tuple(tuple(at.get((layer, level)) for level in levels) for layer in layers),
        selected=selected if selected in layers else None,
        state=_state(sensitivity, at),
        chosen=_chosen(sensitivity, allocation),
    )


def layer_at(view: SensitivityView, trace: int) -> str | None:
    """The layer behind a click on a trace of `figure(view)`; trace 0 is the dense network."""
    return view.lines[trace - 1].layer if 1 <= trace <= len(view.lines) else None


def layer_at_cell(view: SensitivityView, cell: int | Sequence[int]) -> str | None:
    """The layer behind a click on a cell of `heatmap(view)`, given as (row, column) or as its running number."""
    row = cell // max(1, len(view.levels)) if isinstance(cell, int) else cell[0]
    return view.layers[row] if 0 <= row < len(view.layers) else None


def figure(view: SensitivityView, *, dark: bool = False) -> go.Figure:
    """Lines: accuracy against the knob. Traces: the dense network, one for each line of the view, the chosen values."""
    if not view.lines:
        return empty(TITLE, NOTHING, dark=dark)
    drawn = blank(TITLE, view.state, dark=dark, height=400 + 14 * len(view.lines))
    dense = {"x": [view.levels[0], view.levels[-1]], "y": [view.dense] * 2, "name": "dense network"}
    drawn.add_trace(go.Scatter(dense, mode="lines", line={"color": paint(dark).faint, "dash": "dash", "width": 1.5}))
    for line, style in zip(view.lines, series(len(view.lines), dark), strict=True):
        chosen = line.layer == view.selected
        drawn.add_scatter(
            name=f"<b>{line.layer}</b> (selected)" if chosen else line.layer,
            x=line.values,
            y=line.accuracy,
            error_y=_interval(line, chosen),
            text=line.details,
            hovertemplate="%{text}<extra></extra>",
            line={"color": style.colour, "dash": style.dash, "width": 4 if chosen else 1.5},
            marker={"symbol": style.marker, "size": 12 if chosen else 7},
            zorder=2 if chosen else 1,
        )
    if view.chosen:
        drawn.add_scatter(
            name="chosen for its layer",
            x=[c.value for c in view.chosen],
            y=[c.accuracy for c in view.chosen],
            mode="markers",
            marker={"symbol": "circle-open", "size": 17, "color": paint(dark).ink, "line": {"width": 2.5}},
            text=[f"<b>{c.layer}</b>: {c.value:g} chosen<br>{c.reason}" for c in view.chosen],
            hovertemplate="%{text}<extra></extra>",
            zorder=3,
        )
    drawn.update_xaxes(title_text=_axis(view))
    drawn.update_yaxes(title_text="accuracy with this layer alone compressed", tickformat=".1~%")
    return drawn


def heatmap(view: SensitivityView, *, dark: bool = False) -> go.Figure:
    """Heat map: layers in rows, knob values in columns, accuracy lost in points. One trace."""
    if not view.lines:
        return empty(TITLE, NOTHING, dark=dark)
    drawn = blank(TITLE, view.state, dark=dark, height=190 + 34 * len(view.layers))
    lost = [[None if x is None else 100 * x for x in row] for row in view.loss]
    top = max((x for row in lost for x in row if x is not None), default=1.0)
    drawn.add_heatmap(
        x=[f"{level:g}" for level in view.levels],
        y=[f"<b>▸ {layer}</b>" if layer == view.selected else layer for layer in view.layers],
        z=lost,
        text=[[_cell(view, i, j, x) for j, x in enumerate(row)] for i, row in enumerate(lost)],
        texttemplate="%{text}",
        zmin=0,
        zmax=max(top, 1.0),
        colorscale=[[0, paint(dark).paper], [1, paint(dark).families["quant"]]],
        colorbar={"title": {"text": "points lost", "font": {"size": 12}}, "thickness": 14, "outlinewidth": 0},
        hovertemplate=f"%{{y}} at {view.knob} %{{x}}: %{{text}} points lost<extra></extra>",
        xgap=2,
        ygap=2,
        hoverongaps=False,
    )
    marked = " (✓: chosen)" if view.chosen else ""
    missing = any(x is None for row in lost for x in row)
    drawn.update_layout(plot_bgcolor=paint(dark).grid)
    title = _axis(view) + marked + (" (grey: not measured)" if missing else "")
    drawn.update_xaxes(title_text=title, type="category", showgrid=False)
    return drawn.update_yaxes(autorange="reversed", type="category", showgrid=False)


def table(view: SensitivityView) -> list[dict[str, str]]:
    """One row per layer and knob value that has been measured."""
    return [
        {"layer": line.layer, view.knob: f"{value:g}", "accuracy": percent(share), "lost": points(view.dense - share)}
        for line in view.lines
        for value, share in zip(line.values, line.accuracy, strict=True)
    ]


def _chosen(sensitivity: Sensitivity, made: Allocation | None) -> tuple[Chosen, ...]:
    if made is None or (made.step.method, made.knob) != (sensitivity.method, sensitivity.knob):
        return ()
    return tuple(
        Chosen(c.layer, c.value, c.accuracy.accuracy, c.reason)
        for c in made.choices
        if c.value is not None and c.accuracy is not None
    )


def _cell(view: SensitivityView, row: int, column: int, lost: float | None) -> str:
    if lost is None:
        return ""
    chosen = any((c.layer, c.value) == (view.layers[row], view.levels[column]) for c in view.chosen)
    return f"<b>{lost:.1f} ✓</b>" if chosen else f"{lost:.1f}"


def _line(layer: str, every: Sequence[SensitivityPoint], dense: float) -> LayerLine:
    own = sorted((p for p in every if p.layer == layer), key=lambda p: p.value)
    intervals = [p.accuracy.interval for p in own]
    return LayerLine(
        layer,
        tuple(p.value for p in own),
        tuple(p.accuracy.accuracy for p in own),
        tuple(low for low, _ in intervals),
        tuple(high for _, high in intervals),
        tuple(_details(p, dense) for p in own),
    )


def _details(point: SensitivityPoint, dense: float) -> str:
    right = point.accuracy
    lines = [f"<b>{point.layer}</b> alone at {point.value:g}"]
    lines.append(f"{percent(right.accuracy)} right on {right.n:,} {right.split} images")
    lines.append(f"{points(right.accuracy - dense)} against the dense network")
    lines.append(f"{point.nonzeros:,} weights left that are not zero")
    return "<br>".join([*lines, f"note: {point.note}"] if point.note else lines)


def _interval(line: LayerLine, shown: bool) -> dict[str, object]:
    """Intervals of the selected layer only: drawn for all they would hide the lines."""
    up = [high - share for high, share in zip(line.high, line.accuracy, strict=True)]
    down = [share - low for low, share in zip(line.low, line.accuracy, strict=True)]
    return {"type": "data", "array": up, "arrayminus": down, "thickness": 1, "width": 3, "visible": shown}


def _state(sensitivity: Sensitivity, measured: dict[tuple[str, float], float]) -> str:
    """What the scan says so far, in one sentence."""
    if not measured:
        return ""
    done = "" if sensitivity.complete else " so far"
    (layer, value), loss = max(measured.items(), key=lambda item: item[1])
    if loss <= 0:
        return f"No layer alone lost any accuracy{done}."
    return f"Largest loss{done}: {layer} at {sensitivity.knob} {value:g}, {points(-loss)}."


def _axis(view: SensitivityView) -> str:
    return f"{view.knob} of {view.method}"
