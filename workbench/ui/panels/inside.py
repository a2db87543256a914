"""What compression changed inside the layers: what belongs to the families of the recipe's steps."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...core.inside import Inside
from ...experiment.questions.inside import InsideQuestion
from ...figures import levels, spectrum, sqnr
from ..chart import Chart, Point
from ..engine import Engine
from ..gallery import Gallery
from ..guard import guard, when_seen
from ..spoken import HTML, Button
from ..state import State
from . import teacher
from .image import pick_image
from .layer import layer_picker

NAME = "inside"
WHAT = """Both networks see the same images, and their activations are compared: a layer may be wrong by itself, or
because of what the layers before it hand on. A click on a mark selects its layer."""
_FAMILIES = {
    "quant": "the levels of quantized weights",
    "lowrank": "the spectrum of factorised layers and what the discarded directions answer to",
    "kd": "the teacher's soft targets and whom they taught what",
}
NONE = "Nothing more is to be seen for this recipe. Quantize to see {}; factorise to see {}; distil to see {}."


def panel(state: State, engine: Engine) -> w.VBox:
    """Errors of every layer; then levels, directions and soft targets, where the recipe has them."""
    start = Button(description="Look inside", tooltip="Run both networks on the same images")
    said, more = HTML(), HTML()
    noise = _Noise(state)
    stored, lost, taught = _Levels(state), _Directions(state), teacher.Soft(state, engine)

    def ask() -> None:
        if state.run is not None and state.recipe is not None and InsideQuestion.kind not in state.asked:
            engine.ask(InsideQuestion())
            taught.ask()

    def show() -> None:
        found: Inside | None = state.answer(InsideQuestion.kind)
        parts = (noise.show(found), stored.show(found), lost.show(found), taught.show())
        said.value = f'<p class="wb-help">{"" if found is None or found.complete else "Still looking …"}</p>'
        more.value = "" if found is None or any(parts[1:]) else f"<p>{escape(NONE.format(*_FAMILIES.values()))}</p>"

    def look(_button: object) -> None:
        engine.ask(InsideQuestion())
        taught.ask()

    start.on_click(guard(state, look))
    taught.redraw = guard(state, show)
    when_seen(state, NAME, ask, "run")
    when_seen(state, NAME, show, "answers", "layer", "image", "recipe")
    head = w.Box([start, HTML(f'<span class="wb-help">{WHAT}</span>')]).add_class("wb-buttons")
    return w.VBox([head, layer_picker(state), said, noise.box, stored.box, lost.box, taught.box, more])


class _Noise:
    """Signal over error of every layer."""

    def __init__(self, state: State) -> None:
        self._state, self._view, self._notes = state, sqnr.view(None), HTML()
        self._chart = Chart("Signal over error in each layer, in decibels")
        self._chart.clicked = guard(state, self._clicked)
        self.box = w.VBox([self._chart, self._notes])

    def show(self, found: Inside | None) -> bool:
        self._view = sqnr.view(found, selected=self._state.layer or None)
        self._chart.show(sqnr.figure(self._view), rows=sqnr.table(self._view))
        self._notes.value = f'<p class="wb-help">{escape(" ".join(self._view.notes))}</p>'
        return found is not None

    def _clicked(self, trace: int, point: Point) -> None:
        layer = sqnr.layer_at(self._view, trace, point) if isinstance(point, int) else None
        if layer is not None:
            self._state.select_layer(layer)


class _Levels:
    """The levels of one quantized layer."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._chart = Chart("Weights of one layer before, and the levels that they may take now")
        self.box = w.VBox([self._chart])

    def show(self, found: Inside | None) -> bool:
        there = found is not None and bool(found.levels)
        self.box.layout.display = "" if there else "none"
        if there:
            view = levels.view(found, layer=self._state.layer or None)
            self._chart.show(levels.figure(view), rows=levels.table(view))
        return there


class _Directions:
    """The spectrum of one factorised layer, and the images that miss what was discarded."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._chart = Chart("Singular values of one layer's weight, kept and discarded")
        self._gallery = Gallery("Images to which the discarded directions answer most")
        self._gallery.picked = pick_image(state)
        self._title = HTML("<h2>What the discarded directions answer to most</h2>")
        self.box = w.VBox([self._chart, self._title, self._gallery])

    def show(self, found: Inside | None) -> bool:
        there = found is not None and bool(found.directions)
        self.box.layout.display = "" if there else "none"
        if there:
            names = self._state.choices.datasets[self._state.dataset].classes
            view = spectrum.view(found, layer=self._state.layer or None, classes=names)
            self._chart.show(spectrum.figure(view), rows=spectrum.table(view))
            self._gallery.show(view.tiles, self._state.image)
            self._title.layout.display = "" if view.tiles else "none"
        return there
