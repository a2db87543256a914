"""The page without a kernel: widgets follow the state, the state follows widgets, nothing that is sent breaks it."""

from __future__ import annotations

import json
import re

import ipywidgets as w
import pytest
import ui_fakes
from ui_fakes import FakeLive, made_up

from workbench.core.knob import knobs_of
from workbench.core.recipe import Recipe
from workbench.experiment.reports import Failed, Idle, Measured, Sampled, Working
from workbench.figures import accuracy_bytes
from workbench.methods import methods
from workbench.ui.chart import Chart, PlotlyBundle
from workbench.ui.choices import default_step
from workbench.ui.widgets import CopyButton, DownloadButton, Picker, Toggle


@pytest.fixture
def app():
    made = ui_fakes.app()
    yield made
    made.close()


def inside(widget, kind=w.Widget) -> list:
    found = [widget] if isinstance(widget, kind) else []
    return found + [x for child in getattr(widget, "children", ()) for x in inside(child, kind)]


def picker(app, label) -> Picker:
    return next(x for x in inside(app.widget, Picker) if x.label == label)


def button(app, text) -> w.Button:
    return next(x for x in inside(app.widget, w.Button) if x.description == text)


def copier(app, label) -> CopyButton:
    return next(x for x in inside(app.widget, CopyButton) if x.label == label)


def chart(app, words) -> Chart:
    return next(x for x in inside(app.widget, Chart) if words in x.label)


def sliders(app) -> dict:
    kinds = (w.FloatSlider, w.IntSlider, w.FloatLogSlider, w.Dropdown, w.Checkbox)
    box = next(x for x in inside(app.widget, w.VBox) if "wb-knobs" in x._dom_classes)
    return {x.description: x for x in inside(box) if isinstance(x, kinds)}


def text_of(app) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", x.value) for x in inside(app.widget, w.HTML))


def test_opening_asks_for_the_measurement_the_baseline_and_the_curve(app):
    assert app.live.names() == ["baseline", "show", "fill"]
    assert app.live.asked[2][1:] == (app.state.recipe, 0, "pruning_ratio")


@pytest.mark.parametrize("method", methods())
def test_every_method_gets_its_controls(used, method):
    used.state.choose(Recipe("lenet5", "digits", (default_step(method),)))
    assert used.state.problem == ""
    wanted = {name.replace("_", " ") for name in knobs_of(methods()[method])}
    assert {re.sub(r" \(.*\)", "", name) for name in sliders(used)} == wanted


def test_a_slider_sets_the_knob_and_asks_for_an_estimate(app):
    sliders(app)["pruning ratio"].value = 0.8
    assert app.state.recipe.steps[0].knobs["pruning_ratio"] == 0.8
    assert app.live.asked[-2] == ("show", app.state.recipe) and app.live.names()[-1] == "fill"
    assert "~91.0 %" in text_of(app) and "estimate" in text_of(app)


def test_the_state_moves_the_slider(app):
    app.state.turn("pruning_ratio", 0.25)
    assert sliders(app)["pruning ratio"].value == 0.25


def test_three_looks(app):
    send, recipe = app.live.notify, app.state.recipe
    html = lambda: next(x.value for x in inside(app.widget, w.HTML) if "wb-tiles" in x.value)  # noqa: E731
    assert "wb-estimate" in html() and "~91.0 %" in html()
    send(Sampled(recipe, ui_fakes.accuracy(40, 50), 51_000))
    assert "wb-sample" in html() and "sample of 50" in html() and "80.0 %" in html()
    send(Measured(recipe, made_up(recipe)))
    assert "wb-measured" in html() and "~" not in html() and "n = 100 validation images" in html()
    assert "34.5×" in html() and "2 M" in html() and "wb-estimate" not in html()


def test_another_method_changes_controls_and_curve(app):
    picker(app, "3. Method").value = "quant.kmeans_share"
    assert "bits (bit)" in sliders(app) and "pruning ratio" not in sliders(app)
    assert app.live.asked[-1][2:] == (0, "bits")


