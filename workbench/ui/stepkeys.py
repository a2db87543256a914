"""Shortcuts in the list of steps: each does what a button beside it does."""

from __future__ import annotations

from collections.abc import Callable

import anywidget

from .widgets import BROWSER, Checked

KEYS = ("earlier", "later", "remove")
"""What the browser may ask for."""


class StepKeys(Checked, anywidget.AnyWidget):
    """Listens in the box around it while something in there has the focus; `pressed(edit)` with one of KEYS."""

    _esm = BROWSER / "stepkeys.js"

    def __init__(self, pressed: Callable[[str], None]) -> None:
        super().__init__()
        self._pressed = pressed
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        match content:
            case {"kind": "key", "edit": str(edit)} if edit in KEYS:
                self._pressed(edit)
