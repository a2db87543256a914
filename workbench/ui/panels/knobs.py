"""The knobs of the active step: those that may differ from layer to layer first."""

from __future__ import annotations

from functools import partial

import ipywidgets as w

from ...core.knob import Knob, knobs_of, spelled
from ..choices import local_knobs
from ..controls import Control
from ..guard import guard, watch
from ..lesson import LESSON, Held
from ..locks import KNOB
from ..spoken import HTML
from ..state import State
from ..widgets import close_all
from . import own


def panel(state: State) -> w.VBox:
    """One control for each knob; made anew when the active step has another method."""
    box = w.VBox().add_class("wb-knobs")
    heading, own_values = HTML(), own.panel(state)
    shown: dict[str, Control] = {}
    at_layer: list[own.OwnValue] = []
    locks: list[Held] = []
    made_for: list[object] = [None]

    def make() -> None:
        cls = state.choices.methods[state.step.method]
        old = [child for child in box.children if child not in (heading, own_values)]
        shown.clear()
        at_layer.clear()
        locks.clear()
        local, knobs = local_knobs(cls.id()), knobs_of(cls)
        children = [heading]
        for name, knob in sorted(knobs.items(), key=lambda item: item[0] not in local):
            shown[name] = _control(state, name, knob)
            parts = [shown[name].widget]
            if name in local:
                at_layer.append(own.OwnValue(state, name, knob))
                parts.append(at_layer[-1].widget)
            locks.append(Held(state, KNOB + name, w.VBox(parts), partial(_spelled, state, name, knob)))
            children.append(locks[-1].widget)
        heading.value = f"<h2>Knobs of {cls.title}</h2>"
        box.children = [*children[: 1 + len(local)], own_values, *children[1 + len(local) :]]
        for widget in old:
            close_all(widget)

    def show() -> None:
        cls = state.choices.methods[state.step.method]
        if made_for != [cls]:
            made_for[:] = [cls]
            make()
        for name, control in shown.items():
            value = state.step.knobs.get(name, control.knob.default)
            if control.knob.names:
                control.offer(state.choices.names_for(control.knob, state.dataset), value)
            else:
                control.show(value)
        for own_value in at_layer:
            own_value.show()
        for lock in locks:
            lock.show()

    watch(state, show, "steps", "active", "layer", "dataset", "choices", *LESSON)
    return box


def _spelled(state: State, name: str, knob: Knob) -> str:
    return spelled(state.step.knobs.get(name, knob.default))


def _control(state: State, name: str, knob: Knob) -> Control:
    turned = guard(state, lambda value: state.turn(name, value))
    return Control(name, knob, turned, state.refuse, owner=state.step.method)
