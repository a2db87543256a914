"""Undo and redo, the choice in a link, lessons, and the history of runs: all without a browser."""

from __future__ import annotations

import base64
import json
import zlib
from contextlib import suppress
from dataclasses import fields, replace

import pytest
import ui_fakes
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ui_app import button, chart, copier, inside, picker, sliders, text_of
from ui_fakes import choices, made_up

from workbench.core.advice import Needs
from workbench.core.errors import WorkbenchError
from workbench.core.label import Label, run_name
from workbench.core.recipe import Recipe, Step, to_json
from workbench.core.records import Allocation, LayerChoice
from workbench.experiment.labels import Labels
from workbench.experiment.reports import Allocated, Measured
from workbench.experiment.store import Store
from workbench.ui import history as undoing
from workbench.ui import snapshot as snapshots
from workbench.ui.choices import default_step
from workbench.ui.guard import guard
from workbench.ui.link import MOST_BYTES, MOST_CHARS, Link, decoded, encoded, of_state, opened
from workbench.ui.locks import touched, why_locked
from workbench.ui.numbers import tiles
from workbench.ui.panels import history as panel
from workbench.ui.runtable import RunTable
from workbench.ui.snapshot import Snapshot, captured, chosen_again, restore
from workbench.ui.state import State
from workbench.ui.widgets import Address, Keys, LessonTicks, Line, Toggle

PRUNE, SHARE = default_step("prune.magnitude_iter"), default_step("quant.kmeans_share")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state() -> State:
    made = State(choices())
    made.choose(Recipe("lenet5", "digits", (PRUNE,)))
    made.view = "bytes"
    return made


@pytest.fixture
def past(state, clock):
    return undoing.History(state, clock)


@pytest.fixture
def app():
    made = ui_fakes.app()
    yield made
    made.close()


def ratio(state) -> float:
    return state.steps[0].knobs["pruning_ratio"]


