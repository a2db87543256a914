"""Accuracy against the bytes of the file; a click on a point sets the knobs that made it."""

from __future__ import annotations

import ipywidgets as w

from ...figures import accuracy_bytes as figure
from ..chart import Chart, Point
from ..engine import Engine
from ..guard import guard, watch
from ..spoken import HTML, Button
from ..state import State


def panel(state: State, engine: Engine) -> w.VBox:
    """The curve, and a button for methods whose curve is measured only when asked for."""
    view = figure.view([])

    def clicked(trace: int, point: Point) -> None:
        key = figure.recipe_at(view, trace, point) if isinstance(point, int) else None
        run = state.runs.get(key or "")
        if run is not None and run.recipe.steps:
            state.follow(run)

    chart = Chart("Accuracy against file size, one line for each method")
    chart.clicked = guard(state, clicked)

    def show() -> None:
        nonlocal view
        before = view
        titles = {name: cls.title for name, cls in state.choices.methods.items()}
        view = figure.view(
            list(state.runs.values()),
            state.dense,
            estimate=None if state.estimate is None or state.run else (_label(state), state.estimate),
            sample=state.sample,
            current=state.recipe.key if state.recipe else None,
            pinned=(state.pinned, _pin_name(state)) if state.pinned else None,
            titles=titles,
        )
        if view != before or not chart.figure:
            chart.show(figure.figure(view), keep=f"{state.network} {state.dataset}", rows=figure.table(view))

    watch(state, show, "runs", "run", "estimate", "sample", "pinned", "labels")
    more = Button(description="Measure this method's curve", tooltip="Nine settings from one end to the other")
    more.on_click(guard(state, lambda _button: engine.fill()))
    hint = HTML(
        '<span class="wb-help">Click a point to set the knobs that made it. Point at it for its numbers.</span>'
    )
    return w.VBox([chart, w.Box([more, hint]).add_class("wb-buttons")])


def _pin_name(state: State) -> str:
    return state.label(state.pinned).name or "reference"


def _label(state: State) -> str:
    return " | ".join(map(str, state.line.on))
