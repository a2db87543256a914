"""Where the object is known: how much of what speaks for the class lies on it, while the knob moves."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from ..core.attribution import ObjectCurve
from ..core.records import wilson
from .theme import blank, empty, paint, percent

TITLE = "Does it look at the object?"
NOTHING = "Look along the knob: where the object is known, the picture can be checked."
ON, HITS, DENSE_ON, DENSE_HITS = range(4)


class Place(NamedTuple):
    """value: of the knob; share and hits in [0, 1], each (value, low, high)."""

    value: float
    share: tuple[float, float, float]
    hits: tuple[float, float, float]


class ObjectView(NamedTuple):
    """dense: the same of the dense network, or None; area: the object's share of the image, which is chance."""

    places: tuple[Place, ...] = ()
    dense: Place | None = None
    area: float = 0.0
    knob: str = ""
    sentence: str = ""


def view(found: ObjectCurve | None, *, method: str = "") -> ObjectView:
    """method: title of the method."""
    if found is None or not found.points:
        return ObjectView()
    places = [
        Place(
            0.0 if point.value is None else point.value,
            point.share,
            (point.hits.accuracy, *wilson(point.hits.correct, point.hits.n)),
        )
        for point in found.points
    ]
    known = [place for place, point in zip(places, found.points, strict=True) if point.value is not None]
    dense = next((place for place, point in zip(places, found.points, strict=True) if point.value is None), None)
    images = found.points[0].hits.n
    progress = "" if len(found.points) == found.total else f"; {len(found.points)} of {found.total} settings"
    sentence = f"{method or found.method} for the right class, {images} validation images; bars: 95 %{progress}"
    return ObjectView(tuple(sorted(known)), dense, found.area, found.knob.replace("_", " "), sentence)


def figure(view: ObjectView, *, dark: bool = False) -> go.Figure:
    """Traces ON and HITS over the knob, the dense network's two levels, and the area that chance would hit."""
    if not view.places and view.dense is None:
        return empty(TITLE, NOTHING, dark=dark)
    drawn, colours = blank(TITLE, view.sentence, dark=dark), paint(dark)
    looks = (
        ("of what speaks for the class, on the object", "share", "quant", "circle", "solid"),
        ("strongest pixel on the object (pointing game)", "hits", "lowrank", "square", "longdash"),
    )
    x = [place.value for place in view.places]
    for name, field, family, marker, dash in looks:
        values = [getattr(place, field) for place in view.places]
        bar = {
            "type": "data",
            "symmetric": False,
            "array": [high - y for y, _, high in values],
            "arrayminus": [y - low for y, low, _ in values],
        }
        line = go.Scatter(x=x, y=[v[0] for v in values], error_y=bar, name=name, mode="lines+markers")
        line.update(marker={"symbol": marker, "size": 9}, line={"color": colours.families[family], "dash": dash})
        drawn.add_trace(line.update(hovertemplate=f"{view.knob} %{{x}}: %{{y:.1%}}<extra></extra>"))
    if view.dense is not None:
        for (_, field, family, *_rest), side in zip(looks, ("top", "bottom"), strict=True):
            level = getattr(view.dense, field)[0]
            drawn.add_hline(y=level, line_color=colours.families[family], line_dash="dot", line_width=1.5)
            text = f"dense {percent(level)}"
            spot = {"x": 1, "xref": "paper", "xanchor": "right", "yanchor": "bottom" if side == "top" else "top"}
            drawn.add_annotation(y=level, text=text, showarrow=False, font_color=colours.families[family], **spot)
    drawn.add_hline(y=view.area, line_color=colours.faint, line_dash="dash")
    chance = f"chance: the object is {percent(view.area)} of the image"
    drawn.add_annotation(y=view.area, text=chance, x=0, xref="paper", xanchor="left", yanchor="top", showarrow=False)
    drawn.update_xaxes(title_text=view.knob).update_yaxes(tickformat=".0%", range=[0, 1.05])
    return drawn.update_yaxes(title_text="share")


def table(view: ObjectView) -> list[dict[str, str]]:
    """One row for each setting, the dense network first."""
    every = ([("dense", view.dense)] if view.dense else []) + [(f"{p.value:g}", p) for p in view.places]
    return [
        {view.knob or "setting": name, "on the object": percent(p.share[0]), "pointing game": percent(p.hits[0])}
        for name, p in every
        if p is not None
    ]