DEEDS = {
    "dataset": lambda s: s.pick_dataset("mnist"),
    "network": lambda s: s.pick_network("lenet_300_100"),
    "method": lambda s: s.pick_method("quant.kmeans_share"),
    "knob": lambda s: s.turn("pruning_ratio", 0.8),
    "own value": lambda s: s.turn_at("fc1", "pruning_ratio", 0.8),
    "more steps": lambda s: s.add_step(),
    "seed": lambda s: s.set({"seed": 7}),
    "layer": lambda s: s.select_layer("fc1"),
    "unit": lambda s: s.set({"layer": "fc1", "unit": 3}),
    "image": lambda s: s.set({"image": 4}),
    "class": lambda s: s.set({"target": 2}),
    "attribution": lambda s: s.pick_attribution("saliency"),
    "view": lambda s: s.set({"view": "layers"}),
    "pin": lambda s: s.set({"pinned": "abc"}),
    "pick": lambda s: s.set({"picked": "abc"}),
    "baseline": lambda s: s.set({"baseline": "L1 filter"}),
    "budget": lambda s: s.set({"budget": "bytes<=30000"}),
    "whose settings": lambda s: s.set({"my_steps": True}),
    "trials": lambda s: s.set({"trials": 30}),
    "advice": lambda s: s.set({"needs": Needs(goal="speed")}),
    "tolerated": lambda s: s.set({"tolerated": 2.5}),
    "together": lambda s: s.set({"together": True}),
    "invalid": lambda s: s.set({"steps": (SHARE, SHARE)}),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_whatever_was_chosen_is_taken_back_and_done_again(state, past, clock, deed):
    before = captured(state)
    DEEDS[deed](state)
    after = captured(state)
    assert after != before and past.back and not past.forth
    past.undo()
    assert captured(state) == before and not past.back and past.forth
    past.redo()
    assert captured(state) == after and past.back and not past.forth


def test_a_slider_that_is_moved_is_one_entry_and_a_rest_begins_another(state, past, clock):
    for i in range(20):
        state.turn("pruning_ratio", 0.5 + i / 100)
        clock.now += 0.1
    clock.now += 2
    state.turn("pruning_ratio", 0.9)
    past.undo()
    assert ratio(state) == pytest.approx(0.69)
    past.undo()
    assert ratio(state) == 0.5 and not past.back


def test_another_knob_and_another_view_are_entries_of_their_own(state, past, clock):
    for deed in ("knob", "view", "layer"):
        clock.now += 0.2
        DEEDS[deed](state)
    for left in (("layers", ""), ("bytes", "")):
        past.undo()
        assert (state.view, state.layer) == left
    assert past.back == "knob pruning ratio of step 1"


def test_what_follows_from_one_choice_is_not_an_entry_of_its_own(state, past):
    state.set({"layer": "fc1", "unit": 3})
    state.pick_network("lenet_300_100")
    assert state.layer == ""
    past.undo()
    assert (state.network, state.layer) == ("lenet5", "") and not past.back, "all within one moment"


def test_a_new_choice_ends_what_could_be_redone(state, past, clock):
    DEEDS["knob"](state)
    past.undo()
    clock.now += 5
    DEEDS["view"](state)
    past.redo()
    assert ratio(state) == 0.5 and not past.forth


def test_the_past_is_bounded(state, past, clock):
    for i in range(undoing.MOST + 50):
        clock.now += 5
        state.image = i % 90 + 1
    for _ in range(undoing.MOST):
        assert past.back
        past.undo()
    assert not past.back and state.image == 50
    past.undo()
    assert state.image == 50


def test_undo_measures_again_what_it_goes_back_to(app):
    app.state.turn("pruning_ratio", 0.8)
    button(app, "Undo").click()
    assert app.live.asked[-2][0] == "show" and app.live.asked[-2][1].steps[0].knobs["pruning_ratio"] == 0.5
    assert sliders(app)["pruning ratio"].value == 0.5 and button(app, "Undo").disabled


def test_the_buttons_say_what_they_would_change_and_the_keys_do_the_same(app):
    assert button(app, "Undo").disabled and button(app, "Redo").disabled
    app.state.turn("pruning_ratio", 0.8)
    assert button(app, "Undo").tooltip == "Take back: knob pruning ratio of step 1 (Ctrl+Z)"
    keys = inside(app.widget, Keys)[0]
    keys._hear(None, {"kind": "undo"}, None)
    assert ratio(app.state) == 0.5
    keys._hear(None, {"kind": "redo"}, None)
    assert ratio(app.state) == 0.8
    for odd in (None, "undo", {"kind": ["undo"]}, {"kind": "__init__"}):
        keys._hear(None, odd, None)
    assert ratio(app.state) == 0.8 and app.state.error == ""


# The link


def chosen_far(state: State) -> State:
    per_layer = {"fc1": {"pruning_ratio": 0.25}}
    state.choose(Recipe("lenet5_1998", "digits", (replace(PRUNE, per_layer=per_layer), SHARE), seed=3), 1)
    state.set({"layer": "fc1", "unit": 4, "image": 17, "target": 8, "view": "layers", "pinned": "f" * 24})
    state.set({"picked": "e" * 24, "baseline": "prune.magnitude_iter", "tolerated": 0.4, "together": True})
    state.set({"budget": "bytes<=30000,accuracy_drop<=0.01", "my_steps": True, "trials": 40})
    state.needs = Needs("speed", "special", "none", "little", "steady", "much")
    return state


FOUND_AGAIN = ["recipe", "problem", "estimate", "sample", "run", "report", "decisions", "notes", "remarks", "runs"]
FOUND_AGAIN += ["sensitivity", "allocation", "search", "comparison", "answers"]
LEFT_OUT = [*FOUND_AGAIN, "asked", "choices", "labels", "plan", "afresh", "picture", "training", "tuning", "busy"]
LEFT_OUT += ["doing", "share", "stopped", "error", "details"]


def test_every_trait_of_the_state_is_in_the_link_or_left_out_for_a_reason(state):
    said = {f.name for kind in (Snapshot, Recipe, Link) for f in fields(kind)} - {"version", "snapshot"}
    assert said | set(LEFT_OUT) == set(state.trait_names()) | {"recipe"}
    assert said & set(LEFT_OUT) == {"recipe"}, "what follows from dataset, network, steps and seed"
    assert all(word in snapshots.__doc__ for word in LEFT_OUT)


def test_nothing_in_the_far_link_stands_where_it_stood(state):
    """Else a field that is not restored would go unseen."""
    usual, far = captured(State(choices())), captured(chosen_far(state))
    same = {f.name for f in fields(Snapshot) if getattr(usual, f.name) == getattr(far, f.name)}
    assert same == {"version", "off"}


def test_a_link_restores_everything(state):
    link = Link(captured(chosen_far(state)), ("dataset", "knob.bits"), ("view.costs",), "one thing at a time")
    other = State(choices())
    assert opened(other, encoded(link)) and of_state(other) == link and other.recipe == state.recipe
    assert len(encoded(link)) < 900 and set(encoded(link)[3:]) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def packed(document: object) -> str:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return "?s=" + base64.urlsafe_b64encode(zlib.compress(raw)).rstrip(b"=").decode()


GOOD = {"recipe": {"network": "lenet5", "dataset": "digits", "steps": [{"method": "prune.magnitude_iter"}]}}


def good(**more) -> dict:
    return {"snapshot": {**GOOD, **more}}


def test_a_link_of_the_first_version_is_read(state):
    assert opened(state, packed(good(version=1, layer="fc1", image=2, view="layers")))
    assert (state.layer, state.image, state.view, state.unit) == ("fc1", 2, "layers", None)


def test_a_link_of_the_second_version_is_read_and_asks_for_nothing(state):
    state.set({"budget": "bytes<=30000", "trials": 40, "needs": Needs(goal="speed")})
    assert opened(state, packed(good(version=2, layer="fc1", unit=3, pinned="a" * 24)))
    assert (state.unit, state.pinned, state.budget, state.trials, state.needs) == (3, "a" * 24, "", 20, Needs())


HOSTILE = {
    "not base64": ("?s=%00%ff!!", "damaged"),
    "empty": ("?s=", "damaged"),
    "cut short": (packed(good())[:60], "damaged"),
    "flipped": (packed(good())[:-9] + "AAAAAAAAA", "damaged"),
    "long": ("?s=" + "A" * (MOST_CHARS + 1), "too long"),
    "very long": ("?s=" + "A" * 10**6, "too long"),
    "bomb": (packed(b" " * (MOST_BYTES * 50)), "more than 64,000 bytes"),
    "many fields": ("?" + "&".join(f"a{i}=1" for i in range(99)), "too many"),
    "deep": (packed(b'{"snapshot":' + b"[" * 30_000), ""),
    "deep and unknown": (packed(b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}"), ""),
    "no json": (packed(b"\xff\xfe"), ""),
    "newer": (packed(good(version=99)), "version 99; this workbench reads versions 1 to 3"),
    "newer and other": (packed({"snapshot": {"version": 4, "recipe": 5}}), "version 4"),
    "version zero": (packed(good(version=0)), "version 0"),
    "path as network": (
        packed({"snapshot": {"recipe": {**GOOD["recipe"], "network": "../../etc/passwd"}}}),
        "no network",
    ),
    "folder": (packed({"snapshot": {"recipe": {**GOOD["recipe"], "dataset": "folder:/etc"}}}), "no dataset"),
    "code as method": (
        packed({"snapshot": {"recipe": {**GOOD["recipe"], "steps": [{"method": "os.system"}]}}}),
        "os.system",
    ),
    "no steps": (packed({"snapshot": {"recipe": {**GOOD["recipe"], "steps": []}}}), "between 1 and 32"),
    "all off": (packed(good(off=[0])), "switched on"),
    "step elsewhere": (packed(good(active=9)), "place of a step"),
    "many steps": (packed({"snapshot": {"recipe": {**GOOD["recipe"], "steps": GOOD["recipe"]["steps"] * 99}}}), "99"),
    "huge seed": (packed({"snapshot": {"recipe": {**GOOD["recipe"], "seed": 2**70}}}), ""),
    "layer elsewhere": (packed(good(layer="<img src=x>")), "no layer"),
    "unit elsewhere": (packed(good(layer="fc1", unit=10**6)), "unit must be an integer from 0 on and below"),
    "unit of nothing": (packed(good(unit=3)), "unit"),
    "image elsewhere": (packed(good(image=-1)), "image"),
    "image far away": (packed(good(image=10**9)), "image"),
    "class elsewhere": (packed(good(target=10)), "class"),
    "odd budget": (packed(good(budget="rm<=1")), "budget"),
    "negative budget": (packed(good(budget="bytes<=-1")), "no limit of a budget"),
    "endless search": (packed(good(trials=10**6)), "trials must be an integer in [1, 200]"),
    "odd need": (packed(good(needs={"goal": "world peace"})), "What is it for"),
    "odd loss": (packed(good(tolerated=1e9)), "tolerated must be a number in [0, 20]"),
    "long name": (packed(good(baseline="x" * 9999)), "500 characters at most"),
    "odd way": (packed(good(attribution="rm -rf")), "no way to explain"),
    "knob out of range": (
        packed(
            {
                "snapshot": {
                    "recipe": {
                        **GOOD["recipe"],
                        "steps": [{"method": "prune.magnitude_iter", "knobs": {"pruning_ratio": 7}}],
                    }
                }
            }
        ),
        "pruning_ratio must be",
    ),
    "lock of nothing": (packed({**good(), "locked": ["everything"]}), "names a control that there is not"),
    "many locks": (packed({**good(), "locked": ["dataset"] * 99}), "at most 64 controls"),
    "long reason": (packed({**good(), "reason": "x" * 999}), "at most 200 characters"),
    "lock of another kind": (packed({**good(), "locked": [1]}), ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_link_is_one_sentence_and_changes_nothing(used, name):
    query, words = HOSTILE[name]
    before, asked = of_state(used.state), len(used.live.asked)
    used.open(query)
    assert of_state(used.state) == before and len(used.live.asked) == asked
    assert words in used.state.error and used.state.error.endswith(".") and "\n" not in used.state.error
    assert len(used.state.error) < 600 and used.state.details == ""


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda b: base64.urlsafe_b64encode(zlib.compress(b)).decode())))
def test_no_string_is_anything_but_a_link_or_a_sentence(text):
    with suppress(WorkbenchError):
        decoded(text)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 400), st.integers(1, 255))
