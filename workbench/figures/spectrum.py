"""The spectrum of a factorised layer, where it was cut, and which images miss what was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..core.inside import Directions, Inside
from .theme import blank, empty, hatched, paint, percent
from .tiles import Tile, data_url

TITLE = "Directions that were kept, and those that were not"
NOTHING = "Factorise a layer to see its spectrum and the cut."


class SpectrumView(NamedTuple):
    """One layer. tiles: images to which the discarded directions answer most. missing: shown instead of a figure."""

    directions: Directions | None = None
    tiles: tuple[Tile, ...] = ()
    sentence: str = ""
    missing: str = NOTHING


def view(inside: Inside | None, *, layer: str | None = None, classes: Sequence[str] = ()) -> SpectrumView:
    """Of `layer`, or of the first factorised layer where none is named. classes: names by index."""
    if inside is None or not inside.directions:
        return SpectrumView()
    own = [one for one in inside.directions if layer in (None, one.layer)]
    if not own:
        known = ", ".join(one.layer for one in inside.directions)
        return SpectrumView(missing=f"{layer} is not factorised; choose {known}.")
    return SpectrumView(own[0], _tiles(own[0], inside, classes), _sentence(own[0], inside.split, classes), "")


def figure(view: SpectrumView, *, dark: bool = False) -> go.Figure:
    """Singular values, largest first. Traces, for each reading of the weight: kept, discarded."""
    found = view.directions
    if found is None:
        return empty(TITLE, view.missing, dark=dark)
    if not found.spectra:
        return empty(TITLE, "These factors have no order in which they could be cut; see the images below.", dark=dark)
    colours, headings = paint(dark), [_heading(s.reading, s.rank, len(s.values), s.energy) for s in found.spectra]
    drawn = make_subplots(1, len(found.spectra), subplot_titles=headings, horizontal_spacing=0.1)
    for column, spectrum in enumerate(found.spectra, 1):
        places, share = np.arange(1, len(spectrum.values) + 1), spectrum.values**2 / (spectrum.values**2).sum()
        for name, part, marker in (
            ("kept", slice(None, spectrum.rank), {"color": colours.families["lowrank"], "line": {"width": 0}}),
            ("discarded", slice(spectrum.rank, None), hatched(colours.families["quant"], dark)),
        ):
            drawn.add_bar(
                name=name,
                x=places[part].tolist(),
                y=spectrum.values[part].tolist(),
                customdata=share[part].tolist(),
                marker=marker,
                showlegend=column == 1,
                legendgroup=name,
                hovertemplate="direction %{x}: %{y:.4g}, %{customdata:.2%} of the energy<extra>" + name + "</extra>",
                row=1,
                col=column,
            )
        ink = {"color": colours.ink, "dash": "dash", "width": 1.5}
        drawn.add_vline(x=spectrum.rank + 0.5, line=ink, row=1, col=column)
    drawn.update_xaxes(title_text="direction, strongest first")
    drawn.update_yaxes(title_text="singular value", rangemode="tozero", col=1)
    title = f"{TITLE}: {found.layer}"
    drawn.update_layout(blank(title, view.sentence, dark=dark, height=440).layout, bargap=0.1, margin_t=136)
    return drawn.update_annotations(font_size=13)


def table(view: SpectrumView) -> list[dict[str, str]]:
    """One row for each reading of the weight."""
    found = view.directions
    return [
        {
            "matrix": spectrum.reading,
            "kept": f"{spectrum.rank} of {len(spectrum.values)}",
            "energy kept": percent(spectrum.energy),
        }
        for spectrum in (found.spectra if found is not None else ())
    ]


def _heading(reading: str, rank: int, full: int, energy: float) -> str:
    return f"{reading}: {rank} of {full} kept, {percent(energy)} of the energy"


def _sentence(found: Directions, split: str, classes: Sequence[str]) -> str:
    """How much of what the layer said was cut off, and about which class it spoke."""
    lost = f"What was discarded carries {percent(found.lost)} of the variance of the layer's output"
    note = f" ({found.note})" if found.note else ""
    by, mean = found.by_class, float(np.nanmean(found.by_class)) if found.by_class.size else 0.0
    if not mean:
        return f"{lost}{note}<br>{found.n:,} {split} images"
    most = int(np.nanargmax(by))
    name = classes[most] if most < len(classes) else str(most)
    times = f"{by[most] / mean:.1f}× the mean class"
    return f"{lost}{note}<br>It answers most to “{name}”: {times} ({found.n:,} {split} images)"


def _tiles(found: Directions, inside: Inside, classes: Sequence[str]) -> tuple[Tile, ...]:
    tiles = []
    for index, response in zip(found.indices, found.responses, strict=True):
        label = inside.labels.get(index, -1)
        name = classes[label] if 0 <= label < len(classes) else str(label)
        lines = (f"{index}: a “{name}”", f"response {percent(response)}", "of the output's variance")
        tiles.append(Tile(index, data_url(inside.pictures[index]), lines, " ".join(lines)))
    return tuple(tiles)
