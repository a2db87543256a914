"""Small pictures of which one can be picked, with the mouse or the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets as t

from ..figures.tiles import Tile
from .widgets import BROWSER, Checked


def _unheard(_key: int) -> None:
    """Nobody listens yet."""


class Gallery(Checked, anywidget.AnyWidget):
    """Calls `picked(key)` for a click on one of its tiles, and for nothing else that is sent."""

    _esm = BROWSER / "gallery.js"
    label = t.Unicode().tag(sync=True)
    tiles: t.List[Any] = t.List().tag(sync=True)
    selected = t.Int(-1).tag(sync=True)
    picked: Callable[[int], None] = staticmethod(_unheard)

    def __init__(self, label: str) -> None:
        super().__init__(label=label)
        self._keys: frozenset[int] = frozenset()
        self.on_msg(self._hear)

    def show(self, tiles: Sequence[Tile], selected: int | None = None) -> None:
        """Show these, one of them marked."""
        self._keys = frozenset(tile.key for tile in tiles)
        with self.hold_sync():
            self.tiles, self.selected = [tile._asdict() for tile in tiles], -1 if selected is None else selected

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        match content:
            case {"kind": "pick", "key": int(key)} if key in self._keys:
                self.picked(key)
