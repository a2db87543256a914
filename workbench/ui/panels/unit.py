"""The card of the selected unit: asked for when a unit or a layer is selected, drawn while it grows."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...core.units import UnitCard
from ...core.verdict import WRONG
from ...experiment.questions.criterion import CriterionQuestion
from ...experiment.questions.unit import UnitQuestion
from ...figures import unit_card as who
from ...figures import unit_classes as whom
from ...figures import unit_examples as what
from ..chart import Chart, Point
from ..engine import Engine
from ..guard import guard, watch
from ..spoken import HTML, Button
from ..state import State
from ..widgets import WholeSlider

NAME = "unit"
_MISSING = "Pick a layer, or click a bar or a point."


def panel(state: State, engine: Engine, *views: str) -> w.VBox:
    """views: the names of those that it is on, which are the ones that it works for."""
    said, facts = HTML(), HTML()
    kernel = Chart("The unit's weights, and the rank that each criterion gives it; the table below says the same")
    classes = Chart("What every class loses without the unit, and what the unit adds to the class's score")
    images = Chart("The images that excite the unit most, with the patch of each that it looks at")
    drawn: dict[str, object] = {}
    asked = UnitQuestion("")

    def ask() -> None:
        """Once for each selection, whatever else changes; a layer without a unit is asked about as a whole."""
        nonlocal asked
        if state.recipe is None:
            asked = UnitQuestion("")  # what was asked is stopped with everything else
        if state.view not in views or not state.layer or state.recipe is None:
            return
        question = UnitQuestion(state.layer, state.unit)
        if state.asked.get(NAME) != question or asked != question:
            asked = question
            engine.ask(question)

    def card() -> UnitCard | None:
        """The answer, if it is about what is selected now."""
        found = state.answers.get(NAME)
        return found.value if found and found.question == UnitQuestion(state.layer, state.unit) else None

    def show() -> None:
        if state.view not in views:
            return
        found, names = card(), state.choices.datasets[state.dataset].classes
        agreement = state.answer(CriterionQuestion.kind)
        view = who.view(found, state.decisions, agreement=agreement, classes=names)
        said.value = _said(view, found)
        facts.value = _facts(view)
        draw("who", view, kernel, bool(view.kernel))
        draw("whom", whom.view(found, classes=names), classes, bool(found and (found.truth or found.classes)))
        draw(
            "what", what.view(found, classes=names), images, bool(found and found.unit is not None and found.responses)
        )

    def draw(name: str, view: object, chart: Chart, useful: bool) -> None:
        chart.layout.display = "" if useful else "none"
        if useful and drawn.get(name) != view:
            module = _FIGURES[name]
            chart.show(module.figure(view), rows=module.table(view) if name != "who" else ())
        drawn[name] = view

    def clicked(trace: int, _point: Point) -> None:
        index = what.example_at(what.view(card()), trace)
        if index is not None:
            state.set({"picture": None, "image": index})
            state.forget("attribution")

    images.clicked = guard(state, clicked)
    watch(state, ask, "layer", "unit", "network", "dataset", "view", "recipe")
    watch(state, show, "answers", "decisions", "layer", "unit", "view")
    return w.VBox([_which(state), said, kernel, classes, images, facts])


_FIGURES = {"who": who, "whom": whom, "what": what}


def _which(state: State) -> w.Box:
    """The unit by its number, for who does not click; and the layer as a whole."""
    number = WholeSlider(description="number", tooltip="Its number in the selected layer, from 0")
    whole = Button(description="The whole layer", tooltip="Look at the selected layer as a whole")
    number.refuse = state.refuse
    box = w.Box([number, whole]).add_class("wb-buttons")

    def offer() -> None:
        found = state.answers.get(NAME)
        units = found.value.units if found and found.question.layer == state.layer else 0
        box.layout.display = "" if units else "none"
        if units:
            number.max = units - 1
            whole.disabled = state.unit is None
            if state.unit is not None:
                number.value = state.unit

    def moved(change: dict[str, int]) -> None:
        if box.layout.display == "" and change["new"] != (state.unit or 0):
            state.unit = change["new"]

    number.observe(guard(state, moved), "value")
    whole.on_click(guard(state, lambda _button: state.set({"unit": None})))
    watch(state, offer, "answers", "layer", "unit")
    return box


def _said(view: who.UnitCardView, card: UnitCard | None) -> str:
    if view.verdict is None:
        return f'<p class="wb-help">{_MISSING}</p>'
    words, judged = view.verdict, ""
    if words.judgement:
        style = ' class="wb-warning"' if words.kind == WRONG else ""
        judged = f"<p{style}><b>{escape(words.judgement)}</b></p>"
    more = "" if card is None or card.complete else '<p class="wb-help">Still finding out more.</p>'
    return f"{judged}<p>{escape(words.summary)}</p>{more}"


def _facts(view: who.UnitCardView) -> str:
    rows = "".join(
        f"<tr><th>{escape(row['what'])}</th><td>{escape(row['number'])}</td></tr>" for row in who.table(view)
    )
    return f'<details><summary>All numbers</summary><table class="wb-table">{rows}</table></details>' if rows else ""
