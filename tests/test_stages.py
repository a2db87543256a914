"""Accuracy after each step: counted a second way, growing, without training twice, and drawn beside the bytes."""

from __future__ import annotations

import figure_records as records
import pytest
import ui_fakes
from test_ui_app import button, chart, text_of

from workbench.core.errors import Cancelled
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe
from workbench.core.stages import AfterStep, Stages
from workbench.experiment.live import Live
from workbench.experiment.pipeline import canonical, compress
from workbench.experiment.questions import Answer, Asked
from workbench.experiment.questions.stages import FIRST, StagesQuestion
from workbench.experiment.reports import Answered, Measured
from workbench.experiment.run import run
from workbench.experiment.subject import subject_named
from workbench.figures import waterfall
from workbench.measure.accuracy import accuracy
from workbench.methods import parse_step

STEPS = tuple(map(parse_step, ("prune.magnitude_iter:pruning_ratio=0.9", "quant.kmeans_share:bits=2")))
RECIPE = canonical(Recipe("lenet5_1998", "digits", STEPS))


@pytest.fixture(scope="module")
def subject():
    return subject_named("lenet5_1998", "digits")


@pytest.fixture(scope="module")
def grown(subject) -> list[Stages]:
    asked = Asked(subject, RECIPE, lambda progress: compress(RECIPE, subject, progress=progress))
    return list(StagesQuestion().answers(asked, Progress()))


def test_it_grows_step_by_step_and_then_to_all_images(grown):
    seen = [[a.n if a else 0 for a in (x.dense, *(s.accuracy for s in x.steps))] for x in grown]
    assert seen[:3] == [[FIRST, 0, 0], [FIRST, FIRST, 0], [FIRST, FIRST, FIRST]]
    assert seen[-1] == [360, 360, 360] and [x.complete for x in grown] == [False] * 6 + [True]


def test_each_number_is_that_of_the_recipe_cut_off_there(grown, subject):
    final, batch = grown[-1], subject.dataset.split("validation")
    assert final.dense.correct == subject.dense_accuracy("validation").correct
    for i, after in enumerate(final.steps):
        cut = compress(RECIPE.with_steps(*RECIPE.steps[: i + 1]), subject)
        assert after.accuracy.correct == accuracy(cut.network, batch, split="validation").correct
        assert after.step == str(RECIPE.steps[i])
    measured = run(RECIPE, split="validation", subject=subject).run
    assert final.steps[-1].accuracy.correct == measured.measurement.accuracy.correct
    view = waterfall.view(measured, after=final)
    assert [c.accuracy for c in view.changes][:2] == [s.accuracy for s in final.steps] and view.dense == final.dense


def test_it_stops_when_it_is_not_wanted(subject):
    asked = Asked(subject, RECIPE, lambda _progress: None, walk=lambda _progress: ())
    with pytest.raises(Cancelled):
        list(StagesQuestion().answers(asked, Progress(cancelled=lambda: True)))


def test_what_the_page_has_made_is_not_made_again(monkeypatch):
    from workbench.experiment import live as module

    made, events, true = [], [], module.make
    monkeypatch.setattr(
        module, "make", lambda recipe, *args, **named: made.append(recipe) or true(recipe, *args, **named)
    )
    live = Live(events.append)
    try:
        live.show(RECIPE)
        assert live.wait(60)
        live.ask(RECIPE, StagesQuestion())
        assert live.wait(60)
        final = [e.answer for e in events if isinstance(e, Answered)][-1]
        assert final.final and final.value.complete and len(final.value.steps) == 2 and len(made) == 1
    finally:
        live.close()


def after(*correct: int, n: int = 200) -> Stages:
    dense, *rest = [records.accuracy(c, n) for c in correct]
    names = [stage.step for stage in records.whole().stages]
    return Stages(dense, tuple(map(AfterStep, names, [*rest, None][: len(names)])))


def test_accuracies_stand_in_the_rows_of_their_steps():
    view = waterfall.view(records.whole(), after=after(190, 188))
    assert [x and x.correct for x in view.accuracies] == [190, 188, None, 180]
    marks = waterfall.figure(view).data[-1]
    assert list(marks.y) == list(waterfall.figure(view).data[0].y) and list(marks.x) == [0.95, 0.94, None, 0.9]
    low, high = records.accuracy(188).interval
    assert (marks.x[1] - marks.error_x.arrayminus[1], marks.x[1] + marks.error_x.array[1]) == pytest.approx((low, high))
    assert marks.marker.symbol[1:3] == ("circle", "circle-open")
    rows = waterfall.table(view)
    assert rows[1]["accuracy after it"].startswith("94.0 % (") and rows[2]["accuracy after it"] == ""
    assert view.note == "Accuracy on 200 validation images; bars are 95 % intervals"
    assert "64 of 200" in waterfall.view(records.whole(), after=after(60, 60, n=64)).note


def test_what_is_about_other_steps_is_not_drawn():
    other = Stages(records.accuracy(190), (AfterStep("prune.toy:ratio=0.1", records.accuracy(1)),), True)
    view = waterfall.view(records.whole(), after=other)
    assert view == waterfall.view(records.whole()) and view.note == ""
    assert len(waterfall.figure(view).data) == 4


def test_the_view_asks_once_the_run_is_there_and_by_button_where_a_step_trains():
    app = ui_fakes.app()
    asked = lambda: [x for x in app.live.asked if x[0] == "stages"]  # noqa: E731
    try:
        assert asked() == [] and app.state.view == "bytes"
        run = ui_fakes.made_up(app.state.recipe)
        app.live.notify(Measured(app.state.recipe, run))
        assert len(asked()) == 1
        found = Stages(records.accuracy(99, 100, 100), (AfterStep(run.stages[0].step, records.accuracy(95, 100, 100)),))
        app.live.notify(Answered(app.state.recipe, Answer(StagesQuestion(), found, final=True)))
        assert "Accuracy on 100 validation images" in text_of(app)
        assert "95.0 %" in chart(app, "step by step").figure
        app.state.turn("epochs", 1)
        app.live.notify(Measured(app.state.recipe, ui_fakes.made_up(app.state.recipe)))
        assert len(asked()) == 1
        button(app, "Measure accuracy after each step").click()
        assert len(asked()) == 2
    finally:
        app.close()
