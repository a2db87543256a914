"""A visitor's picture on the page: brought, explained, taken away again; whatever else is sent changes nothing."""

from __future__ import annotations

import io
import json

import ipywidgets as w
import numpy as np
import pytest
import ui_fakes
from PIL import Image
from test_ui_app import button, chart, inside, picker, text_of

from workbench.core.attribution import AttributionPair, Similarity
from workbench.data import PICTURE_BYTES, picture
from workbench.experiment.live import Live
from workbench.experiment.questions import Answer
from workbench.experiment.questions.attribution import AttributionQuestion
from workbench.experiment.reports import Answered, Failed, Recalled
from workbench.experiment.subject import subject_named
from workbench.ui.upload import PictureButton


@pytest.fixture
def app():
    made = ui_fakes.app()
    yield made
    made.close()


def content(kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.linear_gradient("L").resize((50, 40)).convert("RGB").save(made, kind)
    return made.getvalue()


def send(app, message, *buffers) -> None:
    inside(app.widget, PictureButton)[0]._hear(None, message, [memoryview(b) for b in buffers])


def slider(app) -> w.IntSlider:
    return next(x for x in inside(app.widget, w.IntSlider) if x.description == "validation image")


def preview(app) -> w.Image:
    return inside(app.widget, w.Image)[0]


def test_a_picture_is_shown_as_the_network_sees_it_and_explained(app):
    assert preview(app).layout.display == "none" and button(app, "Back to validation images").layout.display == "none"
    send(app, {"kind": "picture"}, content())
    assert preview(app).layout.display == "" and slider(app).layout.display == "none" and app.state.error == ""
    seen = np.asarray(Image.open(io.BytesIO(preview(app).value)))[1::3, 1::3]
    assert np.array_equal(seen, (255 * picture(content(), (1, 28, 28))[0]).round().byte().numpy())
    assert "as the network sees it: 1×28×28" in text_of(app)
    button(app, "Explain this image").click()
    assert app.live.asked[-1] == (
        "attribution",
        app.state.recipe,
        AttributionQuestion(app.state.attribution, content()),
    )


def test_back_to_validation_images(app):
    slider(app).value = 5
    send(app, {"kind": "picture"}, content())
    button(app, "Back to validation images").click()
    assert app.state.picture is None and preview(app).layout.display == "none" and slider(app).layout.display == ""
    button(app, "Explain this image").click()
    assert app.live.asked[-1][-1].image == 5


def test_another_dataset_sees_the_same_picture_in_its_shape(app):
    send(app, {"kind": "picture"}, content())
    app.state.choose(app.state.recipe.__class__("resnet20", "shapes", app.state.steps))
    assert app.state.picture == content() and "1×28×28" not in text_of(app) and "3×32×32" in text_of(app)


@pytest.mark.parametrize(
    ("message", "buffers", "sentence"),
    [
        ({"kind": "picture"}, [b"<svg/>"], "This file is not a picture; it must be a PNG, JPEG, WebP or BMP."),
        ({"kind": "picture"}, [content()[:-60]], "This picture cannot be read: it is cut short."),
        ({"kind": "picture"}, [bytes(PICTURE_BYTES + 1)], "at most 5 MB"),
        ({"kind": "too large", "bytes": 30_000_000}, [], "A picture may have at most 5 MB; this one has 30.0 MB."),
        ({"kind": "unreadable"}, [], "The browser could not read this file."),
    ],
)
def test_what_is_no_picture_is_said_and_the_last_one_stays(app, message, buffers, sentence):
    send(app, {"kind": "picture"}, content())
    send(app, message, *buffers)
    assert sentence in app.state.error and sentence in text_of(app)
    assert app.state.picture == content() and preview(app).layout.display == ""


@pytest.mark.parametrize(
    "message",
    [None, 7, {}, {"kind": "picture"}, {"kind": "too large", "bytes": "x"}, {"kind": "open", "path": "/etc/passwd"}],
)
def test_other_messages_do_nothing(app, message):
    send(app, message)
    assert app.state.picture is None and app.state.error == ""


def pair(label: int | None) -> AttributionPair:
    flat = np.zeros((28, 28), np.float32)
    return AttributionPair(
        "saliency",
        None,
        label,
        3,
        np.zeros((1, 28, 28), np.float32),
        flat,
        flat,
        0.9,
        0.8,
        3,
        7,
        Similarity(1.0, 1.0, 1.0),
    )


def test_nobody_knows_whether_an_answer_about_your_picture_is_right(app):
    app.state.view = "explain"
    button(app, "Explain this image").click()
    asked = app.live.asked[-1][-1]
    app.live.notify(Answered(app.state.recipe, Answer(asked, pair(None), final=True)))
    drawn = chart(app, "what the dense and the compressed network look at").figure
    said = [a["text"] for a in json.loads(drawn)["layout"]["annotations"]]
    assert said[0] == "Your image" and said[1].startswith("Dense network<br>says “3”<br>gives “3” 90.0")
    assert said[2].startswith("Compressed network<br>says “7”<br>gives “3” 80.0")


def test_the_worker_explains_a_picture_with_both_networks():
    events: list = []
    live = Live(events.append)
    try:
        recipe = ui_fakes.app().state.recipe
        live.ask(recipe, AttributionQuestion("saliency", content()))
        assert live.wait(60)
        found = next(e.answer.value for e in events if isinstance(e, Answered) and e.answer.final)
        dense = subject_named(recipe.network, recipe.dataset).network
        answer = int(dense(picture(content(), (1, 28, 28))[None]).argmax())
        assert found.dense_prediction == answer and found.label is None and found.index is None
        assert np.array_equal(found.image, picture(content(), (1, 28, 28)).numpy())
        live.ask(recipe, AttributionQuestion("saliency", b"no picture"))
        assert live.wait(60) and any(isinstance(e, Failed) and "not a picture" in e.sentence for e in events)
    finally:
        live.close()


def test_what_there_is_to_say_about_the_data_stands_beside_their_name(app):
    said = "CIFAR-10 (JPEG copy): The images are a copy."
    app.live.notify(Recalled("lenet5", "digits", (), (said,)))
    assert app.state.remarks == (said,) and picker(app, "1. Data").help.endswith(said)
    app.live.notify(Recalled("lenet5", "mnist", (), ("another",)))
    assert app.state.remarks == (said,)
    app.state.pick_dataset("mnist")
    assert said not in picker(app, "1. Data").help
