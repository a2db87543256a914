"""The app: `from workbench.ui.app import show; show()` in a notebook, under Voila or in JupyterLab."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from ..core.errors import WorkbenchError
from ..core.recipe import Recipe
from ..experiment.labels import Labels
from ..experiment.live import Live
from ..experiment.store import Store
from ..train.home import Plan
from .arrival import Arrival
from .cells import replace_earlier
from .choices import Choices, default_step, installed
from .debounce import Timer
from .engine import Engine
from .events import Events
from .guard import guard
from .history import History
from .language import spoken
from .language_menu import asked, speak_as_asked
from .layout import page
from .link import opened
from .places import read_by_strangers
from .state import State
from .visited import make_nothing_for_the_page, share_of_threads, waited_for
from .widgets import close_all

DATASET, NETWORK, METHOD = "digits", "lenet5", "prune.magnitude_iter"


class App:
    """The page with its state. Displays itself; `close` ends the worker and frees every widget.

    A notebook's cell that is run again closes what it made before.
    """

    def __init__(
        self,
        *,
        choices: Choices | None = None,
        live: Callable[[Events], Live] | None = None,
        timer: Callable[[float, Callable[[], None]], Timer] | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        self.state = State(choices or installed())
        self.arrival = Arrival(self.state)
        self.labels = Labels()
        self.live = live(Events(self.state)) if live else self._live()
        self.engine = Engine(self.state, self.live, timer)
        self.state.choose(recipe or Recipe(NETWORK, DATASET, (default_step(METHOD),)))
        self.state.plan = Plan.usual(self.state.network, self.state.dataset)
        self.history = History(self.state)
        self.widget = page(self.state, self.engine, self.history, self.labels, timer)
        self.widget.children = (*self.widget.children, self.arrival)
        self.history.begin()
        replace_earlier(self)

    def start(self) -> App:
        """Begin to measure what is chosen."""
        self.arrival.begin(self.widget)
        self.engine.start()
        return self

    def open(self, query: str) -> App:
        """Choose what a link says, `?s=...`; one that makes no sense is answered by a sentence and changes nothing."""
        guard(self.state, lambda: opened(self.state, query))()
        self.history.begin()
        self.arrival.begin(self.widget)
        return self

    def close(self) -> None:
        self.engine.close()
        self.state.unobserve_all()
        close_all(self.widget)

    def _live(self) -> Live:
        """With what was measured before, or without when that cannot be opened."""
        try:
            store = Store()
        except WorkbenchError as error:
            self.state.error = str(error)
            return Live(Events(self.state))
        self.state.error, self.labels = store.notice, Labels(store)
        return Live(Events(self.state), store)

    def _repr_mimebundle_(self, **_how: Any) -> Any:
        return self.widget._repr_mimebundle_()


def show(*, threads: int = 0, link: str = "") -> App:
    """Make the app. threads: how many torch may use; 0: this page's share, since many share a machine.

    link: `?s=...&lang=zh`, what to begin with, in which language; under Voila the address of the page says it. With
    preheated kernels everything slow, the first curve included, happens before somebody asks for the page.
    """
    torch.set_num_threads(threads or share_of_threads())
    app = _begun(link or os.environ.get("QUERY_STRING", ""))
    if os.environ.get("VOILA_PREHEAT") == "True":
        app.state.choices.for_training(app.state.dataset)  # tries every network, which takes seconds the first time
        app = _welcoming(app, waited_for())
    if read_by_strangers():
        make_nothing_for_the_page()
    return app


def _begun(query: str) -> App:
    """The app at what the address says, in its language."""
    wrong = speak_as_asked(query)
    app = App().open(query).start()
    app.state.error = wrong or app.state.error
    return app


def _welcoming(app: App, query: str) -> App:
    """An app that waited for its visitor; made anew where they read another language than it was made in."""
    if asked(query) == spoken():
        return app.open(query)
    app.close()
    return _begun(query)
