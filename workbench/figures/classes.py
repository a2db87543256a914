"""Whom it cost: the change of every class with its interval, the average, and what the average hides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from ..core.costs import ClassChange, Costs
from .theme import blank, empty, paint, percent, points

TITLE = "Whom it cost"
NOTHING = "Which classes it cost accuracy appears here once this setting is measured."
MOST = 40


class ClassRow(NamedTuple):
    """One class; change, low and high are differences of shares, p_value is adjusted for the number of classes."""

    label: int
    name: str
    change: float
    low: float
    high: float
    before: float
    after: float
    lost: int
    gained: int
    n: int
    p_value: float

    @property
    def verdict(self) -> str:
        """What the interval says."""
        return "surely worse" if self.high < 0 else "surely better" if self.low > 0 else "not sure"


class ClassesView(NamedTuple):
    """rows: the worst first. average: (change, low, high) of all images. warnings: what the average hides.

    note: how the ranges were made; left_out: classes of many that are not drawn.
    """

    rows: tuple[ClassRow, ...] = ()
    average: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sentence: str = ""
    warnings: tuple[str, ...] = ()
    note: str = ""
    left_out: int = 0
    selected: int | None = None


def view(
    costs: Costs | None, *, classes: Sequence[str] = (), selected: int | None = None, most: int = MOST
) -> ClassesView:
    """classes: names by index. Of more than `most` classes the worst are drawn."""
    if costs is None:
        return ClassesView()
    rows = sorted((_row(change, classes) for change in costs.classes), key=lambda row: (row.change, row.high))
    return ClassesView(
        rows=tuple(rows[:most]),
        average=(costs.pairs.change, *costs.pairs.interval()),
        sentence=_sentence(costs),
        warnings=tuple(_warning(costs, _row(change, classes)) for change in costs.hidden),
        note=_note(rows),
        left_out=max(0, len(rows) - most),
        selected=selected,
    )


def class_at(view: ClassesView, trace: int, point: int) -> int | None:
    """The class behind a click on a mark of `figure(view)`."""
    own = [row for row in view.rows if 0 <= trace < len(_VERDICTS) and row.verdict == _VERDICTS[trace]]
    return own[point].label if 0 <= point < len(own) else None


_VERDICTS = ("surely worse", "not sure", "surely better")
_DRAWN = {"surely worse": ("quant", "x"), "not sure": ("faint", "circle-open"), "surely better": ("prune", "diamond")}


def figure(view: ClassesView, *, dark: bool = False) -> go.Figure:
    """One row for each class; the band is the average of all images. One trace for each verdict."""
    if not view.rows:
        return empty(TITLE, NOTHING, dark=dark)
    colours, (change, low, high) = paint(dark), view.average
    drawn = blank(TITLE, view.sentence, dark=dark, height=230 + 24 * len(view.rows))
    for verdict in _VERDICTS:
        own = [row for row in view.rows if row.verdict == verdict]
        family, symbol = _DRAWN[verdict]
        colour = colours.families.get(family, colours.faint)
        drawn.add_scatter(
            name=f"{verdict} ({len(own)})",
            x=[100 * row.change for row in own],
            y=[_label(row, view) for row in own],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [100 * (row.high - row.change) for row in own],
                "arrayminus": [100 * (row.change - row.low) for row in own],
                "color": colour,
            },
            mode="markers",
            text=[_hover(row) for row in own],
            hovertemplate="%{text}<extra></extra>",
            marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}},
        )
    ink = {"color": colours.ink, "width": 1.5}
    drawn.add_vrect(x0=100 * low, x1=100 * high, fillcolor=colours.faint, opacity=0.25, line_width=0, layer="below")
    drawn.add_vline(x=100 * change, line={**ink, "dash": "dash"}, annotation={"text": "all images", "y": 1.06})
    drawn.add_vline(x=0, line=ink)
    order = [_label(row, view) for row in view.rows]
    drawn.update_yaxes(type="category", categoryorder="array", categoryarray=order[::-1], title_text="true class")
    drawn.update_xaxes(title_text="change in accuracy, points (left is worse)", zeroline=False)
    return drawn.update_layout(hovermode="closest", margin_t=96)


def table(view: ClassesView) -> list[dict[str, str]]:
    """One row for each class."""
    return [
        {
            "class": row.name,
            "images": f"{row.n:,}",
            "dense": percent(row.before),
            "compressed": percent(row.after),
            "lost": str(row.lost),
            "gained": str(row.gained),
            "change": f"{points(row.change)} ({_range(row.low, row.high)})",
            "p (McNemar, Holm)": f"{row.p_value:.2g}",
            "verdict": row.verdict,
        }
        for row in view.rows
    ]


def _row(change: ClassChange, classes: Sequence[str]) -> ClassRow:
    name = classes[change.label] if change.label < len(classes) else str(change.label)
    pairs = change.pairs
    return ClassRow(
        change.label,
        name,
        pairs.change,
        change.low,
        change.high,
        pairs.before,
        pairs.after,
        pairs.lost,
        pairs.gained,
        pairs.n,
        change.p_value,
    )


def _sentence(costs: Costs) -> str:
    pairs, whose = costs.pairs, "read back from its file" if costs.file else "as it is in memory"
    seen = f"All {costs.n:,}" if costs.complete else f"{costs.n:,} of {costs.total:,}"
    return (
        f"{seen} {costs.split} images: {percent(pairs.before)} → {percent(pairs.after)}, "
        f"{points(pairs.change)} (95 %: {_range(*pairs.interval())})<br>Compressed network: {whose}"
    )


def _note(rows: Sequence[ClassRow]) -> str:
    worse, better = (sum(row.verdict == verdict for row in rows) for verdict in ("surely worse", "surely better"))
    found = f"{worse} surely worse, {better} surely better" if worse or better else "none has surely changed"
    widened = f"Ranges of single classes are widened so that all {len(rows)} hold at once 19 times of 20"
    return f"Of {len(rows)} classes {found}. {widened}."


def _warning(costs: Costs, row: ClassRow) -> str:
    whole = f"{points(costs.pairs.change)} ({_range(*costs.pairs.interval())})"
    return (
        f"The average hides a loss: “{row.name}” changes by {points(row.change)} ({_range(row.low, row.high)}), "
        f"all {costs.n:,} images together by {whole}; even the ends of the ranges are more than twice apart."
    )


def _range(low: float, high: float) -> str:
    return f"{points(low).removesuffix(' points')} to {points(high).removesuffix(' points')}"


def _label(row: ClassRow, view: ClassesView) -> str:
    return f"<b>▸ {row.name}</b>" if row.label == view.selected else row.name


def _hover(row: ClassRow) -> str:
    return (
        f"<b>{row.name}</b>: {percent(row.before)} → {percent(row.after)} of {row.n:,} images<br>"
        f"{points(row.change)} ({_range(row.low, row.high)}), {row.verdict}<br>"
        f"{row.lost} right to wrong, {row.gained} wrong to right; p = {row.p_value:.2g} (McNemar, Holm)"
    )
