"""The card of a unit: its kernel and where every criterion puts it, with the words and the numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..core.agreement import Agreement
from ..core.records import Decision
from ..core.units import Consumer, Fate, Neighbour, Standing, Truth, UnitCard, fate_of
from ..core.values import Array
from ..core.verdict import Verdict, number, points, verdict
from .theme import Paint, blank, empty, paint

TITLE = "Why could it go?"
NOTHING = "Click a bar, a point or a layer to see why it could go and what that costs."

Grid = tuple[tuple[float | None, ...], ...]


_SHORT = {
    "l1": "L1 norm",
    "l2": "L2 norm",
    "fpgm": "distance (FPGM)",
    "apoz": "activity (APoZ)",
    "taylor": "gradient (Taylor)",
    "hrank": "map rank (HRank)",
}


class StandingRow(NamedTuple):
    """criterion: its short name; share: of the units of the layer that would go before this one, in [0, 1]."""

    criterion: str
    title: str
    share: float
    place: int
    units: int
    score: float


class UnitCardView(NamedTuple):
    """kernel: rows of the weights, one tile for each input, None between them. quota: share of the units that went.

    rows: (what, number) for the table. missing: the sentence shown instead of a card, or "".
    """

    name: str = ""
    verdict: Verdict | None = None
    kernel: Grid = ()
    tiles: int = 0
    standings: tuple[StandingRow, ...] = ()
    quota: float | None = None
    rows: tuple[tuple[str, str], ...] = ()
    missing: str = NOTHING


def view(
    card: UnitCard | None,
    decisions: Sequence[Decision] = (),
    *,
    agreement: Agreement | None = None,
    classes: Sequence[str] = (),
) -> UnitCardView:
    """decisions: what the recipe decided; agreement: of its criterion with the truth; classes: names by index."""
    if card is None:
        return UnitCardView()
    fate = fate_of(decisions, card.layer, card.unit)
    own = agreement if agreement is not None and fate is not None and agreement.title == fate.criterion else None
    return UnitCardView(
        name=card.name,
        verdict=verdict(card, fate, agreement=own, classes=classes),
        kernel=mosaic(card.kernel) if card.kernel is not None else (),
        tiles=0 if card.kernel is None else len(card.kernel),
        standings=tuple(map(_standing, card.standings)),
        quota=None if fate is None or fate.units != card.units else fate.removed_units / fate.units,
        rows=tuple(_rows(card, fate)),
        missing="",
    )


def mosaic(kernel: Array) -> Grid:
    """Tiles side by side in a nearly square arrangement, an empty line between them. kernel: (inputs, h, w)."""
    inputs, height, width = kernel.shape
    if inputs == 1 and height == 1:  # nothing is known about how the inputs lie: a block of them
        width = math.ceil(math.sqrt(kernel.size))
        flat = [*map(float, kernel.reshape(-1)), *[None] * (-kernel.size % width)]
        return tuple(tuple(flat[i : i + width]) for i in range(0, len(flat), width))
    across = math.ceil(math.sqrt(inputs * height / width))
    down = math.ceil(inputs / across)
    rows: list[list[float | None]] = [[None] * (across * (width + 1) - 1) for _ in range(down * (height + 1) - 1)]
    for tile in range(inputs):
        top, left = tile // across * (height + 1), tile % across * (width + 1)
        for i in range(height):
            rows[top + i][left : left + width] = map(float, kernel[tile, i])
    return tuple(map(tuple, rows))


def figure(view: UnitCardView, *, dark: bool = False) -> go.Figure:
    """The kernel on the left, the standings on the right. Traces: kernel, standings."""
    if not view.kernel:
        return empty(TITLE, view.missing or "A layer as a whole has no kernel and no rank.", dark=dark, height=300)
    headings = (_kernel_heading(view), "Where each criterion puts it")
    drawn = make_subplots(1, 2, column_widths=[0.36, 0.64], horizontal_spacing=0.2, subplot_titles=headings)
    colours = paint(dark)
    largest = max(abs(value) for row in view.kernel for value in row if value is not None) or 1.0
    against, speaks = colours.families["prune"], colours.families["quant"]
    drawn.add_heatmap(
        z=view.kernel,
        zmin=-largest,
        zmax=largest,
        colorscale=[[0, against], [0.5, colours.paper], [1, speaks]],
        hovertemplate="weight %{z:.3g}<extra></extra>",
        colorbar={"orientation": "h", "thickness": 10, "len": 0.3, "x": 0.14, "y": -0.08, "yanchor": "top"},
        row=1,
        col=1,
    )
    drawn.add_trace(_standings(view, colours), 1, 2)
    drawn.update_layout(blank(f"{TITLE} {view.name}", dark=dark, height=360).layout)
    frame = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "constrain": "domain"}
    drawn.update_xaxes(**frame, row=1, col=1)
    drawn.update_yaxes(**frame, autorange="reversed", scaleanchor="x", row=1, col=1)
    drawn.update_xaxes(
        range=[-0.04, 1.04], tickformat=".0%", title_text="share of the layer that would go before it", row=1, col=2
    )
    drawn.update_yaxes(autorange="reversed", row=1, col=2)
    if view.quota:
        _shade(drawn, view.quota, colours)
    drawn.update_annotations(font_size=12)
    return drawn.update_layout(showlegend=False, margin={"l": 16, "r": 24, "t": 84, "b": 64})


def table(view: UnitCardView) -> list[dict[str, str]]:
    """The numbers of the card, one a row, then where each criterion puts it."""
    found = [{"what": what, "number": said} for what, said in view.rows]
    return found + [{"what": row.title, "number": _place(row)} for row in view.standings]


def _standing(standing: Standing) -> StandingRow:
    share = (standing.place - 1) / max(1, standing.units - 1)
    return StandingRow(standing.criterion, standing.title, share, standing.place, standing.units, standing.score)


def _place(row: StandingRow) -> str:
    return f"rank {row.place} of {row.units} (score {row.score:.4g})"


def _standings(view: UnitCardView, colours: Paint) -> go.Scatter:
    rows = view.standings
    return go.Scatter(
        x=[row.share for row in rows],
        y=[_SHORT.get(row.criterion, row.criterion) for row in rows],
        mode="markers+text",
        text=[f"{row.place} of {row.units}" for row in rows],
        textposition=["middle left" if row.share > 0.8 else "middle right" for row in rows],
        customdata=[f"{row.title}: {_place(row)}" for row in rows],
        hovertemplate="%{customdata}<extra></extra>",
        marker={"size": 12, "color": colours.ink, "symbol": "diamond"},
        cliponaxis=False,
    )


def _shade(drawn: go.Figure, quota: float, colours: Paint) -> None:
    drawn.add_vrect(
        -0.04,
        quota,
        fillcolor=colours.families["quant"],
        opacity=0.18,
        line_width=0,
        annotation={"text": f"{quota:.0%} removed", "yanchor": "bottom", "y": 1, "font": {"size": 12}},
        annotation_position="top left",
        row=1,
        col=2,
    )


def _kernel_heading(view: UnitCardView) -> str:
    return "Its weights" if view.tiles < 2 else f"Its weights, a tile for each of {view.tiles} inputs"


def _rows(card: UnitCard, fate: Fate | None) -> list[tuple[str, str]]:
    rows = [
        ("unit", f"{card.name}, one of {card.units}" if card.unit is not None else f"{card.layer}, {card.units} units")
    ]
    if card.tied:
        rows.append(("goes together with", ", ".join(card.tied)))
    if fate is not None:
        cut = "no cut" if fate.threshold is None else f"cut {fate.threshold:.4g}"
        rows.append(
            (f"{fate.criterion} ({fate.method})", f"{fate.score:.4g}, {cut}: {'removed' if fate.removed else 'kept'}")
        )
    if card.truth is not None:
        rows += _truth_rows(card.truth)
    if card.responses is not None:
        seen = card.responses
        rows.append(("answers to", f"{seen.active} of {seen.n} images; from {seen.least:.3g} to {seen.most:.3g}"))
    rows += [_neighbour_row(card.kind, neighbour) for neighbour in card.neighbours]
    return rows + [_consumer_row(consumer) for consumer in card.consumers]


def _truth_rows(truth: Truth) -> list[tuple[str, str]]:
    every, (low, high) = truth.all, truth.all.interval
    between = " to ".join(f"{value:+.4f}".replace("-", "−") for value in truth.interval)
    sample = f"{every.n} of {truth.total} {truth.split} images"
    return [
        ("accuracy lost without it", f"{points(every.cost)} points (95 %: {points(low)} to {points(high)}), {sample}"),
        ("images", f"{every.lost} right only with it, {every.gained} right only without it"),
        ("loss without it", f"{truth.dense:.4f} → {truth.without:.4f} nats (change, 95 %: {between})"),
    ]


def _neighbour_row(kind: str, found: Neighbour) -> tuple[str, str]:
    correlation = "unknown" if found.correlation is None else number(found.correlation)
    what = f"nearest by {found.by}" if kind != "layer" else f"alike: {found.of} and {found.unit}"
    named = f"{kind} {found.unit}: " if kind != "layer" else ""
    return what, f"{named}cosine of weights {number(found.cosine)}, correlation of answers {correlation}"


def _consumer_row(consumer: Consumer) -> tuple[str, str]:
    hardest = f"output {consumer.hardest} by {consumer.hardest_shift:.1%}"
    return f"{consumer.layer} reads it", f"its output moves by {consumer.shift:.1%} without it, {hardest}"