def test_a_flipped_bit_of_a_link_never_gives_a_traceback(at, mask):
    made = State(choices())
    made.choose(Recipe("lenet5", "digits", (PRUNE,)))
    data = bytearray(base64.urlsafe_b64decode(encoded(of_state(made))[3:] + "=="))
    data[at % len(data)] ^= mask
    try:
        found = decoded(base64.urlsafe_b64encode(bytes(data)).decode().rstrip("="))
    except WorkbenchError:
        return
    assert found == of_state(made), "a bit that fills the last byte says nothing"


def test_other_things_in_the_query_are_left_alone(app):
    assert app.open("token=abc").state.error == "" and app.open("").state.error == ""


def test_opening_begins_the_past_anew(app):
    app.state.turn("pruning_ratio", 0.8)
    app.open(encoded(of_state(chosen_far(State(choices())))))
    assert app.state.network == "lenet5_1998" and app.history.back == ""


def test_the_address_follows_the_choice_as_long_as_it_makes_sense(app):
    address = inside(app.widget, Address)[0]
    app.state.turn("pruning_ratio", 0.8)
    assert decoded(address.query[3:]) == of_state(app.state) and copier(app, "Copy link").text == address.query
    assert json.loads(copier(app, "Copy recipe").text)["steps"][0]["knobs"]["pruning_ratio"] == 0.8
    kept = address.query
    app.state.steps = (SHARE, SHARE)
    assert app.state.recipe is None and address.query == kept


