"""From the sensitivity to values of each layer's own: how much may be lost, by whom, and what was chosen."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...experiment.pipeline import trains
from ...figures import allocation as figure
from ..controls import Control
from ..engine import Engine
from ..guard import guard, watch, when_seen
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Menu
from ..wishes import LOSS

WHO = {"each layer alone": False, "all layers together": True}
WHAT = """Say how much accuracy may be lost. Every layer then gets the strongest value that loses no more, as a value of
its own. Lost by each layer alone: read off the lines above, at once, but the losses of several layers add up. Lost by
all layers together: values are tried until the whole recipe loses no more."""


def panel(state: State, engine: Engine) -> w.VBox:
    """Two controls, a button that may be off, and the table."""
    lost = Control("tolerated_loss", LOSS, guard(state, lambda value: state.set({"tolerated": value})), state.refuse)
    who = Menu(options=tuple(WHO), description="lost by", tooltip="Whose loss is limited")
    who.refuse = state.refuse
    who.observe(guard(state, lambda change: state.set({"together": WHO[change["new"]]})), "value")
    start = Button(description="Choose each layer's value", tooltip="Set values of each layer's own from the scan")
    start.on_click(guard(state, lambda _button: engine.allocate()))
    why_not, table = HTML(), HTML().add_class("wb-live")

    def offer() -> None:
        lost.show(state.tolerated)
        who.value = next(name for name, together in WHO.items() if together == state.together)
        why = state.choices.why_not_allocated(state.step, state.sensitivity)
        start.disabled = bool(why)
        why_not.value = f'<span class="wb-help">{escape(why)}</span>'

    def show() -> None:
        scan = state.sensitivity
        images = scan.dense.n if scan is not None else 0
        table.value = _table(figure.view(state.chosen, images=images, trains=any(map(trains, state.line.on))))

    watch(state, offer, "steps", "active", "sensitivity", "tolerated", "together")
    when_seen(state, "sensitivity", show, "allocation", "recipe")
    row = w.Box([lost.widget, w.VBox([who]).add_class("wb-knob")]).add_class("wb-row")
    button = w.Box([start, why_not]).add_class("wb-buttons")
    heading = HTML(f"<h2>Values for each layer, from its sensitivity</h2><p>{WHAT}</p>")
    return w.VBox([heading, row, button, table]).add_class("wb-allocation")


def _table(view: figure.AllocationView) -> str:
    if not view.rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in view.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in view.rows)
    return f'<p>{escape(view.sentence)}</p><table class="wb-table"><tr>{head}</tr>{rows}</table>'
