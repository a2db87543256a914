"""The pictures that only lessons draw; all others are the app's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ..core.values import Array
from ..figures.theme import blank, hatched, paint

_BINS = 61


def shares(title: str, groups: Mapping[str, Mapping[str, float]], axis: str = "share (%)") -> go.Figure:
    """Bars side by side: groups is {group: {name: number}}, all with the same names."""
    colours = list(paint(False).families.values())
    drawn = blank(title, height=340)
    for i, (group, values) in enumerate(groups.items()):
        marker = {"color": colours[i]} if i == 0 else hatched(colours[i], False)
        drawn.add_bar(name=group, x=list(values), y=list(values.values()), marker=marker)
    drawn.update_yaxes(title_text=axis, rangemode="tozero")
    return drawn.update_layout(barmode="group")


def weights(title: str, values: Array, *, cut: float = 0.0, levels: Sequence[float] = ()) -> go.Figure:
    """Histogram of weights, those within `cut` of zero hatched, with the levels that they may take as lines."""
    counts, edges = np.histogram(values, _BINS)
    middle, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    colours, drawn = paint(False), blank(title, height=340)
    gone, _ = np.histogram(values[np.abs(values) < cut], edges)
    bars = (("stay", counts - gone, {"color": colours.families["prune"]}), ("go", gone, hatched(colours.faint, False)))
    for name, height, marker in bars if cut else bars[:1]:
        drawn.add_bar(name=name, x=middle.tolist(), y=height.tolist(), width=width, marker=marker)
    for level in levels:
        drawn.add_vline(x=level, line={"color": colours.families["quant"], "dash": "dash", "width": 1.5})
    drawn.update_xaxes(title_text="weight", zeroline=False)
    drawn.update_yaxes(title_text="number of weights")
    return drawn.update_layout(barmode="stack", bargap=0)


def line(title: str, x: Sequence[float], y: Sequence[float], *, axes: tuple[str, str]) -> go.Figure:
    """One curve. axes: what lies along each."""
    colours, drawn = paint(False), blank(title, height=340)
    drawn.add_scatter(x=list(x), y=list(y), mode="lines", line={"color": colours.families["prune"]})
    drawn.update_xaxes(title_text=axes[0])
    drawn.update_yaxes(title_text=axes[1])
    return drawn


def pictures(title: str, images: Mapping[str, Array], signed: bool = False) -> go.Figure:
    """Grey images side by side under their names; signed ones orange above zero, blue below."""
    drawn = blank(title, height=320)
    most = max(float(np.abs(image).max()) for image in images.values()) or 1.0
    wide, hues = 1 / len(images), paint(False).families
    both = [[0, hues["prune"]], [0.5, paint(False).paper], [1, hues["quant"]]]
    for i, (name, image) in enumerate(images.items()):
        axis = "" if i == 0 else str(i + 1)
        scale = {"colorscale": both, "zmin": -most, "zmax": most} if signed else {"colorscale": "Greys_r"}
        drawn.add_heatmap(z=image.tolist(), xaxis=f"x{axis}", yaxis=f"y{axis}", showscale=False, hoverinfo="z", **scale)
        span = [i * wide + 0.01, (i + 1) * wide - 0.01]
        frame = {"showticklabels": False, "ticks": "", "showgrid": False, "showline": False, "zeroline": False}
        ends = [image.shape[0] - 0.5, -0.5]
        drawn.update_layout({f"xaxis{axis}": {"domain": span, "anchor": f"y{axis}", "title": name, **frame}})
        drawn.update_layout({f"yaxis{axis}": {"range": ends, "anchor": f"x{axis}", "scaleanchor": f"x{axis}", **frame}})
    return drawn
