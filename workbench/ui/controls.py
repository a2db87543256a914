"""Knob -> widget: the only place that decides what a knob looks like. The knob checks; a slider only clamps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import ipywidgets as w

from ..core.errors import KnobError
from ..core.knob import Knob, Value
from .spelling import read
from .spoken import HTML
from .widgets import Checked, LogSlider, Menu, Number, Refuse, Slider, Tick, WholeSlider

DIGITS, LOG_DIGITS = 6, 3
"""Significant digits of a slider's position: 0.1 + 0.2 is shown and stored as 0.3."""


class Control:
    """One knob on the page. `widget` holds the label, the input and a line of help; a slider has a field for typing.

    turned(value) is called with a legal value when the person moves it. What is typed and is not legal is answered
    beside the field by one sentence that begins with `owner`, and changes nothing.
    place: " at conv1", after the name of a knob that has another control for every layer, where its help stands.
    """

    def __init__(
        self,
        name: str,
        knob: Knob,
        turned: Callable[[Value], None],
        refuse: Refuse,
        *,
        owner: str = "",
        place: str = "",
    ) -> None:
        self.knob = knob
        plain = name.replace("_", " ")
        self._where = (f"{owner}: {plain}" if owner else plain.capitalize()) + place
        self.input = make(name, knob)
        self.input.description += place
        self.input.refuse = refuse
        self._turned = turned
        parts: list[w.Widget] = [self.input]
        if knob.numeric:
            self.number = Number(self.input, f"{self.input.description}, type a value", self._typed)
            parts = [w.Box([self.input, self.number]).add_class("wb-turn")]
        if not place:
            parts.append(HTML(f'<div class="wb-help">{escape(described(knob))}</div>'))
        self.widget = w.VBox(parts).add_class("wb-knob")
        self.input.observe(self._on_input, "value")
        self._showing = False

    def offer(self, names: Sequence[tuple[str, str]], value: Value) -> None:
        """What a knob that takes a name may stand at, (text, name), and where it stands, whatever that is."""
        there = value in [name for _, name in names]
        offered = tuple(names if there else [*names, (str(value), str(value))])
        if offered == self.input.options and value == self.input.value:
            return
        self._showing = True
        try:
            with self.input.hold_sync():
                self.input.options, self.input.value = offered, value
        finally:
            self._showing = False

    def show(self, value: Value) -> None:
        """Move to `value` without telling anybody. What the person is dragging already stands there."""
        if value == tidy(self.knob, self.input.value):
            return
        self._showing = True
        try:
            self.input.value = value
        finally:
            self._showing = False

    def _typed(self, text: str) -> str:
        """Take what was typed; "" or what is wrong with it."""
        try:
            value = read(self.knob, self._where, text)
        except KnobError as error:
            return str(error)
        if value != tidy(self.knob, self.input.value):
            self.show(value)
            self._turned(value)
        return ""

    def _on_input(self, change: dict[str, Value]) -> None:
        if not self._showing:
            self._turned(tidy(self.knob, change["new"]))


def make(name: str, knob: Knob) -> Checked:
    """The input for a knob, at its default."""
    common = {"description": readable(name, knob), "tooltip": f"{knob.help} ({knob})", "value": knob.default}
    if knob.choices:
        return Menu(options=knob.choices, **common)
    if knob.names:
        return Menu(options=[(knob.nothing, "")], **common)
    if knob.kind is bool:
        return Tick(indent=False, **common)
    low, high = knob.bounds
    if knob.kind is int:
        return WholeSlider(min=int(low), max=int(high), step=int(knob.step or 1), readout=False, **common)
    form = {"readout": False, **common}
    if knob.log:
        ends, start = (math.log10(low), math.log10(high)), math.log10(float(knob.default))
        return LogSlider(
            base=10, min=ends[0], max=ends[1], step=_through(start, ends, (ends[1] - ends[0]) / 100), **form
        )
    nice = 10.0 ** math.floor(math.log10((high - low) / 100))
    return Slider(min=low, max=high, step=knob.step or _through(float(knob.default), (low, high), nice), **form)


def _through(default: float, ends: tuple[float, float], step: float) -> float:
    """About `step`, so that the default is one of the slider's positions: the browser moves it to the nearest."""
    steps = max(1, round((default - ends[0]) / step))
    return (default - ends[0]) / steps if default > ends[0] else step


def readable(name: str, knob: Knob) -> str:
    """`linear_bits` as "linear bits (bit)"."""
    return name.replace("_", " ") + (f" ({knob.unit})" if knob.unit else "")


def described(knob: Knob) -> str:
    """The help with the range, in one line."""
    if not knob.numeric:
        return knob.help
    low, high = knob.bounds
    return f"{knob.help} · {low:g} to {high:g}"


def tidy(knob: Knob, value: Value) -> Value:
    """A slider's position as the knob value that is meant."""
    if knob.kind is float and isinstance(value, int | float) and math.isfinite(value):
        value = float(f"{value:.{LOG_DIGITS if knob.log else DIGITS}g}")
    return knob.clamp(value) if isinstance(value, int | float) else value
