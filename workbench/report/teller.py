"""What every section of a report is told from."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..core.progress import Progress
from ..experiment.opened import Opened
from ..experiment.questions import Question
from . import page as html


@dataclass(frozen=True, eq=False)
class Teller:
    """What every section is told from. image: of validation, or None for the flip that lost most confidence."""

    opened: Opened
    image: int | None
    progress: Progress

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        return tuple(self.opened.asked.subject.dataset.classes)

    def answer(self, question: Question) -> Any:
        """The complete answer; WorkbenchError, Cancelled."""
        return self.opened.answer(question, self.progress)


def drawn(figure: ModuleType, view: Any, alt: str) -> str:
    """The chart of a figure's module with the same as a table behind it."""
    rows = figure.table(view)
    table = html.table(tuple(rows[0]), [tuple(row.values()) for row in rows]) if rows else ""
    return html.chart(figure.figure(view), alt) + (html.folded("The same as a table", table) if table else "")
