"""What a unit answers to: the images that excite it most, and below each the patch that it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..core.units import UnitCard
from ..core.values import Array
from .theme import blank, empty, paint

TITLE = "What it answers to"
NOTHING = "Not looked at yet."
DEAD = "It answers the same to every image, so none excites it."

Pixels = tuple[tuple[tuple[int, int, int], ...], ...]


class Shown(NamedTuple):
    """which: the image's place in the split; box: (top, left, bottom, right) of the patch, None where it is all."""

    which: int
    heading: str
    image: Pixels
    patch: Pixels
    box: tuple[int, int, int, int] | None


class UnitExamplesView(NamedTuple):
    """missing: what is said instead of pictures, or ""."""

    name: str
    shown: tuple[Shown, ...]
    sentence: str
    missing: str


def view(card: UnitCard | None, *, classes: Sequence[str] = ()) -> UnitExamplesView | None:
    """classes: names by index."""
    if card is None:
        return None
    shown = tuple(
        Shown(e.index, f"“{_name(e.label, classes)}” {e.value:.2f}", pixels(e.image), pixels(e.patch), e.box)
        for e in card.examples
    )
    dead = card.responses is not None and card.responses.dead
    return UnitExamplesView(card.name, shown, _sentence(card), "" if shown else DEAD if dead else NOTHING)


def example_at(view: UnitExamplesView | None, trace: int) -> int | None:
    """The image, by its number in the split, behind a click on a trace of `figure(view)`."""
    shown = () if view is None else view.shown
    return shown[trace // 2].which if 0 <= trace < 2 * len(shown) else None


def figure(view: UnitExamplesView | None, *, dark: bool = False) -> go.Figure:
    """Traces: for each example its image and its patch."""
    if view is None or not view.shown:
        return empty(TITLE, NOTHING if view is None else view.missing, dark=dark, height=260)
    across = max(4, len(view.shown))
    drawn = make_subplots(
        2, across, horizontal_spacing=0.01, vertical_spacing=0.04, subplot_titles=[s.heading for s in view.shown]
    )
    frame = {"color": paint(dark).families["quant"], "width": 2.5}
    for column, shown in enumerate(view.shown, 1):
        hover = f"image {shown.which}<extra></extra>"
        drawn.add_trace(go.Image(z=shown.image, hovertemplate=hover), 1, column)
        drawn.add_trace(go.Image(z=shown.patch, hovertemplate=hover), 2, column)
        if shown.box is not None:
            top, left, bottom, right = (edge - 0.5 for edge in shown.box)
            drawn.add_shape(x0=left, y0=top, x1=right, y1=bottom, line=frame, row=1, col=column)
    drawn.update_xaxes(visible=False, constrain="domain").update_yaxes(visible=False, constrain="domain")
    drawn.update_layout(blank(TITLE, view.sentence, dark=dark, height=360).layout)
    drawn.update_annotations(font_size=11)
    return drawn.update_layout(margin={"l": 16, "r": 16, "t": 100, "b": 12})


def table(view: UnitExamplesView | None) -> list[dict[str, str]]:
    """The images by their numbers."""
    shown = () if view is None else view.shown
    return [{"image": str(s.which), "class and answer": s.heading} for s in shown]


def pixels(image: Array) -> Pixels:
    """(channels, height, width) in [0, 1] -> rows of (r, g, b); one channel is drawn grey."""
    channels = [image[c if image.shape[0] == 3 else 0] for c in range(3)]
    levels = [(255 * channel.clip(0, 1)).round().astype(int).tolist() for channel in channels]
    return tuple(tuple(zip(*rows, strict=True)) for rows in zip(*levels, strict=True))


def _name(index: int, classes: Sequence[str]) -> str:
    return classes[index] if 0 <= index < len(classes) else str(index)


def _sentence(card: UnitCard) -> str:
    whole = bool(card.examples) and all(e.box is None for e in card.examples)
    if whole:
        return "The images that excite it most; its answer depends on the whole image."
    return (
        "The images that excite it most, each with its class and the unit's answer; below, the part that it looks at."
    )
