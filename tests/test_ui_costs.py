"""The view of what compression cost: it asks once a setting is measured, and its parts narrow the pictures."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
import ui_fakes
from test_costs import logits, planted
from test_ui_app import button, chart, inside, text_of

from workbench.core.context import Batch
from workbench.experiment.live import Live
from workbench.experiment.questions import Answer
from workbench.experiment.questions.attribution import AttributionQuestion
from workbench.experiment.questions.costs import CostsQuestion
from workbench.experiment.reports import Answered, Measured
from workbench.explain.costs import costs_of
from workbench.explain.pictures import pictures
from workbench.ui.gallery import Gallery
from workbench.ui.widgets import Toggle


@pytest.fixture
def app():
    made = ui_fakes.app()
    made.state.view = "costs"
    yield made
    made.close()


def asked(app) -> list:
    return [entry for entry in app.live.asked if entry[0] in ("costs", "attribution")]


def answer(app, found) -> None:
    app.engine.ask(CostsQuestion())
    app.live.notify(Answered(app.state.recipe, Answer(CostsQuestion(), found, final=True)))


def found():
    labels, before, after = planted()
    made = costs_of(logits(before), logits(after), labels, file=True)
    images = Batch(torch.zeros(len(labels), 1, 8, 8), labels)
    return replace(made, pictures=pictures(images, [f.index for f in made.flips]))


def gallery(app) -> Gallery:
    return next(g for g in inside(app.widget, Gallery) if "answer changed" in g.label)


def test_it_asks_when_the_file_is_there_and_once(app):
    assert asked(app) == []
    app.live.notify(Measured(app.state.recipe, ui_fakes.made_up(app.state.recipe)))
    assert asked(app) == [("costs", app.state.recipe, CostsQuestion())]
    app.state.view = "bytes"
    app.state.view = "costs"
    assert len(asked(app)) == 1
    app.state.turn("pruning_ratio", 0.3)
    assert len(asked(app)) == 1
    app.live.notify(Measured(app.state.recipe, ui_fakes.made_up(app.state.recipe)))
    assert len(asked(app)) == 2


def test_a_view_that_is_not_on_the_page_asks_nothing(app):
    app.state.view = "bytes"
    app.live.notify(Measured(app.state.recipe, ui_fakes.made_up(app.state.recipe)))
    assert asked(app) == []
    button(app, "Compare all answers").click()
    assert len(asked(app)) == 1


def test_the_warning_and_the_number_of_images_are_in_words(app):
    answer(app, found())
    said = text_of(app)
    assert "The average hides a loss: “3” changes by −40.0 points" in said
    assert "1,000 validation images: 40 answers changed (40 right to wrong" in said
    assert "widened so that all 10 hold at once" in said


def test_a_picture_that_is_clicked_is_the_image_to_explain(app):
    answer(app, found())
    tiles = gallery(app)
    first = tiles.tiles[0]["key"]
    assert button(app, "What do both look at?").disabled
    tiles._hear(None, {"kind": "pick", "key": first}, [])
    assert app.state.image == first and tiles.selected == first
    button(app, "What do both look at?").click()
    assert app.state.view == "explain" and asked(app)[-1][2] == AttributionQuestion(app.state.attribution, first)


@pytest.mark.parametrize("message", [None, {}, {"kind": "pick"}, {"kind": "pick", "key": "3"},
                                     {"kind": "pick", "key": 10**9}])  # fmt: skip
def test_other_messages_pick_nothing(app, message):
    answer(app, found())
    gallery(app)._hear(None, message, [])
    assert app.state.image == 0 and app.state.error == ""


def test_classes_cells_and_fates_narrow_the_pictures(app):
    answer(app, found())
    whom, taken = chart(app, "Change in accuracy of every class"), chart(app, "taken for which")
    everything = len(gallery(app).tiles)
    whom.clicked(0, 0)
    assert "40 images of “3”, most confidence lost first" in text_of(app) and len(gallery(app).tiles) == everything
    assert "<b>▸ 3</b>" in json.loads(whom.figure)["data"][0]["y"]
    taken.clicked(0, (3, 4))
    assert "40 images of “3”, now taken for “4”" in text_of(app)
    taken.clicked(0, (4, 3))
    assert gallery(app).tiles == [] and "0 images of “4”" in text_of(app)
    button(app, "Show all classes").click()
    assert len(gallery(app).tiles) == everything and button(app, "Show all classes").layout.display == "none"
    next(x for x in inside(app.widget, Toggle) if ("All", "all") in x.options).value = "wrong to right"
    assert gallery(app).tiles == []
    for wrong in (whom, taken):
        wrong.clicked(7, 99)
        wrong.clicked(7, (99, 99))
    assert app.state.error == ""


def test_another_setting_takes_the_old_answers_away(app):
    answer(app, found())
    app.state.turn("pruning_ratio", 0.3)
    assert gallery(app).tiles == [] and "The average hides" not in text_of(app)


def test_the_worker_compares_every_validation_image_with_the_file():
    events: list = []
    live = Live(events.append)
    try:
        recipe = ui_fakes.app().state.recipe
        live.ask(recipe, CostsQuestion())
        assert live.wait(60)
        memory = [e.answer.value for e in events if isinstance(e, Answered)][-1]
        live.show(recipe)
        assert live.wait(60)
        run = next(e.run for e in events if isinstance(e, Measured))
        assert not memory.file and memory.pairs.both + memory.pairs.gained == run.measurement.accuracy.correct
        live._answers.clear()
        live.ask(recipe, CostsQuestion())
        assert live.wait(60)
        read = [e.answer.value for e in events if isinstance(e, Answered)][-1]
        assert read.file and read.complete and read.pairs == memory.pairs and read.n == 360
        assert [c.pairs.n for c in read.classes] == [c.n for c in run.measurement.accuracy.per_class]
    finally:
        live.close()
