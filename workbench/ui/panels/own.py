"""Values that one layer has of its own: a tick and a control for each knob, and the list of all of them."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...core.knob import Knob, Value, spelled
from ...core.recipe import Step
from ..choices import Choices, local_knobs
from ..controls import Control
from ..guard import guard, watch
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Tick, close_all
from .layer import layer_picker

HELP = "The knobs above hold for every layer. Pick a layer here, and tick above what shall be different there."


class OwnValue:
    """One knob at the selected layer; nothing while no layer is selected. `show` follows the state."""

    def __init__(self, state: State, name: str, knob: Knob) -> None:
        self._state, self._name, self._knob = state, name, knob
        self._layer, self._following = "", False
        self._parts: tuple[Tick, Control] | None = None
        self.widget = w.VBox().add_class("wb-own")

    def show(self) -> None:
        state, step = self._state, self._state.step
        if self._layer != state.layer:
            self._layer = state.layer
            self._make()
        if self._parts is None:
            return
        tick, control = self._parts
        own = step.per_layer.get(self._layer, {})
        self._following = True
        tick.value = self._name in own
        self._following = False
        tick.disabled = bool(state.choices.why_not_own(state.network, step, self._layer))
        control.widget.layout.display = "" if tick.value else "none"
        control.show(own.get(self._name, step.knobs[self._name]))

    def _make(self) -> None:
        """The parts for another layer."""
        old, self._parts = self.widget.children, self._parts_for(self._layer) if self._layer else None
        self.widget.children = () if self._parts is None else (self._parts[0], self._parts[1].widget)
        for widget in old:
            close_all(widget)

    def _parts_for(self, layer: str) -> tuple[Tick, Control]:
        state, name = self._state, self._name
        about = f"Let {layer} have another {name.replace('_', ' ')} than the other layers"
        tick = Tick(description=f"own {name.replace('_', ' ')} at {layer}", indent=False, tooltip=about)
        tick.refuse = state.refuse
        tick.observe(guard(state, self._ticked), "value")

        def turned(value: Value) -> None:
            if tick.value:  # hidden, the control may still answer to what it was made with
                state.turn_at(layer, name, value)

        owner = state.step.method
        return tick, Control(name, self._knob, guard(state, turned), state.refuse, owner=owner, place=f" at {layer}")

    def _ticked(self, change: dict[str, bool]) -> None:
        if self._following:
            return
        if change["new"]:
            self._state.turn_at(self._layer, self._name, self._state.step.knobs[self._name])
        else:
            self._state.clear_at(self._layer, self._name)


def panel(state: State) -> w.VBox:
    """Which layer, and what every layer has of its own in the active step."""
    listed = HTML().add_class("wb-own-list")
    clear = Button(description="Clear all own values", tooltip="Let every layer go with the knobs of the step again")
    clear.on_click(guard(state, lambda _button: state.clear_own()))

    def why_not(layer: str) -> str:
        choices: Choices = state.choices
        return choices.why_not_own(state.network, state.step, layer)

    picker = layer_picker(state, "Own values for one layer", "no layer picked", why_not, HELP)
    box = w.VBox([picker, listed, clear]).add_class("wb-own-values")

    def show() -> None:
        step = state.step
        box.layout.display = "" if local_knobs(step.method) or step.per_layer else "none"
        clear.layout.display = "" if step.per_layer else "none"
        said = "".join(f"<div>{escape(line)}</div>" for line in _idle(state, step))
        listed.value = f"{escape(values_text(step))}{said}" if step.per_layer else ""

    watch(state, show, "steps", "active", "network")
    return box


def values_text(step: Step) -> str:
    """`conv1: 0.2 · fc1: 0.95`, with the knobs' names where the method has several that can differ."""
    several = len(local_knobs(step.method)) > 1

    def text(knobs: dict[str, Value]) -> str:
        return ", ".join((f"{k.replace('_', ' ')} " if several else "") + spelled(v) for k, v in knobs.items())

    return " · ".join(f"{layer}: {text(knobs)}" for layer, knobs in step.per_layer.items())


def _idle(state: State, step: Step) -> list[str]:
    """A sentence for each knob that moves nothing, because every layer has its own value."""
    idle = [k for k in local_knobs(step.method) if state.choices.everywhere_own(state.network, step, k)]
    return [f"Every layer has its own {k.replace('_', ' ')}, so the slider above moves nothing." for k in idle]
