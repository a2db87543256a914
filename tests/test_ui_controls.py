"""Every knob of every method has a control that shows its default and cannot leave its range."""

from __future__ import annotations

import math

import ipywidgets as w
import pytest

from workbench.core.knob import Knob, knobs_of
from workbench.methods import methods
from workbench.ui.controls import Control, make, readable, tidy

KNOBS = [pytest.param(m, n, k, id=f"{m}.{n}") for m, cls in methods().items() for n, k in knobs_of(cls).items()]
each_knob = pytest.mark.parametrize(("method", "name", "knob"), KNOBS)


def ends(widget) -> list:
    if isinstance(widget, w.FloatLogSlider):
        return [widget.base**widget.min, widget.base**widget.max]
    if hasattr(widget, "max"):
        return [widget.min, widget.max]
    return list(widget.options) if hasattr(widget, "options") else [False, True]


def control(name, knob):
    heard, refused = [], []
    return Control(name, knob, heard.append, refused.append), heard, refused


@each_knob
def test_shows_the_default_unrounded(method, name, knob):
    made = make(name, knob)
    assert made.value == knob.default and type(made.value) is type(knob.default)
    assert tidy(knob, made.value) == knob.default


@each_knob
def test_every_position_is_legal(method, name, knob):
    made, heard, _ = control(name, knob)
    for end in ends(made.input):
        made.input.value = end
    for value in knob.grid(7):
        made.input.value = value
    assert heard and all(knob.accepts(value) for value in heard)


@each_knob
def test_says_its_name_unit_and_range(method, name, knob):
    made = make(name, knob)
    assert made.description == readable(name, knob) and "_" not in made.description
    assert knob.help in made.tooltip and str(knob) in made.tooltip
    assert not knob.unit or knob.unit in made.description


@each_knob
def test_follows_the_state_without_answering(method, name, knob):
    made, heard, _ = control(name, knob)
    for value in knob.grid(3):
        made.show(value)
        assert value in (made.input.value, tidy(knob, made.input.value))
    assert heard == []


def test_a_logarithmic_knob_moves_in_equal_factors():
    made = make("rate", Knob(1e-3, "of training", low=1e-5, high=0.1, log=True))
    assert math.isclose(made.base**made.min, 1e-5) and math.isclose(made.base**made.max, 0.1)


def test_a_position_is_what_it_looks_like():
    assert tidy(Knob(0.5, "share", low=0.0, high=1.0), 0.1 + 0.2) == 0.3


def test_the_readout_of_a_small_number_does_not_become_zero():
    assert make("rate", Knob(1e-5, "of training", low=1e-5, high=0.1, log=True)).readout_format == ".6"


@pytest.mark.parametrize("value", ["a lot", None, {"a": 1}, [1]])
def test_a_message_of_the_wrong_kind_becomes_a_sentence(value):
    made, heard, refused = control("ratio", Knob(0.5, "share", low=0.0, high=0.9))
    made.input.set_state({"value": value})
    assert len(refused) == 1 and refused[0].endswith(".")
    assert heard == [] and made.input.value == 0.5


def test_a_position_outside_the_range_is_clamped():
    made, heard, _ = control("ratio", Knob(0.5, "share", low=0.0, high=0.9))
    made.input.set_state({"max": 50.0, "value": 7.0})
    assert heard[-1] == 0.9
