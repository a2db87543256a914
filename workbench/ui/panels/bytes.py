"""Where the bytes went, and what accuracy was left after each step."""

from __future__ import annotations

import ipywidgets as w

from ...experiment.pipeline import trains
from ...experiment.questions.stages import StagesQuestion
from ...figures import waterfall as figure
from ..chart import Chart
from ..engine import Engine
from ..guard import guard, when_seen
from ..spoken import HTML, Button
from ..state import State

NAME = "bytes"
WHAT = """Accuracy on validation images before anything is written, first on some of them, then on all. A step that
trains trains again where its result is not at hand."""


def panel(state: State, engine: Engine) -> w.VBox:
    """The waterfall from the dense weights to the file, with the accuracy after each step beside it."""
    chart = Chart("Bytes from the dense weights to the file, step by step, the accuracy after each step, and the parts")
    titles = {name: cls.title for name, cls in state.choices.methods.items()}
    start = Button(description="Measure accuracy after each step", tooltip="Stop after every step and count")
    start.on_click(guard(state, lambda _button: engine.ask(StagesQuestion())))
    note = HTML()

    def ask() -> None:
        """Unasked only where it takes a moment."""
        quick = state.recipe is not None and not any(map(trains, state.recipe.steps))
        if state.run is not None and quick and StagesQuestion.kind not in state.asked:
            engine.ask(StagesQuestion())

    def show() -> None:
        chart.old = state.run is None and bool(state.runs)
        if not chart.old:
            view = figure.view(state.run, titles=titles, after=state.answer(StagesQuestion.kind))
            chart.show(figure.figure(view), rows=figure.table(view))
            note.value = f'<span class="wb-help">{(view.note + ". " if view and view.note else "") + WHAT}</span>'

    when_seen(state, NAME, ask, "run")
    when_seen(state, NAME, show, "run", "answers")
    return w.VBox([chart, w.Box([start, note]).add_class("wb-buttons")])
