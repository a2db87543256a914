"""Charts without a copy of the drawing library in each of them.

plotly's FigureWidget sends 5 MB a figure, is never freed, and answers every update with messages of its own. A figure
is plain data, so a chart sends that, and the browser redraws what has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import plotly.graph_objects as go
import traitlets as t
from plotly.offline import get_plotlyjs

from ..figures.theme import darkened, tamed
from .spoken import drawn_in_language, said_of, said_of_rows
from .widgets import BROWSER, Checked

Point = int | tuple[int, int]
_FAR = 1e12
_OPENS, _CLOSES = '"use strict";var Plotly=', "window.Plotly = Plotly;"


WORDS = {
    "unfold": "Show as table",
    "table": "Table",
    "more": "The first {shown} of {all} rows.",
    "waiting": "Being drawn …",
}


class PlotlyBundle(Checked, anywidget.AnyWidget):
    """The drawing library: one of these in the page, before the charts."""

    _esm = BROWSER / "bundle.js"
    source = t.Unicode().tag(sync=True)
    dark: t.Dict[str, str] = t.Dict(help="colour of a figure -> what stands for it in the dark").tag(sync=True)

    def __init__(self) -> None:
        super().__init__(source=unwrapped(get_plotlyjs()), dark=darkened())


def unwrapped(source: str) -> str:
    """The library without the function around it, in which it loads on every kind of system.

    A browser reads such a function once to find its end and once more to run it: 4.8 MB, and 40 % of the time to the
    first chart. A source of another shape comes back as it is.
    """
    start, end = source.find(_OPENS), source.rfind(_CLOSES)
    return source[start : end + len(_CLOSES)] if -1 < start < end else source


class Chart(Checked, anywidget.AnyWidget):
    """Shows a plotly figure as wide as its container. label: says what it shows to who cannot see it.

    `clicked(trace, point)` is called with indices into the figure's traces and their points; a heat map's point is
    (row, column). `brushed((left, right), (low, high))` is called with a box that was drawn, in the figure's own
    coordinates, where its drag mode is to select. All of it comes from the browser, so that look-ups must expect
    indices that do not exist.
    """

    _esm = BROWSER / "chart.js"
    figure = t.Unicode().tag(sync=True)
    label = t.Unicode().tag(sync=True)
    rows: t.List[dict[str, str]] = t.List(help="the same numbers as a table, folded below it").tag(sync=True)
    old = t.Bool(False, help="what is drawn belongs to an earlier choice").tag(sync=True)
    words = t.Dict(WORDS).tag(sync=True)
    said = frozenset({"figure", "rows"})

    def __init__(self, label: str) -> None:
        super().__init__(label=label)
        self.clicked: Callable[[int, Point], None] | None = None
        self.brushed: Callable[[tuple[float, float], tuple[float, float]], None] | None = None
        self.on_msg(self._hear)

    def show(self, figure: go.Figure, *, keep: str = "", rows: Sequence[dict[str, str]] = ()) -> None:
        """Draw `figure`, in its light colours: the browser knows which theme it has. rows: what the table says.

        While `keep` stays the same and is not "", so does how far the person has zoomed in.
        Not for reversed axes: plotly would keep the direction that they had when they were empty.
        """
        figure.update_layout(uirevision=keep if figure.data else "")
        with self.hold_sync():
            self.figure, self.rows, self.old = tamed(figure.to_json()), list(rows), False

    def in_language(self, trait: str, value: Any) -> Any:
        special: dict[str, Callable[[Any], Any]] = {"figure": drawn_in_language, "rows": said_of_rows}
        return special.get(trait, said_of)(value)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        if not isinstance(content, dict):
            return
        if content.get("kind") == "brush" and self.brushed is not None:
            x, y = _ends(content.get("x")), _ends(content.get("y"))
            if x is not None and y is not None:
                self.brushed(x, y)
        if content.get("kind") != "click" or self.clicked is None:
            return
        trace, point = _index(content.get("trace")), _point(content.get("point"))
        if trace is not None and point is not None:
            self.clicked(trace, point)


def _ends(value: object) -> tuple[float, float] | None:
    """Two finite numbers."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    if not all(isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < _FAR for x in value):
        return None
    return float(value[0]), float(value[1])


def _point(value: object) -> Point | None:
    if isinstance(value, list) and len(value) == 2:
        row, column = map(_index, value)
        return None if row is None or column is None else (row, column)
    return _index(value)


def _index(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
