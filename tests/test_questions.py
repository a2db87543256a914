"""Asking: the newest question of a kind counts, answers grow and are remembered, those about the dense network stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
import ui_fakes

from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step
from workbench.experiment.live import Live
from workbench.experiment.questions import Answer, Asked, Question
from workbench.experiment.reports import Answered

RECIPE = Recipe("lenet5", "digits", (Step("prune.l1_filter"),))
computed: list[object] = []


@dataclass(frozen=True)
class Counting(Question):
    """Counts to `up_to`, and can tell how often it had to."""

    up_to: int
    kind: ClassVar[str] = "counting"

    def answers(self, asked: Asked, progress: Progress) -> Iterator[int]:
        computed.append((self, asked.recipe.steps))
        for i in range(self.up_to):
            progress.check()
            yield i + 1


@dataclass(frozen=True)
class Lasting(Counting):
    """The same about the dense network."""

    kind: ClassVar[str] = "lasting"
    dense: ClassVar[bool] = True


@pytest.fixture
def live():
    events: list = []
    live = Live(events.append)
    live.events = events
    yield live
    live.close()


def answers(live) -> list[tuple[object, bool]]:
    found = [e.answer[1:] for e in live.events if isinstance(e, Answered)]
    live.events.clear()
    return found


@pytest.mark.parametrize("asked", [Counting, Lasting])
def test_an_answer_grows_and_is_remembered(live, asked):
    computed.clear()
    for expected in ([(1, False), (2, False), (2, True)], [(2, True)]):
        live.ask(RECIPE, asked(2))
        assert live.wait(30)
        assert answers(live) == expected
    assert len(computed) == 1
    live.ask(RECIPE.with_steps(Step("prune.fpgm")), asked(2))
    assert live.wait(30)
    assert len(computed) == (1 if asked.dense else 2)


def test_the_page_keeps_what_it_still_wants_to_know():
    app = ui_fakes.app()
    state, engine = app.state, app.engine
    try:
        for question in (Counting(1), Counting(3), Lasting(2)):
            engine.ask(question)
            app.live.notify(Answered(state.recipe, Answer(question, question.up_to, final=True)))
        app.live.notify(Answered(state.recipe, Answer(Counting(1), 1, final=True)))  # it comes late
        assert (state.answer("counting"), state.answer("lasting")) == (3, 2)
        before = state.recipe
        state.turn("pruning_ratio", 0.31)
        assert (state.answer("counting"), state.answer("lasting")) == (None, 2)
        app.live.notify(Answered(before, Answer(Counting(3), 3, final=True)))
        app.live.notify(Answered(before, Answer(Lasting(2), 5, final=True)))
        assert (state.answer("counting"), state.answer("lasting")) == (None, 5)
        state.pick_network("lenet_300_100")
        assert state.answers == {} and state.asked == {}
    finally:
        app.close()