def test_a_method_that_trains_waits_to_be_asked_for_its_curve(app):
    before = app.live.names().count("fill")
    picker(app, "3. Method").value = "kd.hinton"
    assert app.live.names().count("fill") == before
    button(app, "Measure this method's curve").click()
    assert app.live.asked[-1][2:] == (0, "temperature")


def test_steps_combine(app):
    button(app, "Add step").click()
    picker(app, "3. Method").value = "quant.kmeans_share"
    names = inside(app.widget, Toggle)[0]
    assert [label for label, _ in names.options] == ["1. Magnitude pruning", "2. k-means weight sharing"]
    assert names.value == 1 and "bits (bit)" in sliders(app)
    names.value = 0
    assert "pruning ratio" in sliders(app) and app.state.active == 0
    button(app, "Remove step").click()
    assert [s.method for s in app.state.steps] == ["quant.kmeans_share"]


def test_an_order_that_is_refused_is_said_and_nothing_changes(app):
    app.state.choose(Recipe("lenet5", "digits", tuple(map(default_step, ("prune.l1_filter", "quant.kmeans_share")))), 1)
    assert button(app, "Move earlier").disabled and "codes were fitted" in text_of(app), "before it is clicked"
    button(app, "Move earlier").click()
    assert "the codes were fitted to the full layer" in app.state.error
    assert app.state.recipe is not None and app.state.active == 1
    button(app, "Dismiss").click()
    assert app.state.error == ""


def test_an_invalid_choice_is_said_and_stops_the_work(app):
    app.state.steps = tuple(map(default_step, ("quant.kmeans_share", "prune.l1_filter")))
    assert "fitted to the full layer" in text_of(app) and app.live.names()[-1] == "cancel"


def test_runs_are_there_again_after_a_network_that_did_not_fit():
    made = ui_fakes.app(known=(made_up(Recipe("lenet5", "digits")),))
    made.state.pick_method("prune.l1_filter")
    made.state.pick_network("lenet_300_100")
    assert made.state.recipe is None and made.state.dense is None
    made.state.pick_network("lenet5")
    assert made.state.dense is not None and made.live.names().count("baseline") == 2
    made.close()


def test_a_network_on_which_a_step_is_off_is_said_once(app):
    app.state.choose(Recipe("lenet5", "digits", tuple(map(default_step, ("prune.l1_filter", "quant.kmeans_share")))), 1)
    picker(app, "2. Network").value = "lenet_300_100"
    assert "prune.l1_filter cannot be used on lenet_300_100" in app.state.problem and app.state.error == ""


@pytest.mark.parametrize("label", ["1. Data", "2. Network", "3. Method", "Layer"])
@pytest.mark.parametrize("value", ["../../etc/passwd", "<script>", "__import__('os')"])
def test_a_name_that_is_not_on_offer_is_refused(used, label, value):
    before = used.state.recipe
    menu = picker(used, label)
    menu.set_state({"value": value})
    assert used.state.error.count(".") >= 1 and used.state.recipe == before
    assert menu.value != value


@pytest.mark.parametrize("value", [None, 3, ["a"], {"a": 1}])
def test_a_message_of_the_wrong_kind_is_refused(used, value):
    before = used.state.recipe
    picker(used, "3. Method").set_state({"value": value})
    inside(used.widget, Toggle)[0].set_state({"index": value})
    sliders(used)["pruning ratio"].set_state({"value": value if value != 3 else "three"})
    assert used.state.recipe == before and "nothing was changed" in used.state.error