# Lessons


def test_what_is_touched_is_named():
    base = Recipe("lenet5", "digits", (PRUNE,))
    own = replace(PRUNE, per_layer={"fc1": {"pruning_ratio": 0.1}})
    assert touched(base, replace(base, network="x", dataset="y")) == ["dataset", "network"]
    assert touched(base, base.with_steps(PRUNE, SHARE)) == ["steps"]
    assert touched(base, base.with_steps(SHARE)) == ["method"]
    assert touched(base, base.with_steps(own)) == ["knob.pruning_ratio"]
    assert touched(base, base.with_steps(replace(PRUNE, layers=("fc1",)))) == ["steps"]
    assert touched(base, base) == []
    assert why_locked(("dataset",), "", base, base.with_steps(SHARE)) == ""


def lesson(locked=(), hidden=(), reason="first look, then turn") -> str:
    made = State(choices())
    made.choose(Recipe("lenet5", "digits", (PRUNE,)))
    return encoded(Link(captured(made), locked, hidden, reason))


@pytest.mark.parametrize(
    ("lock", "deed"),
    [
        ("dataset", lambda a: a.state.pick_dataset("mnist")),
        ("network", lambda a: setattr(picker(a, "2. Network"), "value", "lenet5_1998")),
        ("method", lambda a: setattr(picker(a, "3. Method"), "value", "quant.kmeans_share")),
        ("steps", lambda a: button(a, "Add step").click()),
        ("steps", lambda a: button(a, "Fine-tune").click()),
        ("knob.pruning_ratio", lambda a: setattr(sliders(a)["pruning ratio"], "value", 0.8)),
        ("knob.pruning_ratio", lambda a: a.state.turn_at("fc1", "pruning_ratio", 0.8)),
        ("knob.pruning_ratio", lambda a: a.state.follow(made_up(Recipe("lenet5", "digits", (_at(0.9),))))),
        ("steps", lambda a: a.state.choose(Recipe("lenet5", "digits", (PRUNE, SHARE)))),
        ("network", lambda a: a.state.follow(made_up(Recipe("lenet5_1998", "digits", (PRUNE,))))),
    ],
)
def test_a_locked_control_changes_nothing_and_says_why(app, lock, deed):
    app.open(lesson(locked=(lock,)))
    before = app.state.recipe
    guard(app.state, lambda: deed(app))()
    assert "locked in this lesson (first look, then turn)" in app.state.error
    assert app.state.recipe == before
    assert "in this lesson: first look, then turn" in text_of(app)


