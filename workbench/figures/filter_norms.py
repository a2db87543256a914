"""Why these units: how the scores of one layer lie, where the cut is, what was removed."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import plotly.graph_objects as go

from ..core.records import Decision, Histogram
from ._scale import Scale
from .theme import DARK, Paint, blank, empty, hatched, paint, percent

TITLE = "What was removed, and why"
NOTHING = "Pick a method that removes something to see its cut."
MOST_BARS = 200
_BINS = 30
_FLAT = 1e-9
_LINEAR = Scale()


class Unit(NamedTuple):
    """One filter, neuron or weight group; `number` counts from 0 as the layer does."""

    number: int
    score: float
    kept: bool


class FilterNormsView(NamedTuple):
    """histogram: counts per bin, split by fate. ranked: units by ascending score, empty when there are too many.

    missing: the sentence shown instead of a figure, or "". scale: of the axis of scores.
    """

    layer: str = ""
    criterion: str = ""
    unit: str = "unit"
    threshold: float | None = None
    histogram: Histogram | None = None
    ranked: tuple[Unit, ...] = ()
    summary: str = ""
    selected: int | None = None
    missing: str = NOTHING
    scale: Scale = _LINEAR


def view(decisions: Sequence[Decision], *, layer: str | None = None, selected: int | None = None) -> FilterNormsView:
    """The last decision about `layer`, or the first decision of all when no layer is named. selected: a unit."""
    if not decisions:
        return FilterNormsView()
    own = [d for d in decisions if d.layer == layer] if layer else [decisions[0]]
    if not own:
        ranked = ", ".join(dict.fromkeys(d.layer for d in decisions))
        return FilterNormsView(missing=f"Nothing was ranked in {layer} at this setting; choose {ranked}.")
    return _of(own[-1], selected)


def unit_at(view: FilterNormsView, trace: int, point: int) -> int | None:
    """The unit behind a click on (trace, point) of `bars(view)`: trace 0 holds the kept, trace 1 the removed ones."""
    units = [unit for unit in view.ranked if unit.kept == (trace == KEPT)]
    return units[point].number if trace in (KEPT, REMOVED) and 0 <= point < len(units) else None


KEPT, REMOVED = range(2)


def figure(view: FilterNormsView, *, dark: bool = False) -> go.Figure:
    """Histogram of the scores with the cut. Traces: kept, removed."""
    if view.histogram is None:
        return empty(TITLE, view.missing, dark=dark)
    drawn = blank(_title(view), view.summary, dark=dark)
    colours, places = paint(dark), view.histogram.edges
    edges = [view.scale.place(edge) for edge in places]
    middle = [(a + b) / 2 for a, b in itertools.pairwise(edges)]
    width = [b - a for a, b in itertools.pairwise(edges)]
    for name, counts in (("kept", view.histogram.kept), ("removed", view.histogram.removed)):
        spans = [f"{a:.4g} to {b:.4g}" for a, b in itertools.pairwise(places)]
        hover = f"%{{y}} {_plural(view.unit)} {name}, score %{{text}}<extra></extra>"
        bar = go.Bar(x=middle, y=counts, width=width, text=spans, textposition="none", hovertemplate=hover)
        drawn.add_trace(bar.update(name=f"{name} ({sum(counts):,})", marker=_marker(name, colours)))
    _cut(drawn, view, colours, vertical=True)
    ticks = view.scale.axis(edges[0], edges[-1])
    drawn.update_xaxes(title_text=f"score of a {view.unit}: {view.criterion}", **ticks)
    drawn.update_yaxes(title_text=f"number of {_plural(view.unit)}", rangemode="tozero")
    return drawn.update_layout(barmode="stack", bargap=0, margin_t=100, legend_traceorder="normal")


def bars(view: FilterNormsView, *, dark: bool = False) -> go.Figure:
    """One bar for each unit, by ascending score, for at most MOST_BARS units. Traces: kept, removed."""
    if not view.ranked:
        return figure(view, dark=dark)
    drawn, colours = blank(_title(view), view.summary, dark=dark), paint(dark)
    places = [view.scale.place(unit.score) for unit in view.ranked]
    foot = 0.0 if not view.scale.floor else places[0] - 0.05 * (places[-1] - places[0])
    for name, fate in (("kept", True), ("removed", False)):
        own = [(rank, unit) for rank, unit in enumerate(view.ranked) if unit.kept == fate]
        chosen = [unit.number == view.selected for _, unit in own]
        drawn.add_bar(
            name=f"{name} ({len(own)})",
            x=[rank for rank, _ in own],
            y=[places[rank] - foot for rank, _ in own],
            base=foot,
            customdata=[unit.score for _, unit in own],
            text=[str(unit.number) for _, unit in own],
            textposition="none",
            hovertemplate=f"{view.unit} %{{text}}: score %{{customdata:.4g}}, {name}<extra></extra>",
            marker={**_marker(name, colours), "line": _outline(chosen, colours)},
        )
    _cut(drawn, view, colours, vertical=False)
    every = range(0, len(view.ranked), max(1, len(view.ranked) // 20))
    labels = [str(view.ranked[i].number) for i in every]
    drawn.update_xaxes(title_text=f"{view.unit}, lowest score first", tickvals=list(every), ticktext=labels)
    drawn.update_yaxes(title_text=view.criterion, **view.scale.axis(foot, places[-1]))
    return drawn.update_layout(bargap=0.15)


def table(view: FilterNormsView) -> list[dict[str, str]]:
    """One row per unit where they are known, else one per bin of the histogram."""
    if view.ranked:
        fate = {True: "kept", False: "removed"}
        return [{view.unit: str(u.number), "score": f"{u.score:.4g}", "fate": fate[u.kept]} for u in view.ranked]
    if view.histogram is None:
        return []
    h = view.histogram
    return [
        {"score from": f"{a:.4g}", "to": f"{b:.4g}", "kept": str(k), "removed": str(r)}
        for a, b, k, r in zip(h.edges, h.edges[1:], h.kept, h.removed, strict=False)
    ]


def histogram_of(
    scores: Sequence[float], kept: Sequence[bool], threshold: float | None, scale: Scale = _LINEAR
) -> Histogram:
    """Counts of scores in bins that are equal on the scale, one edge of which is the threshold where there is one."""
    if scale.floor:
        cut = None if threshold is None else scale.place(threshold)
        found = histogram_of([scale.place(score) for score in scores], kept, cut)
        return replace(found, edges=tuple(map(scale.score, found.edges)))
    low, high = min(scores), max(scores)
    wide = high - low > _FLAT * max(abs(low), abs(high))
    width = (high - low) / _BINS if wide else max(abs(high), 1.0) / _BINS
    origin = threshold if threshold is not None and low <= threshold <= high else low
    below = math.ceil((origin - low) / width)
    above = math.floor((high - origin) / width) + 1
    edges = tuple(origin + i * width for i in range(-below, above + 1))
    counts = {True: [0] * (len(edges) - 1), False: [0] * (len(edges) - 1)}
    for score, stays in zip(scores, kept, strict=True):
        counts[stays][min(max(bisect_right(edges, score) - 1, 0), len(edges) - 2)] += 1
    return Histogram(edges, tuple(counts[True]), tuple(counts[False]))


def _of(decision: Decision, selected: int | None) -> FilterNormsView:
    scores, kept = decision.scores, decision.kept
    units = [Unit(i, score, stays) for i, (score, stays) in enumerate(zip(scores, kept, strict=True))]
    scale = Scale.of(scores) if scores else _LINEAR
    counted = histogram_of(scores, kept, decision.threshold, scale) if scores else decision.histogram
    share = percent(decision.removed / decision.units) if decision.units else percent(0)
    return FilterNormsView(
        layer=decision.layer,
        criterion=decision.criterion,
        unit=decision.unit,
        threshold=decision.threshold,
        histogram=counted,
        ranked=tuple(sorted(units, key=lambda u: (u.score, u.number))) if len(units) <= MOST_BARS else (),
        summary=f"{decision.removed:,} of {decision.units:,} {_plural(decision.unit)} removed ({share})",
        selected=selected,
        missing="" if counted else f"{decision.method} gave no scores for {decision.layer}.",
        scale=scale,
    )


def _title(view: FilterNormsView) -> str:
    return f"{TITLE}: {view.layer}"


def _plural(unit: str) -> str:
    return unit if unit.endswith("s") else unit + "s"


def _marker(fate: str, colours: Paint) -> dict[str, object]:
    """Removed units are hatched as well as coloured."""
    if fate == "kept":
        return {"color": colours.families["prune"], "line": {"width": 0}}
    return hatched(colours.families["quant"], colours is DARK)


def _outline(chosen: Sequence[bool], colours: Paint) -> dict[str, object]:
    return {"color": colours.ink, "width": [3 if own else 0 for own in chosen]}


def _cut(drawn: go.Figure, view: FilterNormsView, colours: Paint, *, vertical: bool) -> None:
    if view.threshold is None:
        return
    line = {"line": {"color": colours.ink, "width": 2, "dash": "dash"}, "label": {"font": {"color": colours.ink}}}
    text, place = f"cut at {view.threshold:.4g}", view.scale.place(view.threshold)
    if vertical:
        drawn.add_vline(place, **line, annotation={"text": text, "yanchor": "bottom", "y": 1})
    else:
        drawn.add_hline(place, **line, annotation={"text": text, "xanchor": "left", "yanchor": "bottom", "x": 0})
