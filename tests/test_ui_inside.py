"""The view inside the layers: it shows what belongs to the recipe, and its questions are about that."""

from __future__ import annotations

import json

import pytest
import ui_fakes
from test_figures_inside import made, targets
from test_ui_app import button, chart, inside, text_of

from workbench.core.errors import WorkbenchError
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step
from workbench.experiment.pipeline import canonical, compress
from workbench.experiment.questions import Answer, Asked
from workbench.experiment.questions.inside import InsideQuestion
from workbench.experiment.questions.soft import SoftQuestion, TaughtQuestion, by_labels, distilling, why_not_taught
from workbench.experiment.reports import Answered, Measured
from workbench.experiment.subject import subject_named
from workbench.ui.gallery import Gallery
from workbench.ui.widgets import Slider

HINTON = Step("kd.hinton", {"epochs": 1, "temperature": 3.0, "student": "recover"})


@pytest.fixture
def app():
    app = ui_fakes.app()
    app.state.view = "inside"
    yield app
    app.close()


def measured(app) -> None:
    app.live.notify(Measured(app.state.recipe, ui_fakes.made_up(app.state.recipe)))


def tell(app, question, value) -> None:
    app.engine.ask(question)
    app.live.notify(Answered(app.state.recipe, Answer(question, value, final=True)))


def shown(app, words) -> bool:
    """Whether the box around a chart is on the page."""
    from ipywidgets import VBox

    box = next(b for b in inside(app.widget, VBox) if chart(app, words) in b.children)
    return box.layout.display != "none"


def asked(app, kind) -> list:
    return [entry[2] for entry in app.live.asked if entry[0] == kind]


def test_it_asks_once_a_setting_is_measured_and_about_the_teacher_only_where_there_is_one(app):
    assert asked(app, "inside") == []
    measured(app)
    assert asked(app, "inside") == [InsideQuestion()] and asked(app, "soft") == []
    app.state.choose(Recipe("lenet5", "digits", (HINTON,)))
    measured(app)
    assert len(asked(app, "inside")) == 2 and asked(app, "soft") == [SoftQuestion()]
    app.state.turn("temperature", 5.0)
    measured(app)
    assert asked(app, "soft") == [SoftQuestion()], "the teacher is the same"


def test_a_recipe_of_which_nothing_more_is_to_be_seen_says_what_there_is(app):
    tell(app, InsideQuestion(), made(levels=(), directions=()))
    assert "Quantize to see the levels" in text_of(app)
    assert (
        not shown(app, "Weights of one layer") and not shown(app, "Singular values") and not shown(app, "Soft targets")
    )


def test_parts_appear_with_their_records_and_a_click_selects_the_layer(app):
    tell(app, InsideQuestion(), made(noise=made().noise[:1], levels=made().levels))
    assert shown(app, "Weights of one layer") and shown(app, "Singular values")
    assert "Quantize to see" not in text_of(app)
    errors = chart(app, "Signal over error")
    errors.clicked(0, 5)
    errors.clicked(0, (1, 1))
    assert app.state.layer == "" and app.state.error == ""
    real = made(noise=tuple(type(n)(**{**vars(n), "layer": name}) for n, name in
                            zip(made().noise, ("conv1", "conv2", "fc1"), strict=True)))  # fmt: skip
    tell(app, InsideQuestion(), real)
    errors.clicked(2, 1)
    assert app.state.layer == "conv2" and "<b>▸ conv2</b>" in json.loads(errors.figure)["data"][2]["y"]


def test_a_picture_that_is_clicked_is_selected_everywhere(app):
    tell(app, InsideQuestion(), made())
    pictures = next(g for g in inside(app.widget, Gallery) if "discarded" in g.label)
    pictures._hear(None, {"kind": "pick", "key": 7}, [])
    assert app.state.image == 7 and pictures.selected == 7


def test_the_slider_starts_at_the_recipes_temperature_and_redraws(app):
    app.state.choose(Recipe("lenet5", "digits", (HINTON,)))
    tell(app, SoftQuestion(), targets())
    slider = next(s for s in inside(app.widget, Slider) if s.description == "temperature to look at")
    drawn = chart(app, "Soft targets")
    assert shown(app, "Soft targets") and slider.value == 3.0 and "at temperature 3:" in drawn.figure
    slider.value = 8.0
    assert "at temperature 8:" in drawn.figure
    button(app, "What did the teacher add?").click()
    assert asked(app, "taught") == [TaughtQuestion()]


def test_a_student_that_learnt_nothing_from_the_teacher_cannot_be_asked_about(app):
    app.state.choose(Recipe("lenet5", "digits", (Step("kd.hinton", {"weight": 0.0}),)))
    assert button(app, "What did the teacher add?").disabled and "not taught anything by the teacher" in text_of(app)


def test_the_control_differs_in_the_teachers_weight_alone():
    recipe = canonical(Recipe("lenet5", "digits", (Step("prune.magnitude_iter"), HINTON)))
    control = by_labels(recipe)
    assert control.steps[0] == recipe.steps[0] and control.steps[1].knobs == {**recipe.steps[1].knobs, "weight": 0.0}
    assert distilling(recipe) == recipe.steps[1] and why_not_taught(recipe) == ""
    assert why_not_taught(recipe.with_steps()) == "no step of this recipe learns from a teacher"


def test_with_the_same_student_twice_the_teacher_added_nothing_and_the_soft_targets_are_the_teachers():
    subject = subject_named("lenet5", "digits")
    recipe = canonical(Recipe("lenet5", "digits", (HINTON,)))
    asking = Asked(subject, recipe, lambda progress: compress(by_labels(recipe), subject, progress=progress))
    (found,) = TaughtQuestion().answers(asking, Progress())
    assert found.pairs.lost == found.pairs.gained == 0 and found.divergence[0] == pytest.approx(found.divergence[1])
    assert all(image.change == pytest.approx(0, abs=1e-6) for image in found.images) and found.n == 360
    (soft,) = SoftQuestion().answers(asking, Progress())
    right = int((soft.logits.argmax(1) == soft.labels).sum())
    assert right == subject.dense_accuracy("validation").correct
    with pytest.raises(WorkbenchError, match="No step of this recipe learns from a teacher"):
        next(TaughtQuestion().answers(Asked(subject, recipe.with_steps(), asking.make), Progress()))
