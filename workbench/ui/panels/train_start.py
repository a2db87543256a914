"""Start and stop a training, name its result, and take it up to be compressed."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...core.recipe import Recipe
from ...core.training import DONE, RUNNING, Training
from ...train.watch import duration
from ..engine import Engine
from ..guard import guard, when_seen
from ..plans import name_of, renamed
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Line, Tick
from .train_plan import NAME


def panel(state: State, engine: Engine) -> w.VBox:
    """The name of the result, and the buttons."""
    label = Line(description="Name for the result", tooltip="1 to 40 letters, digits, _ or -", continuous_update=False)
    start = Button(description="Train from scratch", tooltip="Begin; the sliders above stay usable meanwhile")
    stop = Button(description="Stop training", tooltip="The epochs that are done are kept for going on")
    use = Button(description="Compress it above", tooltip="Make the trained network the one that is compressed")
    afresh = Tick(description="begin anew instead", indent=False)
    said, left = HTML().add_class("wb-live"), HTML()
    label.refuse = afresh.refuse = state.refuse

    def show() -> None:
        plan, now, done = state.plan, state.training, state.plan.epochs_done
        runs = now is not None and now.outcome == RUNNING
        label.value, start.disabled, stop.disabled = plan.label, runs, not runs
        start.description = "Train from scratch" if not done or state.afresh or runs else "Go on with the training"
        use.layout.display = "" if now is not None and now.outcome == DONE else "none"
        afresh.layout.display = "" if done and not runs else "none"
        afresh.value = state.afresh
        left.value = f'<span class="wb-help">{escape(_offer(state, done, runs))}</span>'
        said.value = escape(_progress(now)) if now is not None else ""

    def rename(change: dict[str, str]) -> None:
        try:
            if change["new"] != state.plan.label:
                state.plan = renamed(state.plan, change["new"])
        finally:
            label.value = state.plan.label

    def take(_button: object) -> None:
        trained = state.training
        made = Recipe(f"{trained.network}@{trained.label}", trained.dataset, state.steps, state.seed)
        state.choose(made, state.active, state.off)

    label.observe(guard(state, rename), "value")
    afresh.observe(guard(state, lambda change: state.set({"afresh": change["new"]})), "value")
    start.on_click(guard(state, lambda _button: engine.train()))
    stop.on_click(guard(state, lambda _button: engine.stop_training()))
    use.on_click(guard(state, take))
    when_seen(state, NAME, show, "plan", "training", "afresh")
    name = w.Box([label], layout=w.Layout(max_width="420px")).add_class("wb-knob")
    return w.VBox([name, w.Box([start, stop, use, afresh]).add_class("wb-buttons"), left, said])


def _offer(state: State, done: int, runs: bool) -> str:
    """What a click on the button will do."""
    plan = state.plan
    if runs:
        return "The sliders above stay usable; while they measure, the training waits."
    if done and not state.afresh:
        return (
            f"A training with these settings was stopped after epoch {done} of {plan.settings.epochs}; it resumes at "
            f"epoch {done + 1}, to the same result as if it had never stopped."
        )
    return f"The result will be called {name_of(plan)} and stand among the networks."


def _progress(now: Training) -> str:
    """How far it is, in words."""
    if now.outcome == DONE:
        test = now.test
        if test is None:
            return "Done."
        low, high = test.interval
        right = f"{100 * test.accuracy:.1f} % of {test.n:,} test images ({100 * low:.1f} to {100 * high:.1f})"
        return f"{now.network}@{now.label} is kept: {right}. It stands among the networks now."
    if now.outcome != RUNNING:
        return ""
    left = "" if now.seconds_left is None else f", about {duration(now.seconds_left)} left"
    return f"{100 * now.share:.0f} % done{left}."
