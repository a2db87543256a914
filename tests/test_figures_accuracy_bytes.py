"""Accuracy against bytes: the view tuple, the frontier against brute force, and what a click finds."""

import random

import pytest
from figure_records import accuracy, curve, run

from workbench.core.frontier import frontier
from workbench.core.records import Estimate, wilson
from workbench.figures import accuracy_bytes as ab
from workbench.figures.theme import ESTIMATE_DASH

DENSE = run(correct=195, file_bytes=41_000)
PRUNED = curve("prune.toy", "ratio", [(0.5, 194, 21_000), (0.99, 90, 900), (0.9, 180, 5_000)])
CODED = curve("quant.toy", "bits", [(2, 150, 3_000), (8, 195, 11_000)])
RUNS = PRUNED + CODED


def _beats(a, b):
    return a[0] <= b[0] and a[1] >= b[1] and a != b


@pytest.mark.parametrize("seed", range(20))
def test_the_frontier_is_what_brute_force_finds(seed):
    draw = random.Random(seed)
    points = [(float(draw.randint(1, 12)), draw.randint(0, 12) / 12) for _ in range(draw.randint(0, 25))]
    expected = sorted({p for p in points if not any(_beats(q, p) for q in points)})
    assert [points[i] for i in frontier(points)] == expected


def test_a_line_per_method_ascending_in_bytes_with_wilson_intervals():
    view = ab.view(RUNS, DENSE, titles={"prune.toy": "Toy pruning"})
    assert [line.title for line in view.lines] == ["Toy pruning", "quant.toy"]
    assert [p.file_bytes for p in view.lines[0].points] == [900, 5_000, 21_000]
    point = view.lines[0].points[1]
    assert (point.accuracy, point.low, point.high) == (0.9, *wilson(180, 200))
    assert view.dense.accuracy == 195 / 200
    bars = ab.figure(view).data[ab.FIRST_LINE].error_y
    assert point.accuracy + bars.array[1] == pytest.approx(wilson(180, 200)[1])
    assert point.accuracy - bars.arrayminus[1] == pytest.approx(wilson(180, 200)[0])


def test_the_dense_run_is_found_among_the_runs_and_is_no_line():
    assert ab.view([*RUNS, DENSE]) == ab.view(RUNS, DENSE)


def test_of_two_runs_of_one_recipe_the_later_is_drawn():
    again = run(("prune.toy", {"ratio": 0.5}), correct=100, file_bytes=20_000)
    assert [p.accuracy for p in ab.view([*PRUNED, again]).lines[0].points if p.key == again.recipe.key] == [0.5]


def test_every_click_finds_the_recipe_of_the_point_under_it():
    view = ab.view(RUNS, DENSE, sample=(accuracy(30, 32), 4_000.0))
    by_key = {r.recipe.key: r.measurement for r in [*RUNS, DENSE]}
    drawn, found = ab.figure(view), set()
    for i, trace in enumerate(drawn.data):
        for j, (size, share) in enumerate(zip(trace.x or (), trace.y or (), strict=True)):
            key = ab.recipe_at(view, i, j)
            if i >= ab.FIRST_LINE or (i == ab.DENSE and j == 1):
                assert (by_key[key].file_bytes, by_key[key].accuracy.accuracy) == (size, share)
                found.add(key)
    assert found == set(by_key)
    assert ab.recipe_at(view, ab.SAMPLE, 0) is None
    assert ab.recipe_at(view, 99, 0) is None
    assert ab.recipe_at(view, ab.FIRST_LINE, 99) is None


def test_the_current_setting_has_a_ring_once_it_is_measured():
    key = PRUNED[2].recipe.key
    view = ab.view(RUNS, DENSE, current=key)
    ring = ab.figure(view).data[ab.SELECTED]
    assert (list(ring.x), list(ring.y)) == ([5_000], [0.9])
    assert view.now == "Now: 5.0 kB, 90.0 % right (measured)"
    assert ab.view(RUNS, DENSE, current="elsewhere").selected is None
    assert ab.view(RUNS, DENSE, current=DENSE.recipe.key).selected == DENSE.recipe.key


def test_estimate_sample_and_measurement_look_different():
    guess = ("prune.toy:ratio=0.95", Estimate(0.8, 3_500.0, "between 0.9 and 0.99"))
    view = ab.view(RUNS, DENSE, estimate=guess, sample=(accuracy(30, 32), 4_000.0))
    assert view.guide == ((900, 0.45), (3_500.0, 0.8), (5_000, 0.9))
    far = ab.view(RUNS, estimate=("prune.toy:ratio=0.6", Estimate(0.95, 9_000.0, "")))
    assert far.guide == ((5_000, 0.9), (9_000.0, 0.95), (21_000, 0.97))
    data = ab.figure(view).data
    estimate, sample, line = data[ab.ESTIMATE], data[ab.SAMPLE], data[ab.FIRST_LINE]
    assert estimate.line.dash == ESTIMATE_DASH != line.line.dash
    assert "~80.0 %" in estimate.text
    assert len({estimate.marker.symbol, sample.marker.symbol, line.marker.symbol}) == 3
    low, high = wilson(30, 32)
    assert sample.error_y.array[0] + sample.error_y.arrayminus[0] == pytest.approx(high - low)
    assert (view.sample.low, view.sample.high) == (low, high)
    assert "32 of 200" in sample.text[0]
    assert [row["kind"] for row in ab.table(view)] == ["measured"] * 6 + ["sample", "estimate"]
    assert ab.table(view)[-1]["accuracy"] == "~80.0 %"


def test_an_estimate_without_known_runs_stands_alone():
    view = ab.view([], estimate=("prune.toy:ratio=0.5", Estimate(0.8, 3_500.0, "size only")))
    assert view.guide == ((3_500.0, 0.8),)
    assert view.now == "Now: ~3.5 kB, ~80.0 % right (estimate)"


def test_several_steps_are_one_line_of_combinations():
    both = run(("prune.toy", {"ratio": 0.5}), ("quant.toy", {"bits": 4}), file_bytes=2_000)
    line = ab.view([both]).lines[0]
    assert (line.methods, line.title, line.family) == (("prune.toy", "quant.toy"), "prune.toy + quant.toy", "combo")


def test_the_dense_network_alone_asks_for_the_first_point():
    view = ab.view([], DENSE)
    assert view.now == ab.NOTHING
    assert ab.figure(view).layout.title.subtitle.text == ab.NOTHING


def test_hover_tells_all_that_was_measured():
    text = ab.figure(ab.view(PRUNED)).data[ab.FIRST_LINE].text[1]
    for part in ("ratio=0.9", "90.0 %", "5.0 kB", "8.0×", "5,000 non-zero", "70 multiply-adds", "1.00 ms", "float32"):
        assert part in text
