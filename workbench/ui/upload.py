"""A picture that a visitor brings: bytes, never a name or a path, and never more than fit into a message.

The upload of ipywidgets sends files of any size, and one of more than 10 MiB ends the page's connection to Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets as t

from ..data import PICTURE_BYTES, PICTURE_TYPES, picture_too_large
from .widgets import BROWSER, Checked


def _unheard(_content: bytes) -> None:
    """Nobody listens yet."""


class PictureButton(Checked, anywidget.AnyWidget):
    """Calls `bring(bytes)` with what was picked, whatever it is; what is too large goes to `refuse`."""

    _esm = BROWSER / "upload.js"
    label = t.Unicode().tag(sync=True)
    help = t.Unicode().tag(sync=True)
    accept = t.Unicode(PICTURE_TYPES).tag(sync=True)
    most_bytes = t.Int(PICTURE_BYTES).tag(sync=True)
    bring: Callable[[bytes], None] = staticmethod(_unheard)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, buffers: Any) -> None:
        match content:
            case {"kind": "picture"} if len(buffers) == 1:
                self.bring(bytes(buffers[0]))
            case {"kind": "too large", "bytes": int(size)}:
                self.refuse(picture_too_large(size))
            case {"kind": "unreadable"}:
                self.refuse("The browser could not read this file.")
