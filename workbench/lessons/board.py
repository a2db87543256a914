"""The contest in a notebook: hand a file in under a name, and see who leads."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as w

from ..core.contest import Entry
from ..experiment.contest import Board
from ..figures.theme import bytes_text
from ..ui.widgets import Line
from .bench import Made
from .said import said


class Contest(w.VBox):
    """made(): what the learner has at the moment of handing in. The table is read anew at every press of a button."""

    def __init__(self, board: Board, made: Callable[[], Made]) -> None:
        self.board, self._made = board, made
        self.name = Line(description="Name on the board", placeholder="you, or your team")
        self.hand_in = w.Button(description="Hand my file in", tooltip="Hand my file in under this name")
        self.refresh = w.Button(description="Read the board again", tooltip="Read the board again")
        self.told, self.table = w.HTML().add_class("wb-live"), w.HTML()
        self.hand_in.on_click(said(self._say, lambda _button: self._submit()))
        self.refresh.on_click(said(self._say, lambda _button: self.show()))
        rule = w.HTML(f"<p><b>The rule:</b> {escape(str(board.rule))}: its test images, which no lesson has shown.</p>")
        field = w.VBox([self.name]).add_class("wb-knob")
        super().__init__([rule, field, w.HBox([self.hand_in, self.refresh]), self.told, self.table])
        self.add_class("wb-app").add_class("wb-lesson")
        said(self._say, self.show)()

    def show(self) -> None:
        """Who leads now."""
        leaders, count = self.board.standing(), len(self.board.entries())
        self.table.value = f"<p>Handed in so far: {count}.</p>{_rows(leaders)}" if count else "<p>No file yet.</p>"

    def _submit(self) -> None:
        self._say("<p>Reading your file back and asking it …</p>")
        entry = self.board.submit(self.name.value, self._made().data)
        self.show()
        self._say(f"<p>{escape(self._became(entry))}</p>")

    def _became(self, entry: Entry) -> str:
        said_so = f"{entry.name}: {entry.file_bytes:,} bytes, {entry.correct} of {entry.n} right."
        if not entry.meets(self.board.rule):
            return f"{said_so} That is less than {100 * self.board.rule.least:g} %, so it stands nowhere yet."
        places = [leader.number for leader in self.board.standing()]
        if entry.number not in places:
            return f"{said_so} An earlier file of this name is smaller, and that one counts."
        return f"{said_so} Place {places.index(entry.number) + 1} of {len(places)}."

    def _say(self, html: str) -> None:
        self.told.value = html


def _rows(leaders: list[Entry]) -> str:
    head = "".join(f'<th scope="col">{h}</th>' for h in ("place", "name", "file", "right", "how (as the file says)"))
    rows = ""
    for place, e in enumerate(leaders, 1):
        cells = (place, e.name, bytes_text(e.file_bytes), f"{e.correct} of {e.n}", f"{e.network}: {e.steps}")
        kind = ' class="wb-board-leader"' if place == 1 else ""
        rows += f"<tr{kind}>{''.join(f'<td>{escape(str(c))}</td>' for c in cells)}</tr>"
    return f'<table class="wb-table wb-board"><tr>{head}</tr>{rows}</table>'
