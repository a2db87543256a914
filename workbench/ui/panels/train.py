"""Train a network from scratch: what, how, the curve while it runs, and the result into the network picker."""

from __future__ import annotations

import ipywidgets as w

from ...figures import training as figure
from ..chart import Chart
from ..engine import Engine
from ..guard import when_seen
from ..state import State
from . import train_start
from .train_plan import NAME, pickers, settings

WHAT = """Give a network weights of your own. It learns from the training images; after each epoch, one pass over them,
it is measured on the validation images, and the best epoch is kept. The settings are set to what suits the data."""


def panel(state: State, engine: Engine) -> w.VBox:
    """Pickers, settings, buttons and the curve."""
    intro = w.HTML(f"<p>{WHAT}</p>")
    return w.VBox([intro, pickers(state), settings(state), train_start.panel(state, engine), *_curves(state)])


def _curves(state: State) -> list[w.Widget]:
    """The training from scratch; below it one that a compression step has asked for, where there was one."""
    curve = Chart("Training: validation accuracy and training loss after each epoch")
    tuned = Chart("Training while compressing: mean loss after each epoch")

    def show() -> None:
        now = state.training
        title = state.choices.networks[now.network].title if now is not None else ""
        view = figure.view(now, name=title)
        curve.show(figure.figure(view), keep=f"{view.title} {view.epochs}")

    def show_tuned() -> None:
        tuned.layout.display = "none" if state.tuning is None else ""
        view = figure.view(state.tuning, name="while compressing")
        tuned.show(figure.figure(view), keep=f"{view.title} {view.epochs}")

    when_seen(state, NAME, show, "training")
    when_seen(state, NAME, show_tuned, "tuning")
    return [curve, tuned]
