"""The images whose answer changed: which, from what to what, and how much confidence went with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from ..core.costs import BROKEN, FATES, MENDED, OTHER, Costs, Flip
from .theme import blank, empty, paint, percent
from .tiles import Tile, data_url

TITLE = "How sure the networks were where the answer changed"
NOTHING = "Which answers it changed appears here once this setting is measured."
NONE_OF = "No such answer changed."
_DRAWN = {BROKEN: ("quant", "x"), MENDED: ("prune", "circle"), OTHER: ("kd", "diamond")}
_MARKS = {BROKEN: "bad", MENDED: "good", OTHER: ""}


class FlipsView(NamedTuple):
    """flips: those that are wanted, most confidence lost first. tiles: of the first of them, with pictures.

    sentence: how many images, how many flips, of which fate; missing: said where there is nothing to draw, or "".
    """

    flips: tuple[Flip, ...] = ()
    tiles: tuple[Tile, ...] = ()
    names: tuple[str, ...] = ()
    sentence: str = ""
    selected: int | None = None
    missing: str = NOTHING


def view(
    costs: Costs | None,
    *,
    classes: Sequence[str] = (),
    fate: str = "",
    label: int | None = None,
    answer: int | None = None,
    selected: int | None = None,
    most: int = 36,
) -> FlipsView:
    """fate, label, answer: only flips of this fate, of this true class, to this answer. selected: an image's index."""
    if costs is None:
        return FlipsView()
    flips = tuple(
        flip
        for flip in costs.flips
        if fate in ("", flip.fate) and label in (None, flip.label) and answer in (None, flip.compressed)
    )
    shown = [flip for flip in flips if flip.index in costs.pictures][:most]
    return FlipsView(
        flips=flips,
        tiles=tuple(_tile(flip, costs, classes) for flip in shown),
        names=tuple(classes),
        sentence=_sentence(costs),
        selected=selected,
        missing="" if flips else NONE_OF if costs.flips else _sentence(costs),
    )


def figure(view: FlipsView, *, dark: bool = False) -> go.Figure:
    """Every flip as a point: how sure the dense network was, and what is left of that. One trace for each of FATES."""
    if view.missing:
        return empty(TITLE, view.missing, dark=dark)
    colours = paint(dark)
    drawn = blank(TITLE, view.sentence, dark=dark, height=420)
    for fate in FATES:
        own = [flip for flip in view.flips if flip.fate == fate]
        family, symbol = _DRAWN[fate]
        chosen = [flip.index == view.selected for flip in own]
        drawn.add_scatter(
            name=f"{fate} ({len(own)})",
            x=[flip.dense_says for flip in own],
            y=[flip.kept for flip in own],
            mode="markers",
            text=["<br>".join(_words(flip, view.names)) for flip in own],
            hovertemplate="%{text}<extra></extra>",
            marker={
                "symbol": symbol,
                "color": colours.families[family],
                "size": [16 if c else 9 for c in chosen],
                "line": {"color": colours.ink, "width": [3 if c else 0.5 for c in chosen]},
            },
        )
    same = {"color": colours.faint, "dash": "dash", "width": 1}
    drawn.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=same, layer="below")
    drawn.update_xaxes(title_text="dense network: probability of its own answer", tickformat=".0%", range=[0, 1.03])
    drawn.update_yaxes(title_text="what the compressed one gives it", tickformat=".0%", range=[-0.03, 1.03])
    return drawn


def flip_at(view: FlipsView, trace: int, point: int) -> int | None:
    """The index of the image behind a click on a point of `figure(view)`."""
    own = [flip for flip in view.flips if 0 <= trace < len(FATES) and flip.fate == FATES[trace]]
    return own[point].index if 0 <= point < len(own) else None


def table(view: FlipsView) -> list[dict[str, str]]:
    """One row for each flip."""
    return [
        {
            "image": str(flip.index),
            "true class": _name(flip.label, view.names),
            "dense": _name(flip.dense, view.names),
            "compressed": _name(flip.compressed, view.names),
            "probability of the dense answer": f"{percent(flip.dense_says)} → {percent(flip.kept)}",
            "fate": flip.fate,
        }
        for flip in view.flips
    ]


def _sentence(costs: Costs) -> str:
    """`360 validation images: 12 answers changed, 8 from right to wrong, ...`."""
    seen = f"{costs.n:,} {costs.split} images" + ("" if costs.complete else f" so far, of {costs.total:,}")
    if not costs.flips:
        return f"{seen}: both networks give the same answer to each of them"
    counts = {fate: sum(flip.fate == fate for flip in costs.flips) for fate in FATES}
    parts = ", ".join(f"{counts[fate]:,} {fate}" for fate in FATES)
    return f"{seen}: {len(costs.flips):,} answers changed ({parts})"


def _tile(flip: Flip, costs: Costs, classes: Sequence[str]) -> Tile:
    lines = _words(flip, classes)
    return Tile(flip.index, data_url(costs.pictures[flip.index]), lines, "; ".join(lines), _MARKS[flip.fate])


def _words(flip: Flip, classes: Sequence[str]) -> tuple[str, ...]:
    label, dense, compressed = (_name(i, classes) for i in (flip.label, flip.dense, flip.compressed))
    return (
        f"{flip.index}: a “{label}”",
        f"dense: “{dense}” {percent(flip.dense_says)}",
        f"now: “{compressed}” {percent(flip.compressed_says)}",
        flip.fate,
    )


def _name(index: int, classes: Sequence[str]) -> str:
    return classes[index] if 0 <= index < len(classes) else str(index)
