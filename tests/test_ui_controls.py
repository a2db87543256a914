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
    if hasattr(widget, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in widget.options]
    return [False, True]


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
    assert (heard or knob.names) and all(knob.accepts(value) for value in heard)


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


SHARE, BITS = Knob(0.5, "share", low=0.0, high=0.99), Knob(4, "per weight", low=1, high=4096, unit="bit")


@pytest.mark.parametrize("text", ["0.25", " .25 ", "0,25", "25e-2", "25 %", "25%", "+0.25"])
def test_a_share_is_read_in_any_usual_spelling(text):
    made, heard, _ = control("ratio", SHARE)
    assert made._typed(text) == "" and heard == [0.25] and made.input.value == 0.25


@pytest.mark.parametrize(
    ("text", "value"), [("8", 8), ("8.0", 8), ("8 bit", 8), ("1,024", 1024), ("1 024", 1024), ("1e3", 1000)]
)
def test_a_whole_number_is_read_in_any_usual_spelling(text, value):
    made, heard, _ = control("bits", BITS)
    assert made._typed(text) == "" and heard == [value] and type(heard[0]) is int


@pytest.mark.parametrize(
    "text", ["7", "banana", "", "nan", "inf", "-0.1", "0.5.5", "1_0", "0x1", "−1", "%", "9" * 5000]
)
def test_what_is_no_legal_number_becomes_a_sentence_and_the_value_stays(text):
    heard: list = []
    made = Control("pruning_ratio", SHARE, heard.append, pytest.fail, owner="prune.toy")
    sentence = made._typed(text)
    assert sentence.startswith("prune.toy: pruning ratio must be a number in [0, 0.99]; got ")
    assert sentence.endswith(".") and len(sentence) < 150
    assert heard == [] and made.input.value == 0.5


def test_half_a_bit_is_refused():
    made, heard, _ = control("bits", BITS)
    assert made._typed("4.5") == "Bits must be an integer in [1, 4096] bit; got 4.5."
    assert heard == []


def test_the_field_answers_its_page_and_ignores_what_is_no_text(monkeypatch):
    made, heard, _ = control("ratio", SHARE)
    sent = []
    monkeypatch.setattr(made.number, "send", sent.append)
    for content in ({"typed": "7"}, {"typed": "0.7"}, {"typed": 7}, "7", None, {}):
        made.number._hear(made.number, content, [])
    assert [bool(answer["problem"]) for answer in sent] == [True, False]
    assert heard == [0.7]


@each_knob
def test_every_value_can_be_typed(method, name, knob):
    made, heard, _ = control(name, knob)
    assert hasattr(made, "number") == knob.numeric
    for value in knob.grid(5) if knob.numeric else ():
        assert made._typed(repr(value)) == ""
    assert all(knob.accepts(value) for value in heard)


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
