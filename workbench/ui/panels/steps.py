"""The steps in their order; the highlighted one is the one whose knobs are shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

import ipywidgets as w

from ...core.recipe import Recipe
from ..guard import guard, watch
from ..state import State
from ..widgets import Toggle

RECOVERIES = {
    "recover.batchnorm": (
        "BatchNorm",
        "Measure the means and variances of every BatchNorm layer anew; no labels needed",
    ),
    "recover.finetune": ("Fine-tune", "Train what is left on the labels"),
    "kd.hinton": ("Distil", "Train what is left on the answers of the dense network"),
}
"""Method -> what its button says, and what it does."""


def panel(state: State) -> w.VBox:
    """Names of the steps and the buttons that change them."""
    names = Toggle(options=[("", 0)], tooltips=["Show the knobs of this step"])
    names.refuse = state.refuse
    names.style.button_width = "auto"
    buttons = [
        _button(state, "Add step", "Let another method follow", state.add_step),
        _button(state, "Remove step", "Take the highlighted step out", state.remove_step),
        _button(state, "Move earlier", "Swap the highlighted step with the one before it", state.move_step_earlier),
    ]
    following = False

    def show() -> None:
        nonlocal following
        following = True
        titles = [state.choices.methods[step.method].title for step in state.steps]
        options = tuple((f"{i + 1}. {title}", i) for i, title in enumerate(titles))
        if options != names.options:
            names.options = options
        names.value = state.active
        for button in buttons[1:]:
            button.disabled = len(titles) < 2
        following = False

    def chosen(change: dict[str, int]) -> None:
        if not following and change["new"] is not None:
            state.active = min(max(change["new"], 0), len(state.steps) - 1)

    names.observe(guard(state, chosen), "value")
    watch(state, show, "steps", "active")
    row = w.Box(buttons).add_class("wb-buttons")
    return w.VBox([w.HTML("<h2>Steps, one after the other</h2>"), names, row, _recovery(state)])


def _recovery(state: State) -> w.VBox:
    """Buttons that let a recovery follow; one that makes no sense is off and says why."""
    buttons = {
        method: _button(state, text, tooltip, partial(state.recover, method))
        for method, (text, tooltip) in RECOVERIES.items()
    }
    why_not = w.HTML()

    def offer() -> None:
        recipe = Recipe(state.network, state.dataset, state.steps)
        off = {m: state.choices.why_not_recovered(recipe, m) for m in buttons}
        for method, button in buttons.items():
            button.disabled = bool(off[method])
        said = (f"{RECOVERIES[method][0]} is off: {escape(why)}." for method, why in off.items() if why)
        why_not.value = "".join(f'<div class="wb-help">{sentence}</div>' for sentence in said)

    watch(state, offer, "steps", "network", "dataset")
    row = w.Box([w.HTML("Then recover:"), *buttons.values()]).add_class("wb-buttons")
    return w.VBox([row, why_not]).add_class("wb-recover")


def _button(state: State, text: str, tooltip: str, act: Callable[[], None]) -> w.Button:
    button = w.Button(description=text, tooltip=tooltip)
    button.on_click(guard(state, lambda _button: act()))
    return button
