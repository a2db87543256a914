"""How alike the pictures of both networks are over many images: each image, and the mean with its interval."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from ..core.attribution import TOP, Likeness
from .theme import blank, empty, paint

TITLE = "Over many images: do both networks look at the same?"
NOTHING = "Compare over validation images to see more than one image."
NAMES = {"rank": "order of pixels<br>(Spearman)", "top": "strongest pixels<br>in common", "ssim": "structure<br>(SSIM)"}


class Row(NamedTuple):
    """values: one for each image; mean, low, high: with a 95 % interval of the mean."""

    name: str
    values: tuple[float, ...]
    mean: float
    low: float
    high: float


class LikenessView(NamedTuple):
    """images: indices in the validation data, in the order of the values."""

    rows: tuple[Row, ...] = ()
    images: tuple[int, ...] = ()
    sentence: str = ""


def view(found: Likeness | None, *, method: str = "") -> LikenessView:
    """method: title of the method."""
    if found is None or not found.values:
        return LikenessView()
    rows = tuple(
        Row(name, tuple(getattr(v, field) for v in found.values), *found.mean(field)) for field, name in NAMES.items()
    )
    shown = f"{len(found.values)} of {found.total} validation images"
    return LikenessView(rows, found.images, f"{method or found.method}, {shown}; bars: 95 % interval of the mean")


def figure(view: LikenessView, *, dark: bool = False) -> go.Figure:
    """For each measure the images as faint points (trace 0, 2, 4) and their mean (trace 1, 3, 5)."""
    if not view.rows:
        return empty(TITLE, NOTHING, dark=dark, height=320)
    drawn, colours = blank(TITLE, view.sentence, dark=dark, height=320), paint(dark)
    for i, row in enumerate(view.rows):
        y = [i + 0.28 * ((7 * n) % 11 / 5 - 1) for n in range(len(row.values))]
        dots = go.Scatter(x=row.values, y=y, mode="markers", text=[str(n) for n in view.images], showlegend=False)
        dots.update(marker={"color": colours.faint, "size": 5, "opacity": 0.55})
        drawn.add_trace(dots.update(hovertemplate="image %{text}: %{x:.2f}<extra></extra>"))
        bar = {"type": "data", "symmetric": False, "array": [row.high - row.mean], "arrayminus": [row.mean - row.low]}
        mean = go.Scatter(x=[row.mean], y=[i], error_x=bar, mode="markers+text", text=[f"{row.mean:.2f}"])
        mean.update(textposition="top center", marker={"color": colours.families["prune"], "size": 11})
        mean.update(error_x_color=colours.families["prune"], error_x_thickness=3, showlegend=False)
        drawn.add_trace(mean.update(hovertemplate=f"mean %{{x:.2f}} ({row.low:.2f} to {row.high:.2f})<extra></extra>"))
    drawn.add_shape(type="line", x0=TOP, x1=TOP, y0=0.55, y1=1.45, line={"color": colours.ink, "dash": "dot"})
    drawn.add_annotation(x=TOP, y=1, xanchor="right", text="chance ", showarrow=False, font_color=colours.faint)
    drawn.update_xaxes(title_text="likeness of the two pictures; 1 is the same", range=[-1.03, 1.05])
    ticks = {"tickvals": list(range(len(view.rows))), "ticktext": [row.name for row in view.rows]}
    return drawn.update_yaxes(range=[len(view.rows) - 0.4, -0.6], **ticks, showgrid=False)


def table(view: LikenessView) -> list[dict[str, str]]:
    """Mean and interval of each measure."""
    return [
        {
            "measure": row.name.replace("<br>", " "),
            "mean": f"{row.mean:.3f}",
            "95 % interval": f"{row.low:.3f} to {row.high:.3f}",
        }
        for row in view.rows
    ]
