"""The weights of a layer before, and the few values that they may take now."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from ..core.inside import Inside, LayerLevels
from .theme import blank, empty, hatched, paint

TITLE = "The levels of the weights"
NOTHING = "Quantize a layer to see the levels of its weights."


class LevelsView(NamedTuple):
    """The record of one layer, or None and the sentence that is shown instead."""

    levels: LayerLevels | None = None
    missing: str = NOTHING


def view(inside: Inside | None, *, layer: str | None = None) -> LevelsView:
    """The levels of `layer`, of the first quantized layer where none is named."""
    if inside is None or not inside.levels:
        return LevelsView()
    own = [one for one in inside.levels if layer is None or f"{one.layer}.".startswith(f"{layer}.")]
    if not own:
        return LevelsView(None, f"{layer} is not stored as codes; choose {', '.join(x.layer for x in inside.levels)}.")
    return LevelsView(own[0], "")


def figure(view: LevelsView, *, dark: bool = False) -> go.Figure:
    """Traces: weights before, those that were removed, levels."""
    found = view.levels
    if found is None:
        return empty(TITLE, view.missing, dark=dark)
    colours = paint(dark)
    drawn = blank(f"{TITLE} of {found.layer}", _sentence(found), dark=dark, height=420)
    width = float(found.edges[1] - found.edges[0])
    middle = ((found.edges[:-1] + found.edges[1:]) / 2).tolist()
    for name, counts, marker in (
        ("before, and still stored", found.before, {"color": colours.faint, "opacity": 0.55}),
        ("before, and removed", found.removed, hatched(colours.families["prune"], dark)),
    ):
        if counts.size and counts.sum():
            hover = "about %{x:.3g}: %{y} weights<extra>" + name + "</extra>"
            drawn.add_bar(name=name, x=middle, y=counts.tolist(), width=width, marker=marker, hovertemplate=hover)
    if found.levels.size:
        drawn.add_scatter(
            name="levels now",
            x=found.levels.tolist(),
            y=found.at.tolist(),
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [0] * len(found.at),
                "arrayminus": found.at.tolist(),
                "width": 0,
                "thickness": 1.5,
                "color": colours.families["quant"],
            },
            mode="markers",
            marker={"symbol": "square", "size": 8, "color": colours.families["quant"]},
            hovertemplate="level %{x:.4g}: %{y} weights<extra></extra>",
        )
    unit = f", in {found.unit}" if found.unit else ""
    drawn.update_xaxes(title_text=f"weight{unit}", zeroline=False)
    drawn.update_yaxes(title_text="number of weights", rangemode="tozero")
    return drawn.update_layout(barmode="stack", bargap=0)


def table(view: LevelsView) -> list[dict[str, str]]:
    """One row for each level."""
    found = view.levels
    if found is None:
        return []
    return [{"level": f"{x:.5g}", "weights": f"{n:,}"} for x, n in zip(found.levels, found.at, strict=True)]


def _sentence(found: LayerLevels) -> str:
    stored, gone = int(found.at.sum()), int(found.removed.sum())
    if not found.levels.size:
        return f"{found.stored_as}, {found.bits} bits: too many levels to draw one by one"
    removed = f"; {gone:,} more are zero and not stored" if gone else ""
    own = "; every filter has its own step, so that weights are counted in steps" if found.unit else ""
    return f"{found.stored_as}, {found.bits} bits: {len(found.levels)} levels for {stored:,} weights{removed}{own}"
