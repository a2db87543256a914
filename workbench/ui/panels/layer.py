"""One choice of layer for every view."""

from __future__ import annotations

from collections.abc import Callable

from ..choices import Group, Option
from ..guard import guard, watch
from ..state import State
from ..widgets import Picker


def _on(_layer: str) -> str:
    """Every layer can be picked."""
    return ""


def layer_picker(
    state: State,
    label: str = "Layer",
    none: str = "no layer in particular",
    why_not: Callable[[str], str] = _on,
    help: str = "",
) -> Picker:
    """A menu of the network's layers; what it sets is selected everywhere. why_not(layer): why it is off here."""
    picker = Picker(label=label)
    picker.refuse, picker.pick = state.refuse, guard(state, state.select_layer)

    def offer() -> None:
        names = state.choices.layers(state.network)
        shown = state.layer if state.layer in names else ""
        options = (Option("", none), *(Option(name, name, why_not(name)) for name in names))
        picker.offer([Group("", options)], shown, help)

    watch(state, offer, "network", "layer", "steps", "active")
    return picker
