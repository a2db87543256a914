"""What compression cost, and whom: found out once a setting is measured, for as long as the view is on the page."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as w

from ...core.costs import FATES, Costs
from ...experiment.questions.costs import CostsQuestion
from ...figures import classes as by_class
from ...figures import confusion, flips
from ..chart import Chart, Point
from ..engine import Engine
from ..gallery import Gallery
from ..guard import guard, when_seen
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Toggle
from . import explain
from .image import pick_image

NAME = "costs"
WHAT = """Both networks answer every validation image. A click on a class or on a cell shows its images below; one on
an image selects it for the view “What the network looks at”."""
_ALL = "all"


def panel(state: State, engine: Engine) -> w.VBox:
    """The classes and the confusion, then the images whose answer changed."""
    said, shown = HTML(), _Shown()
    whom = Chart("Change in accuracy of every class, with intervals")
    taken = Chart("Which classes are taken for which more often now, true classes in rows and answers in columns")
    start = Button(description="Compare all answers", tooltip="Let both networks answer every validation image")
    pictures = _Pictures(state, engine, shown)
    classes, confused = by_class.view(None), confusion.view(None)

    def ask() -> None:
        """The file is there once the run is."""
        if state.run is not None and state.recipe is not None and CostsQuestion.kind not in state.asked:
            engine.ask(CostsQuestion())

    def show() -> None:
        nonlocal classes, confused
        found, names = state.answer(CostsQuestion.kind), state.choices.datasets[state.dataset].classes
        classes = by_class.view(found, classes=names, selected=shown.label)
        confused = confusion.view(found, classes=names)
        said.value = _said(found, classes)
        whom.show(by_class.figure(classes), rows=by_class.table(classes))
        taken.show(confusion.figure(confused), rows=confusion.table(confused))
        pictures.show(found)

    def class_clicked(trace: int, point: Point) -> None:
        label = by_class.class_at(classes, trace, point) if isinstance(point, int) else None
        if label is not None:
            shown.only(label)
            show()

    def cell_clicked(_trace: int, cell: Point) -> None:
        found = confusion.cell_at(confused, cell)
        if found is not None:
            shown.only(*found)
            show()

    def clear(_change: object) -> None:
        shown.only()

    whom.clicked, taken.clicked = guard(state, class_clicked), guard(state, cell_clicked)
    pictures.redraw = guard(state, show)
    start.on_click(guard(state, lambda _button: engine.ask(CostsQuestion())))
    state.observe(guard(state, clear), ["network", "dataset"])
    when_seen(state, NAME, ask, "run")
    when_seen(state, NAME, show, "answers", "image")
    charts = w.Box([whom, taken]).add_class("wb-pair")
    head = w.Box([start, HTML(f'<span class="wb-help">{WHAT}</span>')]).add_class("wb-buttons")
    return w.VBox([head, said, charts, pictures.box])


class _Shown:
    """Which of the flips are wanted: of one fate, one true class, one answer."""

    def __init__(self) -> None:
        self.fate = ""
        self.label: int | None = None
        self.answer: int | None = None

    def only(self, label: int | None = None, answer: int | None = None) -> None:
        """Of a class; where the answer is the class itself, the flips away from it are meant."""
        self.label, self.answer = label, None if answer == label else answer


class _Pictures:
    """The flips as pictures, and each as a point."""

    def __init__(self, state: State, engine: Engine, shown: _Shown) -> None:
        self._state, self._shown, self._view = state, shown, flips.view(None)
        self._fates = Toggle(
            options=[("All", _ALL), *((fate.capitalize(), fate) for fate in FATES)], value=_ALL, tooltip="Which images"
        )
        self._fates.refuse, self._fates.style.button_width = state.refuse, "auto"
        self._every = Button(description="Show all classes", tooltip="Show flips of every class again")
        self._look = Button(description="What do both look at?", tooltip="Explain the selected image")
        self._said, self._gallery = HTML(), Gallery("Images whose answer changed, most confidence lost first")
        self._chart = Chart("Every image whose answer changed: how sure the dense network was, and what is left of it")
        self._pick = pick_image(state)
        self._gallery.picked = self._pick
        self._chart.clicked = guard(state, self._clicked)
        self._fates.observe(guard(state, self._sort), "value")
        self._every.on_click(guard(state, self._all_classes))
        self._look.on_click(guard(state, lambda _button: self._explain(engine)))
        self.redraw: Callable[[], None] = lambda: None
        buttons = w.Box([self._fates, self._every, self._look]).add_class("wb-buttons")
        title = HTML("<h2>Images whose answer changed</h2>")
        self.box = w.VBox([title, buttons, self._said, self._gallery, self._chart])

    def show(self, found: Costs | None) -> None:
        names, shown, state = self._state.choices.datasets[self._state.dataset].classes, self._shown, self._state
        selected = state.image if state.picture is None else None
        self._view = flips.view(
            found, classes=names, fate=shown.fate, label=shown.label, answer=shown.answer, selected=selected
        )
        view = self._view
        self._every.layout.display = "none" if shown.label is None else ""
        self._look.disabled = selected not in {flip.index for flip in view.flips}
        self._said.value = f"<p>{escape(_which(view, shown, names))}</p>" if found is not None else ""
        self._gallery.show(view.tiles, selected)
        self._chart.show(flips.figure(view), rows=flips.table(view))

    def _clicked(self, trace: int, point: Point) -> None:
        index = flips.flip_at(self._view, trace, point) if isinstance(point, int) else None
        if index is not None:
            self._pick(index)

    def _sort(self, change: dict[str, str]) -> None:
        self._shown.fate = "" if change["new"] == _ALL else change["new"]
        self.redraw()

    def _all_classes(self, _button: object) -> None:
        self._shown.only()
        self.redraw()

    def _explain(self, engine: Engine) -> None:
        engine.ask(explain.question(self._state))
        self._state.view = explain.NAME


def _said(found: Costs | None, view: by_class.ClassesView) -> str:
    if found is None:
        return ""
    warnings = "".join(f'<p class="wb-warning">{escape(warning)}</p>' for warning in view.warnings)
    return f"{warnings}<p>{escape(flips.view(found).sentence)}. {escape(view.note)}</p>"


def _which(view: flips.FlipsView, shown: _Shown, names: tuple[str, ...]) -> str:
    """What the pictures are."""
    of = "" if shown.label is None else f" of “{_name(shown.label, names)}”"
    to = "" if shown.answer is None else f", now taken for “{_name(shown.answer, names)}”"
    kind = "" if not shown.fate else f", {shown.fate}"
    first = f"; the first {len(view.tiles)} are shown" if len(view.tiles) < len(view.flips) else ""
    return f"{len(view.flips)} images{of}{kind}{to}, most confidence lost first{first}."


def _name(index: int, names: tuple[str, ...]) -> str:
    return names[index] if index < len(names) else str(index)
