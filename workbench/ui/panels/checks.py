"""Beside the pictures: how alike they are, whether they can be believed, and whether they lie on the object."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from types import ModuleType
from typing import Any

import ipywidgets as w

from ...experiment.questions.likeness import LikenessQuestion
from ...experiment.questions.on_object import ObjectQuestion
from ...experiment.questions.trust import RandomQuestion, TrustQuestion
from ...explain.attribution import attributions
from ...figures import attribution_curves as curves
from ...figures import attribution_likeness as over_images
from ...figures import attribution_numbers as numbers
from ...figures import attribution_object as on_object
from ...figures import attribution_random as random
from ..chart import Chart
from ..choices import axis_of
from ..engine import Engine
from ..following import Following
from ..guard import guard, watch, when_seen
from ..spoken import HTML, Button
from ..state import State

NAME = "explain"
WHAT = "A picture that looks convincing may still be wrong. Each of these takes some seconds; Cancel stops it."


def panel(state: State, engine: Engine, following: Following) -> w.VBox:
    """Two tables, a button for each check, and the chart of each check that was asked for."""
    alike, believed, why_not = HTML(), HTML(), HTML()
    checks = (
        _Check("trust", "Do the networks need it?", "Take away and put back what the pictures call important"),
        _Check("random", "Would random weights look the same?", "Draw the picture while the layers forget"),
        _Check("likeness", "Alike over many images?", "Compare both networks' pictures over validation images"),
        _Check("object", "Is it the object?", "Along the active method's main knob: how much lies on the object"),
    )
    asks: dict[str, Callable[[], None]] = {
        "trust": lambda: engine.ask(TrustQuestion(*_explained(state))),
        "random": lambda: engine.ask(RandomQuestion(*_explained(state))),
        "likeness": lambda: following.start(lambda: LikenessQuestion(state.attribution)),
        "object": lambda: engine.ask(_object(state)),
    }
    for check in checks:
        check.button.on_click(guard(state, lambda _button, ask=asks[check.kind]: ask()))

    def offer() -> None:
        why = _no_object(state)
        checks[3].button.disabled = bool(why)
        why_not.value = f'<span class="wb-help">{escape(why)}</span>'

    def show() -> None:
        pair = state.answer("attribution")
        trust, check = (_about(state, kind) for kind in ("trust", "random"))
        if pair is not None or "attribution" not in following:
            alike.value, believed.value = _table(numbers.alike(pair)), _table(numbers.believed(pair, trust, check))
        for each in checks:
            each.show(state, trust if each.kind == "trust" else check if each.kind == "random" else None, following)

    watch(state, offer, "dataset", "steps", "active")
    when_seen(state, NAME, show, "answers", "asked", "image", "target", "attribution", "picture")
    buttons = w.Box([*(check.button for check in checks), why_not]).add_class("wb-buttons")
    head = HTML(f'<h2>Check the pictures</h2><p class="wb-help">{WHAT}</p>')
    tables = w.Box([alike, believed]).add_class("wb-pair")
    return w.VBox([tables, head, buttons, *(check.chart for check in checks)])


class _Check:
    """A button and the chart of its answer, which takes no room before there is one."""

    def __init__(self, kind: str, name: str, tooltip: str) -> None:
        self.kind = kind
        self.button = Button(description=name, tooltip=tooltip)
        self.chart = Chart(f"{name} {tooltip}")
        self.chart.layout.display = "none"

    def show(self, state: State, about: Any, following: Following) -> None:
        """about: the answer where it is about one image; others are the state's."""
        found = about if self.kind in ("trust", "random") else state.answer(self.kind)
        if found is None and self.kind in following and self.chart.layout.display == "":
            self.chart.old = True
            return
        self.chart.layout.display = "none" if found is None else ""
        if found is not None:
            module, view = _drawn(self.kind, found, state)
            self.chart.show(module.figure(view), rows=module.table(view))


def _drawn(kind: str, found: Any, state: State) -> tuple[ModuleType, Any]:
    """(figure, view)."""
    title = attributions()[found.method].title
    if kind == "trust":
        names = state.choices.datasets[state.dataset].classes
        target = names[found.target] if found.target < len(names) else str(found.target)
        return curves, curves.view(found, target=target)
    if kind == "random":
        return random, random.view(found)
    if kind == "likeness":
        return over_images, over_images.view(found, method=title)
    return on_object, on_object.view(found, method=title)


def _explained(state: State) -> tuple[str, int | bytes, int | None]:
    return state.attribution, state.image if state.picture is None else state.picture, state.target


def _about(state: State, kind: str) -> Any:
    """The answer, if it is about the image and the method that are chosen now."""
    question = state.asked.get(kind)
    if not isinstance(question, TrustQuestion | RandomQuestion):
        return None
    return state.answer(kind) if (question.method, question.image, question.target) == _explained(state) else None


def _object(state: State) -> ObjectQuestion:
    steps = state.recipe.steps if state.recipe is not None else state.line.on
    return ObjectQuestion(state.attribution, steps, state.place)


def _no_object(state: State) -> str:
    if state.dataset != "shapes" and "/" not in state.dataset:
        return "Where the object is, is known for shapes only."
    if axis_of(state.step.method) is None:
        return f"{state.step.method} has no knob to move."
    return ""


def _table(found: numbers.Table | None) -> str:
    if found is None:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in found.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in found.rows)
    notes = "".join(f'<p class="wb-warning">{escape(warning)}</p>' for warning in found.warnings)
    notes += "".join(f"<p>{escape(note)}</p>" for note in found.notes)
    return f'<h3>{escape(found.title)}</h3><table class="wb-table"><tr>{head}</tr>{rows}</table>{notes}'
