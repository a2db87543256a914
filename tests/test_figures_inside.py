"""Errors, levels, spectra and soft targets as pictures, against records made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from workbench.core.inside import Directions, Inside, LayerLevels, LayerNoise, Ratio, Spectrum
from workbench.core.paired import Pairs
from workbench.core.soft import SoftTargets, Taught, TaughtImage, entropy_bits, softened
from workbench.figures import levels, soft_targets, spectrum, sqnr

NAMES = ("cat", "dog", "owl")
PICTURE = np.zeros((4, 4, 1), np.uint8)


def made(**changes) -> Inside:
    given = {
        "split": "validation", "n": 256, "total": 256,
        "noise": (
            LayerNoise("a", "conv", 20.0, Ratio(18.0, 17.0, 19.0), Ratio(18.0, 17.0, 19.0)),
            LayerNoise("b", "conv", math.inf, Ratio(math.inf, math.inf, math.inf), Ratio(12.0, 11.0, 13.0)),
            LayerNoise("c", "linear", None, None, Ratio(-3.0, -4.0, -2.0), "it is given fewer channels now"),
        ),
        "answer": Ratio(9.0, 8.0, 10.0),
        "levels": (
            LayerLevels("a", "shared values", 2, np.linspace(-1, 1, 5), np.array([1, 2, 3, 4]), np.array([0, 5, 5, 0]),
                        np.array([-0.5, 0.5]), np.array([3, 7])),
        ),
        "directions": (
            Directions("c", (Spectrum("outputs × inputs", np.array([3.0, 2, 1]), 2),), 0.1, (7, 3), (0.5, 0.25),
                       np.array([0.1, 0.4, 0.1]), 256),
        ),
        "pictures": {7: PICTURE, 3: PICTURE}, "labels": {7: 1, 3: 0}, "complete": True,
    }  # fmt: skip
    return Inside(**(given | changes))


@pytest.mark.parametrize("module", [sqnr, levels, spectrum, soft_targets])
def test_nothing_known_is_one_sentence(module):
    drawn = module.figure(module.view(None))
    assert len(drawn.data) == 0 and drawn.layout.annotations[0].text == module.NOTHING
    assert module.table(module.view(None)) == []


@pytest.mark.parametrize("module", [sqnr, levels, spectrum])
def test_both_themes_draw_the_same_data(module):
    light, dark = (module.figure(module.view(made()), dark=dark) for dark in (False, True))
    assert [len(t.x) for t in light.data] == [len(t.x) for t in dark.data]
    assert light.layout.template.layout.paper_bgcolor != dark.layout.template.layout.paper_bgcolor


def test_every_layer_has_its_marks_and_one_without_error_stands_at_the_end():
    view = sqnr.view(made(), selected="b")
    drawn = sqnr.figure(view)
    assert [len(marks) for marks in view.marks] == [2, 2, 3]
    assert drawn.data[sqnr.TOGETHER].x == (18.0, 12.0, -3.0) and drawn.data[sqnr.ALONE].y == ("a", "<b>▸ b</b>")
    end = drawn.data[sqnr.ALONE].x[1]
    assert end > 20 and drawn.layout.xaxis.ticktext[-1] == "no error" and drawn.layout.xaxis.tickvals[-1] == end
    assert drawn.data[sqnr.TOGETHER].error_x.array == pytest.approx([1, 1, 1])
    assert drawn.layout.yaxis.categoryarray[-1] == "a" and drawn.layout.xaxis.range[0] < -4
    assert sqnr.layer_at(view, sqnr.TOGETHER, 2) == "c" and sqnr.layer_at(view, sqnr.ALONE, 2) is None
    assert sqnr.layer_at(view, 9, 0) is None


def test_the_words_about_errors():
    view = sqnr.view(made())
    assert view.sentence.startswith("The answers: 9.0 dB; most error of its own: a, 18.0 dB<br>256 validation images")
    assert view.notes == ("c: it is given fewer channels now.",)
    rows = sqnr.table(view)
    assert list(rows[1].values()) == ["b", "no error", "no error", "12.0 dB (11.0 to 13.0 dB)"]
    assert (
        rows[2]["its weights"] == "–" and sqnr.decibels(-math.inf) == "no signal" and sqnr.decibels(-1.5) == "−1.5 dB"
    )


def test_the_levels_of_the_layer_that_is_selected():
    drawn = levels.figure(levels.view(made(), layer="a"))
    assert [t.name for t in drawn.data] == ["before, and still stored", "before, and removed", "levels now"]
    assert drawn.data[2].x == (-0.5, 0.5) and drawn.data[2].y == (3, 7) and drawn.data[0].x[0] == -0.75
    subtitle = drawn.layout.title.subtitle.text
    assert subtitle == "shared values, 2 bits: 2 levels for 10 weights; 10 more are zero and not stored"
    missing = levels.view(made(), layer="b")
    assert missing.missing == "b is not stored as codes; choose a." and levels.table(missing) == []
    assert levels.table(levels.view(made()))[1] == {"level": "0.5", "weights": "7"}


def test_the_spectrum_is_cut_where_the_layer_was():
    view = spectrum.view(made(), layer="c", classes=NAMES)
    drawn = spectrum.figure(view)
    assert drawn.data[0].y == (3, 2) and drawn.data[1].y == (1,) and drawn.data[1].x == (3,)
    assert drawn.layout.shapes[0].x0 == 2.5
    assert "2 of 3 kept, 92.9 % of the energy" in drawn.layout.annotations[0].text
    assert "carries 10.0 % of the variance" in view.sentence and "answers most to “dog”: 2.0× the mean" in view.sentence
    assert [tile.key for tile in view.tiles] == [7, 3] and view.tiles[0].lines[:2] == ("7: a “dog”", "response 50.0 %")
    assert spectrum.view(made(), layer="a").missing == "a is not factorised; choose c."


def test_two_sides_are_drawn_side_by_side_and_no_order_is_said():
    one = made().directions[0]
    both = (one.spectra[0], Spectrum("inputs", np.array([5.0, 1.0]), 1))
    two = made(directions=(Directions(**{**vars(one), "spectra": both}),))
    assert len(spectrum.figure(spectrum.view(two)).data) == 4 and len(spectrum.table(spectrum.view(two))) == 2
    none = made(directions=(Directions(**{**vars(one), "spectra": ()}),))
    assert "no order" in spectrum.figure(spectrum.view(none)).layout.annotations[0].text


def targets() -> SoftTargets:
    logits = np.array([[6.0, 2, 0], [1.0, 1.2, 0], [0.0, 0, 9]])
    return SoftTargets("validation", np.array([0, 1, 2]), np.array([0, 0, 2]), logits, dict.fromkeys(range(3), PICTURE))


def test_softening_and_entropy_agree_with_scipy():
    z = np.random.default_rng(0).normal(size=(5, 7)) * 10
    for t in (1.0, 4.0, 20.0):
        assert softened(z, t) == pytest.approx(special.softmax(z / t, axis=1))
        assert entropy_bits(softened(z, t)) == pytest.approx(stats.entropy(softened(z, t), base=2, axis=1))
    assert entropy_bits(np.full((1, 8), 1 / 8)) == pytest.approx([3.0]) and entropy_bits(np.eye(3)) == pytest.approx(0)


def test_soft_targets_at_a_temperature():
    view = soft_targets.view(targets(), temperature=4.0, image=0, classes=NAMES)
    assert view.soft == pytest.approx(special.softmax(np.array([6, 2, 0]) / 4.0)) and view.hard[0] > view.soft[0]
    assert view.here == pytest.approx((view.entropy[4], view.second[4])) and list(view.entropy) == sorted(view.entropy)
    assert view.image == "image 0, a “cat”" and [tile.key for tile in view.tiles] == [1, 0, 2]
    assert "1.58 at most" in view.sentence and "3 validation images at temperature 4" in view.sentence
    drawn = soft_targets.figure(view)
    assert len(drawn.data) == 6 and drawn.data[5].y == view.soft and drawn.data[1].x == (4.0,)
    assert soft_targets.view(targets(), image=99).image.startswith("image 1"), "the most undecided, where none is known"
    assert len(soft_targets.table(view)) == 3


def test_what_the_teacher_added():
    images = (TaughtImage(2, 1, 0.7, 0.2, 0.6, (1, 0, 1)), TaughtImage(0, 0, 0.9, 0.9, 0.8, (0, 0, 0)))
    made = Taught("validation", 50, 4.0, 0.7, Pairs(40, 2, 3, 5), (0.4, 0.1), images, {2: PICTURE})
    view = soft_targets.taught_view(made, classes=NAMES)
    assert "+2.0 points" in view.sentence and "that may be chance" in view.sentence
    assert "0.400 bits away without it, 0.100 bits with it" in view.sentence
    assert [tile.key for tile in view.tiles] == [2] and view.tiles[0].mark == "good"
    assert view.tiles[0].lines[1:3] == ("labels alone 20.0 %", "with teacher 60.0 %")
    sure = Taught(**{**vars(made), "pairs": Pairs(20, 0, 25, 5)})
    assert "chance" not in soft_targets.taught_view(sure).sentence
    assert soft_targets.taught_view(None).sentence == ""
