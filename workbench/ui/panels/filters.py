"""Why these weights or filters: their scores, the cut, what was removed."""

from __future__ import annotations

import ipywidgets as w

from ...figures import filter_norms as figure
from ..chart import Chart, Point
from ..guard import guard, when_seen
from ..state import State
from .layer import layer_picker

NAME = "filters"


def panel(state: State) -> w.VBox:
    """The histogram of one layer, or one bar for each filter where there are few."""
    view = figure.view(())

    def clicked(trace: int, point: Point) -> None:
        unit = figure.unit_at(view, trace, point) if isinstance(point, int) else None
        if unit is not None:
            with state.hold_trait_notifications():  # one question about the unit, none about its layer
                state.set({"layer": view.layer, "unit": unit})

    chart = Chart("Scores of the units of one layer, with the cut between kept and removed")
    chart.clicked = guard(state, clicked)

    def show() -> None:
        nonlocal view
        view = figure.view(state.decisions, layer=state.layer or None, selected=state.unit)
        drawn = figure.bars(view) if view.ranked else figure.figure(view)
        chart.show(drawn, rows=figure.table(view))

    when_seen(state, NAME, show, "decisions", "layer", "unit")
    return w.VBox([layer_picker(state), chart])
