"""Does the picture show what was learnt? Its likeness to itself while layers forget."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from ..core.attribution import UNTRAINED, Randomised
from .attribution_numbers import flag
from .theme import blank, empty, paint

TITLE = "Would an untrained network get the same picture?"
NOTHING = "Try random weights to see whether the picture depends on what was learnt."


class RandomView(NamedTuple):
    """points: (layers with random weights, mean rank correlation, lowest, highest draw), rising."""

    points: tuple[tuple[int, float, float, float], ...] = ()
    layers: int = 0
    sentence: str = ""


def view(found: Randomised | None) -> RandomView:
    """None: nobody asked yet."""
    if found is None:
        return RandomView()
    points = tuple((stage.layers, stage.mean, min(stage.values), max(stage.values)) for stage in found.stages)
    sentence = flag(found) if found.complete else "from the last layer to the first; trying …"
    return RandomView(((0, 1.0, 1.0, 1.0), *points), found.layers, sentence)


def figure(view: RandomView, *, dark: bool = False) -> go.Figure:
    """One line with the range of the draws; the level from which a method is flagged."""
    if not view.points:
        return empty(TITLE, NOTHING, dark=dark, height=340)
    colours = paint(dark)
    layers, means, lows, highs = zip(*view.points, strict=True)
    spread = {
        "type": "data",
        "symmetric": False,
        "array": [h - m for m, h in zip(means, highs, strict=True)],
        "arrayminus": [m - x for m, x in zip(means, lows, strict=True)],
    }
    hover = "%{x} layers random: %{y:.2f}<extra></extra>"
    line = go.Scatter(x=layers, y=means, error_y=spread, mode="lines+markers", name="likeness", hovertemplate=hover)
    drawn = blank(TITLE, view.sentence, dark=dark, height=340)
    drawn.add_trace(line.update(line_color=colours.families["prune"], marker_size=8, showlegend=False))
    text = {"text": "above: flagged", "showarrow": False, "x": 0.1, "y": UNTRAINED, "xanchor": "left"}
    drawn.add_hline(y=UNTRAINED, line_color=colours.faint, line_dash="dash")
    drawn.add_annotation(**text, yanchor="bottom", font_color=colours.faint)
    drawn.update_xaxes(title_text="layers with random weights, counted from the last", range=[-0.3, view.layers + 0.3])
    drawn.update_xaxes(tickvals=layers)
    return drawn.update_yaxes(title_text="rank correlation with<br>the trained network's", range=[-0.45, 1.08])


def table(view: RandomView) -> list[dict[str, str]]:
    """One row for each stage."""
    names = ("random layers", "mean", "lowest", "highest")
    return [dict(zip(names, (str(n), *(f"{x:.2f}" for x in rest)), strict=True)) for n, *rest in view.points]