def _at(share: float) -> Step:
    return replace(PRUNE, knobs={**PRUNE.knobs, "pruning_ratio": share})


def test_locked_and_hidden_controls_are_marked_and_others_are_not(app):
    app.open(lesson(locked=("dataset", "knob.pruning_ratio"), hidden=("export", "view.layers", "knob.rounds")))
    classes = {kind: [x for x in inside(app.widget) if kind in x._dom_classes] for kind in ("wb-locked", "wb-gone")}
    assert picker(app, "1. Data") in classes["wb-locked"] and len(classes["wb-locked"]) == 2
    assert picker(app, "2. Network") not in classes["wb-locked"]
    assert any(sliders(app)["rounds"] in inside(x) for x in classes["wb-gone"]) and len(classes["wb-gone"]) == 2
    views = next(x for x in inside(app.widget, Toggle) if "bytes" in dict(x.options).values())
    assert "layers" not in dict(views.options).values() and "filters" in dict(views.options).values()
    assert "Stays at 0.5 in this lesson" in text_of(
        app
    ) and "This page is a lesson. Off: Data, Pruning ratio." in text_of(app)
    sliders(app)["rounds"].value = 2
    assert app.state.steps[0].knobs["rounds"] == 2, "what is hidden is not locked"


def test_a_lesson_is_left_by_opening_another_link(app):
    app.open(lesson(locked=("network", "knob.pruning_ratio")))
    app.open(encoded(of_state(chosen_far(State(choices())))))
    assert app.state.error == "" and app.state.network == "lenet5_1998" and app.state.locked == ()


def test_undo_stays_within_the_lesson(app):
    app.open(lesson(locked=("knob.pruning_ratio",)))
    app.state.turn("rounds", 3)
    button(app, "Undo").click()
    assert app.state.error == "" and app.state.steps[0].knobs["rounds"] == 1 and button(app, "Undo").disabled


def test_what_the_worker_chose_does_not_turn_a_locked_knob(app):
    app.open(lesson(locked=("knob.pruning_ratio",)))
    choice = LayerChoice("fc1", 0.9, None, "it stands it")
    app.live.notify(Allocated(app.state.recipe, 0, Allocation(app.state.steps[0], "pruning_ratio", 0.01, (choice,))))
    assert app.state.steps[0].per_layer == {} and "locked in this lesson" in app.state.error


