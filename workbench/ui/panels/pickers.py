"""Dataset, network and method; what is off says why."""

from __future__ import annotations

import inspect
from functools import partial

import ipywidgets as w

from ...networks import NetworkSpec
from ..guard import guard, watch
from ..lesson import held
from ..numbers import count
from ..state import State
from ..widgets import Picker


def panel(state: State) -> w.Box:
    """Three menus side by side."""
    dataset, network, method = (Picker(label=label) for label in ("1. Data", "2. Network", "3. Method"))
    for picker, pick in ((dataset, state.pick_dataset), (network, state.pick_network), (method, state.pick_method)):
        picker.refuse, picker.pick = state.refuse, guard(state, pick)

    def offer() -> None:
        choices, data, net = state.choices, state.choices.datasets[state.dataset], state.choices.networks[state.network]
        dataset.offer(choices.for_datasets(), data.name, " ".join((data.description, *state.remarks)), data.source)
        network.offer(choices.for_networks(data.name), net.name, _facts(net), net.citation)

    offered: object = None

    def offer_methods() -> None:
        nonlocal offered
        choices, net = state.choices, state.choices.networks[state.network]
        cls = choices.methods[state.step.method]
        off = [i for i in state.off if i != state.active]
        steps = tuple(step for i, step in enumerate(state.steps) if i not in off)
        active = sum(i not in off for i in range(state.active))
        around = choices, net, (*steps[:active], cls, *steps[active + 1 :])
        if around == offered:  # a knob moves: what may stand here is the same
            return
        offered = around
        groups = choices.for_methods(net.name, steps, active)
        method.offer(groups, cls.id(), f"{_summary(cls)} {cls.citation}")

    watch(state, offer, "dataset", "network", "choices", "remarks")
    watch(state, offer_methods, "network", "steps", "off", "active", "choices")

    def title(picker: Picker) -> str:
        options = (option for group in picker.groups for option in group["options"])
        return next((str(option["text"]) for option in options if option["id"] == picker.value), picker.value)

    held_pickers = [
        held(state, name, picker, "dataset", "network", "steps", "active", value=partial(title, picker))
        for name, picker in (("dataset", dataset), ("network", network), ("method", method))
    ]
    return w.Box(held_pickers).add_class("wb-row")


def _summary(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def _facts(network: NetworkSpec) -> str:
    return f"{network.parameters:,} parameters, {count(network.macs)} multiply-adds for one image."
