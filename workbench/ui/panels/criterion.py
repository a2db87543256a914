"""A criterion against the truth: measured when asked for, drawn while it grows."""

from __future__ import annotations

import ipywidgets as w

from ...experiment.questions.criterion import CriterionQuestion
from ...figures import criterion_truth as figure
from ...methods.prune._criteria import CRITERIA, criterion_titled
from ..chart import Chart, Point
from ..choices import Group, Option
from ..engine import Engine
from ..guard import guard, watch, when_seen
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Picker

WHAT = """Takes out every unit alone and measures what the loss gains: the truth that every criterion guesses at. Some
seconds for a small network, minutes for a deep one; whatever else is asked goes first."""


def panel(state: State, engine: Engine, name: str) -> w.VBox:
    """name: of the view that it is on."""
    points = Chart("Every unit: the criterion's score to the right, what the loss gains without it upwards")
    worst = Chart(
        "The units that the criterion puts most in the wrong place; a click shows the unit; the menu says the same"
    )
    how, again = Picker(label="Criterion"), Picker(label="Worst mistakes")
    start = Button(description="Compare with the truth", tooltip="Take out every unit alone and measure the loss")
    view = figure.view(None)
    picked = ""

    def chosen() -> str:
        """What the person picked, or what the recipe ranks by."""
        return picked or criterion_titled(d.criterion for d in state.decisions) or "l1"

    def offer() -> None:
        options = tuple(Option(name, criterion.title) for name, criterion in CRITERIA.items())
        how.offer([Group("", options)], chosen(), "Ranks the units; the lowest score goes first.")

    def pick(name: str) -> None:
        nonlocal picked
        picked = name
        offer()
        if CriterionQuestion.kind in state.asked:
            engine.ask(CriterionQuestion(picked))

    def show() -> None:
        nonlocal view
        found = state.answer(CriterionQuestion.kind)
        view = figure.view(found, state.decisions, layer=state.layer, unit=state.unit)
        points.show(figure.figure(view), keep=found.criterion if found else "", rows=figure.table(view))
        worst.show(figure.mistakes(view))
        worst.layout.display = "" if view else "none"
        mistakes = view.mistakes if view else ()
        options = tuple(Option(f"{m.layer} {m.unit}", figure.described(m)) for m in mistakes)
        again.layout.display = "" if options else "none"
        again.offer([Group("", (Option("", "pick one to see its card"), *options))], "")

    def select(found: tuple[str, int] | None) -> None:
        if found is not None:
            with state.hold_trait_notifications():  # one question about the unit, none about its layer
                state.set({"layer": found[0], "unit": found[1]})

    def point_clicked(trace: int, point: Point) -> None:
        select(figure.unit_at(view, trace, point) if isinstance(point, int) else None)

    def bar_clicked(_trace: int, point: Point) -> None:
        select(figure.mistake_at(view, point) if isinstance(point, int) else None)

    def mistake_picked(name: str) -> None:
        layer, _, unit = name.rpartition(" ")
        select((layer, int(unit)) if layer else None)

    points.clicked, worst.clicked = guard(state, point_clicked), guard(state, bar_clicked)
    how.refuse = again.refuse = state.refuse
    how.pick, again.pick = guard(state, pick), guard(state, mistake_picked)
    start.on_click(guard(state, lambda _button: engine.ask(CriterionQuestion(chosen()))))
    watch(state, offer, "decisions", "network")
    when_seen(state, name, show, "answers", "decisions", "layer", "unit")
    head = w.Box([how, w.Box([start]).add_class("wb-buttons")]).add_class("wb-row")
    return w.VBox([head, HTML(f'<span class="wb-help">{WHAT}</span>'), points, again, worst])
