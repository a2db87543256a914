"""How every figure looks: colours, marks, templates and the spelling of numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import plotly.graph_objects as go


class Paint(NamedTuple):
    """The colours of one theme. Every colour but `grid` stands out 3:1 or more against `paper`, `ink` 7:1."""

    paper: str
    ink: str
    faint: str
    grid: str
    families: dict[str, str]


class Style(NamedTuple):
    """How one method is drawn; marker and dash say it again for who does not see the colour."""

    colour: str
    marker: str
    dash: str


# The hues of Okabe and Ito (2008), made darker on white and lighter on black where they would be too pale or too dim.
LIGHT = Paint(
    paper="#ffffff",
    ink="#1f2328",
    faint="#6a737d",
    grid="#e3e6ea",
    families={
        "prune": "#0072b2",
        "quant": "#d55e00",
        "struct": "#a86f00",
        "lowrank": "#00875f",
        "compact": "#2b8ac6",
        "kd": "#b5588f",
        "recover": "#7058a8",
        "combo": "#3d3d3d",
        "fast": "#857a00",
    },
)
DARK = Paint(
    paper="#181b20",
    ink="#eef0f3",
    faint="#9aa4af",
    grid="#343a42",
    families={
        "prune": "#3aa0e8",
        "quant": "#ff8a3d",
        "struct": "#e69f00",
        "lowrank": "#2cc295",
        "compact": "#8fd0f5",
        "kd": "#e39ac3",
        "recover": "#b8a4f0",
        "combo": "#d8d8d8",
        "fast": "#f0e442",
    },
)

_MARKS = {
    "prune": ("circle", "solid"),
    "quant": ("square", "longdash"),
    "struct": ("cross", "dashdot"),
    "lowrank": ("diamond", "longdashdot"),
    "compact": ("pentagon", "solid"),
    "kd": ("star", "longdash"),
    "recover": ("triangle-up", "12px,3px,3px,3px"),
    "combo": ("hexagon", "solid"),
    "fast": ("bowtie", "dashdot"),
}
_MARKUP = re.compile(r"(?:<|\\u003c)(?!(?:/|\\u002f)?(?:b|br|extra)(?:>|\\u003e))")
_SPARE = ("triangle-down", "x", "triangle-left", "triangle-right", "hourglass")
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "pentagon", "hexagon", "x")
DASHES = ("solid", "longdash", "dashdot", "longdashdot", "5px,2px", "12px,3px,3px,3px")
ESTIMATE_DASH = "dot"
"""Kept for what is guessed: no measured line uses it."""

FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', 'PingFang SC', 'Microsoft YaHei', "
    "'Noto Sans CJK SC', sans-serif"
)


def paint(dark: bool) -> Paint:
    """The colours of the dark or the light theme."""
    return DARK if dark else LIGHT


def darkened() -> dict[str, str]:
    """Every colour of the light theme -> the one that stands for it in the dark: so a drawn figure changes theme."""
    pairs = [(getattr(LIGHT, name), getattr(DARK, name)) for name in ("paper", "ink", "faint", "grid")]
    return dict(pairs) | {LIGHT.families[family]: DARK.families[family] for family in LIGHT.families}


def family_of(methods: Iterable[str]) -> str:
    """The family that a sequence of method ids is drawn as: its own for one step, "combo" for several."""
    families = [method.split(".")[0] for method in methods]
    family = families[0] if len(families) == 1 else "combo"
    return family if family in _MARKS else "combo"


def styles(families: Iterable[str], dark: bool = False) -> list[Style]:
    """A style for each line in turn; a second line of the same family gets another marker and dash."""
    seen: dict[str, int] = {}
    found = []
    for family in families:
        again = seen[family] = seen.get(family, -1) + 1
        marker, dash = _MARKS[family]
        colour = paint(dark).families[family]
        found.append(
            Style(colour, _SPARE[(again - 1) % len(_SPARE)] if again else marker, DASHES[(_start(dash) + again) % 6])
        )
    return found


def series(n: int, dark: bool = False) -> list[Style]:
    """Styles for n layers, told apart by colour, and up to 60 by marker and dash alone."""
    colours = list(paint(dark).families.values())
    return [Style(colours[i % len(colours)], MARKERS[i % 10], DASHES[(i + i // 10) % 6]) for i in range(n)]


def _start(dash: str) -> int:
    return DASHES.index(dash)


def method_in(step: str) -> str:
    """The method id in the spelling of a step, `quant.kmeans_share:bits=4/conv1:bits=6@conv1+fc2`."""
    return re.split("[:/@]", step.strip())[0]


def wrapped(step: str, width: int = 80) -> list[str]:
    """The spelling of a step in lines of about `width` characters."""
    lines = [""]
    for part in re.split("(?=[/@|,])", step):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return lines


def tamed(text: str) -> str:
    """A figure's JSON in which nothing but bold words and line breaks is markup: plotly would take what people call
    their runs, classes and layers for links and styles, and leave the rest of it out.
    """
    return _MARKUP.sub("&lt;", text.replace("&", "&amp;"))


def bytes_text(n: float) -> str:
    """`812 B`, `12.3 kB`, `1.7 MB`: 1 kB = 1000 B."""
    if round(n) < 1000:
        return f"{round(n)} B"
    for unit, size in (("kB", 1e3), ("MB", 1e6)):
        if round(n / size, 1) < 1000:
            return f"{n / size:.1f} {unit}"
    return f"{n / 1e9:.1f} GB"


def percent(share: float) -> str:
    """A share in [0, 1] as `97.2 %`; what is there and rounds to nothing as `<0.1 %`."""
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """A difference of two shares as `+1.2 points` or `−0.4 points`."""
    rounded = round(100 * share, 1) + 0.0  # never −0.0
    return f"{rounded:+.1f} points".replace("-", "−")


def bytes_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Tick positions and labels of a log axis of bytes: nine, three or one a decade, as many as have room."""
    decades = math.log10(high / low)
    steps = range(1, 10) if decades < 0.8 else (1, 2, 5) if decades < 2.5 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    at = [float(step * 10**power) for power in powers for step in steps]
    shown = [x for x in at if low <= x <= high]
    return shown, [bytes_text(x).replace(".0 ", " ") for x in shown]


