"""Predict, then reveal: the answer is worked out only after the learner has committed a guess."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import ipywidgets as w
import plotly.graph_objects as go

from ..core.errors import WorkbenchError
from ..ui.chart import Chart
from ..ui.widgets import Slider, Toggle
from .formula import number_text
from .said import said

CLOSE, FAIR = 0.05, 0.2
Answer = str | float


class Prediction(w.VBox):
    """One question. `guess` is the control; after `commit` it is locked and the answer stands below it.

    answer() is called once, by `commit`: it measures, and what it says is one of the choices or a number.
    """

    def __init__(
        self,
        question: str,
        guess: Toggle | Slider,
        answer: Callable[[], Answer],
        *,
        unit: str = "",
        because: Callable[[Answer], str] | str = "",
        picture: Callable[[], go.Figure] | None = None,
    ) -> None:
        self.guess, self.answer, self.unit, self.because, self.picture = guess, answer, unit, because, picture
        self.button = w.Button(description="Commit my guess", tooltip=f"Commit my guess: {question}"[:120])
        self.told = w.HTML().add_class("wb-live")
        self.place = w.VBox([])
        self.button.on_click(said(self._say, lambda _button: self.commit()))
        asked = w.HTML(f'<p class="wb-question"><b>Predict.</b> {escape(question)}</p>')
        held = w.VBox([guess]).add_class("wb-knob")
        pressed = w.Box([self.button]).add_class("wb-buttons")
        super().__init__([asked, held, pressed, self.told, self.place])
        self.add_class("wb-app").add_class("wb-lesson").add_class("wb-predict")

    @property
    def committed(self) -> bool:
        return bool(self.guess.disabled)

    def commit(self) -> None:
        """Lock the guess and show the answer beside it; WorkbenchError when nothing has been picked yet."""
        if self.committed:
            return
        if self.guess.value is None:
            raise WorkbenchError("Pick one first; a wrong guess costs nothing and teaches most.")
        self.guess.disabled = self.button.disabled = True
        self._say("<p>Measuring …</p>")
        found = self.answer()
        because = self.because(found) if callable(self.because) else self.because
        self._say(f"<p>{self._compared(found)}</p><p>{escape(because)}</p>")
        if self.picture is not None:
            chart = Chart("The answer, drawn")
            chart.show(self.picture())
            self.place.children = [chart]

    def _say(self, html: str) -> None:
        self.told.value = html

    def _compared(self, found: Answer) -> str:
        guess = self.guess.value
        if isinstance(found, str):
            assert found in self.guess.options, f"{found!r} cannot be guessed"
            return _mark(guess == found) + f"You said {escape(guess)}. It is <b>{escape(found)}</b>."
        off, span = found - guess, self.guess.max - self.guess.min
        near = abs(off) <= CLOSE * span
        how = "close" if near else "not far off" if abs(off) <= FAIR * span else "a surprise"
        return _mark(near) + f"You said {self._told(guess)}. It is <b>{self._told(found)}</b>: {how}."

    def _told(self, value: float) -> str:
        return f"{number_text(round(value, 3))} {escape(self.unit)}".strip()


def predict(
    question: str,
    *,
    answer: Callable[[], Answer],
    choices: Sequence[str] = (),
    between: tuple[float, float] | None = None,
    unit: str = "",
    because: Callable[[Answer], str] | str = "",
    picture: Callable[[], go.Figure] | None = None,
) -> Prediction:
    """A question to guess before its answer is measured: one of `choices`, or a number `between` two in `unit`.

    because: why, said with the answer, or made from it; picture(): drawn below it.
    """
    if bool(choices) == (between is not None):
        raise WorkbenchError("A prediction has choices, or lies between two numbers.")
    if between is not None:
        low, high = between
        step = (high - low) / 100
        label = f"My guess ({unit})" if unit else "My guess"
        guess: Toggle | Slider = Slider(min=low, max=high, step=step, value=(low + high) / 2, description=label)
        guess.readout_format = "d" if step == int(step) else ".2f" if step < 0.1 else ".1f"
    else:
        guess = Toggle(options=list(choices), value=None, description="My guess")
    return Prediction(question, guess, answer, unit=unit, because=because, picture=picture)


def _mark(good: bool) -> str:
    return '<span class="wb-good">✓ </span>' if good else '<span class="wb-off">→ </span>'
