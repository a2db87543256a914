"""Parallel coordinates and the difference of two runs: the views in numbers, the figures as far as clicks need them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from workbench.core.recipe import Recipe, Step
from workbench.core.records import Accuracy, Latency, LayerRow, Measurement, Provenance, Run
from workbench.figures import accuracy_bytes, difference, parallel

MADE = Provenance("0", "2", "2", "3.11", "test", 2, "abc", "2026-01-01T00:00:00+00:00", 0.1)


def run(
    method: str, *, size: int, correct: int, bits: int | None = None, ms: float | None = None, macs: int = 1000
) -> Run:
    knobs = {} if bits is None else {"bits": bits}
    time = None if ms is None else Latency(ms, ms, ms, 1, 1, "cpu", 9, 1)
    measured = Measurement(
        Accuracy(correct, 100, 100, "validation"), size, 40_000, {"all": size}, 90, 80, macs, 2000, time
    )
    rows = (
        LayerRow("conv1", "conv", (4, 1, 3, 3), 36, 30, 500, size // 4, 36, "dense"),
        LayerRow("fc1.first", "linear", (2, 9), 18, 18, 250, size // 4, 54, "codes", whole="fc1"),
        LayerRow("fc1.second", "linear", (6, 2), 12, 12, 250, size // 4, 54, "codes", whole="fc1"),
    )
    return Run(Recipe("net", "data", (Step(method, knobs),)), measured, rows, (), (), MADE)


RUNS = [
    run("quant.share", size=10_000, correct=90, bits=4, ms=2.0),
    run("quant.share", size=5_000, correct=80, bits=2, ms=1.0),
    run("prune.iter", size=20_000, correct=85),
]


def test_axes_are_what_the_runs_have():
    view = parallel.view(RUNS, knobs=[("quant.share", "bits"), ("prune.iter", "none of it")])
    assert [axis.name for axis in view.axes] == ["bytes", "accuracy", "macs", "latency", "quant.share bits"]
    assert [thread.values[3] for thread in view.threads] == [2.0, 1.0, None]
    assert [thread.values[4] for thread in view.threads] == [4.0, 2.0, None]
    assert [thread.best for thread in view.threads] == [True, True, False]


def test_heights_are_shares_of_the_axis_and_logarithmic_for_bytes():
    size, right, macs = parallel.view(RUNS).axes[:3]
    assert size.at(10_000) == pytest.approx(math.log(2) / math.log(4)) and size.value(0.5) == pytest.approx(10_000)
    assert right.at(0.85) == pytest.approx(0.5) and right.value(0.25) == pytest.approx(0.825)
    assert macs.at(1000) == 0.5, "all the same"


@pytest.mark.parametrize(
    ("ranges", "left"),
    [
        ({}, [0, 1, 2]),
        ({"bytes": (None, 10_000)}, [0, 1]),
        ({"bytes": (None, 10_000), "accuracy": (0.85, None)}, [0]),
        ({"latency": (None, 9.0)}, [0, 1]),
        ({"bytes": (1.0, 2.0)}, []),
        ({"no such axis": (1.0, 2.0)}, [0, 1, 2]),
    ],
)
def test_limits_let_through_what_is_within(ranges, left):
    view = parallel.view(RUNS, ranges=ranges)
    assert [i for i, thread in enumerate(view.threads) if thread.inside] == left
    assert view.sentence.startswith(f"{len(left)} of 3 runs" if view.ranges else "3 runs")


def test_every_drawn_point_leads_back_to_its_run():
    view = parallel.view(RUNS, ranges={"bytes": (None, 10_000)}, marks={RUNS[1].recipe.key: "picked", "gone": "pinned"})
    figure = parallel.figure(view)
    assert [trace.name for trace in figure.data] == ["outside the limits", "quant.share", "prune.iter", "picked"]
    keys = [x.recipe.key for x in RUNS]
    for t, expected in ((0, [2]), (1, [0, 1]), (2, []), (3, [1])):
        trace = figure.data[t]
        found = {parallel.run_at(view, t, p) for p in range(len(trace.x or ())) if trace.x[p] is not None}
        assert found == {keys[i] for i in expected}
        for p, (x, y) in enumerate(zip(trace.x or (), trace.y or (), strict=True)):
            if x is not None and y is not None:
                run_ = next(r for r in view.threads if r.key == parallel.run_at(view, t, p))
                assert view.axes[x].at(run_.values[x]) == y
    for odd in ((9, 0), (1, 999), (-1, 0)):
        assert parallel.run_at(view, *odd) is None


def test_a_box_is_a_limit_on_the_axes_it_crosses():
    view = parallel.view(RUNS)
    assert set(parallel.brushed(view, (-0.4, 1.4), (0.2, 0.8))) == {"bytes", "accuracy"}
    low, high = parallel.brushed(view, (1.2, 0.8), (0.6, 0.4))["accuracy"]
    assert (low, high) == (pytest.approx(0.84), pytest.approx(0.86))
    assert parallel.brushed(view, (0.1, 0.3), (-1, 0.5))["bytes"] == (None, pytest.approx(10_000))
    assert parallel.brushed(parallel.view([]), (0, 1), (0, 1)) == {}


def test_the_table_says_what_is_drawn():
    rows = parallel.table(parallel.view(RUNS, names={RUNS[0].recipe.key: "mine"}, ranges={"bytes": (None, 10_000)}))
    assert rows[0] == {
        "run": "mine", "file size": "10.0 kB", "accuracy": "90.0 %", "multiply-adds": "1 k", "time": "2.00 ms",
        "within the limits": "yes",
    }  # fmt: skip
    assert rows[2]["time"] == "–" and rows[2]["within the limits"] == "no"


def test_the_dense_network_and_an_earlier_run_of_a_recipe_are_no_lines():
    dense = replace(RUNS[0], recipe=Recipe("net", "data"))
    view = parallel.view([dense, RUNS[0], replace(RUNS[0], name="later")])
    assert len(view.threads) == 1 and "Measure" in parallel.figure(parallel.view([dense])).layout.annotations[0].text


def test_changes_of_layers_add_up_to_the_change_of_the_file():
    view = difference.view(RUNS[0], RUNS[1], names=("a", "b"))
    assert [(p.layer, p.change) for p in view.pairs] == [("conv1", -1250), ("fc1", -2500)]
    assert sum(p.change for p in view.pairs) + view.rest == 5_000 - 10_000
    assert view.pairs[1].second.bits == pytest.approx(8 * 2500 / 54) and view.pairs[1].second.shapes == "2×9, 6×2"
    assert "“b” against “a”: −5.0 kB in all" in view.sentence
    assert {row[0]: row[3] for row in view.head}["accuracy"] == "−10.0 points"
    assert {row[0]: row[3] for row in view.head}["time"] == "−1.00 ms"


def test_a_layer_that_one_of_them_lost_is_said():
    gone = replace(RUNS[1], layers=RUNS[1].layers[1:])
    view = difference.view(RUNS[0], gone, names=("a", "b"))
    row = next(r for r in difference.table(view) if r["layer"] == "conv1")
    assert row["shape"] == "4×1×3×3 → gone" and row["difference"] == "−2.5 kB"
    assert [difference.layer_at(view, t, p) for t, p in ((0, 0), (1, 1), (0, 2), (5, 0))] == [
        "conv1",
        "fc1",
        None,
        None,
    ]
    bars = difference.figure(view).data
    assert [bar.x[0] is None for bar in bars] == [False, True]


def test_nothing_to_compare_is_a_sentence():
    assert "Pick two runs" in difference.figure(difference.view(RUNS[0], None)).layout.annotations[0].text


def test_the_curve_marks_the_pinned_point_and_a_click_finds_it():
    plain = accuracy_bytes.view(RUNS)
    pinned = accuracy_bytes.view(RUNS, pinned=(RUNS[2].recipe.key, "mine"))
    drawn = accuracy_bytes.figure(pinned)
    assert len(drawn.data) == len(accuracy_bytes.figure(plain).data) + 1
    assert (drawn.data[-1].name, drawn.data[-1].x, drawn.data[-1].y) == ("pinned: mine", (20_000,), (0.85,))
    assert accuracy_bytes.recipe_at(pinned, len(drawn.data) - 1, 0) == RUNS[2].recipe.key
    assert accuracy_bytes.recipe_at(plain, len(drawn.data) - 1, 0) is None
    assert accuracy_bytes.view(RUNS, pinned=("gone", "x")).pinned is None
