"""The state without any widget: what is valid, what follows from it, what is forgotten."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from ui_fakes import choices, made_up

from workbench.core.errors import KnobError, OrderError, WorkbenchError
from workbench.core.recipe import Recipe, Step
from workbench.experiment.pipeline import trains
from workbench.methods import methods
from workbench.ui.choices import default_step
from workbench.ui.snapshot import restore, snapshot
from workbench.ui.state import State

PRUNE, SHARE, FILTERS = (default_step(m) for m in ("prune.magnitude_iter", "quant.kmeans_share", "prune.l1_filter"))


@pytest.fixture
def state() -> State:
    made = State(choices())
    made.choose(Recipe("lenet5", "digits", (PRUNE,)))
    return made


def changes(state: State, *names: str) -> list[str]:
    seen: list[str] = []
    state.observe(lambda change: seen.append(change["name"]), list(names))
    return seen


def test_importing_the_state_imports_no_widget():
    code = (
        "import sys, workbench.ui.state; assert not {'ipywidgets', 'anywidget', 'plotly.basewidget'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_valid_choice_is_a_recipe(state):
    assert state.recipe == Recipe("lenet5", "digits", (PRUNE,)) and state.problem == ""


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("dataset", "no such data", "no dataset 'no such data'"),
        ("network", "../../etc/passwd", "no network"),
        ("steps", (Step("prune.nothing"),), "no method 'prune.nothing'"),
        ("steps", (Step("prune.magnitude_iter", {"pruning_ratio": 7.0}),), "pruning_ratio must be a number in"),
        ("steps", (Step("prune.magnitude_iter", {"strength": 1}),), "no knob 'strength'"),
        ("steps", (SHARE, SHARE), "second quantizer"),
    ],
)
def test_an_invalid_choice_is_one_sentence(state, trait, value, words):
    setattr(state, trait, value)
    assert state.recipe is None
    assert words in state.problem and state.problem.endswith(".") and "\n" not in state.problem


def test_many_changes_notify_once(state):
    seen = changes(state, "recipe")
    state.choose(Recipe("lenet5_1998", "digits", (FILTERS, SHARE)), active=1)
    assert seen == ["recipe"] and state.step == SHARE


def test_a_knob_that_is_refused_changes_nothing(state):
    with pytest.raises(KnobError, match=r"prune.magnitude_iter: pruning_ratio must be .* got 3"):
        state.turn("pruning_ratio", 3)
    assert state.steps == (PRUNE,)


def test_what_was_known_of_the_old_recipe_is_forgotten(state):
    state.estimate, state.sample, state.report = object(), object(), object()
    state.turn("pruning_ratio", 0.8)
    assert (state.estimate, state.sample, state.run, state.report) == (None,) * 4


def test_a_setting_that_was_measured_before_is_known_at_once(state):
    run = made_up(state.recipe)
    state.runs = {run.recipe.key: run}
    state.turn("pruning_ratio", 0.8)
    state.turn("pruning_ratio", 0.5)
    assert state.run is run


def test_another_network_forgets_the_runs_and_the_layer(state):
    state.runs, state.layer = {"a": made_up(state.recipe)}, "fc1"
    state.network = "lenet_300_100"
    assert state.runs == {} and state.layer == ""


def test_steps_can_be_added_moved_and_removed(state):
    state.pick_method("prune.l1_filter")
    state.add_step()
    assert len(state.steps) == 2 and state.active == 1 and state.recipe is not None
    state.pick_method("quant.kmeans_share")
    with pytest.raises(WorkbenchError, match="codes were fitted to the full layer"):
        state.edit("earlier")
    assert [s.method for s in state.steps] == ["prune.l1_filter", "quant.kmeans_share"]
    state.edit("remove")
    assert [s.method for s in state.steps] == ["prune.l1_filter"] and state.active == 0
    with pytest.raises(WorkbenchError, match="has to stay"):
        state.edit("remove")


def test_an_order_that_is_refused_says_why(state):
    with pytest.raises(OrderError):
        state.choices.check(Recipe("lenet5", "digits", (SHARE, FILTERS)))


def test_a_run_that_is_followed_sets_network_and_steps(state):
    steps = (default_step("prune.l1_filter"), SHARE)
    state.follow(made_up(Recipe("lenet5_1998", "digits", steps)))
    assert (state.network, state.steps) == ("lenet5_1998", steps) and state.recipe is not None


@pytest.mark.parametrize("layer", ["fc1", "fc1.first", ""])
def test_a_part_of_a_layer_stands_for_the_whole(state, layer):
    state.select_layer(layer)
    assert state.layer == layer.split(".")[0]


def test_a_layer_that_is_not_there_is_refused(state):
    with pytest.raises(WorkbenchError, match="no layer 'fc9'; it has conv1, conv2, fc1, fc2"):
        state.select_layer("fc9")


def test_what_is_off_says_why_before_it_is_clicked():
    groups = choices().for_methods("lenet_300_100", (default_step("quant.int8_linear"),), 0)
    off = {option.id: option.off for group in groups for option in group.options}
    assert set(off) == set(methods())
    assert "conv" in off["prune.l1_filter"] and off["quant.kmeans_share"] == ""
    second = choices().for_methods("lenet5", (SHARE, PRUNE), 1)
    off = {option.id: option.off for group in second for option in group.options}
    assert "second quantizer" in off["quant.int8_linear"]


def test_a_network_without_weights_or_for_other_images_is_off():
    from dataclasses import replace

    untrained = replace(choices(), trained=lambda network, dataset: False)
    assert "no weights" in untrained.why_not_network("lenet5", "digits")
    big = replace(choices().networks["lenet5"], input_shape=(3, 32, 32))
    odd = replace(choices(), networks={"lenet5": big})
    assert odd.why_not_network("lenet5", "digits") == "it takes images of 32 x 32 pixels only, not 28 x 28"


def test_training_is_known_from_the_epochs():
    assert not trains(PRUNE)
    assert trains(Step("prune.magnitude_iter", {**PRUNE.knobs, "epochs": 1}))
    assert trains(default_step("kd.hinton"))


def test_a_snapshot_is_read_back(state):
    state.choose(Recipe("lenet5_1998", "digits", (PRUNE, SHARE), seed=3), active=1)
    state.set({"layer": "fc1", "image": 4, "view": "layers"})
    other = State(choices())
    restore(other, snapshot(state))
    assert snapshot(other) == snapshot(state) and other.recipe == state.recipe


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "{}",
        '{"recipe": {"network": "lenet5", "dataset": "digits"}}',
        '{"recipe": {"network": "x", "dataset": "digits", "steps": [{"method": "prune.magnitude_iter"}]}}',
        '{"recipe": {"network": "lenet5", "dataset": "digits", "steps": [{"method": "os.system"}]}}',
        '{"version": 9, "recipe": {"network": "lenet5", "dataset": "digits", "steps": [{"method": "kd.hinton"}]}}',
    ],
)
def test_a_snapshot_that_makes_no_sense_is_refused(state, text):
    before = snapshot(state)
    with pytest.raises(WorkbenchError):
        restore(state, text)
    assert snapshot(state) == before


def test_other_data_bring_a_network_that_answers_quickly(state):
    """Of the two that have weights for the shapes, the first in the list takes twice as long."""
    trained = {"densenet_small", "resnet20"}
    state.choices = replace(state.choices, trained=lambda network, _dataset: network in trained)
    state.pick_dataset("shapes")
    assert state.network == "resnet20"
