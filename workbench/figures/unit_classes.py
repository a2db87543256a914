"""Whom a unit serves: what each class loses without it, beside what it adds to the class's score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..core.units import UnitCard
from .theme import blank, empty, hatched, paint

TITLE = "Which classes need it?"
NOTHING = "Not measured yet."
WIDE = "Lines are 95 % intervals: where a class has few images, nothing lost is no proof that nothing would be."
MOST = 24


class ClassRow(NamedTuple):
    """lost: share of the class's images that are lost without the unit, low and high its 95 % interval; None: unknown.

    adds: what the unit adds to the class's score in logits, of `of` that the whole layer adds; None: unknown.
    """

    name: str
    lost: float | None = None
    low: float = 0.0
    high: float = 0.0
    images: str = ""
    adds: float | None = None
    of: float = 0.0


class UnitClassesView(NamedTuple):
    """rows: of the classes where most happens. note: what to know when reading it."""

    name: str
    rows: tuple[ClassRow, ...]
    note: str


def view(card: UnitCard | None, *, classes: Sequence[str] = ()) -> UnitClassesView | None:
    """classes: names by index. Classes without images and without a score to explain are left out."""
    if card is None:
        return None
    served = {s.target: s for s in card.classes}
    truths = dict(enumerate(card.truth.classes)) if card.truth is not None else {}
    rows = []
    for i in sorted({*served, *(i for i, truth in truths.items() if truth.n)}):
        row = ClassRow(classes[i] if i < len(classes) else str(i))
        if (truth := truths.get(i)) is not None and truth.n:
            said = f"{truth.lost} lost, {truth.gained} gained of {truth.n} images"
            low, high = truth.interval
            row = row._replace(lost=truth.cost, low=low, high=high, images=said)
        if i in served:
            row = row._replace(adds=served[i].conductance, of=served[i].layer)
        rows.append(row)
    most = sorted(rows, key=lambda row: (-abs(row.lost or 0.0), -abs(row.adds or 0.0)))[:MOST]
    alone = f" Of what goes together, the score counts {card.layer} alone." if card.tied else ""
    note = f"What it adds to the scores is not known: {card.classes_note}." if card.classes_note else WIDE + alone
    return UnitClassesView(card.name, tuple(row for row in rows if row in most), note)


def figure(view: UnitClassesView | None, *, dark: bool = False) -> go.Figure:
    """Bars. Traces: what each class loses, what the unit adds to its score; unknown, the latter has no place."""
    if view is None or not view.rows:
        return empty(TITLE, NOTHING, dark=dark, height=300)
    headings = ("images of the class lost without it", "what it adds to the class's score (logits)")
    colours, names = paint(dark), [row.name for row in view.rows]
    measured = [row for row in view.rows if row.lost is not None]
    serving = [row for row in view.rows if row.adds is not None]
    beside = 2 if serving else 1
    drawn = make_subplots(1, beside, shared_yaxes=True, horizontal_spacing=0.06, subplot_titles=headings[:beside])
    drawn.add_bar(
        name="lost",
        orientation="h",
        y=[row.name for row in measured],
        x=[row.lost for row in measured],
        error_x={
            "array": [row.high - (row.lost or 0.0) for row in measured],
            "arrayminus": [(row.lost or 0.0) - row.low for row in measured],
            "symmetric": False,
            "color": colours.faint,
            "thickness": 1.5,
        },
        text=[row.images for row in measured],
        textposition="none",
        hovertemplate="%{y}: %{x:.1%} (%{text})<extra></extra>",
        marker=hatched(colours.families["quant"], dark),
        row=1,
        col=1,
    )
    drawn.add_bar(
        name="adds",
        orientation="h",
        y=[row.name for row in serving],
        x=[row.adds for row in serving],
        text=[f"of {row.of:.2f} that the whole layer adds" for row in serving],
        textposition="none",
        hovertemplate="%{y}: %{x:.3f} %{text}<extra></extra>",
        marker={"color": colours.families["prune"], "line": {"width": 0}},
        row=1,
        col=beside,
    )
    drawn.update_layout(blank(TITLE, view.note, dark=dark, height=180 + 22 * len(names)).layout)
    drawn.update_yaxes(type="category", categoryorder="array", categoryarray=names[::-1])
    drawn.update_xaxes(tickformat=".0%", row=1, col=1)
    drawn.update_annotations(font_size=12)
    return drawn.update_layout(showlegend=False, margin={"t": 96, "b": 40}, bargap=0.25, barmode="overlay")


def table(view: UnitClassesView | None) -> list[dict[str, str]]:
    """One row for each class."""
    return [
        {
            "class": row.name,
            "lost without it": "" if row.lost is None else f"{100 * row.lost:.1f} % ({row.images})",
            "adds to its score": "" if row.adds is None else f"{row.adds:.3f} of {row.of:.3f}",
        }
        for row in (view.rows if view is not None else ())
    ]
