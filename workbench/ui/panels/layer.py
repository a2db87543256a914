"""One choice of layer for every view."""

from __future__ import annotations

from ..choices import Group, Option
from ..guard import guard, watch
from ..state import State
from ..widgets import Picker

EVERY = Option("", "no layer in particular")


def layer_picker(state: State) -> Picker:
    """A menu of the network's layers; what it sets is selected everywhere."""
    picker = Picker(label="Layer")
    picker.refuse, picker.pick = state.refuse, guard(state, state.select_layer)

    def offer() -> None:
        names = state.choices.layers(state.network)
        shown = state.layer if state.layer in names else ""
        picker.offer([Group("", (EVERY, *(Option(n, n) for n in names)))], shown)

    watch(state, offer, "network", "layer")
    return picker
