"""Where the error comes in: signal over error of each layer, alone and with all before it."""

from __future__ import annotations

import math
from typing import NamedTuple

import plotly.graph_objects as go

from ..core.inside import Inside, LayerNoise, Ratio
from .theme import blank, empty, paint

TITLE = "Signal over error in each layer"
NOTHING = "How much error each layer adds appears here once this setting is measured."
WEIGHTS, ALONE, TOGETHER = range(3)
"""Index of the traces."""
_NAMES = ("its weights", "its output, this layer alone compressed", "its output, all layers compressed")
_DRAWN = (("faint", "diamond-open", 10), ("prune", "circle-open", 15), ("quant", "square", 8))


class Mark(NamedTuple):
    """One number in decibels; infinite where nothing differs. low, high: 95 % interval, or twice the number."""

    layer: str
    db: float
    low: float
    high: float


class SqnrView(NamedTuple):
    """layers in the order in which they are defined; marks: one row each for WEIGHTS, ALONE, TOGETHER.

    notes: sentences about layers that cannot be compared.
    """

    layers: tuple[str, ...] = ()
    marks: tuple[tuple[Mark, ...], ...] = ()
    sentence: str = ""
    notes: tuple[str, ...] = ()
    selected: str | None = None


def view(inside: Inside | None, *, selected: str | None = None) -> SqnrView:
    """selected: a layer."""
    if inside is None:
        return SqnrView()
    rows = inside.noise
    weights = tuple(Mark(row.layer, row.weights, row.weights, row.weights) for row in rows if row.weights is not None)
    alone, together = (_marks(rows, which) for which in ("alone", "together"))
    return SqnrView(
        layers=tuple(row.layer for row in rows),
        marks=(weights, alone, together),
        sentence=_sentence(inside, alone),
        notes=_notes(rows),
        selected=selected,
    )


def layer_at(view: SqnrView, trace: int, point: int) -> str | None:
    """The layer behind a click on a mark of `figure(view)`."""
    own = view.marks[trace] if 0 <= trace < len(view.marks) else ()
    return own[point].layer if 0 <= point < len(own) else None


def figure(view: SqnrView, *, dark: bool = False) -> go.Figure:
    """One row for each layer, the first on top. Traces: WEIGHTS, ALONE, TOGETHER."""
    if not any(view.marks):
        return empty(TITLE, NOTHING, dark=dark)
    colours, end = paint(dark), _end(view)
    drawn = blank(TITLE, view.sentence, dark=dark, height=250 + 26 * len(view.layers))
    for name, (family, symbol, size), marks in zip(_NAMES, _DRAWN, view.marks, strict=True):
        colour = colours.families.get(family, colours.faint)
        ends = [(min(m.low, end), min(m.db, end), min(m.high, end)) for m in marks]
        drawn.add_scatter(
            name=name,
            x=[db for _, db, _ in ends],
            y=[_label(mark.layer, view) for mark in marks],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - db for _, db, high in ends],
                "arrayminus": [db - low for low, db, _ in ends],
                "color": colour,
            },
            mode="markers",
            text=[f"<b>{m.layer}</b>, {name}: {_text(m)}" for m in marks],
            hovertemplate="%{text}<extra></extra>",
            marker={"symbol": symbol, "size": size, "color": colour, "line": {"width": 2, "color": colour}},
        )
    order = [_label(layer, view) for layer in view.layers]
    ticks = [tick for tick in range(-20, 200, 10 if end <= 80 else 20) if _start(view) <= tick < end - 2]
    exact = any(math.isinf(mark.db) for marks in view.marks for mark in marks)
    drawn.update_xaxes(
        title_text="decibels; further right is less error, 6 dB are one bit, at 0 dB error is as strong as signal",
        tickvals=[*ticks, end] if exact else ticks,
        ticktext=[*map(str, ticks), "no error"] if exact else list(map(str, ticks)),
        range=[_start(view), end + 3],
    )
    drawn.update_yaxes(type="category", categoryorder="array", categoryarray=order[::-1])
    plot = drawn.layout.height - 96 - 56
    return drawn.update_layout(hovermode="closest", margin_t=96, legend_y=-62 / plot)


def table(view: SqnrView) -> list[dict[str, str]]:
    """One row for each layer."""
    by = [{mark.layer: _text(mark) for mark in marks} for marks in view.marks]
    return [
        {"layer": layer, **{n: own.get(layer, "–") for n, own in zip(_NAMES, by, strict=True)}} for layer in view.layers
    ]


def decibels(db: float) -> str:
    """`14.2 dB`, or words where it is no number."""
    return f"{db:.1f} dB".replace("-", "−") if math.isfinite(db) else "no error" if db > 0 else "no signal"


def _marks(rows: tuple[LayerNoise, ...], which: str) -> tuple[Mark, ...]:
    found: list[tuple[str, Ratio | None]] = [(row.layer, getattr(row, which)) for row in rows]
    return tuple(Mark(layer, ratio.db, ratio.low, ratio.high) for layer, ratio in found if ratio is not None)


def _sentence(inside: Inside, alone: tuple[Mark, ...]) -> str:
    seen = f"{inside.n:,} {inside.split} images; bars are 95 % intervals"
    said = [] if inside.answer is None else [f"The answers: {decibels(inside.answer.db)}"]
    loud = [mark for mark in alone if math.isfinite(mark.db)]
    if loud:
        worst = min(loud, key=lambda mark: mark.db)
        said.append(f"most error of its own: {worst.layer}, {decibels(worst.db)}")
    return f"{'; '.join(said)}<br>{seen}" if said else seen


def _notes(rows: tuple[LayerNoise, ...]) -> tuple[str, ...]:
    why: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            why.setdefault(row.note, []).append(row.layer)
    return tuple(f"{', '.join(layers)}: {note}." for note, layers in why.items())


def _finite(view: SqnrView) -> list[float]:
    return [x for marks in view.marks for m in marks for x in (m.low, m.db, m.high) if math.isfinite(x)]


def _end(view: SqnrView) -> float:
    """Where layers without an error stand: right of all others."""
    return max(_finite(view), default=20.0) + 8


def _start(view: SqnrView) -> float:
    return min(0.0, *_finite(view), 0.0) - 2


def _text(mark: Mark) -> str:
    if mark.low == mark.high:
        return decibels(mark.db)
    return f"{decibels(mark.db)} ({decibels(mark.low).removesuffix(' dB')} to {decibels(mark.high)})"


def _label(layer: str, view: SqnrView) -> str:
    return f"<b>▸ {layer}</b>" if layer == view.selected else layer
