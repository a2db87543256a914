"""What differs between two runs: in all, and layer by layer."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...core.records import Run
from ...figures import difference
from ..chart import Chart, Point
from ..guard import guard, when_seen
from ..spoken import HTML
from ..state import State


def panel(state: State, view_name: str) -> w.VBox:
    """The picked run against the pinned one, or else against what is chosen now. view_name: the view that has it."""
    view = difference.view(None, None)
    chart = Chart("What differs between two runs, layer by layer, in bytes")
    whole = HTML()

    def clicked(trace: int, point: Point) -> None:
        layer = difference.layer_at(view, trace, point) if isinstance(point, int) else None
        if layer is not None:
            state.select_layer(layer)

    chart.clicked = guard(state, clicked)

    def show() -> None:
        nonlocal view
        first, second = _two(state)
        names = tuple(_called(state, run) for run in (first, second))
        view = difference.view(first, second, names=(names[0], names[1]), selected=state.layer)
        whole.value = _table(view)
        chart.show(difference.figure(view), rows=difference.table(view))

    when_seen(state, view_name, show, "picked", "pinned", "labels", "runs", "run", "layer")
    return w.VBox([HTML("<h2>What differs</h2>"), whole, chart])


def _two(state: State) -> tuple[Run | None, Run | None]:
    """The reference first: what is pinned, else what is chosen; then the picked run, else what is chosen."""
    picked, pinned, now = state.runs.get(state.picked), state.reference, state.run
    if pinned is None or pinned is picked:
        return now, picked if picked is not now else None
    return pinned, picked or (now if now is not pinned else None)


def _called(state: State, run: Run | None) -> str:
    if run is None:
        return ""
    key, now = run.recipe.key, state.recipe.key if state.recipe else ""
    named = state.label(key).name
    return named or ("pinned" if key == state.pinned else "chosen now" if key == now else "picked")


def _table(view: difference.DifferenceView) -> str:
    if not view.head:
        return '<p class="wb-help">Pick a run that is not the one chosen now, or pin one and pick another.</p>'
    head = "".join(f"<th>{escape(x)}</th>" for x in ("", *view.names, "difference"))
    rows = "".join("<tr>" + "".join(f"<td>{escape(x)}</td>" for x in row) + "</tr>" for row in view.head)
    return f'<table class="wb-table"><tr>{head}</tr>{rows}</table>'
