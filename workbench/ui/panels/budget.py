"""Say the budget, get the settings: what is known at once, an estimate in a moment, and a search that measures."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...core.budget import figures_of, parse_budget
from ...core.errors import WorkbenchError
from ...core.recipe import Recipe
from ...experiment.search.propose import why_not
from ...figures import searched as figure
from ..chart import Chart, Point
from ..controls import Control
from ..engine import Engine
from ..guard import guard, watch, when_seen
from ..numbers import EMPTY, ESTIMATE, MEASURED
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Line, Menu
from ..wishes import FIELDS, TRIALS, budget_of, texts_of
from .tables import folded

NAME = "budget"
WHAT = """Say what the network may cost; a field that is empty sets no limit. What was measured before answers at
once. Then an estimate is worked out from how much each layer alone can bear, without any training: it is marked as one.
“Search for better” measures settings, each of which becomes a point on the curve above as well."""
STEPS = {"the best of the usual sequences of methods": False, "the steps chosen above, with their main knobs": True}
ANSWERS = {"Best measured so far": "measured", "Estimate": "estimated", "Best of the search": "searched"}
"""Title -> what its settings are called on the button."""


def panel(state: State, engine: Engine) -> w.VBox:
    """Fields, three answers each with a button, and the search."""
    answers = [_Answer(state, title, which) for title, which in ANSWERS.items()]
    chart = Chart("Every setting of the search: accuracy against what the budget limits; the table below says the same")
    said, rows, view = HTML().add_class("wb-live"), HTML(), figure.view(None)

    def show() -> None:
        nonlocal view
        view = figure.view(state.search)
        for answer, found in zip(answers, (_known(state), _estimate(state), _best(state)), strict=True):
            answer.show(*found)
        said.value = f"<p>{escape(_outcome(state))}</p>"
        chart.layout.display = "" if view.trials or view.guess else "none"
        chart.show(figure.figure(view))
        rows.value = folded(figure.table(view))

    def clicked(trace: int, point: Point) -> None:
        key = figure.recipe_at(view, trace, point) if isinstance(point, int) else None
        if key in state.runs:
            state.follow(state.runs[key])

    chart.clicked = guard(state, clicked)
    when_seen(state, NAME, engine.propose, "budget", "my_steps", "network", "dataset", "recipe")
    when_seen(state, NAME, show, "search", "budget", "runs", "busy")
    cards = w.Box([answer.box for answer in answers]).add_class("wb-tiles")
    intro = HTML(f"<p>{WHAT}</p>")
    return w.VBox([intro, _fields(state), _steps(state), cards, _search(state, engine), said, chart, rows])


def _fields(state: State) -> w.VBox:
    """One line for each limit; what is wrong with one is said below, and nothing has changed then."""
    lines = {f.measure: Line(description=f.label, placeholder="no limit", continuous_update=False) for f in FIELDS}
    wrong, following = HTML().add_class("wb-live"), False

    def typed(_change: object) -> None:
        if following:
            return
        try:
            state.budget, wrong.value = budget_of({name: line.value for name, line in lines.items()}), ""
        except WorkbenchError as error:
            wrong.value = f'<span class="wb-wrong">{escape(str(error))}</span>'

    def show() -> None:
        nonlocal following
        following = True
        for name, text in texts_of(state.budget).items():
            lines[name].value = text
        following, wrong.value = False, ""

    for line in lines.values():
        line.refuse = state.refuse
        line.observe(guard(state, typed), "value")
    watch(state, show, "budget")
    boxes = [w.Box([line]).add_class("wb-knob") for line in lines.values()]
    return w.VBox([w.Box(boxes).add_class("wb-row"), wrong])


def _steps(state: State) -> w.Box:
    menu = Menu(options=tuple(STEPS), description="Settings of", tooltip="Whether the steps are chosen as well")
    menu.refuse = state.refuse
    menu.observe(guard(state, lambda change: state.set({"my_steps": STEPS[change["new"]]})), "value")

    def show() -> None:
        menu.value = next(text for text, mine in STEPS.items() if mine == state.my_steps)

    watch(state, show, "my_steps")
    return w.Box([menu], layout=w.Layout(max_width="560px")).add_class("wb-knob")


def _search(state: State, engine: Engine) -> w.VBox:
    """Start and stop; without Optuna the start is off, with the sentence that says what brings it."""
    start = Button(description="Search for better", tooltip="Measure settings in the background, each a trial")
    stop = Button(description="Stop the search", tooltip="What was measured stays")
    trials = Control("trials", TRIALS, guard(state, lambda value: state.set({"trials": value})), state.refuse)
    start.on_click(guard(state, lambda _button: engine.search()))
    stop.on_click(guard(state, lambda _button: engine.stop_search()))
    off = HTML()

    def offer() -> None:
        why = why_not() or ("" if state.budget else "Say a budget first.")
        start.disabled, stop.disabled = bool(why), not state.busy
        off.value = f'<span class="wb-help">{escape(why)}</span>'
        trials.show(state.trials)

    watch(state, offer, "budget", "busy", "trials")
    many = w.Box([trials.widget], layout=w.Layout(max_width="420px"))
    return w.VBox([many, w.Box([start, stop, off]).add_class("wb-buttons")])


class _Answer:
    """A tile with the settings that somebody can use."""

    def __init__(self, state: State, title: str, which: str) -> None:
        self._state, self._title = state, title
        self._recipe: Recipe | None = None
        self._text = HTML()
        self._use = Button(description=f"Use the {which} settings", tooltip="Set the steps and knobs above to these")
        self._use.on_click(guard(state, lambda _button: self._take()))
        self.box = w.VBox([self._text, self._use]).add_class("wb-tile")
        self._look = ""

    def show(self, look: str, value: str, more: str, recipe: Recipe | None) -> None:
        """look: one of those of the numbers at the top; recipe: None where there is nothing to use."""
        if look != self._look:
            self.box.remove_class(f"wb-{self._look}")
            self.box.add_class(f"wb-{look}")
            self._look = look
        self._recipe, self._use.disabled = recipe, recipe is None
        self._text.value = (
            f'<span>{self._title}</span><b>{escape(value)}</b><span class="wb-help">{escape(more)}</span>'
        )

    def _take(self) -> None:
        if self._recipe is not None:
            self._state.choose(self._recipe)


Shown = tuple[str, str, str, Recipe | None]


def _nothing(why: str) -> Shown:
    return EMPTY, "–", why, None


def _known(state: State) -> Shown:
    """The best of all that was measured of this network and data."""
    if not state.budget or state.dense is None:
        return _nothing("nothing is asked for yet" if not state.budget else "the dense network is not measured yet")
    budget, dense = parse_budget(state.budget), state.dense.measurement.accuracy.accuracy
    runs = [run for run in state.runs.values() if run.recipe.steps]
    many = [figures_of(run.measurement, dense) for run in runs]
    place = budget.best(many)
    if place is None:
        return _nothing("nothing is measured yet")
    return (MEASURED, *_told(state, budget.met(many[place]), many[place], runs[place].recipe))


def _estimate(state: State) -> Shown:
    made = state.search.proposal if state.search is not None else None
    if made is None:
        return _nothing("being worked out" if state.budget and state.busy else "none yet")
    value, more, recipe = _told(state, made.met, made.figures, made.recipe)
    return ESTIMATE, f"~{value}", f"an estimate {made.source}; {more}", recipe


def _best(state: State) -> Shown:
    best = state.search.best if state.search is not None and state.search.trials else None
    if best is None:
        return _nothing("nothing is searched yet")
    many = f"{len(state.search.trials)} of {state.search.planned} trials"
    value, more, recipe = _told(state, best.met, best.figures, best.recipe)
    return MEASURED, value, f"{many}; {more}", recipe


def _told(state: State, met: bool, figures: dict[str, float], recipe: Recipe) -> tuple[str, str, Recipe]:
    head = figure.figure_text("bytes", figures["bytes"])
    rest = ", ".join(figure.figure_text(name, figures[name]) for name in ("accuracy_drop", "macs") if name in figures)
    within = "within the budget" if met else "not within the budget"
    steps = " + ".join(state.choices.methods[step.method].title for step in recipe.steps)
    return head, f"{within}; {rest}; {steps}", recipe


def _outcome(state: State) -> str:
    """What came of it in one sentence."""
    found = state.search
    if found is None:
        return ""
    if found.trials:
        end = "The search is over. " if found.complete else ""
        return end + figure.told(found)
    made = found.proposal
    if made is None:
        return ""
    asked, what = figure.spoken(found.budget), figure.figures_told(found.budget, made.figures)
    if made.met:
        return f"Estimated to be within {asked}: {what}. Use the settings to measure them, or search for better."
    return f"No settings are estimated to be within {asked}; what comes closest has {what}. A search may find better."
