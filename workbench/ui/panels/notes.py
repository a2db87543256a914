"""What did not happen as asked."""

from __future__ import annotations

from html import escape

from ..guard import watch
from ..spoken import HTML
from ..state import State


def panel(state: State) -> HTML:
    """The sentences about the present setting; the old ones stay until there are new ones."""
    notes: HTML = HTML().add_class("wb-notes")

    def show() -> None:
        said = "".join(f"<li>{escape(note)}</li>" for note in state.notes)
        notes.value = f"What did not happen as asked:<ul>{said}</ul>" if said else ""

    watch(state, show, "notes")
    return notes
