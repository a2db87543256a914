"""The Train view: what it offers, asks for and shows; the result among the networks."""

from __future__ import annotations

from dataclasses import replace

import ipywidgets as w
import pytest
import ui_fakes
from test_ui_app import button, chart, inside, picker, text_of

from workbench.core.records import Accuracy
from workbench.core.training import DONE, FAILED, RUNNING, STOPPED, EpochRow, Training
from workbench.experiment.reports import Kept, Trained, Tuned
from workbench.networks import WeightsInfo, build, digest_of, keep_weights
from workbench.train import recommended
from workbench.ui.plans import planned, renewed, turned
from workbench.ui.widgets import Line, Toggle

ROW = EpochRow(1, 1.0, 0.9, 0.4)


@pytest.fixture(autouse=True)
def _fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))


@pytest.fixture
def app():
    made = ui_fakes.app()
    made.state.view = "train"
    yield made
    made.close()


def keep(name: str = "lenet5", label: str = "mine", dataset: str = "digits"):
    network, seen = build(name), Accuracy(97, 100, 100, "test")
    about = {"command": "c", "recipe": {}, "seed": 0, "epochs": 1, "best_epoch": 1, "data_digest": "d"}
    info = WeightsInfo(name, dataset, test=seen, validation=seen, digest=digest_of(network), **about)
    return keep_weights(network, info, label)


def line(app) -> Line:
    return next(box for box in inside(app.widget, Line) if box.description == "Name for the result")


def slider(app, title: str):
    return next(x for x in inside(app.widget) if getattr(x, "description", "") == title)


def test_it_offers_networks_without_weights(app):
    plain = {o["id"]: o["off"] for g in picker(app, "Network to train").groups for o in g["options"]}
    assert plain["resnet20"] == "" and "pixels only" in plain["alexnet"]
    data = {o["id"]: o["off"] for g in picker(app, "Data to learn from").groups for o in g["options"]}
    assert data["shapes"] == "" and data["digits"] == ""


def test_data_bring_their_settings_and_a_network_that_fits(app):
    picker(app, "Data to learn from").value = "shapes"
    plan = app.state.plan
    assert plan.dataset == "shapes" and plan.settings == recommended(plan.network, "shapes")
    assert not app.state.choices.why_not_trained(plan.network, "shapes")
    picker(app, "Network to train").value = "resnet20"
    assert app.state.plan.network == "resnet20" and app.state.network == "lenet5"  # the page's own choice stays
    assert slider(app, "training epochs").value == recommended("resnet20", "shapes").epochs


def test_a_control_sets_the_plan_and_a_wrong_value_is_refused(app):
    slider(app, "training epochs").value = 7
    assert app.state.plan.settings.epochs == 7
    slider(app, "flip").value = True
    assert app.state.plan.settings.flip is True
    before = app.state.plan
    with pytest.raises(ValueError, match="epochs must be an integer"):
        turned(before, "epochs", 0)
    assert app.state.plan == before


def test_settings_that_say_nothing_now_are_away(app):
    def shown(title: str) -> bool:
        control = slider(app, title)
        box = next(c for c in inside(app.widget, w.VBox) if "wb-knob" in c._dom_classes and control in inside(c))
        return box.layout.display != "none"

    assert not shown("teacher temperature") and not shown("step factor")
    picker(app, "Teacher").value = "lenet5_1998"
    slider(app, "schedule").value = "step"
    assert shown("teacher temperature") and shown("step factor") and app.state.plan.teacher == "lenet5_1998"


def test_no_two_controls_have_one_name_at_once(app):
    """Only one of the lower views is there at a time: the others are hidden, from assistive technology as well."""
    offered = [[value for _, value in toggle.options] for toggle in inside(app.widget, Toggle) if toggle.options]
    for view in next(values for values in offered if {"layers", "train"} <= set(values)):
        app.state.view = view
        titles = [x.description for x in shown(app.widget) if isinstance(getattr(x, "description", None), str)]
        titles = [x for x in titles if x]
        assert sorted(set(titles)) == sorted(titles), view


def shown(widget):
    """The widget and what is in it, but for what is hidden."""
    if widget.layout.display != "none":
        yield widget
        for child in getattr(widget, "children", ()):
            yield from shown(child)


