"""A line of steps by hand: ordered, doubled, switched off and on, and why an edit makes no sense."""

from __future__ import annotations

import pytest
import ui_fakes
from test_ui_app import button, inside, picker, text_of

from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe, Step
from workbench.ui.choices import default_step
from workbench.ui.editing import EDITS, Line
from workbench.ui.snapshot import restore, snapshot
from workbench.ui.state import State
from workbench.ui.stepkeys import StepKeys
from workbench.ui.widgets import Toggle

A, B, C = (Step(name) for name in "abc")
PRUNE, SHARE, FILTERS = (default_step(m) for m in ("prune.magnitude_iter", "quant.kmeans_share", "prune.l1_filter"))


@pytest.mark.parametrize(
    ("line", "edit", "expected"),
    [
        (Line((A, B, C), (), 1), "earlier", Line((B, A, C), (), 0)),
        (Line((A, B, C), (0,), 1), "earlier", Line((B, A, C), (1,), 0)),
        (Line((A, B, C), (2,), 1), "later", Line((A, C, B), (1,), 2)),
        (Line((A, B, C), (1, 2), 1), "later", Line((A, C, B), (1, 2), 2)),
        (Line((A, B, C), (0, 2), 1), "duplicate", Line((A, B, B, C), (0, 3), 2)),
        (Line((A, B), (1,), 1), "duplicate", Line((A, B, B), (1, 2), 2)),
        (Line((A, B), (), 1), "switch", Line((A, B), (1,), 1)),
        (Line((A, B), (1,), 1), "switch", Line((A, B), (), 1)),
        (Line((A, B, C), (0, 2), 0), "remove", Line((B, C), (1,), 0)),
        (Line((A, B), (), 1), "remove", Line((A,), (), 0)),
    ],
)
def test_edits(line, edit, expected):
    assert EDITS[edit](line) == expected


@pytest.mark.parametrize(
    ("line", "edit", "words"),
    [
        (Line((A, B), (), 0), "earlier", "first already"),
        (Line((A, B), (), 1), "later", "last already"),
        (Line((A,)), "remove", "One step has to stay;"),
        (Line((A,)), "switch", "switched on"),
        (Line((A, B), (0,), 1), "switch", "switched on"),
        (Line((A, B), (0,), 1), "remove", "switched on"),
    ],
)
def test_edits_that_leave_nothing_are_refused(line, edit, words):
    with pytest.raises(WorkbenchError, match=words):
        EDITS[edit](line)


def test_what_is_off_is_not_in_the_recipe_and_comes_back_as_it_was():
    state = State(ui_fakes.choices())
    state.choose(Recipe("lenet5", "digits", (FILTERS, PRUNE, SHARE)), active=1)
    state.turn("pruning_ratio", 0.7)
    whole = state.recipe
    state.edit("switch")
    assert [s.method for s in state.recipe.steps] == [FILTERS.method, SHARE.method] and len(state.steps) == 3
    with pytest.raises(WorkbenchError, match="switched off"):
        _ = state.place
    state.active = 2
    assert state.place == 1
    state.turn("bits", 3)
    assert state.recipe.steps[1].knobs["bits"] == 3
    state.set({"active": 1})
    state.edit("switch")
    state.active = 2
    state.turn("bits", SHARE.knobs["bits"])
    assert state.recipe == whole


def test_switching_on_is_refused_with_the_reason_where_the_order_makes_no_sense():
    state = State(ui_fakes.choices())
    state.choose(Recipe("lenet5", "digits", (SHARE, FILTERS)), active=1, off=(1,))
    assert state.recipe.steps == (SHARE,)
    assert "the codes were fitted to the full layer" in state.why_not("switch")
    assert state.why_not("earlier") == "", "what is off may stand anywhere"
    state.edit("earlier")
    state.edit("switch")
    assert state.recipe.steps == (FILTERS, SHARE)


def test_a_snapshot_keeps_what_is_off():
    one, other = State(ui_fakes.choices()), State(ui_fakes.choices())
    one.choose(Recipe("lenet5", "digits", (PRUNE, SHARE)), active=1, off=(0,))
    restore(other, snapshot(one))
    assert (other.off, other.recipe) == ((0,), one.recipe)
    text = snapshot(one).replace('"off":[0]', '"off":[0,1]')
    with pytest.raises(WorkbenchError, match="switched on"):
        restore(other, text)


def test_a_run_that_is_followed_leaves_the_steps_that_are_off_in_the_line():
    state = State(ui_fakes.choices())
    state.choose(Recipe("lenet5", "digits", (FILTERS, PRUNE, SHARE)), active=2, off=(0,))
    weaker = default_step("prune.magnitude_iter").knobs | {"pruning_ratio": 0.2}
    state.follow(ui_fakes.made_up(Recipe("lenet5", "digits", (Step(PRUNE.method, weaker), SHARE))))
    assert [s.method for s in state.steps] == [FILTERS.method, PRUNE.method, SHARE.method]
    assert state.steps[1].knobs["pruning_ratio"] == 0.2 and state.active == 2
    state.follow(ui_fakes.made_up(Recipe("lenet5", "digits", (SHARE,))))
    assert state.steps == (SHARE,) and state.off == ()


@pytest.fixture
def app():
    made = ui_fakes.app()
    made.state.choose(Recipe("lenet5", "digits", (FILTERS, SHARE)), 1)
    yield made
    made.close()


def test_buttons_do_what_they_say_and_are_off_with_the_reason(app):
    assert button(app, "Move earlier").disabled and button(app, "Move later").disabled
    assert "Move earlier is off: prune.l1_filter cannot come here" in text_of(app)
    assert "Duplicate is off: quant.kmeans_share cannot come here" in text_of(app)
    assert "last already" not in text_of(app)
    app.state.active = 0
    button(app, "Duplicate").click()
    assert [label for label, _ in inside(app.widget, Toggle)[0].options][1] == "2. L1 filter pruning"
    button(app, "Switch off").click()
    assert "2. L1 filter pruning (off)" in [label for label, _ in inside(app.widget, Toggle)[0].options]
    assert len(app.state.recipe.steps) == 2 and button(app, "Switch on")
    assert next(k for k in picker(app, "3. Method").groups)  # methods can be picked for what is off
    button(app, "Move later").click()
    assert [s.method for s in app.state.steps] == [FILTERS.method, SHARE.method, FILTERS.method]
    assert "Switch on is off: prune.l1_filter cannot come here" in text_of(app)


def test_what_needs_a_step_that_is_on_says_so(app):
    app.state.edit("switch")
    before = app.live.names().count("fill")
    button(app, "Measure this method's curve").click()
    assert "switched off" in app.state.error and app.live.names().count("fill") == before


def test_keys_do_what_buttons_do(app):
    keys = inside(app.widget, StepKeys)[0]
    keys._hear(None, {"kind": "key", "edit": "earlier"}, [])
    assert "codes were fitted" in app.state.error and app.state.steps == (FILTERS, SHARE)
    keys._hear(None, {"kind": "key", "edit": "remove"}, [])
    assert app.state.steps == (FILTERS,)
    for wrong in (None, {}, {"kind": "key", "edit": 3}, {"kind": "key", "edit": "__class__"}):
        keys._hear(None, wrong, [])
    assert app.state.steps == (FILTERS,)
