"""The numbers that count, each saying how well it is known."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ..guard import watch
from ..numbers import Tile, report, tiles
from ..spoken import HTML
from ..state import State


def panel(state: State) -> w.VBox:
    """Five tiles, why there are none while the choice is invalid, and the number on test data when there is one."""
    numbers, tested, problem = HTML(), HTML(), HTML().add_class("wb-problem").add_class("wb-live")

    def show() -> None:
        numbers.value = '<div class="wb-tiles">' + "".join(map(_tile, tiles(state))) + "</div>"
        tested.value = escape(report(state.report))

    def say() -> None:
        problem.value = escape(state.problem)

    watch(state, show, "estimate", "sample", "run", "runs", "report", "pinned")
    watch(state, say, "problem")
    return w.VBox([numbers, tested, problem])


def _tile(tile: Tile) -> str:
    more = "".join(f'<span class="wb-help">{escape(line)}</span>' for line in tile.more if line)
    more += f'<span class="wb-against">{escape(tile.against)}</span>' if tile.against else ""
    return (
        f'<div class="wb-tile wb-{tile.look}"><span>{tile.title}</span><b>{escape(tile.value)}</b>'
        f'<span class="wb-what">{escape(tile.what)}</span>{more}</div>'
    )
