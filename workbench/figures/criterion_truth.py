"""A criterion against the truth: one point for each unit, and the worst mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from ..core.agreement import Agreement, Correlation, LayerAgreement, Mistake
from ..core.records import Decision
from ..core.units import fate_of
from ._scale import Scale
from .theme import blank, empty, paint, points, series

TITLE = "Did the criterion know?"
WORST = "The worst mistakes"
NOTHING = "Compare a criterion with the truth to see how well it knows what can go."
NO_MISTAKES = "No unit stands in a wrong place."
MOST = 10
_CURVED = 1e-4


class LayerPoints(NamedTuple):
    """One trace. scores, changes: of every unit; removed: those that the recipe took out."""

    layer: str
    scores: tuple[float, ...]
    changes: tuple[float, ...]
    costs: tuple[float, ...]
    removed: tuple[bool, ...]
    correlation: str


class CriterionTruthView(NamedTuple):
    """rows: (layer, units, correlation) for the table. selected: (layer, unit) or None."""

    title: str
    layers: tuple[LayerPoints, ...]
    sentence: str
    rows: tuple[tuple[str, str, str], ...]
    mistakes: tuple[Mistake, ...]
    selected: tuple[str, int] | None


def view(
    agreement: Agreement | None,
    decisions: Sequence[Decision] = (),
    *,
    layer: str = "",
    unit: int | None = None,
) -> CriterionTruthView | None:
    """decisions: what the recipe took out; layer, unit: what is selected."""
    if agreement is None or not agreement.layers:
        return None
    chosen = agreement.of(layer) if layer else None
    return CriterionTruthView(
        title=agreement.title,
        layers=tuple(_points(own, decisions) for own in agreement.layers),
        sentence=_sentence(agreement),
        rows=(*map(_row, agreement.layers), ("all units", str(agreement.overall.n), spelled(agreement.overall))),
        mistakes=agreement.worst(MOST),
        selected=None if chosen is None or unit is None else (chosen.layer, unit),
    )


def unit_at(view: CriterionTruthView | None, trace: int, point: int) -> tuple[str, int] | None:
    """(layer, unit) behind a click on a point of `figure(view)`."""
    if view is None or not 0 <= trace < len(view.layers) or not 0 <= point < len(view.layers[trace].scores):
        return None
    return view.layers[trace].layer, point


def mistake_at(view: CriterionTruthView | None, point: int) -> tuple[str, int] | None:
    """(layer, unit) behind a click on a bar of `mistakes(view)`."""
    found = () if view is None else view.mistakes
    return (found[point].layer, found[point].unit) if 0 <= point < len(found) else None


def spelled(correlation: Correlation) -> str:
    """`0.63 (95 %: 0.41 to 0.79)`, or that there is no order."""
    if correlation.value is None or correlation.low is None or correlation.high is None:
        return "no order to compare"
    value, low, high = map(_two, (correlation.value, correlation.low, correlation.high))
    return f"{value} (95 %: {low} to {high})"


def figure(view: CriterionTruthView | None, *, dark: bool = False) -> go.Figure:
    """A trace for each layer: score to the right, what the loss gains upwards."""
    if view is None:
        return empty(TITLE, NOTHING, dark=dark)
    drawn, colours = blank(TITLE, view.sentence, dark=dark, height=480), paint(dark)
    across = Scale.of([score for own in view.layers for score in own.scores])
    upwards = Curve.of([change for own in view.layers for change in own.changes])
    for own, style in zip(view.layers, series(len(view.layers), dark), strict=True):
        units = range(len(own.scores))
        chosen = [view.selected == (own.layer, i) for i in units]
        drawn.add_scatter(
            name=f"{own.layer}: {own.correlation}",
            x=[across.place(score) for score in own.scores],
            y=[upwards.place(change) for change in own.changes],
            mode="markers",
            customdata=[_hover(own, i) for i in units],
            hovertemplate="%{customdata}<extra></extra>",
            marker={
                "color": style.colour,
                "size": [14 if on else 8 for on in chosen],
                "symbol": [style.marker + ("-open" if gone else "") for gone in own.removed],
                "line": {"color": colours.ink, "width": [3 if on else 1 for on in chosen]},
            },
        )
    places = [across.place(score) for own in view.layers for score in own.scores]
    drawn.update_xaxes(title_text=f"{view.title} (low goes first)", **across.axis(min(places), max(places)))
    drawn.update_yaxes(title_text="loss gained without it (nats)", **upwards.axis())
    return drawn.update_layout(margin_t=100)


def mistakes(view: CriterionTruthView | None, *, dark: bool = False) -> go.Figure:
    """Bars: too early to the right, too late to the left."""
    if view is None or not view.mistakes:
        return empty(WORST, NOTHING if view is None else NO_MISTAKES, dark=dark, height=240)
    colours = paint(dark)
    drawn = blank(
        WORST,
        "Loss of the unit less that of the one that belongs in its place: right, it would go too early; left, too late",
        dark=dark,
        height=150 + 26 * len(view.mistakes),
    )
    early, late = colours.families["quant"], colours.families["prune"]
    drawn.add_bar(
        orientation="h",
        y=[f"{m.layer} · {m.unit}" for m in view.mistakes],
        x=[m.regret for m in view.mistakes],
        customdata=[_mistake(m) for m in view.mistakes],
        hovertemplate="%{customdata}<extra></extra>",
        marker={"color": [early if m.regret > 0 else late for m in view.mistakes], "line": {"width": 0}},
    )
    drawn.update_yaxes(autorange="reversed", type="category")
    drawn.update_xaxes(title_text="nats")
    return drawn.update_layout(margin_t=84)


def table(view: CriterionTruthView | None) -> list[dict[str, str]]:
    """The rank correlation of every layer and over all units."""
    rows = () if view is None else view.rows
    return [{"layer": layer, "units": units, "rank correlation": said} for layer, units, said in rows]


def described(mistake: Mistake) -> str:
    """A mistake in words, for a menu."""
    when = "too early" if mistake.regret > 0 else "too late"
    return f"{mistake.layer} · {mistake.unit}: {when}, place {mistake.place} instead of {mistake.true_place}"


class Curve(NamedTuple):
    """An axis of changes, which are tiny or large and of both signs: linear near zero, then in equal factors."""

    unit: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Curve:
        return cls(max(_CURVED, max((abs(v) for v in values), default=0.0) / 1000))

    def place(self, value: float) -> float:
        """The inverse hyperbolic sine, in units of where the curve bends."""
        return math.asinh(value / self.unit)

    def axis(self) -> dict[str, object]:
        sizes = [self.unit * 10**k for k in range(5)]
        at = [-s for s in reversed(sizes)] + [0.0] + sizes
        return {"tickvals": [self.place(v) for v in at], "ticktext": [f"{v:.1g}".replace("-", "−") for v in at]}


def _points(own: LayerAgreement, decisions: Sequence[Decision]) -> LayerPoints:
    fates = [fate_of(decisions, own.layer, i) for i in range(len(own.scores))]
    gone = tuple(fate is not None and fate.removed for fate in fates)
    return LayerPoints(own.layer, own.scores, own.changes, own.costs, gone, spelled(own.correlation))


def _hover(own: LayerPoints, i: int) -> str:
    fate = ", removed" if own.removed[i] else ""
    cost = points(-own.costs[i])
    return f"{own.layer} · {i}{fate}<br>score {own.scores[i]:.4g}<br>loss {own.changes[i]:+.4f} nats<br>accuracy {cost}"


def _row(own: LayerAgreement) -> tuple[str, str, str]:
    tied = f" with {', '.join(own.tied)}" if own.tied else ""
    return own.layer + tied, str(len(own.scores)), spelled(own.correlation)


def _mistake(m: Mistake) -> str:
    costs = f"costs {m.change:+.4f} nats, {m.regret:+.4f} more than the unit that belongs there"
    return f"{described(m)} of {m.units}<br>{costs}"


def _sentence(agreement: Agreement) -> str:
    done, every = len(agreement.layers), agreement.groups
    so_far = "" if agreement.complete else f", {done} of {every} groups so far"
    mean = "unknown" if agreement.mean is None else _two(agreement.mean)
    overall = f"over all {agreement.overall.n} units at once: {spelled(agreement.overall)}"
    said = f"Rank correlation with the truth, mean over the layers: {mean}; {overall}{so_far}."
    sample = f"Truth: {agreement.n} of {agreement.total} {agreement.split} images. Open marks: removed by the recipe."
    return f"{said}<br>{sample}"


def _two(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
