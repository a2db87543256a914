"""Values of a layer's own on the page, recovery as the next step, and what is chosen from the sensitivity."""

from __future__ import annotations

import json
from dataclasses import replace

import ipywidgets as w
import pytest
import ui_fakes
from test_ui_app import button, chart, copier, inside, picker, sliders, text_of
from ui_fakes import accuracy, choices, made_up

from workbench.core.errors import KnobError, WorkbenchError
from workbench.core.recipe import Recipe, Step
from workbench.core.records import Allocation, LayerChoice, Sensitivity, SensitivityPoint
from workbench.experiment.reports import Allocated, Measured, Sensed
from workbench.methods import methods, parse_step
from workbench.ui.choices import default_step, local_knobs
from workbench.ui.panels.own import values_text
from workbench.ui.snapshot import restore, snapshot
from workbench.ui.state import State
from workbench.ui.widgets import Tick

PRUNE = default_step("prune.magnitude_iter")


@pytest.fixture
def state() -> State:
    made = State(choices())
    made.choose(Recipe("lenet5", "digits", (PRUNE,)))
    return made


@pytest.fixture
def app():
    made = ui_fakes.app()
    yield made
    made.close()


# The state


def test_a_layer_gets_a_value_of_its_own_and_loses_it(state):
    state.turn_at("conv1", "pruning_ratio", 0.2)
    state.turn_at("fc1", "pruning_ratio", 0.95)
    assert state.recipe.steps[0].per_layer == {"conv1": {"pruning_ratio": 0.2}, "fc1": {"pruning_ratio": 0.95}}
    state.clear_at("conv1", "pruning_ratio")
    assert state.recipe.steps[0].per_layer == {"fc1": {"pruning_ratio": 0.95}}
    state.clear_own()
    assert state.recipe.steps == (PRUNE,)


def test_a_value_stays_the_layers_own_while_the_step_passes_it(state):
    state.turn_at("conv1", "pruning_ratio", 0.2)
    for value in (0.3, 0.2, 0.1):
        state.turn("pruning_ratio", value)
        assert state.step.per_layer == {"conv1": {"pruning_ratio": 0.2}}
        assert bool(state.recipe.steps[0].per_layer) == (value != 0.2)


@pytest.mark.parametrize(
    ("step", "layer", "knob", "value", "words"),
    [
        (PRUNE, "conv1", "pruning_ratio", 3, "pruning_ratio at conv1 must be a number in"),
        (PRUNE, "conv1", "rounds", 2, "rounds holds for the whole network"),
        (PRUNE, "conv9", "pruning_ratio", 0.2, "no layer 'conv9'; it has conv1, conv2, fc1, fc2"),
        (default_step("prune.l1_filter"), "fc1", "pruning_ratio", 0.2, "acts on conv layers, and fc1 is linear"),
        (default_step("combo.deep_compression"), "fc1", "linear_bits", 2, "is several steps"),
        (default_step("kd.hinton"), "fc1", "width", 0.5, "hold for the whole network"),
        (replace(PRUNE, layers=("fc1",)), "conv1", "pruning_ratio", 0.2, "acts on fc1 only"),
    ],
)
def test_an_own_value_that_makes_no_sense_is_one_sentence(state, step, layer, knob, value, words):
    state.steps = (step,)
    with pytest.raises((WorkbenchError, KnobError), match=words) as caught:
        state.turn_at(layer, knob, value)
    assert str(caught.value).endswith(".") and state.steps == (step,)


def test_values_of_layers_that_another_network_lacks_are_said_and_can_be_cleared(state):
    state.turn_at("conv1", "pruning_ratio", 0.2)
    state.pick_network("lenet_300_100")
    assert state.recipe is None and "own values for conv1, and lenet_300_100 has fc1, fc2, fc3" in state.problem
    state.clear_own()
    assert state.recipe is not None and state.problem == ""


def test_links_and_snapshots_carry_them(state):
    state.turn_at("conv1", "pruning_ratio", 0.2)
    other = State(choices())
    restore(other, snapshot(state))
    assert other.recipe == state.recipe and other.step.per_layer == {"conv1": {"pruning_ratio": 0.2}}


def test_only_knobs_of_single_layers_are_offered():
    assert set(local_knobs("prune.magnitude_iter")) == {"pruning_ratio"}
    assert local_knobs("kd.hinton") == {} and local_knobs("combo.deep_compression") == {}
    for name in methods():
        assert not any(knob.whole for knob in local_knobs(name).values())


# The page


def own_tick(app) -> Tick:
    return next(x for x in inside(app.widget, Tick) if x.description.startswith("own "))