@pytest.mark.parametrize(
    "content", [None, 7, {}, {"kind": "click"}, {"kind": "click", "trace": 5, "point": 10**9},
                {"kind": "click", "trace": -1, "point": 0}, {"kind": "click", "trace": "a", "point": None},
                {"kind": "click", "trace": True, "point": [0, 1, 2]}, {"kind": "click", "trace": 5, "point": [0, 0]},
                {"kind": "want"}, {"kind": "eval", "code": "1/0"}],
)  # fmt: skip
def test_a_click_on_nothing_does_nothing(used, content):
    before = used.state.recipe
    for widget in inside(used.widget):
        if hasattr(widget, "_hear"):
            widget._hear(widget, content, [])
    assert used.state.recipe == before and used.state.error == ""


def test_a_click_on_a_point_sets_the_knobs_that_made_it(app):
    step = default_step("quant.kmeans_share")
    run = made_up(Recipe("lenet5", "digits", (step,)), size=20_000)
    app.live.notify(Measured(run.recipe, run))
    drawn = json.loads(chart(app, "Accuracy against").figure)
    trace = next(i for i, t in enumerate(drawn["data"]) if t["name"] == methods()[step.method].title)
    chart(app, "Accuracy against")._hear(None, {"kind": "click", "trace": trace, "point": 0}, [])
    assert app.state.steps == (step,) and "bits (bit)" in sliders(app)


def test_a_click_on_the_dense_network_leaves_the_steps_alone(app):
    dense = made_up(Recipe("lenet5", "digits"))
    app.live.notify(Measured(dense.recipe, dense))
    chart(app, "Accuracy against")._hear(None, {"kind": "click", "trace": accuracy_bytes.DENSE, "point": 0}, [])
    assert len(app.state.steps) == 1 and app.state.dense is dense


def test_a_click_on_a_layer_selects_it_everywhere(app):
    app.live.notify(Measured(app.state.recipe, made_up(app.state.recipe)))
    app.state.view = "layers"
    chart(app, "Bytes of each layer")._hear(None, {"kind": "click", "trace": 1, "point": 1}, [])
    assert app.state.layer == "fc1" and picker(app, "Layer").value == "fc1"
    assert "▸ fc1" in json.dumps(json.loads(chart(app, "Bytes of each layer").figure), ensure_ascii=False)


def test_a_hidden_view_draws_nothing_until_it_is_looked_at(app):
    app.live.notify(Measured(app.state.recipe, made_up(app.state.recipe)))
    shown = [c.label for c in inside(app.widget, Chart) if c.figure]
    assert len(shown) == 2 and any("step by step" in label for label in shown)
    names = next(x for x in inside(app.widget, Toggle) if "filters" in dict(x.options).values())
    names.value = "filters"
    assert chart(app, "Scores of the units").figure
    assert "sensitivity" not in app.live.names() and "attribution" not in app.live.names()


@pytest.mark.parametrize("method", ["combo.deep_compression", "kd.hinton"])
def test_a_scan_that_makes_no_sense_is_off_and_says_why(used, method):
    assert not button(used, "Measure sensitivity").disabled
    used.state.pick_method(method)
    assert button(used, "Measure sensitivity").disabled
    assert f"{method} " in text_of(used)
    used.state.pick_method("prune.l1_filter")
    assert not button(used, "Measure sensitivity").disabled


def test_progress_and_cancel(app):
    app.live.notify(Working("measuring the curve", 0.4))
    assert "measuring the curve" in text_of(app) and inside(app.widget, w.IntProgress)[0].value == 40
    button(app, "Cancel").click()
    assert app.live.names()[-1] == "cancel"
    app.live.notify(Idle("cancelled"))
    assert button(app, "Cancel").disabled and "Ready" in text_of(app)


def test_the_last_error_stays_until_it_is_dismissed(app):
    app.live.notify(Failed("The file was <b>damaged</b>.", "details"))
    app.live.notify(Idle("failed"))
    box = next(x for x in inside(app.widget, w.HTML) if "damaged" in x.value)
    assert "<b>" not in box.value
    sliders(app)["pruning ratio"].value = 0.7
    assert "damaged" in box.value


