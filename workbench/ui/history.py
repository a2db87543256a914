"""Undo and redo of everything that the person chooses: snapshots of the state, one for each thing that was done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import traitlets as t

from ..core.recipe import Step
from .guard import guard
from .snapshot import ASIDE, Snapshot, captured, chosen_again
from .state import State

MOST = 100
AT_ONCE_S = 0.05
"""Changes so close together are one action: a network that is picked takes the layer with it."""
MOVING_S = 1.0
"""A slider that has not rested so long is still being moved."""
BESIDE = ("off", *ASIDE, "active")
CHOSEN = ("dataset", "network", "steps", "seed", *BESIDE)
WORDS = {
    "off": "steps that are on",
    "pinned": "pinned run",
    "picked": "picked run",
    "active": "highlighted step",
    "my_steps": "whose settings are searched",
    "trials": "number of trials",
    "needs": "answers to the advisor",
    "tolerated": "tolerated loss",
    "together": "whose loss is limited",
}
SLID = ("trials", "tolerated")
"""What a slider moves, besides knobs."""


class History(t.HasTraits):
    """Follows a state from its making on. `back` and `forth` say what undo and redo would change, "" when nothing.

    At most MOST actions can be undone; a new one ends what could be redone.
    """

    back = t.Unicode()
    forth = t.Unicode()

    def __init__(self, state: State, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._state, self._clock = state, clock
        self._past: deque[Snapshot] = deque(maxlen=MOST)
        self._future: list[Snapshot] = []
        self._now = captured(state)
        self._changed_at, self._what = -MOVING_S, ""
        self._going = False
        state.observe(guard(state, lambda _change: self._note()), list(CHOSEN))

    def begin(self) -> None:
        """From here on; nothing before it can be undone."""
        self._past.clear()
        self._future.clear()
        self._now, self._what = captured(self._state), ""
        self._tell()

    def undo(self) -> None:
        """Take the last action back; nothing happens when there is none."""
        if self._past:
            self._future.append(self._now)
            self._go(self._past.pop())

    def redo(self) -> None:
        """Do again what was taken back last."""
        if self._future:
            self._past.append(self._now)
            self._go(self._future.pop())

    def _go(self, wanted: Snapshot) -> None:
        self._going = True
        try:
            chosen_again(self._state, wanted)
        finally:
            self._going = False
        self._now, self._what = captured(self._state), ""
        self._tell()

    def _note(self) -> None:
        new = captured(self._state)
        if self._going or new == self._now:
            return
        now, what = self._clock(), difference(self._now, new)
        rest = now - self._changed_at
        same = rest < AT_ONCE_S or (what == self._what and _is_slid(what) and rest < MOVING_S)
        if not (same and self._past):
            self._past.append(self._now)
            self._what = what
        self._now, self._changed_at = new, now
        self._future.clear()
        self._tell()

    def _tell(self) -> None:
        self.back = difference(self._past[-1], self._now) if self._past else ""
        self.forth = difference(self._future[-1], self._now) if self._future else ""


def difference(before: Snapshot, after: Snapshot) -> str:
    """What lies between two choices, in a few words: the most important of it."""
    old, new = before.recipe, after.recipe
    for name in ("dataset", "network", "seed"):
        if getattr(old, name) != getattr(new, name):
            return name
    if [step.method for step in old.steps] != [step.method for step in new.steps]:
        return "method" if len(old.steps) == len(new.steps) else "steps"
    for i, (one, other) in enumerate(zip(old.steps, new.steps, strict=True)):
        if one != other:
            return f"{_turned(one, other)} of step {i + 1}"
    found = next((name for name in BESIDE if getattr(before, name) != getattr(after, name)), "")
    return WORDS.get(found, found)


def _is_slid(what: str) -> bool:
    return "knob" in what or what in [WORDS[name] for name in SLID]


def _turned(one: Step, other: Step) -> str:
    knobs = [k for k in {**one.knobs, **other.knobs} if one.knobs.get(k) != other.knobs.get(k)]
    if knobs:
        return f"knob {knobs[0].replace('_', ' ')}"
    layers = [n for n in {**one.per_layer, **other.per_layer} if one.per_layer.get(n) != other.per_layer.get(n)]
    return f"knob values of {layers[0]}" if layers else "layers"