def test_without_a_layer_there_is_nothing_to_tick(app):
    assert not any(x.description.startswith("own ") for x in inside(app.widget, Tick))
    assert button(app, "Clear all own values").layout.display == "none"


def test_tick_turn_and_clear(app):
    picker(app, "Own values for one layer").value = "conv1"
    tick = own_tick(app)
    assert tick.description == "own pruning ratio at conv1" and not tick.value
    tick.value = True
    assert app.state.step.per_layer == {"conv1": {"pruning_ratio": 0.5}} and app.state.recipe.steps == (PRUNE,)
    sliders(app)["pruning ratio at conv1"].value = 0.2
    assert app.state.recipe.steps[0].per_layer == {"conv1": {"pruning_ratio": 0.2}}
    assert "conv1: 0.2" in text_of(app)
    sliders(app)["pruning ratio"].value = 0.9
    assert sliders(app)["pruning ratio at conv1"].value == 0.2
    button(app, "Clear all own values").click()
    assert app.state.recipe.steps[0].per_layer == {} and not own_tick(app).value and "conv1: 0.2" not in text_of(app)
    tick.value = True
    tick.value = False
    assert app.state.step.per_layer == {}


def test_another_layer_and_another_method_show_their_own(app):
    app.state.turn_at("fc1", "pruning_ratio", 0.95)
    app.state.select_layer("fc1")
    assert own_tick(app).value and sliders(app)["pruning ratio at fc1"].value == 0.95
    app.state.select_layer("conv1")
    assert not own_tick(app).value and "pruning ratio at fc1" not in sliders(app)
    app.state.pick_method("prune.l1_filter")
    app.state.select_layer("fc1")
    ticks = [x for x in inside(app.widget, Tick) if x.description.startswith("own ")]
    assert ticks and all(tick.disabled for tick in ticks)
    options = picker(app, "Own values for one layer").groups[0]["options"]
    assert {o["id"]: bool(o["off"]) for o in options}["fc1"] and "acts on conv layers" in json.dumps(options)


def test_selecting_layers_makes_no_more_and_more_widgets(app):
    from ipywidgets.widgets.widget import _instances

    app.state.select_layer("conv1")
    before = len(_instances)
    for layer in ("fc1", "conv2", "", "conv1"):
        app.state.select_layer(layer)
    assert len(_instances) == before


def test_a_slider_that_moves_nothing_says_so_and_is_not_measured(app):
    for layer in ("conv1", "conv2", "fc1"):
        app.state.turn_at(layer, "pruning_ratio", 0.2)
    fills = app.live.names().count("fill")
    app.state.turn_at("fc2", "pruning_ratio", 0.2)
    assert "Every layer has its own pruning ratio, so the slider above moves nothing." in text_of(app)
    assert app.live.names().count("fill") == fills and app.live.names()[-1] == "show"


def test_what_is_shown_to_type_has_the_own_values(app):
    app.state.turn_at("conv1", "pruning_ratio", 0.2)
    python, command = copier(app, "Copy as Python"), copier(app, "Copy as command")
    assert "/conv1:pruning_ratio=0.2" in command.text and "/conv1:pruning_ratio=0.2" in python.text
    run = made_up(app.state.recipe)
    app.live.notify(Measured(run.recipe, run))
    assert app.state.run is run
    names = [trace.get("name") for trace in json.loads(chart(app, "Accuracy against file").figure)["data"]]
    assert "Magnitude pruning (own values)" in names


def test_values_name_their_knobs_where_there_are_several():
    assert values_text(parse_step("prune.magnitude_iter:pruning_ratio=0.5/conv1:pruning_ratio=0.2")) == "conv1: 0.2"
    both = parse_step("quant.kmeans_share:bits=4/conv1:bits=6,init=random")
    assert values_text(both) == "conv1: bits 6, init random"


# Recovery


def test_a_recovery_follows_as_the_next_step(app):
    button(app, "Fine-tune").click()
    assert [s.method for s in app.state.steps] == ["prune.magnitude_iter", "recover.finetune"] and app.state.active == 1
    assert button(app, "Fine-tune").disabled and not button(app, "Distil").disabled
    button(app, "Distil").click()
    assert app.state.steps[-1].knobs["student"] == "recover" and app.state.recipe is not None
    app.state.add_step()
    assert len(app.state.steps) == 4 and app.state.recipe is not None


def test_a_recovery_that_makes_no_sense_is_off_and_says_why(app):
    assert button(app, "BatchNorm").disabled and "lenet5 has no BatchNorm layer" in text_of(app)
    with pytest.raises(WorkbenchError, match="no BatchNorm"):
        app.state.recover("recover.batchnorm")
    app.state.choose(Recipe("resnet20", "digits", (PRUNE,)))
    assert not button(app, "BatchNorm").disabled
    empty = replace(app.state.choices.datasets["digits"], sizes={"train": 0, "validation": 1, "test": 1})
    bare = replace(choices(), datasets={"digits": empty})
    assert bare.why_not_recovered(app.state.recipe, "recover.finetune") == "digits has no training images"


