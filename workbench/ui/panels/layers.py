"""Bytes of each layer; a click selects the layer everywhere."""

from __future__ import annotations

import ipywidgets as w

from ...figures import layers as figure
from ..chart import Chart, Point
from ..guard import guard, when_seen
from ..spoken import HTML
from ..state import State

NAME = "layers"


def panel(state: State) -> w.VBox:
    """Two bars for each weight tensor: before and after."""
    view = figure.view(())

    def clicked(trace: int, point: Point) -> None:
        layer = figure.layer_at(view, trace, point) if isinstance(point, int) else None
        if layer is not None:
            state.select_layer(layer)

    chart = Chart("Bytes of each layer, before and after")
    chart.clicked = guard(state, clicked)

    def show() -> None:
        nonlocal view
        chart.old = state.run is None and bool(state.runs)
        if not chart.old:
            view = figure.view(state.run.layers if state.run else (), selected=state.layer or None)
            chart.show(figure.figure(view), rows=figure.table(view))

    when_seen(state, NAME, show, "run", "layer")
    hint = HTML('<span class="wb-help">Click a bar to select its layer in every view.</span>')
    return w.VBox([chart, hint])
