"""Say the budget, get the settings: fields, three answers, a search that grows, and what is said when nothing fits."""

from __future__ import annotations

import time
from dataclasses import replace

import ipywidgets as w
import pytest
import ui_fakes
from test_ui_app import button, chart, inside, text_of

from workbench.core.budget import figures_of, parse_budget
from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe
from workbench.core.searched import Proposal, Search, Trial
from workbench.experiment.live import Live
from workbench.experiment.pipeline import canonical
from workbench.experiment.reports import Failed, Measured, Searched
from workbench.experiment.search import foresee, space
from workbench.figures import searched as figure
from workbench.methods import parse_step
from workbench.ui.choices import default_step
from workbench.ui.widgets import Line, Menu
from workbench.ui.wishes import budget_of, texts_of

BUDGET = "bytes<=30000,accuracy_drop<=0.01"
PRUNE, SHARE = default_step("prune.magnitude_iter"), default_step("quant.kmeans_share")
RECIPE = canonical(Recipe("lenet5", "digits", (PRUNE, SHARE)))


@pytest.mark.parametrize(
    ("texts", "budget"),
    [
        ({}, ""),
        ({"bytes": " "}, ""),
        ({"bytes": "30", "accuracy_drop": "1"}, BUDGET),
        ({"accuracy_drop": "0"}, "accuracy_drop<=0"),
        ({"bytes": "0,5", "macs": "5"}, "bytes<=500,macs<=5000000"),
        ({"accuracy_drop": "0.3"}, "accuracy_drop<=0.003"),
    ],
)
def test_fields_make_a_budget_and_come_back_from_it(texts, budget):
    assert budget_of(texts) == budget
    assert budget_of(texts_of(budget)) == budget


@pytest.mark.parametrize("text", ["abc", "-1", "nan", "1e30", "inf", "0", "__import__('os')"])
def test_a_field_that_makes_no_sense_is_named(text):
    with pytest.raises(WorkbenchError, match=r"Size of the file, at most \(kB\): type a number above 0"):
        budget_of({"bytes": text})


def test_the_main_knobs_are_opened_and_the_others_held():
    own = {"fc1": {"pruning_ratio": 0.9}}
    tuned = parse_step("recover.finetune:epochs=2")
    opened = space.loosened(RECIPE.with_steps(replace(PRUNE, per_layer=own), SHARE, tuned))
    assert opened.steps[0].per_layer == {} and "pruning_ratio" not in opened.steps[0].knobs
    assert opened.steps[0].knobs["epochs"] == PRUNE.knobs["epochs"] and "bits" not in opened.steps[1].knobs
    assert opened.steps[2].knobs["epochs"] == 2, "time is not what is searched"


def trial(number: int, size: int, correct: int, budget: str = BUDGET) -> Trial:
    run = ui_fakes.made_up(RECIPE.with_steps(PRUNE, parse_step(f"quant.kmeans_share:bits={number + 1}")),
                           correct=correct, size=size)  # fmt: skip
    figures = figures_of(run.measurement, 0.95)
    return Trial(number, run.recipe, run.measurement, figures, parse_budget(budget).met(figures))


def search(*trials: Trial, met: bool = True, complete: bool = False, budget: str = BUDGET) -> Search:
    guess = Proposal(
        RECIPE, {"bytes": 29_000.0, "accuracy": 0.945, "accuracy_drop": 0.005, "macs": 2e6}, met, "so and so"
    )
    wanted = parse_budget(budget)
    return Search("lenet5", "digits", wanted, 0, 20, 0.95, guess, trials=trials, complete=complete)


@pytest.fixture
def app():
    made = ui_fakes.app()
    made.state.view = "budget"
    made.live.notify(Measured(Recipe("lenet5", "digits"), ui_fakes.made_up(Recipe("lenet5", "digits"), correct=95)))
    yield made
    made.close()


def field(app, words: str) -> Line:
    return next(x for x in inside(app.widget, Line) if words in x.description)


def asked(app) -> list:
    return [x for x in app.live.asked if x[0] in ("propose", "search", "stop_search")]


def test_a_budget_is_answered_at_once_from_what_was_measured(app):
    app.live.notify(Measured(RECIPE, ui_fakes.made_up(RECIPE, correct=94, size=12_345)))
    assert button(app, "Search for better").disabled and "Say a budget first" in text_of(app)
    field(app, "Size").value = "30"
    assert app.state.budget == "bytes<=30000"
    assert "12.3 kB" in text_of(app) and "within the budget" in text_of(app)
    field(app, "Accuracy lost").value = "0.5"
    assert "not within the budget; 1.0 points lost" in text_of(app)


def test_it_asks_for_an_estimate_once_for_each_budget(app):
    field(app, "Size").value = "30"
    field(app, "Accuracy lost").value = "1"
    assert asked(app)[-1] == ("propose", Recipe("lenet5", "digits"), BUDGET)
    before = len(asked(app))
    app.state.turn("pruning_ratio", 0.3)
    assert len(asked(app)) == before, "the steps are chosen too, so a slider changes nothing"
    next(x for x in inside(app.widget, Menu) if x.description == "Settings of").index = 1
    assert app.state.my_steps and asked(app)[-1][1] == space.loosened(app.state.recipe)
    before = len(asked(app))
    app.state.turn("pruning_ratio", 0.4)
    assert len(asked(app)) == before, "the main knob is open anyway"
    field(app, "Size").value = field(app, "Accuracy lost").value = ""
    assert app.state.budget == "" and asked(app)[-1] == ("stop_search",)


