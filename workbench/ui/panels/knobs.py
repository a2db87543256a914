"""The knobs of the active step."""

from __future__ import annotations

import ipywidgets as w

from ...core.knob import Knob, knobs_of
from ..controls import Control
from ..guard import guard, watch
from ..state import State
from ..widgets import close_all


def panel(state: State) -> w.VBox:
    """One control for each knob; made anew when the active step has another method."""
    box = w.VBox().add_class("wb-knobs")
    heading = w.HTML()
    shown: dict[str, Control] = {}
    made_for: list[object] = [None]

    def show() -> None:
        cls = state.choices.methods[state.step.method]
        if made_for != [cls]:
            made_for[:] = [cls]
            old = [control.widget for control in shown.values()]
            shown.clear()
            shown.update({name: _control(state, name, knob) for name, knob in knobs_of(cls).items()})
            heading.value = f"<h2>Knobs of {cls.title}</h2>"
            box.children = [heading, *(control.widget for control in shown.values())]
            for widget in old:
                close_all(widget)
        for name, control in shown.items():
            control.show(state.step.knobs[name])

    watch(state, show, "steps", "active")
    return box


def _control(state: State, name: str, knob: Knob) -> Control:
    turned = guard(state, lambda value: state.turn(name, value))
    return Control(name, knob, turned, state.refuse, owner=state.step.method)
