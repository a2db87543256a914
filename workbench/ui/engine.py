"""Between the state and the worker: a new choice is estimated at once, measured soon, and its curve filled in."""

from __future__ import annotations

from collections.abc import Callable

from ..core.errors import WorkbenchError
from ..core.recipe import Recipe
from ..core.training import RUNNING, Training
from ..experiment.live import Live
from ..experiment.pipeline import trains
from ..experiment.questions import Question
from ..experiment.search.space import loosened
from .choices import axis_of
from .debounce import Debounce, Timer
from .guard import guard, watch
from .snippets import plain
from .state import State

STILL_S = 0.25
"""How long the sliders rest before a curve is measured."""


class Engine:
    """Watches the choice and asks `live` for what the page shows. Nothing here computes."""

    def __init__(
        self, state: State, live: Live, timer: Callable[[float, Callable[[], None]], Timer] | None = None
    ) -> None:
        self._state, self._live = state, live
        self._learnt = ("", "")
        self._proposed: tuple[str, Recipe | None] = ("", None)
        self._later = Debounce(guard(state, self._fill_unless_it_trains), STILL_S, timer)

    def start(self) -> None:
        """Show what is chosen now and follow the choice from here on."""
        watch(self._state, self._follow, "recipe")
        self._state.observe(guard(self._state, lambda _: self._later()), "active")

    def measure(self) -> None:
        """Measure what is chosen, once more after it was stopped."""
        self._state.estimate = self._live.show(self._wanted())

    def fill(self) -> None:
        """Measure the curve over the active method's main knob."""
        recipe, step = self._wanted(), self._state.step
        if (knob := axis_of(step.method)) is None:
            raise WorkbenchError(f"{step.method} has no knob to draw a curve over.")
        self._live.fill(recipe, self._state.place, knob)

    def sensitivity(self) -> None:
        """Measure every layer alone under the active method."""
        self._live.sensitivity(self._wanted(), self._state.place)

    def allocate(self) -> None:
        """Choose every layer's value of the active step from its sensitivity."""
        state = self._state
        self._live.allocate(self._wanted(), state.place, state.tolerated / 100, state.together)

    def propose(self) -> None:
        """Work out settings within the budget, which takes some seconds and no trial; once for each thing asked."""
        state = self._state
        asked = (state.budget, self._open() if state.recipe is not None or not state.my_steps else None)
        if asked == self._proposed:
            return
        self.stop_search()
        self._proposed, state.search = asked, None
        if state.budget and asked[1] is not None:
            self._live.propose(asked[1], state.budget)

    def search(self) -> None:
        """Search settings within the budget by measuring some."""
        if not self._state.budget:
            raise WorkbenchError("Say a budget first: a size, a loss of accuracy, or multiply-adds.")
        self._live.search(self._open(), self._state.budget, self._state.trials)

    def stop_search(self) -> None:
        """Stop the search, and nothing else."""
        self._live.stop_search()

    def compare(self) -> None:
        """Set what is measured of this network and data against each other."""
        self._live.compare(tuple(self._state.runs.values()), self._state.baseline)

    def ask(self, question: Question) -> None:
        """Find out about the networks that are chosen now; the answer grows in `state.answers`."""
        recipe = self._wanted()
        self._state.asked = {**self._state.asked, question.kind: question}
        self._live.ask(recipe, question)

    def report(self) -> None:
        """Measure on the test data."""
        self._live.report(self._wanted())

    def train(self) -> None:
        """Train what is planned, from scratch or on from where it was stopped."""
        plan = self._state.plan
        if self._state.training is not None and self._state.training.outcome == RUNNING:
            raise WorkbenchError("A training runs already; stop it first.")
        self._live.train(plan, fresh=self._state.afresh)
        self._state.tuning = None
        self._state.training = Training(plan.network, plan.dataset, plan.settings.epochs, label=plan.label)

    def stop_training(self) -> None:
        """Stop the training, and nothing else."""
        self._live.stop_training()

    def cancel(self, *, training: bool = True) -> None:
        """Stop what is running and what is waiting, but for a training that is to go on.

        What was known before is asked for again with the next choice.
        """
        self._learnt = ("", "")
        self._proposed = ("", None)
        self._later.cancel()
        self._live.cancel(training=training)

    def file(self) -> tuple[str, bytes] | None:
        """(name, bytes) of the artifact, once the recipe is measured."""
        recipe = self._state.recipe
        data = None if recipe is None else self._live.file_of(recipe)
        return None if data is None else (f"{self.stem()}.wbz", data)

    def stem(self) -> str:
        """What the names of files of the recipe begin with."""
        recipe = self._wanted()
        return f"{plain(recipe.network)}-{plain(recipe.dataset)}-{recipe.key[:8]}"

    def close(self) -> None:
        """Stop for good."""
        self._later.cancel()
        self._live.close()

    def _follow(self) -> None:
        recipe = self._state.recipe
        if recipe is None:
            self.cancel(training=False)
            return
        self._learn(recipe)
        self._state.estimate = self._live.show(recipe)
        self._later()

    def _learn(self, recipe: Recipe) -> None:
        """What is in the store already, when the curves of this network on this dataset are not on the page yet."""
        if self._learnt != (recipe.network, recipe.dataset):
            self._learnt = (recipe.network, recipe.dataset)
            self._live.recall(*self._learnt)
            self._live.baseline(*self._learnt)

    def _fill_unless_it_trains(self) -> None:
        state = self._state
        if state.recipe is None or state.active in state.off or any(map(trains, state.line.on)):
            return
        if not state.choices.everywhere_own(state.network, state.step, axis_of(state.step.method) or ""):
            self.fill()

    def _open(self) -> Recipe:
        """What is searched: the main knobs of the chosen steps, or steps too."""
        state = self._state
        return loosened(self._wanted()) if state.my_steps else Recipe(state.network, state.dataset, (), state.seed)

    def _wanted(self) -> Recipe:
        recipe: Recipe | None = self._state.recipe
        if recipe is None:
            raise WorkbenchError(self._state.problem)
        return recipe
