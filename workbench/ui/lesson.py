"""How a page keeps to a lesson: a control that is locked stays in sight and says why, a hidden one is away."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as w

from .guard import watch
from .spoken import HTML
from .state import State

LESSON = ("locked", "hidden", "reason")


class Held:
    """A widget that the lesson may lock or hide by `name`, with the reason below; `show` follows the state.

    value: what it stands at, in words, for who cannot reach a locked control.
    """

    def __init__(self, state: State, name: str, widget: w.Widget, value: Callable[[], str] | None = None) -> None:
        self._state, self._name, self._inner, self._value = state, name, widget, value
        self._note = HTML().add_class("wb-lock")
        self.widget = w.VBox([widget, self._note]).add_class("wb-held")

    def show(self) -> None:
        state, locked = self._state, self._name in self._state.locked
        _mark(self._inner, "wb-locked", locked)
        _mark(self.widget, "wb-gone", self._name in state.hidden)
        self._note.value = f'<span class="wb-help">{escape(_said(state, self._value))}</span>' if locked else ""


def held(state: State, name: str, widget: w.Widget, *follows: str, value: Callable[[], str] | None = None) -> w.VBox:
    """The same for a widget that is always there. follows: the traits that change its value."""
    made = Held(state, name, widget, value)
    watch(state, made.show, *LESSON, *follows)
    return made.widget


def _said(state: State, value: Callable[[], str] | None) -> str:
    now = f"Stays at {value()}" if value else "Off"
    return f"{now} in this lesson" + (f": {state.reason}" if state.reason else ".")


def _mark(widget: w.DOMWidget, name: str, on: bool) -> None:
    if on:
        widget.add_class(name)
    else:
        widget.remove_class(name)
