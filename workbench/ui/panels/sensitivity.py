"""Which layer minds most: measured when asked for, drawn while it grows."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...figures import sensitivity as figure
from ..chart import Chart, Point
from ..engine import Engine
from ..guard import guard, watch, when_seen
from ..spoken import HTML, Button
from ..state import State
from . import allocation

NAME = "sensitivity"
WHAT = "Compresses one layer at a time with the highlighted step and leaves the rest as it was. Takes some seconds."


def panel(state: State, engine: Engine) -> w.VBox:
    """Lines and heat map of the same scan, and what can be chosen from it."""
    view = figure.view(None)

    def line_clicked(trace: int, _point: Point) -> None:
        if layer := figure.layer_at(view, trace):
            state.select_layer(layer)

    def cell_clicked(_trace: int, cell: Point) -> None:
        if layer := figure.layer_at_cell(view, cell):
            state.select_layer(layer)

    lines = Chart("Accuracy when each layer alone is compressed, one line for each layer")
    cells = Chart("Accuracy lost when each layer alone is compressed: as a heat map; the table above says the same")
    lines.clicked, cells.clicked = guard(state, line_clicked), guard(state, cell_clicked)

    def show() -> None:
        nonlocal view
        view = figure.view(state.sensitivity, selected=state.layer or None, allocation=state.chosen)
        rows = figure.table(view)
        lines.show(figure.figure(view), keep=f"{state.network} {view.method}", rows=rows)
        cells.show(figure.heatmap(view))
        cells.layout.display = "" if view.lines else "none"

    when_seen(state, NAME, show, "sensitivity", "layer", "allocation", "recipe")
    start = Button(description="Measure sensitivity", tooltip="Compress each layer alone, with the highlighted step")
    start.on_click(guard(state, lambda _button: engine.sensitivity()))
    hint = HTML()

    def offer() -> None:
        why = state.choices.why_not_scanned(state.step)
        start.disabled = bool(why)
        hint.value = f'<span class="wb-help">{escape(why or WHAT)}</span>'

    watch(state, offer, "steps", "active")
    buttons = w.Box([start, hint]).add_class("wb-buttons")
    return w.VBox([buttons, lines, allocation.panel(state, engine), cells])
