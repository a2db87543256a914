"""What can be done to a line of steps: pure, each edit gives another line or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..core.errors import WorkbenchError
from ..core.recipe import Step


class Line(NamedTuple):
    """steps in their order; off: places of those that are switched off; active: the place that edits are about."""

    steps: tuple[Step, ...]
    off: tuple[int, ...] = ()
    active: int = 0

    @property
    def on(self) -> tuple[Step, ...]:
        """The steps that are carried out."""
        return tuple(step for i, step in enumerate(self.steps) if i not in self.off)


Entries = list[tuple[Step, bool]]
"""Each step, and whether it is on."""


def earlier(line: Line) -> Line:
    """The active step before the one that it comes after."""
    if line.active == 0:
        raise WorkbenchError("This step is the first already.")
    return _swapped(line, line.active - 1)


def later(line: Line) -> Line:
    """The active step after the one that it comes before."""
    if line.active == len(line.steps) - 1:
        raise WorkbenchError("This step is the last already.")
    return _swapped(line, line.active + 1)


def removed(line: Line) -> Line:
    """The line without the active step; one that is on has to stay."""
    entries = _entries(line)
    del entries[line.active]
    if not entries:
        raise WorkbenchError("One step has to stay; pick another method for it instead.")
    return _with_one_on(entries, min(line.active, len(entries) - 1))


def doubled(line: Line) -> Line:
    """The active step once more, right after itself."""
    entries = _entries(line)
    entries.insert(line.active + 1, entries[line.active])
    return _line(entries, line.active + 1)


def switched(line: Line) -> Line:
    """The active step off where it is on, and on where it is off."""
    entries = _entries(line)
    step, on = entries[line.active]
    entries[line.active] = (step, not on)
    return _with_one_on(entries, line.active)


EDITS: dict[str, Callable[[Line], Line]] = {
    "earlier": earlier,
    "later": later,
    "duplicate": doubled,
    "switch": switched,
    "remove": removed,
}
"""By the name that a button has."""


def _entries(line: Line) -> Entries:
    return [(step, i not in line.off) for i, step in enumerate(line.steps)]


def _line(entries: Entries, active: int) -> Line:
    off = tuple(i for i, (_, on) in enumerate(entries) if not on)
    return Line(tuple(step for step, _ in entries), off, active)


def _with_one_on(entries: Entries, active: int) -> Line:
    if not any(on for _, on in entries):
        raise WorkbenchError("One step has to stay switched on; switch another one on first.")
    return _line(entries, active)


def _swapped(line: Line, other: int) -> Line:
    entries = _entries(line)
    entries[line.active], entries[other] = entries[other], entries[line.active]
    return _line(entries, other)
