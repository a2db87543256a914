"""What the page needs for who cannot see it, does not point, or looks at it in the dark."""

from __future__ import annotations

from html import escape

import anywidget
import ipywidgets as w
import traitlets as t

from .guard import watch
from .numbers import EMPTY, ESTIMATE, tiles
from .spoken import HTML
from .state import State
from .widgets import BROWSER, Checked

WORDS = {
    "colours": "Colours",
    "system": "as the system",
    "light": "light",
    "dark": "dark",
    "numbers": "Skip to the numbers",
    "views": "Skip to the views",
    ".wb-side": "Steps and knobs",
    ".wb-wide": "Numbers",
    ".wb-lower": "Look closer",
}


class Access(Checked, anywidget.AnyWidget):
    """Skip links, the switch of the theme, names and roles of controls, and a voice that waits until numbers rest."""

    _esm = BROWSER / "access.js"
    words = t.Dict(WORDS).tag(sync=True)


def parts(state: State) -> list[w.Widget]:
    """What comes first on the page: the widget, and what its voice says."""
    spoken = HTML().add_class("wb-spoken").add_class("wb-unseen")

    def say() -> None:
        spoken.value = escape(sentence(state))

    watch(state, say, "estimate", "sample", "run", "runs", "busy", "problem")
    return [Access(), spoken]


def sentence(state: State) -> str:
    """The first numbers with how well they are known, and whether something is being done."""
    if state.problem:
        return ""  # it is said where it stands
    found = [tile for tile in tiles(state)[:3] if tile.look != EMPTY]
    numbers = ", ".join(f"{t.title.lower()} {_worth(t.look, t.value)}" for t in found)
    known = f"{found[0].what.capitalize()}: {numbers}. " if found else ""
    return known + ("Working." if state.busy else "Ready.")


def _worth(look: str, value: str) -> str:
    return f"about {value.removeprefix('~')}" if look == ESTIMATE else value