# From the sensitivity


def scan(complete: bool = True) -> Sensitivity:
    points = tuple(
        SensitivityPoint(layer, value, accuracy(90 - round(20 * value)), 1)
        for layer in ("conv1", "conv2", "fc1", "fc2")
        for value in (0.0, 0.5, 0.9)
    )
    names = ("conv1", "conv2", "fc1", "fc2")
    return Sensitivity("lenet5", "digits", PRUNE.method, "pruning_ratio", accuracy(90), points, complete, names)


def made() -> Allocation:
    step = replace(PRUNE, per_layer={"conv1": {"pruning_ratio": 0.0}, "fc1": {"pruning_ratio": 0.9}})
    reasons = (
        LayerChoice("conv1", 0.0, accuracy(90), "even pruning_ratio 0.1 would lose <b>9 points</b>"),
        LayerChoice("conv2", 0.5, accuracy(89), "alone it loses 1 points"),
        LayerChoice("fc1", 0.9, accuracy(88), "alone it loses 2 points"),
        LayerChoice("fc2", None, None, "tied to fc1"),
    )
    return Allocation(step, "pruning_ratio", 0.02, reasons, lost=0.03)


def test_choosing_needs_a_whole_scan_of_this_method(app):
    choose = button(app, "Choose each layer's value")
    assert choose.disabled and "Measure the sensitivity first" in text_of(app)
    app.live.notify(Sensed(scan(complete=False)))
    assert choose.disabled and "not measured to its end" in text_of(app)
    app.live.notify(Sensed(scan()))
    assert not choose.disabled
    app.state.pick_method("quant.twn")
    assert choose.disabled and "threshold of quant.twn cannot be chosen layer by layer" in text_of(app)
    app.state.pick_method("kd.hinton")
    assert choose.disabled


def test_what_is_asked_for_is_the_loss_as_a_share(app):
    app.live.notify(Sensed(scan()))
    slider = next(x for x in inside(app.widget, w.FloatSlider) if x.description.startswith("tolerated loss"))
    slider.value = 2.5
    who = next(x for x in inside(app.widget, w.Dropdown) if x.description == "lost by")
    who.value = "all layers together"
    button(app, "Choose each layer's value").click()
    assert app.live.asked[-1] == ("allocate", app.state.recipe, 0, 0.025, True)


def test_the_step_is_filled_and_the_table_says_why(app):
    app.state.view = "sensitivity"
    app.live.notify(Sensed(scan()))
    app.live.notify(Allocated(app.state.recipe, 0, made()))
    assert app.state.step.per_layer == {
        n: {"pruning_ratio": v} for n, v in (("conv1", 0.0), ("conv2", 0.5), ("fc1", 0.9))
    }
    assert app.state.recipe.steps == (made().step,) and app.live.asked[-1][:2] != ("show", None)
    table = next(x.value for x in inside(app.widget, w.HTML) if "<table" in x.value)
    assert table.count("<tr>") == 5 and "left alone" in table and "tied to fc1" in table
    assert "&lt;b&gt;9 points" in table and "loses 3 points (measured" in table and "100 validation images" in table
    lines = json.loads(chart(app, "when each layer alone is compressed, one line").figure)["data"]
    assert lines[-1]["name"] == "chosen for its layer" and len(lines[-1]["x"]) == 3
    app.state.turn("pruning_ratio", 0.7)
    assert app.state.chosen is None and not any("<table" in x.value for x in inside(app.widget, w.HTML))


def test_an_answer_to_an_older_choice_is_dropped(app):
    old = app.state.recipe
    app.state.turn("pruning_ratio", 0.7)
    app.live.notify(Allocated(old, 0, made()))
    assert app.state.step.per_layer == {} and app.state.allocation is None


def test_a_layer_outside_the_step_gets_nothing(state):
    state.steps = (replace(PRUNE, layers=("fc1",)),)
    only = Allocation(
        replace(state.step, per_layer={"fc1": {"pruning_ratio": 0.9}}), "pruning_ratio", 0.02, made().choices
    )
    state.take(state.recipe, 0, only)
    assert state.recipe.steps[0] == only.step


def test_a_step_of_a_link_may_have_them(state):
    state.steps = (Step("prune.magnitude_iter", {}, None, {"conv1": {"pruning_ratio": 0.5}}),)
    assert state.recipe.steps == (PRUNE,)
