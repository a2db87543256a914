"""The steps in their order; the highlighted one is the one whose knobs are shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

import ipywidgets as w

from ...core.recipe import Recipe
from ..guard import guard, watch
from ..spoken import HTML, Button
from ..state import State
from ..stepkeys import StepKeys
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

EDITS = {
    "earlier": ("Move earlier", "Swap the highlighted step with the one before it (Alt+Up)"),
    "later": ("Move later", "Swap the highlighted step with the one after it (Alt+Down)"),
    "duplicate": ("Duplicate", "Put the highlighted step there once more, with its knobs"),
    "switch": ("Switch off", "Leave the highlighted step out, and keep it and its knobs in the line"),
    "remove": ("Remove step", "Take the highlighted step out (Delete)"),
}
"""Edit -> what its button says, and what it does."""
ON = "Switch on"
ENDS = ("is the first already", "is the last already", "has to stay")
"""What a button that is off need not explain, since it can be seen."""


def panel(state: State) -> w.VBox:
    """Names of the steps and the buttons that change them; one that makes no sense is off and says why."""
    names = Toggle(options=[("", 0)], tooltips=["Show the knobs of this step"], tooltip="Steps")
    names.refuse = state.refuse
    names.style.button_width = "auto"
    add = _button(state, "Add step", "Let another method follow", state.add_step)
    edits = {name: _button(state, *EDITS[name], partial(state.edit, name)) for name in EDITS}
    keys, why_not = StepKeys(guard(state, lambda edit: state.edit(edit))), HTML()
    following = False

    def show() -> None:
        nonlocal following
        following = True
        options = tuple((_title(state, i), i) for i in range(len(state.steps)))
        if options != names.options:
            names.options = options
        names.value = state.active
        following = False

    def offer() -> None:
        off = {name: state.why_not(name) for name in edits}
        for name, button in edits.items():
            button.disabled = bool(off[name])
        edits["switch"].description = ON if state.active in state.off else EDITS["switch"][0]
        said = (f"{edits[n].description} is off: {why}" for n, why in off.items() if why and not _seen(why))
        why_not.value = "".join(f'<div class="wb-help">{escape(sentence)}</div>' for sentence in said)

    def chosen(change: dict[str, int]) -> None:
        if not following and change["new"] is not None:
            state.active = min(max(change["new"], 0), len(state.steps) - 1)

    names.observe(guard(state, chosen), "value")
    watch(state, show, "steps", "off", "active")
    watch(state, offer, "steps", "off", "active", "network", "dataset")
    row = w.Box([add, *edits.values()]).add_class("wb-buttons")
    head = HTML("<h2>Steps, one after the other</h2>")
    return w.VBox([head, names, row, keys, why_not, _recovery(state)]).add_class("wb-steps")


def _seen(why: str) -> bool:
    """Whether anybody can see why an edit is off."""
    return any(end in why for end in ENDS)


def _title(state: State, i: int) -> str:
    title = state.choices.methods[state.steps[i].method].title
    return f"{i + 1}. {title}{' (off)' if i in state.off else ''}"


def _recovery(state: State) -> w.VBox:
    """Buttons that let a recovery follow; one that makes no sense is off and says why."""
    buttons = {
        method: _button(state, text, tooltip, partial(state.recover, method))
        for method, (text, tooltip) in RECOVERIES.items()
    }
    why_not = HTML()

    def offer() -> None:
        recipe = Recipe(state.network, state.dataset, state.line.on)
        off = {m: state.choices.why_not_recovered(recipe, m) for m in buttons}
        for method, button in buttons.items():
            button.disabled = bool(off[method])
        said = (f"{RECOVERIES[method][0]} is off: {escape(why)}." for method, why in off.items() if why)
        why_not.value = "".join(f'<div class="wb-help">{sentence}</div>' for sentence in said)

    watch(state, offer, "steps", "off", "network", "dataset")
    row = w.Box([HTML("Then recover:"), *buttons.values()]).add_class("wb-buttons")
    return w.VBox([row, why_not]).add_class("wb-recover")


def _button(state: State, text: str, tooltip: str, act: Callable[[], None]) -> Button:
    button = Button(description=text, tooltip=tooltip)
    button.on_click(guard(state, lambda _button: act()))
    return button
