"""Is what a picture calls important so? The class's probability while those pixels go, or come back, first."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..core.attribution import Curve, Faithfulness
from .theme import ESTIMATE_DASH, blank, empty, paint

TITLE = "Do the networks need what the pictures call important?"
NOTHING = "Check whether the pictures can be believed to see their curves."


class Line(NamedTuple):
    """name: whose; column: 0 for pixels taken away, 1 for pixels put back."""

    name: str
    column: int
    curve: Curve


class CurvesView(NamedTuple):
    """target: name of the class that is explained."""

    lines: tuple[Line, ...] = ()
    target: str = ""


def view(found: Faithfulness | None, *, target: str = "") -> CurvesView:
    """target: name of the class that is explained."""
    if found is None:
        return CurvesView()
    lines = []
    for name, trust in (("dense", found.dense), ("compressed", found.compressed)):
        if trust is not None:
            lines += [Line(name, 0, trust.deletion), Line(name, 1, trust.insertion)]
            random = f"{name}, random order"
            lines += [Line(random, 0, trust.random_deletion), Line(random, 1, trust.random_insertion)]
    return CurvesView(tuple(lines), target or str(found.target))


def figure(view: CurvesView, *, dark: bool = False) -> go.Figure:
    """Two plots side by side, four lines each: both networks in the picture's order and in random order."""
    if not view.lines:
        return empty(TITLE, NOTHING, dark=dark)
    titles = ("the most important pixels go first: should fall fast", "…come back first: should rise fast")
    drawn = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    colours = paint(dark)
    for line in view.lines:
        own = colours.families["prune" if line.name.startswith("compressed") else "combo"]
        random = line.name.endswith("order")
        style = {"color": colours.faint if random else own, "width": 1.5 if random else 2.5}
        style["dash"] = ESTIMATE_DASH if line.name == "dense, random order" else "dash" if random else "solid"
        hover = f"{line.name}: %{{y:.1%}} with %{{x:.0%}} of the pixels {('gone', 'back')[line.column]}<extra></extra>"
        trace = go.Scatter(x=line.curve.shares, y=line.curve.values, mode="lines", line=style, hovertemplate=hover)
        drawn.add_trace(trace.update(name=line.name, showlegend=not line.column), 1, line.column + 1)
    subtitle = f"probability of “{view.target}”; the area under a line is its mean"
    drawn.update_layout(blank(TITLE, subtitle, dark=dark, height=400).layout, margin_t=110)
    drawn.update_annotations(font_size=13)
    drawn.update_xaxes(tickformat=".0%", range=[0, 1]).update_yaxes(tickformat=".0%", range=[0, 1.02])
    drawn.update_xaxes(title_text="pixels that are black now", row=1, col=1)
    return drawn.update_xaxes(title_text="pixels that are back", row=1, col=2)


def table(view: CurvesView) -> list[dict[str, str]]:
    """The area under each line."""
    what = ("taken away", "put back")
    return [{"order": x.name, "pixels": what[x.column], "area": f"{x.curve.area:.3f}"} for x in view.lines]
