"""Back and forth through what was chosen: two buttons, and the keys that everybody knows."""

from __future__ import annotations

import ipywidgets as w

from ..guard import guard
from ..history import History
from ..spoken import Button
from ..state import State
from ..widgets import Keys


def panel(state: State, history: History) -> w.Box:
    """The buttons say in their tooltips what they would change."""
    undo, redo = guard(state, lambda *_: history.undo()), guard(state, lambda *_: history.redo())
    back, forth = Button(description="Undo"), Button(description="Redo")
    back.on_click(undo)
    forth.on_click(redo)

    def show(_change: object = None) -> None:
        for button, what, word, keys in (
            (back, history.back, "Take back", "Ctrl+Z"),
            (forth, history.forth, "Do again", "Ctrl+Shift+Z"),
        ):
            button.disabled = not what
            button.tooltip = f"{word}: {what} ({keys})" if what else f"Nothing to {word.lower()} ({keys})"

    history.observe(guard(state, show), ["back", "forth"])
    show()
    return w.Box([back, forth, Keys(undo, redo)]).add_class("wb-buttons")
