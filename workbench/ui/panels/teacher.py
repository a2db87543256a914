"""The teacher's soft targets at a temperature, and what they changed in the student."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as w

from ...experiment.questions.soft import SoftQuestion, TaughtQuestion, distilling, why_not_taught
from ...figures import soft_targets as figure
from ..chart import Chart
from ..engine import Engine
from ..gallery import Gallery
from ..guard import guard
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Slider
from .image import pick_image

HELP = """The temperature divides the scores before the softmax: the answer stays first, and what else the teacher has
in mind comes out. A click on a picture draws its targets."""
TRAIN = "Train the same student on the labels alone, to see what the teacher added"


class Soft:
    """A slider of the temperature, the targets, the most undecided images, and a student without a teacher."""

    def __init__(self, state: State, engine: Engine) -> None:
        self._state, self._engine = state, engine
        self._chart = Chart("Soft targets: entropy over the temperature, and the classes of one image")
        self._turn = Slider(value=4.0, min=1.0, max=20.0, step=0.5, description="temperature to look at")
        self._undecided = Gallery("Images whose second-best class is given most")
        self._changed = Gallery("Images on which the teacher changed the student most")
        self._train, self._said = Button(description="What did the teacher add?", tooltip=TRAIN), HTML()
        self._turn.refuse = state.refuse
        self._undecided.picked = self._changed.picked = pick_image(state)
        self._turn.observe(guard(state, lambda _change: self.redraw()), "value")
        self._train.on_click(guard(state, lambda _button: engine.ask(TaughtQuestion())))
        self.redraw: Callable[[], None] = lambda: None
        self._of: float | None = None
        knob = w.Box([self._turn], layout=w.Layout(max_width="420px")).add_class("wb-knob")
        heads = [HTML(f"<h2>{title}</h2>") for title in ("The most undecided", "What the teacher added")]
        help_, row = HTML(f'<p class="wb-help">{HELP}</p>'), w.Box([self._train]).add_class("wb-buttons")
        self.box = w.VBox(
            [knob, help_, self._chart, heads[0], self._undecided, heads[1], row, self._said, self._changed]
        )

    def ask(self) -> None:
        """The soft targets, where a step distils."""
        if self._distils() and SoftQuestion.kind not in self._state.asked:
            self._engine.ask(SoftQuestion())

    def show(self) -> bool:
        """Draw what is known; whether there is anything to see for this recipe."""
        state, there = self._state, self._distils()
        self.box.layout.display = "" if there else "none"
        if not there:
            return False
        self._follow_recipe()
        names = state.choices.datasets[state.dataset].classes
        image = state.image if state.picture is None else None
        view = figure.view(state.answer(SoftQuestion.kind), temperature=self._turn.value, image=image, classes=names)
        self._chart.show(figure.figure(view), rows=figure.table(view))
        self._undecided.show(view.tiles, image)
        taught = figure.taught_view(state.answer(TaughtQuestion.kind), classes=names)
        why = why_not_taught(state.recipe)
        self._train.disabled = bool(why)
        self._said.value = f"<p>{escape(taught.sentence or _offer(why))}</p>"
        self._changed.show(taught.tiles, image)
        return True

    def _distils(self) -> bool:
        return self._state.recipe is not None and distilling(self._state.recipe) is not None

    def _follow_recipe(self) -> None:
        """The slider begins at the temperature of the recipe's own step."""
        step = distilling(self._state.recipe)
        wanted = None if step is None else float(step.knobs["temperature"])
        if wanted is not None and wanted != self._of:
            self._of, self._turn.value = wanted, wanted


def _offer(why: str) -> str:
    return f"{why[0].upper()}{why[1:]}." if why else f"{TRAIN}. It takes as long as the distillation itself."
