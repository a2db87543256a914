"""Where the bytes went."""

from __future__ import annotations

import ipywidgets as w

from ...figures import waterfall as figure
from ..chart import Chart
from ..guard import when_seen
from ..state import State

NAME = "bytes"


def panel(state: State) -> w.VBox:
    """The waterfall from the dense weights to the file."""
    chart = Chart("Bytes from the dense weights to the file, step by step, and what the file consists of")
    titles = {name: cls.title for name, cls in state.choices.methods.items()}

    def show() -> None:
        chart.old = state.run is None and bool(state.runs)
        if not chart.old:
            chart.show(figure.figure(figure.view(state.run, titles=titles)))

    when_seen(state, NAME, show, "run")
    return w.VBox([chart])
