"""What a page misses while it is being made.

A page asks once for the state of all widgets, and needs a second or more to make them. What is sent to one that is not
there yet is lost, often the first measurement. So the page says when all are there, and is told what changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import anywidget
import ipywidgets as w

from .guard import guard
from .state import State
from .widgets import BROWSER, Checked


class Arrival(Checked, anywidget.AnyWidget):
    """Tells a page that has come what has changed below `root` since `begin`. The first widget to be made.

    The first, because its code has the patience that all others need; see patience.js.
    """

    _esm = "\n".join((BROWSER / name).read_text(encoding="utf-8") for name in ("patience.js", "arrival.js"))

    def __init__(self, state: State) -> None:
        super().__init__()
        self._root: w.Widget = self
        self._changed: dict[str, set[str]] = {}
        self.on_msg(guard(state, self._hear))

    def begin(self, root: w.Widget) -> None:
        """Whatever changes from now on, a page may miss."""
        self._root = root
        for widget in _below(root):
            if widget.model_id not in self._changed:  # a preheated page begins again when somebody opens it
                widget.observe(partial(_note, self._changed.setdefault(widget.model_id, set())))
            self._changed[widget.model_id].clear()

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        if content != {"kind": "here"}:
            return
        for widget in _below(self._root):
            names = self._changed.get(widget.model_id, set(widget.keys))  # one that came later is told of as a whole
            if told := names.intersection(widget.keys):
                widget.send_state(told)


def _note(names: set[str], change: dict[str, Any]) -> None:
    names.add(change["name"])


def _below(widget: w.Widget) -> Iterator[w.Widget]:
    yield widget
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None)):
        if isinstance(part, w.Widget):
            yield part
    for child in getattr(widget, "children", ()):
        yield from _below(child)
