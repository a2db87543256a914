"""The numbers that count, each saying how well it is known."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ..guard import watch
from ..numbers import Tile, report, tiles
from ..state import State


def panel(state: State) -> w.VBox:
    """Five tiles, the number on test data when there is one, and what did not happen as asked."""
    numbers, tested, notes = w.HTML(), w.HTML(), w.HTML().add_class("wb-notes")

    def show() -> None:
        numbers.value = '<div class="wb-tiles">' + "".join(map(_tile, tiles(state))) + "</div>"
        tested.value = escape(report(state.report))

    def say() -> None:
        said = [state.problem] if state.problem else list(state.notes)
        notes.value = "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in said) + "</ul>" if said else ""

    watch(state, show, "estimate", "sample", "run", "runs", "report")
    watch(state, say, "notes", "problem")
    return w.VBox([numbers, tested, notes])


def _tile(tile: Tile) -> str:
    more = "".join(f'<span class="wb-help">{escape(line)}</span>' for line in tile.more if line)
    return (
        f'<div class="wb-tile wb-{tile.look}"><span>{tile.title}</span><b>{escape(tile.value)}</b>'
        f'<span class="wb-what">{escape(tile.what)}</span>{more}</div>'
    )