def test_a_view_that_is_hidden_is_left(app):
    app.open(lesson(hidden=("view.bytes",)))
    assert app.state.view != "bytes"


def test_a_teacher_makes_a_lesson_link_that_a_page_honours(app):
    ticks = inside(app.widget, LessonTicks)[0]
    assert {"dataset", "knob.pruning_ratio", "view.costs"} <= {row["name"] for row in ticks.rows}
    assert copier(app, "Copy lesson link").text == ""
    for name, column in (("dataset", "locked"), ("knob.pruning_ratio", "locked"), ("view.costs", "hidden")):
        ticks._hear(None, {"kind": "tick", "name": name, "column": column, "on": True}, None)
    next(x for x in inside(app.widget, Line) if x.description == "Reason").value = "we look at one thing"
    other = ui_fakes.app()
    other.open(copier(app, "Copy lesson link").text)
    assert other.state.locked == ("dataset", "knob.pruning_ratio") and other.state.hidden == ("view.costs",)
    assert other.state.reason == "we look at one thing" and app.state.locked == ()
    other.close()


@pytest.mark.parametrize(
    "odd", [None, {}, {"kind": "tick", "name": "x", "column": "locked", "on": True},
            {"kind": "tick", "name": ["dataset"]}, {"kind": "tick", "name": "dataset", "column": "all", "on": True},
            {"kind": "tick", "name": "dataset", "column": "locked", "on": "yes"}],
)  # fmt: skip
def test_odd_ticks_do_nothing(used, odd):
    inside(used.widget, LessonTicks)[0]._hear(None, odd, None)
    assert copier(used, "Copy lesson link").text == "" and used.state.error == ""


# The history of runs


def runs() -> list:
    base = Recipe("lenet5", "digits")
    return [
        made_up(base.with_steps(_at(share)), correct=correct, size=size)
        for share, correct, size in ((0.2, 95, 90_000), (0.5, 90, 50_000), (0.8, 70, 30_000))
    ]


@pytest.fixture
def measured(app):
    for run in runs():
        app.live.notify(Measured(run.recipe, run))
    app.state.view = panel.NAME
    return app


def table(app) -> RunTable:
    return inside(app.widget, RunTable)[0]


def pick(app, run) -> None:
    table(app)._hear(None, {"kind": "pick", "key": run.recipe.key}, None)


def test_every_run_is_in_the_table_and_can_be_picked(measured):
    assert [row["cells"][0] for row in table(measured).rows] == ["30.0 kB", "50.0 kB", "90.0 kB"]
    pick(measured, runs()[2])
    assert measured.state.picked == runs()[2].recipe.key == table(measured).picked
    pick(measured, runs()[2])
    assert measured.state.picked == ""


def test_a_run_is_named_and_the_name_is_everywhere_and_kept(measured):
    pick(measured, runs()[2])
    line = next(x for x in inside(measured.widget, Line) if x.description == "Name")
    line.value = "  small   one "
    assert table(measured).rows[0]["name"] == "small one" and "small one" in text_of(measured)
    assert measured.labels.of("lenet5", "digits")[runs()[2].recipe.key] == Label("small one")
    line.value = "x" * 200
    assert "at most 60 printable characters" in measured.state.error
    assert measured.state.labels[runs()[2].recipe.key].name == "small one"


def test_a_pinned_run_is_a_difference_in_the_headline_and_a_mark_in_the_curve(measured):
    pick(measured, runs()[0])
    button(measured, "Pin as reference").click()
    assert [tile.against for tile in tiles(measured.state)] == [
        "−5.0 points against the pinned run",
        "−40.0 kB against the pinned run",
        "",
        "as the pinned run",
        "",
    ]
    assert "−40.0 kB against the pinned run" in text_of(measured)
    traces = json.loads(chart(measured, "Accuracy against file size").figure)["data"]
    assert (traces[-1]["name"], traces[-1]["x"], traces[-1]["y"]) == ("pinned: reference", [90_000], [0.95])
    assert table(measured).rows[0]["key"] == runs()[0].recipe.key, "on top"
    button(measured, "Unpin").click()
    assert measured.state.pinned == "" and all(tile.against == "" for tile in tiles(measured.state))


