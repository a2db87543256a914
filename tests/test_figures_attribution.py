"""What the figures and tables beside attributions say, compared on their view tuples."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.core.attribution import (
    AttributionPair,
    Balance,
    Curve,
    Faithfulness,
    Likeness,
    ObjectCurve,
    ObjectPoint,
    Randomised,
    Similarity,
    Stage,
    Trust,
)
from workbench.core.records import Count
from workbench.figures import (
    attribution_curves,
    attribution_likeness,
    attribution_numbers,
    attribution_object,
    attribution_random,
)

FLAT = np.zeros((4, 4), np.float32)
PAIR = AttributionPair(
    "deep_lift", 3, 1, 1, FLAT[None], FLAT, FLAT, 0.9, 0.8, 1, 1, Similarity(0.86, 0.8, 0.7),
    dense_balance=Balance(4.5, 4.6, scale=10), compressed_balance=Balance(3.0, 3.0, scale=10),
)  # fmt: skip
FALL, RISE = Curve((0, 0.5, 1), (1, 0.2, 0)), Curve((0, 0.5, 1), (0, 0.9, 1))
CHANCE = Curve((0, 0.5, 1), (1, 0.5, 0))
TRUST = Trust(FALL, RISE, CHANCE, Curve((0, 0.5, 1), (0, 0.5, 1)))
GROWING = Faithfulness("deep_lift", 3, 1, TRUST)
WHOLE = replace(GROWING, dense=replace(TRUST, infidelity=0.2, sensitivity=0.1), compressed=TRUST)
ALIKE = Likeness("lrp", (7, 2, 5), tuple(Similarity(x, 0.5, 0.1) for x in (0.2, 0.4, 0.6)), 8)
POINTS = (
    ObjectPoint(None, (0.5, 0.7), Count(2, 2)),
    ObjectPoint(0.8, (0.1, 0.3), Count(0, 2)),
    ObjectPoint(0.2, (0.4, 0.6), Count(1, 2)),
)
OBJECT = ObjectCurve("saliency", "prune.l1_filter", "pruning_ratio", 0.15, POINTS, 4)


def random(*means):
    return Randomised("lrp", 0, 1, 5, tuple(Stage(n + 3, (m - 0.1, m + 0.1)) for n, m in enumerate(means)))


DRAWN = {
    "curves": (attribution_curves, WHOLE),
    "likeness": (attribution_likeness, ALIKE),
    "object": (attribution_object, OBJECT),
    "random": (attribution_random, random(0.4, 0.2, 0.1)),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("dark", [False, True])
def test_every_figure_draws_and_says_what_to_do_when_there_is_nothing(name, dark):
    module, record = DRAWN[name]
    assert len(module.figure(module.view(record), dark=dark).data) >= 1 and module.table(module.view(record))
    nothing = module.figure(module.view(None), dark=dark)
    assert not nothing.data and nothing.layout.annotations[0].text == module.NOTHING
    assert module.table(module.view(None)) == []


def test_numbers_of_likeness_say_what_chance_is():
    rows = {what: value for what, value, _ in attribution_numbers.alike(PAIR).rows}
    assert list(rows.values()) == ["0.86", "80.0 %", "0.70"]
    assert attribution_numbers.alike(None) is None and attribution_numbers.believed(None) is None


def test_sums_that_hold_are_shown_and_others_warned_of():
    held = attribution_numbers.believed(PAIR)
    assert held.rows[-1][:3] == ("missing", "1.0 %", "0.0 %") and held.warnings == ()
    loose = attribution_numbers.believed(replace(PAIR, compressed_balance=Balance(3, 5, scale=10)))
    assert "compressed network's map misses by 20.0 %" in loose.warnings[0]
    biased = attribution_numbers.believed(replace(PAIR, dense_balance=Balance(3, 5, held=2, scale=10)))
    assert biased.rows[1][:2] == ("and the biases hold", "2") and biased.rows[-1][1] == "0.0 %"
    assert attribution_numbers.believed(replace(PAIR, dense_balance=None)) is None


def test_what_is_not_known_yet_is_three_dots():
    rows = {row[0]: row[1:3] for row in attribution_numbers.believed(PAIR, GROWING).rows}
    assert rows["deletion: area"] == ("0.35 (random 0.50)", "…") and rows["infidelity"] == ("…", "…")
    rows = {row[0]: row[1:3] for row in attribution_numbers.believed(PAIR, WHOLE).rows}
    assert rows["infidelity"] == ("0.20", "…") and rows["insertion: area"][1] == "0.70 (random 0.50)"


def test_a_picture_no_better_than_chance_and_one_of_random_weights_are_warned_of():
    worse = replace(WHOLE, compressed=replace(TRUST, deletion=CHANCE))
    said = attribution_numbers.believed(PAIR, worse, random(0.9, 0.7, 0.6)).warnings
    assert "compressed network's picture calls important hurts no more" in said[0]
    assert "Careful" in said[1] and "(correlation 0.60)" in said[1]
    fine = attribution_numbers.believed(PAIR, WHOLE, random(0.9, 0.4, 0.2))
    assert fine.warnings == () and "another one (correlation 0.20)" in fine.notes[0]
    assert attribution_numbers.believed(PAIR, WHOLE, random(0.9)).notes == ()


def test_curves_have_a_random_one_beside_each():
    view = attribution_curves.view(WHOLE, target="seven")
    assert [line.name for line in view.lines if line.column == 0] == [
        "dense", "dense, random order", "compressed", "compressed, random order",
    ]  # fmt: skip
    assert "“seven”" in attribution_curves.figure(view).layout.title.subtitle.text
    assert attribution_curves.table(view)[0]["area"] == "0.350"


def test_the_mean_over_images_has_its_interval():
    view = attribution_likeness.view(ALIKE, method="LRP")
    row = view.rows[0]
    half = 1.959964 * 0.2 / 3**0.5
    assert row.values == (0.2, 0.4, 0.6) and (row.mean, row.low, row.high) == pytest.approx(
        (0.4, 0.4 - half, 0.4 + half)
    )
    assert view.sentence.startswith("LRP, 3 of 8 validation images")
    bar = attribution_likeness.figure(view).data[1].error_x
    assert bar.array[0] == pytest.approx(half) and bar.arrayminus[0] == pytest.approx(half)


def test_settings_are_in_order_and_the_dense_network_is_a_level():
    view = attribution_object.view(OBJECT, method="Saliency")
    assert [place.value for place in view.places] == [0.2, 0.8] and view.dense.share[0] == pytest.approx(0.6)
    assert view.places[0].hits[0] == 0.5 and view.places[0].hits[1] > 0 and view.area == 0.15
    assert "3 of 4 settings" in view.sentence
    drawn = attribution_object.figure(view)
    assert sorted(shape.y0 for shape in drawn.layout.shapes) == pytest.approx([0.15, 0.6, 1.0])
    alone = attribution_object.view(replace(OBJECT, points=POINTS[:1]))
    assert attribution_object.figure(alone).layout.annotations[0].text == "dense 60.0 %"


def test_the_range_of_the_draws_is_a_bar():
    view = attribution_random.view(random(0.4, 0.2, 0.1))
    assert view.points[0] == (0, 1, 1, 1) and view.points[1] == pytest.approx((3, 0.4, 0.3, 0.5))
    assert "another one" in view.sentence and "trying" in attribution_random.view(random(0.4)).sentence
