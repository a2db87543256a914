"""Events from the worker become traits; those of an older choice, and those that fail, do no harm."""

from __future__ import annotations

import threading

import pytest
from ui_fakes import accuracy, choices, made_up

from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe
from workbench.core.records import Sensitivity
from workbench.experiment.reports import Decided, Failed, Idle, Measured, Sampled, Sensed, Working
from workbench.ui.choices import default_step
from workbench.ui.debounce import Debounce
from workbench.ui.events import Events
from workbench.ui.guard import guard, watch, when_seen
from workbench.ui.state import State

OLD = Recipe("lenet5", "digits", (default_step("quant.kmeans_share"),))
ELSEWHERE = Recipe("lenet_300_100", "digits", (default_step("quant.kmeans_share"),))


@pytest.fixture
def state() -> State:
    made = State(choices())
    made.choose(Recipe("lenet5", "digits", (default_step("prune.magnitude_iter"),)))
    return made


@pytest.fixture
def send(state):
    return Events(state)


def test_the_newest_recipe_goes_from_sample_to_measurement(state, send):
    send(Decided(state.recipe, (), ("a note.",)))
    send(Sampled(state.recipe, accuracy(9, 10), 1234))
    assert state.sample == (accuracy(9, 10), 1234) and state.notes == ("a note.",)
    run = made_up(state.recipe)
    send(Measured(state.recipe, run))
    assert state.run is run and state.decisions == run.decisions and state.runs == {run.recipe.key: run}


def test_what_belongs_to_an_older_choice_is_dropped(state, send):
    send(Sampled(OLD, accuracy(), 1))
    send(Decided(OLD, made_up(OLD).decisions, ("old.",)))
    assert state.sample is None and state.decisions == () and state.notes == ()


def test_a_measurement_of_another_setting_is_a_point_of_the_curve_only(state, send):
    send(Measured(OLD, made_up(OLD)))
    assert state.run is None and list(state.runs) == [OLD.key]


def test_another_network_reaches_neither_curve_nor_headline(state, send):
    send(Measured(ELSEWHERE, made_up(ELSEWHERE)))
    send(Sensed(Sensitivity("lenet_300_100", "digits", "quant.kmeans_share", "bits", accuracy())))
    assert state.runs == {} and state.run is None and state.sensitivity is None


def test_a_sample_that_comes_after_the_measurement_is_dropped(state, send):
    send(Measured(state.recipe, made_up(state.recipe)))
    send(Sampled(state.recipe, accuracy(9, 10), 1))
    assert state.sample is None


def test_test_data_never_reaches_the_curve(state, send):
    run = made_up(state.recipe, split="test")
    send(Measured(state.recipe, run))
    assert state.report is run and state.run is None and state.runs == {}


def test_progress_is_drawn_ten_times_a_second_at_most(state):
    now = [0.0]
    send = Events(state, clock=lambda: now[0])
    drawn = []
    state.observe(lambda change: drawn.append(change["new"]), "share")
    for i in range(100):
        now[0] = i / 100
        send(Working("measuring", i / 100))
    assert 9 <= len(drawn) <= 11
    send(Working("another thing", 0.0))
    assert state.doing == "another thing"


def test_busy_ends_with_idle_and_an_error_stays(state, send):
    send(Working("measuring", 0.2))
    send(Failed("The disk is full.", "traceback"))
    send(Idle("failed"))
    assert not state.busy and state.doing == "" and state.error == "The disk is full."


def test_events_from_many_threads_do_not_mix(state, send):
    recipes = [OLD.with_steps(*OLD.steps[:0], default_step("quant.kmeans_share")) for _ in range(4)]
    recipes = [Recipe(r.network, r.dataset, r.steps, seed) for seed, r in enumerate(recipes)]
    threads = [threading.Thread(target=lambda r=r: [send(Measured(r, made_up(r))) for _ in range(25)]) for r in recipes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(state.runs) == {r.key for r in recipes}


def test_a_callback_that_fails_leaves_one_sentence(state):
    def refuse():
        raise WorkbenchError("bits must be\nan integer.")

    guard(state, refuse)()
    assert state.error == "bits must be an integer."

    def ours():
        raise ZeroDivisionError("oops")

    guard(state, ours)()
    assert "ZeroDivisionError" in state.error and "oops" not in state.error and "oops" in state.details


def test_callbacks_wait_for_each_other(state):
    inside, most = [0], [0]

    def work():
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.005)
        inside[0] -= 1

    threads = [threading.Thread(target=guard(state, work)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_view_that_is_not_on_the_page_draws_nothing(state):
    drawn = []
    state.view = "bytes"
    when_seen(state, "layers", lambda: drawn.append(state.layer), "layer")
    state.layer = "fc1"
    assert drawn == []
    state.view = "layers"
    assert drawn == ["fc1"]
    state.view = "bytes"
    state.view = "layers"
    assert drawn == ["fc1"], "nothing has changed meanwhile"
    state.layer = "fc2"
    assert drawn == ["fc1", "fc2"]


def test_a_view_that_fails_does_not_stop_the_others(state):
    drawn = []

    def fail():
        raise KeyError("x")

    watch(state, fail, "layer")
    watch(state, lambda: drawn.append(state.layer), "layer")
    state.layer = "fc1"
    assert drawn == ["", "fc1"] and "KeyError" in state.error


def test_only_the_last_of_many_changes_is_acted_on():
    made: list = []

    class Clock:
        def __init__(self, delay_s, action):
            self.action, self.alive = action, False
            made.append(self)

        def start(self):
            self.alive = True

        def cancel(self):
            self.alive = False

    done = []
    later = Debounce(lambda: done.append(1), 0.25, Clock)
    for _ in range(5):
        later()
    for timer in made:
        if timer.alive:
            timer.action()
    assert done == [1] and len(made) == 5


def test_the_real_timer_waits():
    done = threading.Event()
    later = Debounce(done.set, 0.05, None)
    later()
    assert not done.is_set() and done.wait(2)
    done.clear()
    later()
    later.cancel()
    assert not done.wait(0.15)
