"""What is taken for what now: the difference of two confusion matrices, its sure cells framed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from ..core.costs import Costs
from ..core.values import Array
from .theme import Paint, blank, empty, paint

TITLE = "What is taken for what now"
NOTHING = "Which classes it confuses appears here once this setting is measured."
MOST = 24


class ConfusionView(NamedTuple):
    """labels: the classes that are drawn, in order. difference, before, sure: true class in rows, answer in columns."""

    labels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    difference: tuple[tuple[int, ...], ...] = ()
    before: tuple[tuple[int, ...], ...] = ()
    sure: tuple[tuple[bool, ...], ...] = ()
    sentence: str = ""
    missing: str = NOTHING


def view(costs: Costs | None, *, classes: Sequence[str] = (), most: int = MOST) -> ConfusionView:
    """classes: names by index. Of more than `most` classes those with most changed answers are drawn."""
    if costs is None:
        return ConfusionView()
    difference = costs.after - costs.before
    moved = np.abs(difference).sum(0) + np.abs(difference).sum(1)
    chosen = np.sort(np.argsort(-moved, kind="stable")[:most])
    return ConfusionView(
        labels=tuple(chosen.tolist()),
        names=tuple(classes[i] if i < len(classes) else str(i) for i in chosen),
        difference=_rows(difference, chosen),
        before=_rows(costs.before, chosen),
        sure=_rows(costs.sure, chosen),
        sentence=_sentence(costs, len(difference), len(chosen)),
        missing="" if difference.any() else "No answer has changed.",
    )


def cell_at(view: ConfusionView, cell: int | Sequence[int]) -> tuple[int, int] | None:
    """(true class, answer) behind a click on a cell, given as (row, column) or as its running number."""
    row, column = divmod(cell, max(1, len(view.labels))) if isinstance(cell, int) else cell
    inside = 0 <= row < len(view.labels) and 0 <= column < len(view.labels)
    return (view.labels[row], view.labels[column]) if inside else None


def figure(view: ConfusionView, *, dark: bool = False) -> go.Figure:
    """Heat map, one trace: images that are given an answer more often now, or less often."""
    if view.missing:
        return empty(TITLE, view.missing, dark=dark)
    colours, count = paint(dark), len(view.labels)
    most = max(abs(value) for row in view.difference for value in row)
    drawn = blank(TITLE, view.sentence, dark=dark, height=220 + 30 * count)
    drawn.add_heatmap(
        x=view.names,
        y=view.names,
        z=view.difference,
        text=[[_cell(value, sure) for value, sure in zip(*rows, strict=True)]
              for rows in zip(view.difference, view.sure, strict=True)],
        texttemplate="%{text}" if count <= 12 else "",
        customdata=[[_hover(view, i, j) for j in range(count)] for i in range(count)],
        hovertemplate="%{customdata}<extra></extra>",
        zmin=-most,
        zmax=most,
        colorscale=[[0, colours.families["prune"]], [0.5, colours.paper], [1, colours.families["quant"]]],
        colorbar=_bar(most, colours),
        xgap=1,
        ygap=1,
    )  # fmt: skip
    frames = [_frame(i, j, colours) for i in range(count) for j in range(count) if view.sure[i][j]]
    drawn.update_layout(shapes=frames, margin_t=104)
    drawn.update_xaxes(title_text="answer", type="category", ticks="", showgrid=False, side="bottom")
    drawn.update_yaxes(title_text="true class", type="category", autorange="reversed", ticks="", showgrid=False)
    return drawn


def table(view: ConfusionView) -> list[dict[str, str]]:
    """One row for each cell that has changed, the largest change first."""
    count = len(view.labels)
    cells = [(i, j) for i in range(count) for j in range(count) if view.difference[i][j]]
    cells.sort(key=lambda cell: (-abs(view.difference[cell[0]][cell[1]]), cell))
    return [
        {
            "true class": view.names[i],
            "answer": view.names[j],
            "dense": str(view.before[i][j]),
            "compressed": str(view.before[i][j] + view.difference[i][j]),
            "change": _signed(view.difference[i][j]),
            "sure": "yes" if view.sure[i][j] else "no",
        }
        for i, j in cells
    ]


def _rows(matrix: Array, chosen: Array) -> Any:
    return tuple(map(tuple, matrix[np.ix_(chosen, chosen)].tolist()))


def _sentence(costs: Costs, classes: int, drawn: int) -> str:
    part = "" if drawn == classes else f"<br>The {drawn} of {classes} classes with most changed answers"
    sure = int(costs.sure.sum())
    return (
        f"{costs.n:,} {costs.split} images; compressed − dense; on the diagonal are the right answers<br>"
        f"Framed: surely changed ({sure} of {costs.cells} cells in which anything moved; McNemar, Holm){part}"
    )


def _signed(value: int) -> str:
    return f"{value:+d}".replace("-", "−") if value else ""


def _cell(value: int, sure: bool) -> str:
    return f"<b>{_signed(value)}</b>" if sure else _signed(value)


def _hover(view: ConfusionView, i: int, j: int) -> str:
    before, change = view.before[i][j], view.difference[i][j]
    sure = ", sure" if view.sure[i][j] else ""
    return (
        f"a “{view.names[i]}” answered “{view.names[j]}”<br>"
        f"dense {before}, compressed {before + change} ({_signed(change) or '0'}{sure})"
    )


def _frame(i: int, j: int, colours: Paint) -> dict[str, Any]:
    ends = {"x0": j - 0.5, "x1": j + 0.5, "y0": i - 0.5, "y1": i + 0.5}
    return {"type": "rect", **ends, "line": {"color": colours.ink, "width": 2.5}}


def _bar(most: int, colours: Paint) -> dict[str, Any]:
    return {
        "title": {"text": "images"},
        "thickness": 12,
        "tickvals": [-most, 0, most],
        "ticktext": [f"−{most} fewer", "0", f"+{most} more"],
        "outlinewidth": 1,
        "outlinecolor": colours.faint,
    }
