"""Which panel is where on the page."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from ..experiment.labels import Labels
from . import access
from .chart import PlotlyBundle
from .debounce import Timer
from .engine import Engine
from .history import History
from .language_menu import Languages
from .lesson import held
from .panels import (
    advisor,
    budget,
    bytes,
    compare,
    costs,
    criterion,
    curve,
    explain,
    export,
    filters,
    headline,
    history,
    inside,
    knobs,
    layers,
    link,
    lower,
    notes,
    pickers,
    sensitivity,
    status,
    steps,
    train,
    undo,
    unit,
)
from .panels.layer import layer_picker
from .spoken import HTML
from .state import State
from .widgets import Heartbeat, Page

WELCOME = """<h1>Compression Workbench</h1>
<p>Make a trained network smaller and see what that costs. Pick a network and a method, then move a slider: the numbers
below follow. A dashed box is an estimate, a dotted one a sample of the images; a solid one is measured on a file that
was written and read back. Below it all are views that look closer, and the file is yours to take along.</p>"""


def page(
    state: State,
    engine: Engine,
    past: History,
    labels: Labels,
    timer: Callable[[float, Callable[[], None]], Timer] | None = None,
) -> w.VBox:
    """Everything that is on the page."""
    side = w.VBox([held(state, "steps", steps.panel(state)), knobs.panel(state)]).add_class("wb-side")
    numbers = [headline.panel(state), status.panel(state, engine), held(state, "curve", curve.panel(state, engine))]
    numbers += [notes.panel(state), held(state, "export", export.panel(state, engine))]
    wide = w.VBox(numbers).add_class("wb-wide")
    card = unit.panel(state, engine, filters.NAME, unit.NAME)
    why = w.VBox([layer_picker(state), card, criterion.panel(state, engine, unit.NAME)])
    views = {
        bytes.NAME: ("Where the bytes went", bytes.panel(state, engine)),
        filters.NAME: ("What was removed", w.VBox([filters.panel(state), card])),
        unit.NAME: ("Why could it go?", why),
        layers.NAME: ("Layers", layers.panel(state)),
        sensitivity.NAME: ("Which layer minds most", sensitivity.panel(state, engine)),
        costs.NAME: ("What it cost", costs.panel(state, engine)),
        inside.NAME: ("Inside the layers", inside.panel(state, engine)),
        budget.NAME: ("Say the budget", budget.panel(state, engine)),
        advisor.NAME: ("Ask for advice", advisor.panel(state, engine)),
        compare.NAME: ("Compare", compare.panel(state, engine)),
        history.NAME: ("History", history.panel(state, labels)),
        explain.NAME: ("What the network looks at", explain.panel(state, engine)),
        train.NAME: ("Train a network", train.panel(state, engine)),
    }
    main = w.Box([side, wide]).add_class("wb-main")
    share = link.panel(state, {name: title for name, (title, _) in views.items()}, timer)
    top = w.Box([undo.panel(state, past), share]).add_class("wb-top")
    parts = [
        w.Box([*access.parts(state), Languages()]).add_class("wb-strip"),
        Page(),
        Heartbeat(),
        PlotlyBundle(),
        HTML(WELCOME),
        top,
        pickers.panel(state),
        main,
        lower.panel(state, views),
    ]
    return w.VBox(parts).add_class("wb-app")
