"""Did compression change what the network looks at? One image, two networks, and the difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..core.attribution import AttributionPair
from ..core.values import Array
from .theme import blank, empty, paint, percent

TITLE = "What the networks look at"
NOTHING = "Choose an image and press “Explain this image” to see what both networks look at."

Grid = tuple[tuple[float, ...], ...]
_FAINT = 5
IMAGE, DENSE, COMPRESSED, DIFFERENCE = range(4)


class AttributionView(NamedTuple):
    """image: rows of (red, green, blue) in 0..255; maps: rows of numbers; scale: the largest magnitude of all maps.

    headings: one for each picture. rows: (network, answer, right, wrong or not known, probability of the target).
    """

    image: tuple[tuple[tuple[int, int, int], ...], ...]
    dense: Grid
    compressed: Grid
    difference: Grid
    scale: float
    title: str
    sentence: str
    headings: tuple[str, str, str, str]
    rows: tuple[tuple[str, str, str, str], ...]


def view(pair: AttributionPair | None, *, classes: Sequence[str] = (), method: str = "") -> AttributionView | None:
    """classes: names by index (numbers when empty). method: the title of the method (its id when empty)."""
    if pair is None:
        return None
    target = _name(pair.target, classes)
    image = "Your image" if pair.label is None else f"Image: a “{_name(pair.label, classes)}”"
    rows = (
        _row("dense", pair.dense_prediction, pair.label, classes, pair.dense_probability),
        _row("compressed", pair.compressed_prediction, pair.label, classes, pair.compressed_probability),
    )
    maps, said = (pair.dense, pair.compressed, pair.difference), (_heading(rows[0], target), _heading(rows[1], target))
    return AttributionView(
        image=_pixels(pair.image),
        dense=_grid(pair.dense),
        compressed=_grid(pair.compressed),
        difference=_grid(pair.difference),
        scale=max(float(abs(m).max()) for m in maps) or 1.0,
        title=f"{TITLE} to see “{target}” ({method or pair.method})",
        sentence=_sentence(pair),
        headings=(image, *said, "Difference<br>compressed − dense"),
        rows=rows,
    )


def figure(view: AttributionView | None, *, dark: bool = False) -> go.Figure:
    """Four pictures side by side: image, dense, compressed, difference; the three maps share one colour scale."""
    if view is None:
        return empty(TITLE, NOTHING, dark=dark)
    drawn = make_subplots(1, 4, horizontal_spacing=0.02, subplot_titles=view.headings)
    drawn.add_trace(go.Image(z=view.image, hoverinfo="skip"), 1, 1)
    for column, values in enumerate((view.dense, view.compressed, view.difference), 2):
        hover = "row %{y}, column %{x}: %{z:.3g}<extra></extra>"
        drawn.add_trace(go.Heatmap(z=values, coloraxis="coloraxis", hovertemplate=hover), 1, column)
    for column in range(1, 5):
        drawn.update_yaxes(autorange="reversed", scaleanchor=f"x{column}" if column > 1 else "x", row=1, col=column)
    # A frame without ticks, so that an empty map is seen to be empty.
    frame = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "constrain": "domain"}
    drawn.update_xaxes(**frame, showline=True, mirror=True).update_yaxes(**frame, showline=True, mirror=True)
    drawn.update_layout(blank(view.title, view.sentence, dark=dark, height=410).layout)
    drawn.update_annotations(font_size=12)
    return drawn.update_layout(coloraxis=_coloraxis(view.scale, dark), margin={"l": 16, "r": 18, "t": 158, "b": 80})


def table(view: AttributionView | None) -> list[dict[str, str]]:
    """What each network answers; the maps are pictures and have no rows."""
    names = ("network", "answer", "right or wrong", "probability of the class explained")
    return [] if view is None else [dict(zip(names, row, strict=True)) for row in view.rows]


def _name(index: int, classes: Sequence[str]) -> str:
    return classes[index] if 0 <= index < len(classes) else str(index)


def _row(
    network: str, answer: int, label: int | None, classes: Sequence[str], probability: float
) -> tuple[str, str, str, str]:
    fate = "not known" if label is None else "right" if answer == label else "wrong"
    return network, _name(answer, classes), fate, percent(probability)


def _heading(row: tuple[str, str, str, str], target: str) -> str:
    network, answer, fate, probability = row
    judged = "" if fate == "not known" else f" ({fate})"
    return f"{network.capitalize()} network<br>says “{answer}”{judged}<br>gives “{target}” {probability}"


def _sentence(pair: AttributionPair) -> str:
    """The similarity, what it means, and why a map may look empty."""
    said = f"Similarity of the two maps: {pair.similarity.rank:.2f} (1: same order of pixels, 0: unrelated)"
    strength = float(abs(pair.dense).max()), float(abs(pair.compressed).max())
    if min(strength) == 0 or max(strength) < _FAINT * min(strength):
        return f"{said}<br>{pair.note}" if pair.note else said
    weaker = "compressed" if strength[1] < strength[0] else "dense"
    return f"{said}<br>The {weaker} network reacts {max(strength) / min(strength):.0f}× more weakly: its map is pale."


def _pixels(image: Array) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """(channels, height, width) in [0, 1] -> rows of (r, g, b); one channel is drawn grey."""
    height, width = image.shape[1:]
    channels = [image[c if image.shape[0] == 3 else 0] for c in range(3)]
    levels = [(255 * channel.clip(0, 1)).round().astype(int).tolist() for channel in channels]
    return tuple(
        tuple((levels[0][i][j], levels[1][i][j], levels[2][i][j]) for j in range(width)) for i in range(height)
    )


def _grid(values: Array) -> Grid:
    return tuple(tuple(map(float, row)) for row in values)


def _coloraxis(scale: float, dark: bool) -> dict[str, object]:
    """Orange speaks for the class, blue against it; what does not matter has the colour of the page."""
    colours = paint(dark)
    against, neutral, speaks = colours.families["prune"], colours.paper, colours.families["quant"]
    bar = {
        "orientation": "h",
        "thickness": 12,
        "len": 0.75,
        "y": -0.05,
        "yanchor": "top",
        "tickvals": [-scale, 0, scale],
        "ticktext": ["against the class", "does not matter", "speaks for the class"],
        "outlinewidth": 1,
        "outlinecolor": colours.faint,
    }
    return {"cmin": -scale, "cmax": scale, "colorscale": [[0, against], [0.5, neutral], [1, speaks]], "colorbar": bar}
