"""What to try: questions, an answer with its reasons and who says so, and beside it what was measured here."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import ipywidgets as w

from ...core.advice import QUESTIONS, Advice, Advised, Makeup, Question, advise
from ...core.evidence import AGREE, DISAGREE, Measured, measured_for, missing, verdict
from ...core.families import FAMILIES, SURVEYS, Family
from ...core.recipe import Recipe
from ...figures.compare import named
from ...figures.theme import percent
from ..choices import default_step
from ..engine import Engine
from ..guard import guard, watch, when_seen
from ..numbers import count
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Menu
from .tables import folded

NAME = "advisor"
WHAT = """Surveys of the field give six rules for choosing, and no measure of “best”. Answer the questions; the rules
that hold are added up, and every one is shown with who says so. What was measured on this very network stands beside
them: believe that first."""
TITLES = {family.id: family.title for family in FAMILIES} | {"combo": "Combinations"}
SHOWN = 3


def panel(state: State, engine: Engine) -> w.VBox:
    """Questions, the answer with a button for each way, the measurement, and the table of families."""
    cards = [_Card(state) for _ in range(SHOWN)]
    made_of, rest, measured = HTML(), HTML(), HTML().add_class("wb-live")

    def show() -> None:
        choices, network = state.choices, state.network
        advice = advise(state.needs, choices.makeup(network), choices.why_not_taken(network))
        for i, card in enumerate(cards):
            card.show(i + 1, advice.best[i] if i < len(advice.best) else None)
        made_of.value = f'<p class="wb-help">{escape(_made_of(network, advice.makeup, state.needs.goal))}</p>'
        measured.value = _measured(state, advice)
        rest.value = _rest(advice)

    when_seen(state, NAME, engine.compare, "runs")
    when_seen(state, NAME, show, "needs", "network", "dataset", "comparison", "choices")
    questions = w.Box([_menu(state, question) for question in QUESTIONS]).add_class("wb-row")
    tiles = w.Box([card.box for card in cards]).add_class("wb-tiles")
    intro = HTML(f"<p>{WHAT}</p>")
    return w.VBox([intro, questions, made_of, tiles, measured, rest])


class _Card:
    """One way with its reasons and a button that sets its steps."""

    def __init__(self, state: State) -> None:
        self._state, self._text = state, HTML()
        self._found: Advised | None = None
        self._set = Button(description="Set these steps", tooltip="Do this above, with the usual knobs")
        self._set.on_click(guard(state, lambda _button: self._take()))
        self.box = w.VBox([self._text, self._set]).add_class("wb-tile")

    def show(self, place: int, found: Advised | None) -> None:
        self._found = found
        self.box.layout.display = "none" if found is None else ""
        if found is None:
            return
        said = ((_signed(r.weight), escape(r.sentence), escape(r.source)) for r in found.reasons)
        reasons = "".join(f"<li>{weight}: {sentence} ({source})</li>" for weight, sentence, source in said)
        titles = " + ".join(self._state.choices.methods[m].title for m in found.way.steps)
        self._set.description = f"Set {titles}"
        self._text.value = (
            f'<span class="wb-what">{place}. {escape(found.way.title)}</span><span class="wb-help">{escape(titles)}; '
            f'score {_signed(found.score)}</span><ul class="wb-help">{reasons}</ul>'
        )

    def _take(self) -> None:
        if self._found is not None:
            state, steps = self._state, tuple(map(default_step, self._found.way.steps))
            state.choose(Recipe(state.network, state.dataset, steps, state.seed))


def _menu(state: State, question: Question) -> w.Box:
    ids = {text: answer for answer, text in question.answers.items()}
    menu = Menu(options=tuple(ids), description=question.text, tooltip=question.text)
    menu.refuse = state.refuse

    def answered(change: dict[str, str]) -> None:
        state.needs = replace(state.needs, **{question.name: ids[change["new"]]})

    def show() -> None:
        menu.value = question.answers[getattr(state.needs, question.name)]

    menu.observe(guard(state, answered), "value")
    watch(state, show, "needs")
    return w.Box([menu], layout=w.Layout(flex="1 1 300px", max_width="460px")).add_class("wb-knob")


def _made_of(network: str, made: Makeup, goal: str) -> str:
    weights, work = made.linear_weights + made.conv_weights, made.linear_macs + made.conv_macs
    kind = "linear layers" if made.linear_share(goal) >= 0.5 else "convolutions"
    about = "work" if goal == "speed" else "weights"
    return (
        f"{network}: {percent(made.linear_share('file'))} of its {count(weights)} weights and "
        f"{percent(made.linear_share('speed'))} of its {count(work)} multiply-adds are in linear layers, the rest in "
        f"convolutions; for this goal its {about} count, so the rules about {kind} hold."
    )


def _measured(state: State, advice: Advice) -> str:
    """The verdict and the rows behind it."""
    if state.comparison is None and any(run.recipe.steps for run in state.runs.values()):
        return f"{_head(state)}<p>What was measured is being compared.</p>"
    found = measured_for(advice, state.comparison, state.runs.values())
    said = verdict(advice, found, TITLES)
    mark = {AGREE: "wb-agree", DISAGREE: "wb-warning"}.get(said.outcome, "")
    rows = _rows(state, found)
    head, gap = _head(state), missing(advice.needs.goal)
    table = _table(("family", found.question, "95 % interval", "steps"), rows) if rows else ""
    return f'{head}<p class="{mark}">{escape(said.sentence)} {escape(gap)}</p>{table}'


def _head(state: State) -> str:
    return f"<h2>Measured here, on {escape(state.network)} with {escape(state.dataset)}</h2>"


def _rows(state: State, found: Measured) -> list[tuple[str, ...]]:
    names = {name: cls.title for name, cls in state.choices.methods.items()}
    show = percent if found.rising else count
    return [
        (
            TITLES.get(row.family, row.family),
            show(row.value),
            f"{show(row.low)} to {show(row.high)}" if row.high > row.low else "counted",
            named(row.name, names),
        )
        for row in found.rows
    ]


def _rest(advice: Advice) -> str:
    """Where the surveys disagree, what was left out, the table and the surveys."""
    disputes = "".join(f"<li>{escape(d.sentence)}</li>" for d in advice.disputes)
    off = "".join(f"<li>{escape(x.way.title)}: {escape(x.off.rstrip('.'))}.</li>" for x in advice.ways if x.off)
    table = folded([_family_row(family) for family in FAMILIES], "The families, as surveys see them")
    surveys = "".join(f"<li>{escape(key)}: {escape(what)}.</li>" for key, what in SURVEYS.items())
    left_out = f"<h2>Left out</h2><ul>{off}</ul>" if off else ""
    return (
        f"<h2>Where the surveys disagree</h2><ul>{disputes}</ul>{left_out}{table}"
        f"<details><summary>Who says so</summary><ul>{surveys}</ul></details>"
    )


def _family_row(family: Family) -> dict[str, str]:
    names = {"title": "family", "conv": "convolutions", "linear": "linear layers", "training": "training",
             "start": "begins", "combines": "combines"}  # fmt: skip
    return {words: getattr(family, name) for name, words in names.items()}


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="wb-table"><tr>{top}</tr>{body}</table>'


def _signed(weight: int) -> str:
    return f"{weight:+d}".replace("-", "−")