def test_a_guess_is_held_against_the_pinned_run_too(measured):
    measured.state.pinned = runs()[0].recipe.key
    measured.state.turn("pruning_ratio", 0.6)
    assert [tile.against for tile in tiles(measured.state)][:2] == [
        "~−4.0 points against the pinned run",
        "~−41.0 kB against the pinned run",
    ]


def test_a_recipe_is_taken_over(measured):
    pick(measured, runs()[2])
    button(measured, "Take over its recipe").click()
    assert measured.state.recipe == runs()[2].recipe and measured.state.run is not None


def test_a_run_can_be_kept_for_later_pages(tmp_path):
    recipe = runs()[0].recipe
    Labels(Store(tmp_path / "a.sqlite")).put(recipe, Label("mine", True))
    again = Labels(Store(tmp_path / "a.sqlite"))
    assert again.of("lenet5", "digits") == {recipe.key: Label("mine", True)} and again.of("lenet5", "mnist") == {}
    again.put(recipe, Label("other"))
    assert again.of("lenet5", "digits") == {recipe.key: Label("other")}


@pytest.mark.parametrize(("text", "name"), [("", ""), (" a\t b\n", "a b"), ("深度压缩", "深度压缩")])
def test_names_are_tidied(text, name):
    assert run_name(text) == name


@pytest.mark.parametrize("text", ["x" * 61, "a\x00b", "a\u202eb"])
def test_names_that_are_none_are_refused(text):
    with pytest.raises(WorkbenchError, match="at most 60 printable"):
        run_name(text)


def test_limits_are_typed_and_brushed_and_cleared(measured):
    def limit(column, low, high):
        table(measured)._hear(None, {"kind": "limit", "column": column, "low": low, "high": high}, None)

    limit("bytes", "", "60000")
    assert len(table(measured).rows) == 2
    limit("accuracy", "80", "")
    assert [row["cells"][0] for row in table(measured).rows] == ["50.0 kB"]
    assert table(measured).columns[1]["low"] == "80"
    limit("bytes", "many", "")
    assert "A limit is a number" in measured.state.error
    button(measured, "Clear all limits").click()
    assert len(table(measured).rows) == 3
    chart(measured, "Every measured run")._hear(None, {"kind": "brush", "x": [-0.2, 0.2], "y": [-0.1, 0.6]}, None)
    assert [row["cells"][0] for row in table(measured).rows] == ["30.0 kB", "50.0 kB"]


@pytest.mark.parametrize(
    "odd",
    [None, {"kind": "brush", "x": [1], "y": [0, 1]}, {"kind": "brush", "x": ["a", 1], "y": [0, 1]},
     {"kind": "brush", "x": [0, 1e300], "y": [0, 1]}, {"kind": "brush", "x": [float("nan"), 1], "y": [0, 1]},
     {"kind": "click", "trace": 99, "point": 99}],
)  # fmt: skip
def test_odd_brushes_do_nothing(measured, odd):
    chart(measured, "Every measured run")._hear(None, odd, None)
    assert len(table(measured).rows) == 3 and measured.state.error == ""


def test_two_runs_are_compared_layer_by_layer(measured):
    pick(measured, runs()[0])
    button(measured, "Pin as reference").click()
    pick(measured, runs()[2])
    assert "−60.0 kB" in text_of(measured) and "−25.0 points" in text_of(measured)
    rows = chart(measured, "What differs").rows
    assert [row["layer"] for row in rows] == ["conv1", "fc1"] and rows[0]["shape"] == "20×1×5×5"
    chart(measured, "What differs")._hear(None, {"kind": "click", "trace": 0, "point": 1}, None)
    assert measured.state.layer == "fc1"


def test_a_pin_that_is_not_known_here_is_said(measured):
    measured.state.set({"pinned": "f" * 24})
    assert "was not measured here" in text_of(measured)


def test_an_undone_snapshot_is_the_one_serialisation(state):
    chosen_far(state)
    other = State(choices())
    restore(other, to_json(captured(state)))
    third = State(choices())
    chosen_again(third, captured(state))
    assert captured(other) == captured(third) == captured(state)
