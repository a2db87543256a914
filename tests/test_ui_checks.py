"""The checks beside the pictures: asked for by buttons, following the settings, shown for what is chosen now only."""

import numpy as np
import pytest
import ui_fakes
from test_ui_app import button, chart, inside, text_of

from workbench.core.attribution import AttributionPair, Curve, Faithfulness, Likeness, Similarity, Trust
from workbench.experiment.questions import Answer
from workbench.experiment.reports import Answered
from workbench.ui.widgets import Menu

FLAT = np.ones((28, 28), np.float32)
PAIR = AttributionPair("saliency", 0, 1, 1, FLAT[None], FLAT, FLAT, 0.9, 0.8, 1, 1, Similarity(0.5, 0.4, 0.3))
LINE = Curve((0.0, 1.0), (1.0, 0.0))
TRUST = Faithfulness("saliency", 0, 1, Trust(LINE, LINE, LINE, LINE))


@pytest.fixture
def app():
    made = ui_fakes.app()
    made.state.view = "explain"
    yield made
    made.close()


def asked(app, kind):
    return [question for name, _, question in (a for a in app.live.asked if len(a) == 3) if name == kind]


def answer(app, kind, value):
    app.live.notify(Answered(app.state.recipe, Answer(asked(app, kind)[-1], value, final=True)))


def test_a_class_can_be_chosen_and_is_kept(app):
    whom = next(m for m in inside(app.widget, Menu) if m.description == "class")
    assert whom.label == "what the dense network answers"
    whom.value = 7
    app.state.pick_attribution("saliency")
    assert app.state.target == 7 and whom.value == 7
    button(app, "Explain this image").click()
    assert asked(app, "attribution")[-1].target == 7
    app.state.pick_dataset("cifar10")
    assert app.state.target is None and whom.label == "what the dense network answers"


def test_a_picture_follows_the_settings_once_it_was_asked_for(app):
    app.state.turn("pruning_ratio", 0.3)
    assert not asked(app, "attribution")
    button(app, "Explain this image").click()
    answer(app, "attribution", PAIR)
    assert "order of the pixels" in text_of(app)
    app.state.turn("pruning_ratio", 0.6)
    assert len(asked(app, "attribution")) == 2 and chart(app, "what the dense and the compressed network look at").old
    app.state.view = "layers"
    app.state.turn("pruning_ratio", 0.7)
    assert len(asked(app, "attribution")) == 2
    app.state.view = "explain"
    assert len(asked(app, "attribution")) == 3


def test_what_is_about_another_image_is_not_shown(app):
    button(app, "Explain this image").click()
    answer(app, "attribution", PAIR)
    button(app, "Do the networks need it?").click()
    answer(app, "trust", TRUST)
    curves = chart(app, "Do the networks need it?")
    assert curves.layout.display == "" and "deletion: area" in text_of(app)
    app.state.image = 5
    assert curves.layout.display == "none"


def test_likeness_streams_again_when_the_knob_moves(app):
    button(app, "Alike over many images?").click()
    answer(app, "likeness", Likeness("saliency", (1, 2), (PAIR.similarity,) * 2, 9))
    drawn = chart(app, "Alike over many images?")
    assert drawn.layout.display == "" and "2 of 9 validation images" in drawn.figure
    app.state.turn("pruning_ratio", 0.45)
    assert len(asked(app, "likeness")) == 2 and drawn.old


def test_the_object_is_off_where_nobody_knows_it(app):
    assert button(app, "Is it the object?").disabled and "known for shapes only" in text_of(app)
    app.state.pick_dataset("shapes")
    assert not button(app, "Is it the object?").disabled
    button(app, "Is it the object?").click()
    question = asked(app, "object")[-1]
    assert question.steps == app.state.recipe.steps and question.index == 0
