"""The views below the curve, one at a time: a view that is not on the page computes and draws nothing."""

from __future__ import annotations

import ipywidgets as w

from ..guard import guard, watch
from ..state import State
from ..widgets import Toggle


def panel(state: State, views: dict[str, tuple[str, w.Widget]]) -> w.VBox:
    """views: name -> (title, widget)."""
    names = Toggle(options=[(title, name) for name, (title, _) in views.items()], tooltip="Views")
    names.refuse = state.refuse
    names.style.button_width = "auto"

    def show() -> None:
        if state.view not in views:
            state.view = next(iter(views))
        names.value = state.view
        for name, (_, widget) in views.items():
            widget.layout.display = "" if name == state.view else "none"

    def chosen(change: dict[str, str]) -> None:
        state.view = change["new"] if change["new"] in views else state.view

    names.observe(guard(state, chosen), "value")
    watch(state, show, "view")
    every = [widget for _, widget in views.values()]
    return w.VBox([w.HTML("<h2>Look closer</h2>"), names, *every]).add_class("wb-lower")
