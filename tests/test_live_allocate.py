"""Values chosen and runs compared by the worker, against the same asked of the functions themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.core.recipe import Recipe
from workbench.experiment.allocate import allocate
from workbench.experiment.compare import compare
from workbench.experiment.live import Live
from workbench.experiment.reports import Allocated, Compared, Failed, Measured, Sensed
from workbench.experiment.run import run
from workbench.experiment.sensitivity import scan_of
from workbench.experiment.store import Store
from workbench.experiment.subject import subject_named
from workbench.methods import parse_step

PRUNE = parse_step("prune.magnitude_iter:pruning_ratio=0.5")
SHARE = parse_step("quant.kmeans_share:bits=5")
STRONGER = replace(PRUNE, knobs={**PRUNE.knobs, "pruning_ratio": 0.8})
RECIPE = Recipe("lenet5_1998", "digits", (SHARE, PRUNE))


@pytest.fixture(scope="module")
def heard() -> list:
    return []


@pytest.fixture(scope="module")
def live(heard, tmp_path_factory):
    made = Live(heard.append, Store(tmp_path_factory.mktemp("home") / "runs.sqlite"))
    yield made
    made.close()


def of(heard, kind) -> list:
    assert not [event for event in heard if isinstance(event, Failed)]
    return [event for event in heard if isinstance(event, kind)]


def test_a_layer_alone_gets_what_the_scan_says_and_the_whole_is_measured(live, heard):
    live.allocate(RECIPE, 1, 0.01)
    assert live.wait(120)
    scans, (told,) = [event.sensitivity for event in of(heard, Sensed)], of(heard, Allocated)
    assert len(scans) > 10 and scans[-1].complete, "it was scanned first"
    expected = allocate(PRUNE, scans[-1], 0.01)
    assert (told.recipe, told.step) == (RECIPE, 1) and replace(told.allocation, lost=None) == expected
    assert len(expected.step.per_layer) >= 2
    found = run(RECIPE.with_steps(SHARE, expected.step), split="validation").run.measurement.accuracy
    dense = subject_named("lenet5_1998", "digits").dense_accuracy("validation").accuracy
    assert told.allocation.lost == pytest.approx(dense - found.accuracy, abs=1e-9)


def test_all_together_lose_no_more_and_nothing_is_scanned_again(live, heard):
    heard.clear()
    live.allocate(RECIPE.with_steps(SHARE, STRONGER), 1, 0.02, together=True)
    assert live.wait(120)
    (told,) = of(heard, Allocated)
    assert told.allocation.lost <= 0.02 < 1 and told.allocation.tolerance <= 0.02
    assert [event.sensitivity.complete for event in of(heard, Sensed)] == [True]


def test_a_cancelled_choice_says_nothing(live, heard):
    heard.clear()
    live.allocate(RECIPE.with_steps(parse_step("prune.l1_filter")), 0, 0.01)
    live.cancel()
    assert live.wait(20) and of(heard, Allocated) == []


def test_a_scan_asks_neither_for_the_axis_nor_for_training():
    one = parse_step("prune.magnitude_iter:pruning_ratio=0.9,epochs=3/conv1:pruning_ratio=0.1@conv1+fc1")
    assert scan_of(one) == scan_of(PRUNE) and scan_of(one).knobs["epochs"] == 0
    own = parse_step("quant.kmeans_share:bits=2/conv1:init=random,bits=3")
    assert scan_of(own).per_layer == {"conv1": {"init": "random"}} and scan_of(own) != scan_of(SHARE)


def test_runs_are_compared_as_by_the_function(live, heard):
    heard.clear()
    for step, knob in ((PRUNE, "pruning_ratio"), (SHARE, "bits")):
        live.fill(RECIPE.with_steps(step), 0, knob, points=3)
        assert live.wait(120)
    runs = [event.run for event in of(heard, Measured)]
    live.compare(runs, "no such curve")
    assert live.wait(60)
    (told,) = of(heard, Compared)
    assert told.network == "lenet5_1998" and told.comparison == compare(runs)
    heard.clear()
    live.compare(runs, told.comparison.curves[-1].name)
    assert live.wait(60)
    assert of(heard, Compared)[0].comparison.baseline == told.comparison.curves[-1].name


def test_without_a_step_there_is_nothing_to_compare(live, heard):
    heard.clear()
    live.compare([])
    assert live.wait(20) and heard == []
