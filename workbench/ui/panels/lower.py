"""The views below the curve, one at a time: a view that is not on the page computes and draws nothing."""

from __future__ import annotations

import ipywidgets as w

from ..guard import guard, watch
from ..locks import VIEW
from ..spoken import HTML
from ..state import State
from ..widgets import Toggle


def panel(state: State, views: dict[str, tuple[str, w.Widget]]) -> w.VBox:
    """views: name -> (title, widget)."""
    names = Toggle(options=[(title, name) for name, (title, _) in views.items()], tooltip="Views")
    following = False
    names.refuse = state.refuse
    names.style.button_width = "auto"

    def show() -> None:
        nonlocal following
        shown = [name for name in views if VIEW + name not in state.hidden] or list(views)
        if state.view not in shown:
            state.view = shown[0]
        options = tuple((views[name][0], name) for name in shown)
        following = True
        if options != tuple(names.options):
            names.options = options
        names.value = state.view
        following = False
        for name, (_, widget) in views.items():
            widget.layout.display = "" if name == state.view else "none"

    def chosen(change: dict[str, str]) -> None:
        if not following:
            state.view = change["new"] if change["new"] in views else state.view

    names.observe(guard(state, chosen), "value")
    watch(state, show, "view", "hidden")
    every = [widget for _, widget in views.values()]
    return w.VBox([HTML("<h2>Look closer</h2>"), names, *every]).add_class("wb-lower")
