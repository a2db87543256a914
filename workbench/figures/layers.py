"""Bytes of each layer before and after, so that the eye finds the layer that matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import plotly.graph_objects as go

from ..core.records import LayerRow
from .theme import blank, bytes_text, bytes_ticks, empty, hatched, paint, percent

TITLE = "Bytes of each layer, before and after"
NOTHING = "Measure a setting to see the bytes of its layers."
BEFORE, AFTER = range(2)


class Bar(NamedTuple):
    """One layer of the dense network: bytes as dense float32 and in the file; share = after / before."""

    layer: str
    before: int
    after: int
    share: float
    details: str


class LayersView(NamedTuple):
    """The bars in the order of the network. selected: the layer that is emphasised."""

    bars: tuple[Bar, ...]
    selected: str | None


def view(rows: Sequence[LayerRow], *, selected: str | None = None) -> LayersView:
    """rows: those of a Run. The parts of a factorised layer are one bar under the layer's own name."""
    return LayersView(tuple(_bar(tuple(own)) for _, own in groupby(rows, _owner)), selected)


def layer_at(view: LayersView, trace: int, point: int) -> str | None:
    """The layer behind a click on (trace, point) of `figure(view)`."""
    return view.bars[point].layer if trace in (BEFORE, AFTER) and 0 <= point < len(view.bars) else None


def figure(view: LayersView, *, dark: bool = False) -> go.Figure:
    """Two bars for each layer on a log axis. Traces: BEFORE, AFTER."""
    if not view.bars:
        return empty(TITLE, NOTHING, dark=dark)
    colours = paint(dark)
    drawn = blank(TITLE, _sentence(view), dark=dark, height=200 + 52 * len(view.bars))
    labels = [f"<b>▸ {bar.layer}</b>" if _chosen(view, bar) else bar.layer for bar in view.bars]
    outline = {"color": colours.ink, "width": [2 if _chosen(view, bar) else 0 for bar in view.bars]}
    before = {**hatched(colours.faint, dark), "line": outline}
    after = {"color": colours.families["prune"], "line": outline}
    sizes = [bar.before for bar in view.bars], [bar.after for bar in view.bars]
    texts = [bytes_text(b) for b in sizes[0]], [f"{bytes_text(b.after)} ({percent(b.share)})" for b in view.bars]
    for name, size, text, marker in zip(("before", "after"), sizes, texts, (before, after), strict=True):
        drawn.add_bar(name=name, orientation="h", y=labels, x=size, text=text, marker=marker, textposition="outside")
    drawn.update_traces(hovertext=[b.details for b in view.bars], hovertemplate="%{hovertext}<extra></extra>")
    low, high = _extent(view)
    at, ticks = bytes_ticks(low, high)
    axis = {"type": "log", "range": [math.log10(low), math.log10(high * 6)], "tickvals": at, "ticktext": ticks}
    drawn.update_xaxes(**axis, title_text="bytes (log scale)")
    drawn.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return drawn.update_layout(barmode="group", bargap=0.25, bargroupgap=0.08)


def table(view: LayersView) -> list[dict[str, str]]:
    """One row per layer."""
    return [
        {"layer": b.layer, "before": bytes_text(b.before), "after": bytes_text(b.after), "left": percent(b.share)}
        for b in view.bars
    ]


def _owner(row: LayerRow) -> tuple[str, int]:
    """The layer of the dense network that a row belongs to, with its size."""
    return row.whole or row.layer, row.dense_parameters


def _bar(rows: tuple[LayerRow, ...]) -> Bar:
    name, dense = _owner(rows[0])
    before, after = 4 * dense, sum(row.file_bytes for row in rows)
    share = after / before if before else 0.0
    lines = [f"<b>{name}</b>", f"{before:,} bytes before, {after:,} after: {percent(share)}"]
    lines += [line for row in rows for line in _stored(row)]
    used = dict.fromkeys(method for row in rows for method in row.methods)
    lines += [f"by {', '.join(used)}"] if used else []
    lines += [f"note: {note}" for note in dict.fromkeys(row.note for row in rows) if note]
    return Bar(name, before, after, share, "<br>".join(lines))


def _stored(row: LayerRow) -> list[str]:
    what = f"{row.layer} ({row.kind}, {' × '.join(map(str, row.shape))}) stored as {row.stored_as}"
    cost = f"{row.bits_per_weight:.2f} bits for each dense weight, {row.macs:,} multiply-adds"
    return [what, f"{row.nonzeros:,} of {row.parameters:,} stored weights are not zero, {cost}"]


def _chosen(view: LayersView, bar: Bar) -> bool:
    return view.selected is not None and bar.layer == view.selected


def _sentence(view: LayersView) -> str:
    total = sum(bar.after for bar in view.bars)
    largest = max(view.bars, key=lambda bar: bar.after)
    share = percent(largest.after / total) if total else percent(0)
    return f"Most of what is left is in {largest.layer}: {share} of the bytes of all layers"


def _extent(view: LayersView) -> tuple[float, float]:
    sizes = [max(1, size) for bar in view.bars for size in (bar.before, bar.after)]
    return 10 ** math.floor(math.log10(min(sizes)) - 0.3), max(sizes)