@cache
def template(dark: bool = False) -> go.layout.Template:
    """Fonts, margins and axes shared by every figure; legible from 600 to 1280 pixels of width."""
    colours = paint(dark)
    axis = {
        "gridcolor": colours.grid,
        "linecolor": colours.faint,
        "zerolinecolor": colours.faint,
        "tickcolor": colours.faint,
        "ticks": "outside",
        "automargin": True,
        "title": {"font": {"size": 13}, "standoff": 8},
    }
    layout = {
        "paper_bgcolor": colours.paper,
        "plot_bgcolor": colours.paper,
        "font": {"family": FONT, "size": 13, "color": colours.ink},
        "title": {"font": {"size": 16}, "subtitle": {"font": {"size": 13, "color": colours.ink}}, **_TOP_LEFT},
        "margin": {"l": 64, "r": 24, "t": 76, "b": 56},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top", "font": {"size": 12}},
        "hoverlabel": {
            "align": "left",
            "bgcolor": colours.paper,
            "bordercolor": colours.ink,
            "font_color": colours.ink,
        },
        "colorway": list(colours.families.values()),
        "xaxis": axis,
        "yaxis": axis,
    }
    return go.layout.Template(layout=layout)


_TOP_LEFT = {"x": 0, "xref": "container", "xanchor": "left", "y": 1, "yanchor": "top", "pad": {"l": 16, "t": 14}}


def hatched(colour: str, dark: bool) -> dict[str, object]:
    """A bar's marker that reads without its colour."""
    hatch = {"shape": "/", "bgcolor": colour, "fgcolor": paint(dark).paper, "size": 7, "solidity": 0.25}
    return {"color": colour, "line": {"width": 0}, "pattern": hatch}


def blank(
    title: str,
    subtitle: str = "",
    *,
    dark: bool = False,
    height: int = 420,
    data: Sequence[Mapping[str, Any]] = (),
    layout: Mapping[str, Any] | None = None,
) -> go.Figure:
    """A titled and themed figure, without traces or with those in `data`; `layout` comes on top."""
    heading: dict[str, object] = {"text": title}
    if subtitle:
        heading["subtitle"] = {"text": subtitle}
    # The legend's place is a share of the plot's height: a tall figure would push it far down.
    below = {"y": -0.2 * min(1.0, 290 / (height - 132))}
    frame = {"template": template(dark), "title": heading, "height": height, "legend": below}
    return drawn(list(data), {**frame, **(layout or {})})


def drawn(data: list[Any], layout: dict[str, Any]) -> go.Figure:
    """plotly is not asked to check what it is given, which takes most of a figure's time; the tests ask it."""
    return go.Figure(data=data, layout=layout, _validate=False)


def empty(title: str, sentence: str, *, dark: bool = False, height: int = 420) -> go.Figure:
    """What is shown instead of blank axes: one sentence that says what to do."""
    figure = blank(title, dark=dark, height=height)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(text=sentence, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 15})
    return figure