def test_start_stop_and_what_is_said(app):
    button(app, "Train from scratch").click()
    assert app.live.asked[-1] == ("train", app.state.plan, False)
    assert app.state.training.outcome == RUNNING and button(app, "Train from scratch").disabled
    running = replace(app.state.training, history=(ROW,), running=((1.5, 0.8),), best_epoch=1, n=360, seconds_left=75.0)
    app.live.notify(Trained(running))
    assert "% done, about 75 s left." in text_of(app)
    assert "validation accuracy" in chart(app, "Training:").figure
    button(app, "Stop training").click()
    assert app.live.asked[-1] == ("stop_training",)
    app.live.notify(Trained(replace(running, outcome=STOPPED)))
    app.live.notify(Trained(running))  # what was on its way when it was stopped
    assert app.state.training.outcome == STOPPED and not button(app, "Train from scratch").disabled


def test_a_second_training_at_once_is_refused(app):
    button(app, "Train from scratch").click()
    before = len(app.live.asked)
    with pytest.raises(ValueError, match="A training runs already"):
        app.engine.train()
    assert len(app.live.asked) == before


def test_the_result_stands_among_the_networks_and_can_be_taken(app):
    button(app, "Train from scratch").click()
    entry = keep()
    app.live.notify(Trained(replace(app.state.training, outcome=DONE, test=entry.info.test)))
    app.live.notify(Kept(entry))
    assert "lenet5@mine is kept: 97.0 % of 100 test images (91.5 to 99.0)" in text_of(app)
    groups = {g["title"]: [o["text"] for o in g["options"]] for g in picker(app, "2. Network").groups}
    assert groups["Trained here"] == ["LeNet-5 (Caffe, 20-50-500) · mine, 97.0 %"]
    assert line(app).value == "mine2" == app.state.plan.label
    button(app, "Compress it above").click()
    assert app.state.network == "lenet5@mine" and app.state.recipe is not None and not app.state.error
    teachers = [o["id"] for g in picker(app, "Teacher").groups for o in g["options"]]
    assert "lenet5@mine" in teachers


def test_a_name_of_other_letters_is_refused_before_training(app):
    line(app).value = "../x"
    assert "1 to 40 letters" in app.state.error and app.state.plan.label != "../x"
    app.state.error = ""
    keep(label="taken")
    line(app).value = "taken"
    assert "taken already" in app.state.error


def test_failure_is_said_in_the_picture(app):
    button(app, "Train from scratch").click()
    app.live.notify(Trained(replace(app.state.training, outcome=FAILED, sentence="Training diverged: choose a lower.")))
    assert "choose a lower" in chart(app, "Training:").figure and not button(app, "Train from scratch").disabled


def test_what_a_method_trains_is_drawn_too(app):
    recipe = app.state.recipe
    app.live.notify(Tuned(recipe, Training("", "digits", 2, (EpochRow(1, 0.5),))))
    assert "while compressing" in chart(app, "Training:").figure
    app.state.pick_network("lenet_300_100")
    assert app.state.tuning is None


def test_another_choice_leaves_the_training_alone(app):
    button(app, "Train from scratch").click()
    app.state.pick_network("alexnet")
    assert app.state.recipe is None and ("cancel", False) in app.live.asked
    button(app, "Cancel").click()
    assert app.live.asked[-1] == ("cancel", True)


def test_a_stopped_training_is_offered_to_go_on(app, monkeypatch):
    monkeypatch.setattr("workbench.train.home.Plan.epochs_done", property(lambda self: 4))
    slider(app, "training epochs").value = 9
    assert "it resumes at epoch 5" in text_of(app)
    go = button(app, "Go on with the training")
    slider(app, "begin anew instead").value = True
    assert go.description == "Train from scratch" and app.state.afresh
    go.click()
    assert app.live.asked[-1][2] is True


def test_plans():
    choices = ui_fakes.choices()
    assert planned(choices, "resnet20", "digits").network == "resnet20"
    assert planned(choices, "lenet5", "cifar10").network != "lenet5"
    plan = planned(choices, "lenet5", "digits")
    keep()
    assert renewed(plan).label == "mine2" and renewed(replace(plan, label="w9")).label == "w"
