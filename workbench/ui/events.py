"""What the worker reports becomes traits of the state; what belongs to an older choice is dropped."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..core.recipe import Recipe
from ..core.records import Run
from ..core.training import RUNNING
from ..experiment import reports
from ..experiment.questions import Answer
from ..experiment.worker import DONE
from .plans import renewed
from .state import State

EVERY_S = 0.1
"""Progress is drawn no more often than this; a change of what is being done is drawn at once."""


class Events:
    """Receives events on any thread and applies them one at a time, by setting traits only."""

    def __init__(self, state: State, clock: Callable[[], float] = time.monotonic) -> None:
        self._state, self._clock = state, clock
        self._drawn_at = -EVERY_S

    def __call__(self, event: reports.Event) -> None:
        with self._state.lock, self._state.hold_trait_notifications():
            self._apply(event)

    def _apply(self, event: reports.Event) -> None:
        state = self._state
        match event:
            case reports.Sampled(recipe, accuracy, estimated_bytes) if self._wanted(recipe) and state.run is None:
                state.sample = (accuracy, estimated_bytes)
            case reports.Estimated(recipe, estimate) if self._wanted(recipe) and state.run is None:
                state.estimate = estimate
            case reports.Recalled(network, dataset, runs, remarks) if (network, dataset) == (
                state.network,
                state.dataset,
            ):
                state.remarks = tuple(map(state.choices.told, remarks))
                state.learn(runs)
            case reports.Learnt(network, dataset, runs) if (network, dataset) == (state.network, state.dataset):
                state.learn(runs)
            case reports.Measured(recipe, run):
                self._measured(recipe, run)
            case reports.Decided(recipe, decisions, notes) if self._wanted(recipe):
                state.decisions, state.notes = tuple(decisions), tuple(notes)
            case reports.Answered(recipe, answer) if self._asked(recipe, answer):
                state.answers = {**state.answers, answer.question.kind: answer}
            case reports.Sensed(sensitivity) if (sensitivity.network, sensitivity.dataset) == (
                state.network,
                state.dataset,
            ):
                state.sensitivity = sensitivity
            case reports.Allocated(recipe, step, made):
                state.take(recipe, step, made)
            case reports.Searched(_, found) if (found.network, found.dataset, str(found.budget)) == (
                state.network,
                state.dataset,
                state.budget,
            ):
                state.search = found
            case reports.Compared(network, found) if (network, found.dataset) == (state.network, state.dataset):
                state.comparison = found
            case reports.Trained(training) if state.training is not None and state.training.outcome == RUNNING:
                state.training = training  # nothing follows on the end of one but the next one's start
            case reports.Tuned(recipe, training) if self._wanted(recipe):
                state.tuning = training
            case reports.Kept():
                state.choices = state.choices.with_kept()
                state.plan = state.plan and renewed(state.plan)
            case reports.Working(doing, share):
                self._working(doing, share)
            case reports.Idle(outcome):
                state.set({"busy": False, "doing": "", "share": None, "stopped": outcome != DONE})
            case reports.Failed(sentence, details):
                state.error, state.details = sentence, details
            case _:
                pass  # an answer to a question that nobody asks any more

    def _measured(self, recipe: Recipe, run: Run) -> None:
        state = self._state
        if (recipe.network, recipe.dataset) != (state.network, state.dataset):
            return
        tested = run.measurement.accuracy.split == "test"
        if not tested:
            state.runs = {**state.runs, recipe.key: run}
        if self._wanted(recipe):
            if tested:
                state.report = run
            else:
                state.set({"run": run, "sample": None, "decisions": run.decisions, "notes": run.notes})

    def _wanted(self, recipe: Recipe) -> bool:
        wanted = self._state.recipe
        return wanted is not None and wanted.key == recipe.key

    def _asked(self, recipe: Recipe, answer: Answer) -> bool:
        """Whether somebody still wants to know; what is about the dense network alone outlives a change of steps."""
        question, state = answer.question, self._state
        if state.asked.get(question.kind) != question:
            return False
        return self._wanted(recipe) or (
            question.dense and (recipe.network, recipe.dataset) == (state.network, state.dataset)
        )

    def _working(self, doing: str, share: float | None) -> None:
        state, now = self._state, self._clock()
        if state.busy and doing == state.doing and now - self._drawn_at < EVERY_S:
            return
        self._drawn_at = now
        state.set({"busy": True, "doing": doing, "share": share, "stopped": False})
