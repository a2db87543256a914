"""What to train and how: data, network, teacher and settings, not bound to what is compressed above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ipywidgets as w

from ...core.knob import Value, knobs_of
from ...train.settings import TrainSettings
from ..controls import Control
from ..guard import guard, when_seen
from ..plans import FIRST, NOT_SHOWN, STEPPING, TEACHING, TITLES, planned, turned
from ..spoken import Button
from ..state import State
from ..widgets import Picker

NAME = "train"


def pickers(state: State) -> w.Box:
    """Three menus side by side."""
    data, network, teacher = (Picker(label=label) for label in ("Data to learn from", "Network to train", "Teacher"))

    def pick_data(name: str) -> None:
        state.plan = planned(state.choices, state.plan.network, name)

    def pick_network(name: str) -> None:
        state.plan = planned(state.choices, name, state.plan.dataset)

    def pick_teacher(name: str) -> None:
        state.plan = replace(state.plan, teacher=name)

    for picker, pick in ((data, pick_data), (network, pick_network), (teacher, pick_teacher)):
        picker.refuse, picker.pick = state.refuse, guard(state, pick)

    def offer() -> None:
        choices, plan = state.choices, state.plan
        about = choices.networks[plan.network]
        data.offer(choices.for_training_data(), plan.dataset, choices.datasets[plan.dataset].description)
        network.offer(
            choices.for_training(plan.dataset), plan.network, f"{about.parameters:,} parameters at its usual size"
        )
        taught = "Its softened answers are learnt besides the labels." if plan.teacher else ""
        teacher.offer(choices.for_teachers(plan.dataset), plan.teacher, taught)

    when_seen(state, NAME, offer, "plan", "choices")
    return w.Box([data, network, teacher]).add_class("wb-row")


def settings(state: State) -> w.VBox:
    """A few settings at once, the others behind a button."""
    knobs = {name: knob for name, knob in knobs_of(TrainSettings).items() if name not in NOT_SHOWN}
    controls = {
        name: Control(TITLES.get(name, name), knob, _turn(state, name), state.refuse) for name, knob in knobs.items()
    }
    few = w.Box([controls[name].widget for name in FIRST]).add_class("wb-row")
    rest = w.Box([control.widget for name, control in controls.items() if name not in FIRST]).add_class("wb-row")
    more = Button(tooltip="Optimizer, schedule, augmentation and the rest")
    opened = False

    def fold() -> None:
        rest.layout.display = "" if opened else "none"
        more.description = "Fewer settings" if opened else "More settings"

    def toggle(_button: object) -> None:
        nonlocal opened
        opened = not opened
        fold()

    def show() -> None:
        for name, control in controls.items():
            control.show(getattr(state.plan.settings, name))
        for name in (*TEACHING, *STEPPING):
            matters = state.plan.teacher if name in TEACHING else state.plan.settings.schedule == "step"
            controls[name].widget.layout.display = "" if matters else "none"

    more.on_click(guard(state, toggle))
    fold()
    when_seen(state, NAME, show, "plan")
    return w.VBox([few, w.Box([more]).add_class("wb-buttons"), rest])


def _turn(state: State, name: str) -> Callable[[Value], None]:
    def turn(value: Value) -> None:
        state.plan = turned(state.plan, name, value)

    return guard(state, turn)
