"""What is being done, how far, and a way to stop it; the last error until it is dismissed."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ..engine import Engine
from ..guard import guard, watch
from ..spoken import HTML, Button
from ..state import State

READY = "Ready: move a slider, or pick another method."
STOPPED = "Ready: this setting was stopped before it was measured. Measure it, or move a slider."


def panel(state: State, engine: Engine) -> w.VBox:
    """One line for work, one for the error."""
    doing = HTML().add_class("wb-doing")
    bar = w.IntProgress(min=0, max=100)
    cancel = Button(description="Cancel", tooltip="Stop what is being measured")
    again = Button(description="Measure it", tooltip="Measure what is chosen after all")
    dismiss = Button(description="Dismiss", tooltip="Take this message away")
    error = HTML().add_class("wb-live")
    box = w.Box([error, dismiss]).add_class("wb-buttons").add_class("wb-error")

    def work() -> None:
        half_done = state.stopped and state.run is None and state.recipe is not None
        doing.value = f"Working: {escape(state.doing)}" if state.busy else STOPPED if half_done else READY
        again.layout.display = "" if half_done and not state.busy else "none"
        bar.layout.display = "none" if state.share is None else ""
        bar.value = round(100 * (state.share or 0))
        cancel.disabled = not state.busy

    def fail() -> None:
        error.value = escape(state.error)
        box.layout.display = "flex" if state.error else "none"

    again.on_click(guard(state, lambda _button: engine.measure()))
    cancel.on_click(guard(state, lambda _button: engine.cancel()))
    dismiss.on_click(guard(state, lambda _button: state.set({"error": "", "details": ""})))
    watch(state, work, "busy", "doing", "share", "stopped", "run", "recipe")
    watch(state, fail, "error")
    return w.VBox([w.Box([doing, bar, again, cancel]).add_class("wb-buttons").add_class("wb-status"), box])
