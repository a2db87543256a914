"""A table of runs that the browser sorts, and that asks Python to pick one or to limit a column."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets as t

from .widgets import BROWSER, Checked

WORDS = {
    "run": "Run",
    "limits": "Limits",
    "low": "from",
    "high": "to",
    "least": "at least",
    "most": "at most",
    "more": "The first {shown} of {all} runs; limit a column to see others.",
}


class RunTable(Checked, anywidget.AnyWidget):
    """columns: {name, title, unit, low, high}, the last two as they are typed. rows: {key, name, steps, marks, cells,
    values}, values being what the cells are sorted by.

    pick(key) and limit(column, low, high) are called with what is there; a limit that is not typed is None.
    """

    _esm = BROWSER / "runs.js"
    label = t.Unicode().tag(sync=True)
    words = t.Dict(WORDS).tag(sync=True)
    said = frozenset({"rows"})
    columns: t.List[dict[str, str]] = t.List().tag(sync=True)
    rows: t.List[dict[str, Any]] = t.List().tag(sync=True)
    picked = t.Unicode().tag(sync=True)

    def __init__(
        self, label: str, pick: Callable[[str], None], limit: Callable[[str, float | None, float | None], None]
    ) -> None:
        super().__init__(label=label)
        self._pick, self._limit = pick, limit
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        match content:
            case {"kind": "pick", "key": str(key)} if key in [row["key"] for row in self.rows]:
                self._pick(key)
            case {"kind": "limit", "column": str(name), "low": str(low), "high": str(high)}:
                if name in [column["name"] for column in self.columns]:
                    self._limited(name, low, high)
            case _:
                pass

    def _limited(self, name: str, low: str, high: str) -> None:
        ends = []
        for text in (low, high):
            end = _number(text)
            if text.strip() and end is None:
                self.refuse(f"A limit is a number, as 30000 or 98.5; got {text[:40]!r}.")
                return
            ends.append(end)
        self._limit(name, *ends)


def _number(text: str) -> float | None:
    try:
        value = float(text.strip().rstrip("%").replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