def test_export(app):
    download, python, command = (
        inside(app.widget, DownloadButton)[0],
        copier(app, "Copy as Python"),
        copier(app, "Copy as command"),
    )
    assert not download.ready
    recipe = app.state.recipe
    app.live.files[recipe.key] = b"bytes"
    app.live.notify(Measured(recipe, made_up(recipe)))
    assert download.ready and "50,000 bytes" in download.label
    assert app.engine.file() == (f"lenet5-digits-{recipe.key[:8]}.wbz", b"bytes")
    assert "prune.magnitude_iter:pruning_ratio=0.5" in command.text and command.text.startswith("workbench compress")
    names: dict = {}
    exec(python.text.replace("print(run(recipe).run.measurement)", ""), names)
    assert names["recipe"] == recipe
    button(app, "Measure on test data").click()
    assert app.live.asked[-1] == ("report", recipe)


def test_the_command_that_is_shown_is_the_recipe(app):
    import shlex

    from workbench.methods import parse_step

    app.state.choose(Recipe("lenet5", "digits", tuple(map(default_step, ("prune.l1_filter", "quant.kmeans_share"))), 5))
    words = shlex.split(copier(app, "Copy as command").text)
    steps = tuple(parse_step(words[i + 1]) for i, word in enumerate(words) if word == "--step")
    assert steps == app.state.steps and words[words.index("--seed") + 1] == "5"


def test_runs_of_the_store_are_drawn_at_once():
    run = made_up(Recipe("lenet5", "digits", (default_step("prune.magnitude_iter"),)))
    made = ui_fakes.app(known=(run,))
    assert made.state.run is run and "wb-measured" in " ".join(x.value for x in inside(made.widget, w.HTML))
    made.close()


def test_a_worker_that_answers_within_the_call(app):
    made = ui_fakes.app(answers=True)
    assert made.state.run is not None and not made.state.busy
    made.close()


def test_sliders_do_not_make_widgets(app):
    before = len(w.Widget.widgets) if hasattr(w.Widget, "widgets") else len(w.widget._instances)
    for value in (0.1, 0.2, 0.3, 0.4):
        sliders(app)["pruning ratio"].value = value
    for method in ("quant.kmeans_share", "prune.magnitude_iter", "quant.kmeans_share", "prune.magnitude_iter"):
        picker(app, "3. Method").value = method
    after = len(w.Widget.widgets) if hasattr(w.Widget, "widgets") else len(w.widget._instances)
    assert after == before


def test_closing_leaves_no_widget():
    from ipywidgets.widgets.widget import _instances

    before = set(_instances)
    made = ui_fakes.app()
    assert len(_instances) > len(before) + 50
    made.close()
    assert set(_instances) == before and made.live.closed


def test_the_drawing_library_is_sent_once(app):
    assert len(inside(app.widget, PlotlyBundle)) == 1
    assert len([chart for chart in inside(app.widget, Chart) if chart.figure]) <= 2
    assert all(len(c._esm) < 10_000 for c in inside(app.widget, Chart))
    order = inside(app.widget)
    assert order.index(inside(app.widget, PlotlyBundle)[0]) < order.index(inside(app.widget, Chart)[0])


def test_buttons_are_labelled_in_words(app):
    assert all(b.description and not b.icon and b.tooltip for b in inside(app.widget, w.Button))


def test_live_has_every_method_that_the_page_calls():
    from workbench.experiment.live import Live

    mine = {name for name in vars(FakeLive) if not name.startswith("_")} - {"names"}
    assert mine <= {name for name in vars(Live) if not name.startswith("_")}


def test_the_message_when_python_is_gone_answers_a_ping(app):
    from workbench.ui.widgets import Heartbeat

    page, sent = inside(app.widget, Heartbeat)[0], []
    page.send = lambda content, buffers=None: sent.append(content)
    page._hear(page, {"kind": "ping"}, [])
    assert sent == [{"kind": "pong"}]


def test_displays_itself(app):
    assert "application/vnd.jupyter.widget-view+json" in app._repr_mimebundle_()
