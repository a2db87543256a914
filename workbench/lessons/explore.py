"""A slider, a picture, and beside the picture the formula with the numbers that stand there now."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from typing import NamedTuple

import ipywidgets as w
import plotly.graph_objects as go

from ..core.errors import WorkbenchError
from ..ui.chart import Chart
from ..ui.widgets import LogSlider, Slider, WholeSlider
from .formula import Formula
from .said import said


class Seen(NamedTuple):
    """What one position of the slider shows."""

    figure: go.Figure | None = None
    formula: Formula | None = None
    sentence: str = ""


class Exploration(w.VBox):
    """`slider` moves, draw(value) is called, what it gives is shown."""

    def __init__(self, slider: Slider, draw: Callable[[float], Seen]) -> None:
        self.slider, self._draw = slider, draw
        self.chart, self.beside = Chart(f"Picture for {slider.description}"), w.HTML().add_class("wb-live")
        pair = w.Box([self.chart, self.beside]).add_class("wb-lesson-pair")
        super().__init__([w.VBox([slider]).add_class("wb-knob"), pair])
        self.add_class("wb-app").add_class("wb-lesson").add_class("wb-explore")
        self._show = said(self._say, self._shown)
        slider.observe(self._show, "value")
        self._show(None)

    def _shown(self, _change: object) -> None:
        seen = self._draw(self.slider.value)
        self._say((seen.formula.html() if seen.formula else "") + f"<p>{escape(seen.sentence)}</p>")
        if seen.figure is not None:
            self.chart.show(seen.figure)

    def _say(self, html: str) -> None:
        self.beside.value = html


def explore(
    draw: Callable[[float], Seen], label: str, low: float, high: float, start: float, *, log: bool = False
) -> Exploration:
    """A slider from `low` to `high`, whole numbers where all three are, in equal factors where `log`."""
    if not low <= start <= high or (log and low <= 0):
        raise WorkbenchError(f"{label}: the slider starts at {start}, outside {low} to {high}.")
    if log:
        decade = {"min": _log(low), "max": _log(high), "step": (_log(high) - _log(low)) / 100}
        return Exploration(LogSlider(value=start, description=label, readout_format=".3g", **decade), draw)
    if all(isinstance(x, int) for x in (low, high, start)):
        return Exploration(WholeSlider(min=low, max=high, value=start, description=label), draw)
    return Exploration(Slider(min=low, max=high, value=start, step=(high - low) / 100, description=label), draw)


def _log(value: float) -> float:
    return math.log10(value)
