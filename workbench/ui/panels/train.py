"""Train a network from scratch: what, how, the curve while it runs, and the result into the network picker."""

from __future__ import annotations

import ipywidgets as w

from ...core.training import RUNNING
from ...figures import training as figure
from ..chart import Chart
from ..engine import Engine
from ..guard import when_seen
from ..spoken import HTML
from ..state import State
from . import train_plan, train_start

NAME = train_plan.NAME
WHAT = """Give a network weights of your own. It learns from the training images; after each epoch, one pass over them,
it is measured on the validation images, and the best epoch is kept. The settings are set to what suits the data. What a
method trains while it compresses is drawn here too."""


def panel(state: State, engine: Engine) -> w.VBox:
    """Pickers, settings, buttons and the curve."""
    intro = HTML(f"<p>{WHAT}</p>")
    plan = [train_plan.pickers(state), train_plan.settings(state)]
    return w.VBox([intro, *plan, train_start.panel(state, engine), _curve(state)])


def _curve(state: State) -> Chart:
    """The training from scratch, or the one that a compression step asks for, whichever runs or ran last."""
    chart = Chart("Training: validation accuracy and training loss after each epoch")

    def show() -> None:
        scratch, tuning = state.training, state.tuning
        if tuning is not None and (scratch is None or scratch.outcome != RUNNING):
            view = figure.view(tuning, name="while compressing")
        else:
            view = figure.view(scratch, name=state.choices.networks[scratch.network].title if scratch else "")
        chart.show(figure.figure(view), keep=f"{view.title} {view.epochs}", rows=figure.table(view))

    when_seen(state, NAME, show, "training", "tuning")
    return chart
