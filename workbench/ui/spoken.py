"""Widgets that speak the language of the page: Python sees what it wrote, in English; the browser gets what is said."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import ipywidgets as w

from .language import ENGLISH, say, spoken

SAID = frozenset(
    [
        "description",
        "tooltip",
        "tooltips",
        "placeholder",
        "_options_labels",
        "label",
        "help",
        "heads",
        "words",
        "groups",
        "columns",
        "tiles",
    ]
)
"""Traits that are read by people, in whichever widget has them."""
NAMES = frozenset({"id", "key", "name", "source", "mark"})
"""Parts of such traits that are not."""
DRAWN = frozenset(
    {"text", "name", "hovertext", "hovertemplate", "ticktext", "x", "y", "categoryarray", "customdata", "title"}
)
"""Parts of a figure that are read."""


class Spoken(w.Widget):
    """Mixin. said: further traits of this kind of widget that are read by people."""

    said: ClassVar[frozenset[str]] = frozenset()

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """What the browser is sent."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if spoken() == ENGLISH:
            return state
        return {name: self.in_language(name, v) if name in SAID | self.said else v for name, v in state.items()}

    def in_language(self, trait: str, value: Any) -> Any:
        """The value of one of its traits as people read it."""
        return said_of(value)


class HTML(Spoken, w.HTML):
    """Text."""

    said = frozenset({"value"})


class Button(Spoken, w.Button):
    """A button."""


def said_of(value: Any) -> Any:
    """Every text in it that is no name of something."""
    if isinstance(value, str):
        return say(value)
    if isinstance(value, dict):
        return {name: part if name in NAMES else said_of(part) for name, part in value.items()}
    return type(value)(map(said_of, value)) if isinstance(value, list | tuple) else value


def said_of_rows(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """A table, with the names of its columns."""
    return [{say(name): say(cell) for name, cell in row.items()} for row in rows]


def drawn_in_language(figure: str) -> str:
    """The JSON of a figure with everything said that can be read in it."""
    return json.dumps(_drawn(json.loads(figure)), ensure_ascii=False) if figure else figure


def _drawn(part: Any, read: bool = False) -> Any:
    if isinstance(part, dict):
        return {name: _drawn(value, name in DRAWN) for name, value in part.items()}
    if isinstance(part, list):
        return [_drawn(value, read) for value in part]
    return say(part) if read and isinstance(part, str) else part
