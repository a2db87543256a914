"""The card and the comparison with the truth on the page, without a kernel."""

from __future__ import annotations

import ipywidgets as w
import numpy as np
import pytest
import ui_fakes
from test_criterion_truth import agreement, layer
from test_ui_app import button, chart, inside, picker, text_of

from workbench.core.recipe import Recipe
from workbench.core.records import Decision
from workbench.core.units import Example, Neighbour, Paired, Responses, Standing, Truth, UnitCard
from workbench.experiment.questions import Answer
from workbench.experiment.questions.criterion import CriterionQuestion
from workbench.experiment.questions.unit import UnitQuestion
from workbench.experiment.reports import Answered
from workbench.figures import unit_card, unit_classes, unit_examples
from workbench.ui.choices import default_step

HURT = Truth(0.1, 0.4, 0.05, (Paired(30, 25, 0, 30), *(Paired(50, 0, 0, 53) for _ in range(9))), "validation", 5000)
CARD = UnitCard(
    "conv1", 3, "filter", 20,
    kernel=np.arange(25, dtype=np.float32).reshape(1, 5, 5) - 12,
    standings=(Standing("l1", "L1 norm of the filter", 0.3, 2, 20),),
    neighbours=(Neighbour(3, 17, "weights", 0.93, 0.95),),
    responses=Responses(512, 500, 0.0, 2.0),
    truth=HURT,
    examples=(Example(77, 4, 2.0, np.zeros((1, 28, 28), np.float32), (2, 3, 7, 8)),),
    complete=True,
)  # fmt: skip
CUT = Decision(
    "conv1", "prune.l1_filter", "L1 norm of the filter", "filter", 0.41, 20, 6,
    tuple(0.3 + 0.02 * i for i in range(20)), tuple(i > 5 for i in range(20)),
)  # fmt: skip


@pytest.fixture
def app():
    made = ui_fakes.app()
    made.state.choose(Recipe("lenet5", "digits", (default_step("prune.l1_filter"),)))
    made.state.decisions = (CUT,)
    made.live.asked.clear()
    yield made
    made.close()


def answered(app, value, question, final=True):
    app.live.notify(Answered(app.state.recipe, Answer(question, value, final)))


def questions(app):
    return [entry[2] for entry in app.live.asked if entry[0] in ("unit", "criterion")]


def test_a_click_on_a_bar_asks_once_and_shows_the_card_below(app):
    app.state.view = "filters"
    scores = chart(app, "Scores of the units")
    scores.clicked(1, 3)
    assert questions(app) == [UnitQuestion("conv1", 3)]
    answered(app, CARD, UnitQuestion("conv1", 3))
    said = text_of(app)
    assert "Removed: L1 norm of the filter rank 4 of 20, below the cut 0.41" in said
    assert "criterion was wrong: it removed something that costs accuracy" in said
    assert "filter 17 answers to the same strokes (cosine 0.93, correlation 0.95)" in said
    assert "25 of its 30 images" in said
    assert '"heatmap"' in chart(app, "unit's weights").figure


def test_a_view_that_is_not_on_the_page_asks_nothing(app):
    app.state.view = "bytes"
    app.state.set({"layer": "conv1", "unit": 2})
    assert questions(app) == []
    app.state.view = "unit"
    assert questions(app) == [UnitQuestion("conv1", 2)]


def test_the_answer_to_another_unit_is_not_shown(app):
    app.state.view = "unit"
    app.state.set({"layer": "conv1", "unit": 3})
    answered(app, CARD, UnitQuestion("conv1", 3))
    assert "filter 17" in text_of(app)
    app.state.unit = 4
    assert "filter 17" not in text_of(app)
    answered(app, CARD, UnitQuestion("conv1", 3))
    assert "filter 17" not in text_of(app)


def test_the_card_stays_while_the_slider_moves_and_its_fate_follows(app):
    app.state.view = "unit"
    app.state.set({"layer": "conv1", "unit": 3})
    answered(app, CARD, UnitQuestion("conv1", 3))
    app.live.asked.clear()
    app.state.turn("pruning_ratio", 0.05)
    app.state.decisions = (Decision("conv1", "prune.l1_filter", "L1 norm of the filter", "filter", 0.3, 20, 1,
                                    CUT.scores, (False, *[True] * 19)),)  # fmt: skip
    assert questions(app) == []
    assert "Kept: L1 norm of the filter rank 4 of 20, above the cut 0.3" in text_of(app)


