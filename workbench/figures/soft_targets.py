"""Soft targets: what a teacher says at a temperature, of one image and on the whole, and whom it taught what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..core.soft import SoftTargets, Taught, entropy_bits
from .theme import blank, empty, hatched, paint, percent, points
from .tiles import Tile, data_url

TITLE = "What the teacher says besides its answer"
NOTHING = "The teacher's soft targets appear here once it has been asked."
TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 20.0)
ENTROPY, SECOND, CHOSEN = 0, 1, 2
"""Traces of the left half of `figure`; the bars at temperature 1 and at the chosen one follow."""


class SoftView(NamedTuple):
    """At one temperature. entropy: mean bits and second: mean share of the second-best class at TEMPERATURES.

    here: (bits, share) at the temperature. hard, soft: the chosen image's probabilities by class, at 1 and here.
    tiles: images whose second-best class is given most, here.
    """

    temperature: float = 1.0
    entropy: tuple[float, ...] = ()
    second: tuple[float, ...] = ()
    here: tuple[float, float] = (0.0, 0.0)
    names: tuple[str, ...] = ()
    hard: tuple[float, ...] = ()
    soft: tuple[float, ...] = ()
    image: str = ""
    tiles: tuple[Tile, ...] = ()
    sentence: str = ""


def view(
    targets: SoftTargets | None, *, temperature: float = 4.0, image: int | None = None, classes: Sequence[str] = ()
) -> SoftView:
    """image: index of the one whose targets are drawn; the most undecided one when it is not known."""
    if targets is None:
        return SoftView()
    here, second = targets.at(temperature), targets.second(temperature)
    order = np.argsort(-second, kind="stable")
    place = np.flatnonzero(targets.indices == image).tolist()
    row = place[0] if place else int(order[0])
    count = targets.logits.shape[1]
    names = tuple(classes[i] if i < len(classes) else str(i) for i in range(count))
    bits = float(entropy_bits(here).mean())
    shown = [i for i in order[:60] if int(targets.indices[i]) in targets.pictures][:12]
    return SoftView(
        temperature=temperature,
        entropy=tuple(float(entropy_bits(targets.at(t)).mean()) for t in TEMPERATURES),
        second=tuple(float(targets.second(t).mean()) for t in TEMPERATURES),
        here=(bits, float(second.mean())),
        names=names,
        hard=tuple(targets.at(1.0)[row].tolist()),
        soft=tuple(here[row].tolist()),
        image=f"image {int(targets.indices[row])}, a “{names[int(targets.labels[row])]}”",
        tiles=tuple(_tile(targets, here, i, names) for i in shown),
        sentence=(
            f"{len(targets.labels):,} {targets.split} images at temperature {temperature:g}: {bits:.2f} bits undecided "
            f"on average, of {np.log2(count):.2f} at most; the second-best class is given {percent(second.mean())}"
        ),
    )


def figure(view: SoftView, *, dark: bool = False) -> go.Figure:
    """Left: entropy and the share of the second-best class over the temperature; right: one image, by class."""
    if not view.entropy:
        return empty(TITLE, NOTHING, dark=dark)
    colours = paint(dark)
    headings = ("All images, over the temperature", view.image)
    drawn = make_subplots(1, 2, subplot_titles=headings, specs=[[{"secondary_y": True}, {}]], horizontal_spacing=0.14)
    lines = (
        ("undecided, bits", view.entropy, view.here[0], "kd", "circle", "solid", False),
        ("second-best class", view.second, view.here[1], "prune", "square", "longdash", True),
    )
    for name, values, now, family, symbol, dash, second in lines:
        colour = colours.families[family]
        drawn.add_scatter(
            name=name, x=TEMPERATURES, y=values, line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 6}, row=1, col=1, secondary_y=second,
        )  # fmt: skip
        drawn.add_scatter(
            x=[view.temperature], y=[now], showlegend=False, mode="markers", hoverinfo="skip",
            marker={"symbol": f"{symbol}-open", "size": 14, "color": colour, "line": {"width": 3}},
            row=1, col=1, secondary_y=second,
        )  # fmt: skip
    for name, values, marker in (
        ("temperature 1", view.hard, hatched(colours.faint, dark)),
        (f"temperature {view.temperature:g}", view.soft, {"color": colours.families["kd"]}),
    ):
        hover = "“%{x}”: %{y:.2%}<extra>" + name + "</extra>"
        drawn.add_bar(name=name, x=view.names, y=values, marker=marker, hovertemplate=hover, row=1, col=2)
    drawn.update_layout(blank(TITLE, view.sentence, dark=dark, height=430).layout, margin_t=120)
    drawn.update_xaxes(title_text="temperature", row=1, col=1)
    drawn.update_xaxes(title_text="class", type="category", row=1, col=2)
    drawn.update_yaxes(title_text="bits", rangemode="tozero", row=1, col=1, secondary_y=False)
    drawn.update_yaxes(tickformat=".0%", rangemode="tozero", showgrid=False, row=1, col=1, secondary_y=True)
    drawn.update_yaxes(title_text="probability", tickformat=".0%", range=[0, 1], row=1, col=2)
    return drawn.update_annotations(font_size=13)


def table(view: SoftView) -> list[dict[str, str]]:
    """One row for each class of the chosen image."""
    return [
        {"class": name, "temperature 1": percent(hard), f"temperature {view.temperature:g}": percent(soft)}
        for name, hard, soft in zip(view.names, view.hard, view.soft, strict=True)
    ]


class TaughtView(NamedTuple):
    """sentence: what the teacher was worth; tiles: the images on which it changed the student most."""

    sentence: str = ""
    tiles: tuple[Tile, ...] = ()


def taught_view(taught: Taught | None, *, classes: Sequence[str] = (), most: int = 12) -> TaughtView:
    """classes: names by index."""
    if taught is None:
        return TaughtView()
    low, high = taught.pairs.interval()
    alone, with_ = taught.divergence
    unsure = "" if low > 0 or high < 0 else "; that may be chance"
    pairs, ends = taught.pairs, f"{points(low).removesuffix(' points')} to {points(high)}{unsure}"
    said = (
        f"The same student taught by labels alone is right on {percent(pairs.before)}, with the teacher on "
        f"{percent(pairs.after)} of {taught.n:,} {taught.split} images: {points(pairs.change)} ({ends}). "
        f"From the teacher's answers at temperature {taught.temperature:g} it is {alone:.3f} bits away without it, "
        f"{with_:.3f} bits with it."
    )
    shown = [image for image in taught.images if image.index in taught.pictures][:most]
    tiles = []
    for image in shown:
        name = classes[image.label] if image.label < len(classes) else str(image.label)
        lines = (
            f"{image.index}: a “{name}”",
            f"labels alone {percent(image.labels_only)}",
            f"with teacher {percent(image.with_teacher)}",
            f"teacher itself {percent(image.teacher)}",
        )
        mark = "good" if image.change > 0 else "bad"
        tiles.append(Tile(image.index, data_url(taught.pictures[image.index]), lines, "; ".join(lines), mark))
    return TaughtView(said, tuple(tiles))


def _tile(targets: SoftTargets, here: np.ndarray, row: int, names: Sequence[str]) -> Tile:
    index, order = int(targets.indices[row]), np.argsort(-here[row])[:2]
    lines = (
        f"{index}: a “{names[int(targets.labels[row])]}”",
        *(f"“{names[i]}” {percent(here[row, i])}" for i in order),
    )
    return Tile(index, data_url(targets.pictures[index]), lines, "; ".join(lines))