def test_what_is_typed_wrong_is_said_and_nothing_changes(app):
    field(app, "Size").value = "30"
    field(app, "Size").value = "much"
    assert app.state.budget == "bytes<=30000" and "Size of the file, at most (kB): type a number" in text_of(app)
    field(app, "Size").value = "20"
    assert app.state.budget == "bytes<=20000" and "type a number" not in text_of(app)


def test_an_estimate_looks_like_one_and_is_used(app):
    app.state.budget = BUDGET
    app.live.notify(Searched(RECIPE, search()))
    assert "~29.0 kB" in text_of(app) and "an estimate so and so; within the budget" in text_of(app)
    uses = [button(app, f"Use the {which} settings") for which in ("measured", "estimated", "searched")]
    tiles = [x for x in inside(app.widget, w.VBox) if set(uses) & set(x.children)]
    assert ["wb-estimate" in tile._dom_classes for tile in tiles] == [False, True, False]
    assert [x.disabled for x in uses] == [True, False, True]
    uses[1].click()
    assert app.state.recipe == RECIPE


def test_every_trial_is_drawn_and_the_best_is_used(app):
    app.state.budget = BUDGET
    trials = (trial(0, 40_000, 95), trial(1, 28_000, 94), trial(2, 29_000, 95))
    app.live.notify(Searched(RECIPE, search(*trials)))
    assert "Best of 3 trials within at most 30.0 kB, at most 1 point of accuracy lost: 28.0 kB" in text_of(app)
    drawn = chart(app, "Every setting of the search")
    view = figure.view(app.state.search)
    assert [m.met for m in view.trials] == [False, True, True] and view.best == view.trials[1]
    assert (view.most, view.least) == (30_000, pytest.approx(0.94))
    app.state.runs = {**app.state.runs, trials[2].recipe.key: ui_fakes.made_up(trials[2].recipe)}
    drawn.clicked(figure.MET, 1)
    assert app.state.recipe == trials[2].recipe
    for wrong in ((figure.MET, 99), (99, 0), (figure.ALLOWED, 0), (0, (1, 2))):
        drawn.clicked(*wrong)
    assert app.state.error == "" and app.state.recipe == trials[2].recipe
    app.live.notify(Searched(RECIPE, search(*trials, complete=True)))
    assert "The search is over. Best of 3 trials" in text_of(app)


def test_that_nothing_meets_the_budget_is_said_with_what_came_closest(app):
    app.state.budget = BUDGET
    app.live.notify(Searched(RECIPE, search(met=False)))
    assert "No settings are estimated to be within at most 30.0 kB" in text_of(app)
    app.live.notify(Searched(RECIPE, search(trial(0, 40_000, 95), trial(1, 31_000, 95), complete=True)))
    assert "None of 2 trials is within at most 30.0 kB, at most 1 point of accuracy lost" in text_of(app)
    assert "the closest has 31.0 kB, 0.0 points lost" in text_of(app)
    refused = Trial(0, RECIPE, None, why="It cannot be.")
    assert figure.told(search(refused)) == "Every trial was refused: It cannot be."


def test_what_belongs_to_another_budget_is_dropped(app):
    app.state.budget = "bytes<=10000"
    app.live.notify(Searched(RECIPE, search()))
    assert app.state.search is None
    app.state.budget = BUDGET
    app.live.notify(Searched(RECIPE, search()))
    app.state.pick_network("lenet_300_100")
    assert app.state.search is None


def test_the_search_is_started_and_stopped(app):
    app.state.budget = BUDGET
    button(app, "Search for better").click()
    assert asked(app)[-1] == ("search", Recipe("lenet5", "digits"), BUDGET, 20)
    button(app, "Stop the search").click()
    assert asked(app)[-1] == ("stop_search",)


def test_without_optuna_one_sentence_says_what_brings_it(monkeypatch):
    import workbench.experiment.search.propose as module

    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    app = ui_fakes.app()
    try:
        app.state.budget = BUDGET
        assert button(app, "Search for better").disabled
        assert "A search needs Optuna; `pip install" in text_of(app)
    finally:
        app.close()


def test_an_estimate_needs_no_optuna_and_no_trial(monkeypatch):
    import builtins

    true = builtins.__import__

    def without(name, *args, **named):
        if name.startswith("optuna"):
            raise ImportError(name)
        return true(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    made = foresee(Recipe("lenet5_1998", "digits", (replace(SHARE, knobs={"init": "linear"}),)), "bytes<=40000")
    assert made.complete and made.trials == () and made.proposal.figures["bytes"] <= 40_000 and made.proposal.met


def test_the_worker_proposes_searches_and_stops():
    pytest.importorskip("optuna", reason="needs the extra: compression-workbench[search]")
    events: list = []
    live = Live(events.append)
    recipe = space.loosened(Recipe("lenet5_1998", "digits", (SHARE,)))
    try:
        began = time.perf_counter()
        live.propose(recipe, "bytes<=40000")
        assert live.wait(60)
        made = [e.search for e in events if isinstance(e, Searched)]
        assert len(made) == 1 and made[0].proposal is not None and time.perf_counter() - began < 60
        live.search(recipe, "bytes<=40000", 200)
        while not any(isinstance(e, Searched) and len(e.search.trials) > 1 for e in events):
            time.sleep(0.05)
        live.stop_search()
        assert live.wait(30)
        assert not any(isinstance(e, Failed) for e in events)
        assert sum(isinstance(e, Measured) for e in events) >= 2, "every trial is a point on the curve"
        assert not [e for e in events if isinstance(e, Searched)][-1].search.complete
    finally:
        live.close()