def test_the_keyboard_reaches_every_unit_and_the_whole_layer(app):
    app.state.view = "unit"
    app.state.set({"layer": "conv1", "unit": 3})
    answered(app, CARD, UnitQuestion("conv1", 3))
    number = next(x for x in inside(app.widget, w.IntSlider) if x.tooltip.startswith("Its number in"))
    assert (number.max, number.value) == (19, 3)
    number.value = 9
    assert app.state.unit == 9 and questions(app)[-1] == UnitQuestion("conv1", 9)
    button(app, "The whole layer").click()
    assert questions(app)[-1] == UnitQuestion("conv1", None)


def test_an_example_that_is_clicked_becomes_the_image_to_explain(app):
    app.state.view = "unit"
    app.state.set({"layer": "conv1", "unit": 3})
    answered(app, CARD, UnitQuestion("conv1", 3))
    chart(app, "excite the unit most").clicked(1, 0)
    assert app.state.image == 77
    chart(app, "excite the unit most").clicked(9, 0)
    assert app.state.image == 77 and app.state.error == ""


def test_comparing_asks_about_the_recipes_criterion_and_points_select_units(app):
    app.state.view = "unit"
    assert picker(app, "Criterion").value == "l1"
    button(app, "Compare with the truth").click()
    assert questions(app) == [CriterionQuestion("l1")]
    answered(app, agreement(layer("conv1"), layer("conv2")), CriterionQuestion("l1"))
    chart(app, "Every unit").clicked(1, 2)
    assert (app.state.layer, app.state.unit) == ("conv2", 2)
    chart(app, "in the wrong place").clicked(0, 0)
    assert (app.state.layer, app.state.unit) == ("conv1", 0)
    assert questions(app)[-2:] == [UnitQuestion("conv2", 2), UnitQuestion("conv1", 0)]
    picker(app, "Worst mistakes").value = "conv2 2"
    assert (app.state.layer, app.state.unit) == ("conv2", 2)
    picker(app, "Criterion").value = "taylor"
    assert questions(app)[-1] == CriterionQuestion("taylor")
    assert any("rank correlation" in row for row in chart(app, "Every unit").rows)


def test_another_network_forgets_the_card(app):
    app.state.view = "unit"
    app.state.set({"layer": "conv1", "unit": 3})
    answered(app, CARD, UnitQuestion("conv1", 3))
    app.state.pick_network("lenet_300_100")
    assert "filter 17" not in text_of(app)


# Figures


def test_the_kernel_is_laid_out_in_tiles_with_a_line_between():
    kernel = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    assert unit_card.mosaic(kernel) == (
        (0, 1, None, 4, 5), (2, 3, None, 6, 7), (None,) * 5, (8, 9, None, None, None), (10, 11, None, None, None),
    )  # fmt: skip
    assert unit_card.mosaic(np.arange(5, dtype=np.float32).reshape(1, 1, 5)) == ((0, 1, 2), (3, 4, None))


def test_the_view_holds_the_numbers_of_the_card():
    view = unit_card.view(CARD, (CUT,))
    assert view.quota == pytest.approx(0.3) and view.standings[0].share == pytest.approx(1 / 19)
    rows = {row["what"]: row["number"] for row in unit_card.table(view)}
    assert rows["images"] == "25 right only with it, 0 right only without it"
    assert rows["loss without it"].startswith("0.1000 → 0.4000 nats (change, 95 %: +0.2020 to +0.3980")
    classes = unit_classes.view(CARD, classes=("zero",))
    assert classes.rows[0].name == "zero" and classes.rows[0].lost == pytest.approx(25 / 30)
    assert unit_classes.table(classes)[0]["lost without it"] == "83.3 % (25 lost, 0 gained of 30 images)"
    pictures = unit_examples.view(CARD)
    assert pictures.shown[0].box == (2, 3, 7, 8) and len(pictures.shown[0].patch) == 5
    assert unit_examples.example_at(pictures, 1) == 77 and unit_examples.example_at(pictures, 2) is None


def test_scores_have_no_place_where_none_are_known():
    found = unit_classes.view(CARD)
    for adds, plots in ((0.5, 2), (None, 1)):
        rows = tuple(row._replace(adds=adds, of=1.0) for row in found.rows)
        assert len(list(unit_classes.figure(found._replace(rows=rows)).select_xaxes())) == plots


@pytest.mark.parametrize("figure", [unit_card, unit_classes, unit_examples])
def test_empty_is_one_sentence_and_dark_differs_in_colour_only(figure):
    nothing = figure.figure(figure.view(None))
    assert len(nothing.data) == 0 and nothing.layout.annotations[0].text.endswith(".")
    light, dark = (figure.figure(figure.view(CARD), dark=dark) for dark in (False, True))
    assert light.data and [(t.type, t.name) for t in light.data] == [(t.type, t.name) for t in dark.data]
    assert light.layout.template.layout.paper_bgcolor != dark.layout.template.layout.paper_bgcolor
