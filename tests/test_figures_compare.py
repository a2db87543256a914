"""The picture and the tables of a comparison, against a comparison written down by hand."""

from __future__ import annotations

import copy

import pytest

from workbench.core.comparison import Bound, ComparedPoint, Comparison, Curve, Row
from workbench.core.recipe import Recipe, Step
from workbench.core.records import Accuracy, Measurement
from workbench.experiment.compare import Entry, compare
from workbench.figures import compare as figure

TITLES = {"prune.toy": "Pruning", "quant.toy": "Quantizing"}
PRUNE, QUANT = "prune.toy", "quant.toy (trained)"


def point(size: float, accuracy: float, *, best: bool = True, runs: int = 1) -> ComparedPoint:
    return ComparedPoint(f"prune.toy:ratio={size:g}", size, accuracy, accuracy - 0.01, accuracy + 0.01, runs, best)


def made(**changes) -> Comparison:
    given = {
        "dataset": "digits",
        "split": "validation",
        "images": 1360,
        "dense_bytes": 80_000,
        "dense_accuracy": 0.99,
        "curves": (
            Curve(PRUNE, ("prune.toy",), (point(5_000, 0.8), point(9_000, 0.7, best=False), point(20_000, 0.95))),
            Curve(QUANT, ("quant.toy",), (point(8_000, 0.9, runs=3), point(30_000, 0.98))),
        ),
        "frontier": ((PRUNE, 5_000.0, 0.8), (QUANT, 8_000.0, 0.9), (PRUNE, 20_000.0, 0.95), (QUANT, 30_000.0, 0.98)),
        "at_bytes": (
            Row("accuracy at 8x", 10_000.0, {PRUNE: Bound(0.85, 0.83, 0.87), QUANT: Bound(0.91, 0.9, 0.92)}),
            Row("accuracy at 16x", 5_000.0, {PRUNE: Bound(0.8, 0.7, 0.9), QUANT: Bound(None, why="it is larger")}),
        ),
        "at_accuracy": (Row("bytes", 0.97, {PRUNE: Bound(None, why="it stops at 95"), QUANT: Bound(25e3, 2e4, 3e4)}),),
        "baseline": PRUNE,
        "rate": {QUANT: Bound(-0.2, -0.3, -0.1)},
        "gain": {QUANT: Bound(0.012, -0.001, 0.02)},
        "area": {PRUNE: Bound(0.9, 0.89, 0.91), QUANT: Bound(0.93, 0.92, 0.94)},
    }  # fmt: skip
    return Comparison(**(given | changes))


def test_nothing_compared_is_one_sentence():
    drawn = figure.figure(figure.view(None))
    assert len(drawn.data) == 0 and drawn.layout.annotations[0].text == figure.NOTHING
    assert figure.view(None).tables == ()


def test_the_common_range_is_where_the_best_settings_of_all_overlap():
    assert figure.view(made()).common == (8_000, 20_000)
    apart = made().curves[0], Curve(QUANT, ("quant.toy",), (point(21_000, 0.9), point(30_000, 0.98)))
    assert figure.view(made(curves=apart)).common is None
    assert figure.view(made(curves=made().curves[:1])).common is None


def test_equal_sizes_are_marked_by_how_much_smaller_they_are():
    view = figure.view(made())
    assert view.marks == ((8.0, 10_000.0), (16.0, 5_000.0))
    drawn = figure.figure(view)
    lines = [s for s in drawn.layout.shapes if s.type == "line"]
    assert [line.x0 for line in lines] == [10_000, 5_000]
    assert [s.x1 for s in drawn.layout.shapes if s.type == "rect"] == [20_000]
    assert {"8×", "16×", "sizes that all reach"} == {note.text for note in drawn.layout.annotations}


def test_a_size_outside_the_picture_is_not_marked():
    far = (Row("accuracy at 1x", 80_000.0, {PRUNE: Bound(0.9, 0.9, 0.9), QUANT: Bound(0.9, 0.9, 0.9)}),)
    assert not [s for s in figure.figure(figure.view(made(at_bytes=far))).layout.shapes if s.type == "line"]


def test_two_traces_for_each_curve_and_every_setting_is_drawn_once():
    drawn = figure.figure(figure.view(made(), titles=TITLES))
    assert drawn.data[figure.FRONTIER].x == (5_000, 8_000, 20_000, 30_000)
    assert drawn.data[figure.DENSE].y == (0.99, 0.99)
    curves = drawn.data[figure.FIRST_CURVE :]
    assert [trace.name for trace in curves] == ["Pruning"] * 2 + ["Quantizing (trained)"] * 2
    assert [trace.x for trace in curves] == [(5_000, 20_000), (9_000,), (8_000, 30_000), ()]
    assert curves[0].error_y.array == pytest.approx([0.01, 0.01]) and curves[0].mode == "lines+markers"
    assert curves[1].mode == "markers" and "mean of 3 seeds" in curves[2].text[0] and "seeds" not in curves[0].text[0]


def test_tables_have_a_row_for_each_curve_and_say_why_there_is_no_number():
    same_size, same_accuracy, whole = figure.view(made(), titles=TITLES).tables
    assert same_size.head == ("", "8× smaller (10.0 kB)", "16× smaller (5.0 kB)")
    assert same_size.rows[0] == ("Pruning", "85.0 % (83.0 % to 87.0 %)", "80.0 % (70.0 % to 90.0 %)")
    assert same_size.rows[1][2] == "not possible: it is larger"
    assert same_accuracy.head == ("", "97.0 % (−2.0 points)")
    assert same_accuracy.rows[1] == ("Quantizing (trained)", "25.0 kB (20.0 kB to 30.0 kB)")
    assert whole.title == "Whole curves, against Pruning" and whole.rows[0][1:3] == ("the baseline", "the baseline")
    assert whole.rows[1][1:3] == ("−20.0 % (−30.0 % to −10.0 %)", "+1.2 points (−0.1 points to +2.0 points)")


def test_without_a_dense_network_no_accuracy_is_asked_for():
    view = figure.view(made(dense_accuracy=None, at_accuracy=()))
    assert len(view.tables) == 2
    assert figure.figure(view).data[figure.DENSE].x is None


def test_the_same_comparison_gives_the_same_picture_in_both_themes():
    given = made()
    before = copy.deepcopy(given)
    light, dark = (figure.figure(figure.view(given), dark=dark) for dark in (False, True))
    assert light.to_json() == figure.figure(figure.view(made())).to_json() and given == before
    assert light.layout.template.layout.paper_bgcolor != dark.layout.template.layout.paper_bgcolor


def test_a_real_comparison_is_drawn():
    runs = [
        Entry(
            Recipe("net", "digits", (Step(method, {knob: value}),)),
            Measurement(Accuracy(right, 1000, 1000, "validation"), size, 80_000, {"weights": size}, 10, 10, 1, 1),
        )
        for method, knob, values in (
            ("prune.magnitude_iter", "pruning_ratio", ((0.9, 800, 5_000), (0.5, 950, 20_000))),
            ("quant.int8_linear", "bits", ((2, 900, 8_000), (6, 980, 30_000))),
        )
        for value, right, size in values
    ]
    view = figure.view(compare(runs, dense=Accuracy(990, 1000, 1000, "validation")))
    assert view.common == pytest.approx((8_000, 20_000))
    assert [ratio for ratio, _ in view.marks] == pytest.approx([4, 8, 16])
    assert len(view.tables) == 3 and all(len(table.rows) == 2 for table in view.tables)
