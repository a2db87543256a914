"""Questions that are asked again when the choice changes, from the first time that somebody asks."""

from __future__ import annotations

from collections.abc import Callable

from ..experiment.questions import Question
from .engine import Engine
from .guard import guard, when_seen
from .state import State


class Following:
    """While `view` is on the page, changes of `traits` ask anew. Another network or dataset ends it."""

    def __init__(self, state: State, engine: Engine, view: str, *traits: str) -> None:
        self._state, self._engine = state, engine
        self._make: dict[str, Callable[[], Question]] = {}
        when_seen(state, view, self._again, "recipe", *traits)
        state.observe(guard(state, lambda _change: self._make.clear()), ["network", "dataset"])

    def start(self, make: Callable[[], Question]) -> None:
        """Ask now, and whenever the choice is another one."""
        question = make()
        self._engine.ask(question)
        self._make[question.kind] = make

    def __contains__(self, kind: str) -> bool:
        return kind in self._make

    def _again(self) -> None:
        for kind, make in self._make.items():
            question = make()
            if self._state.recipe is not None and self._state.asked.get(kind) != question:
                self._engine.ask(question)
