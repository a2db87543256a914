"""Values of each layer's own from a scan: against a scan drawn by hand, and against the network itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.cli import main
from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe, Step
from workbench.core.records import Accuracy, Sensitivity, SensitivityPoint
from workbench.experiment.allocate import allocate, allocate_within
from workbench.experiment.run import run
from workbench.experiment.sensitivity import scan
from workbench.experiment.subject import subject_named
from workbench.methods import method_of, parse_step


def of(correct: int) -> Accuracy:
    return Accuracy(correct, 1000, 1000, "validation", loss=0.0)


def drawn(method: str, knob: str, layers: dict[str, dict[float, int]], **more) -> Sensitivity:
    points = tuple(
        SensitivityPoint(layer, value, of(correct), 1)
        for layer, curve in layers.items()
        for value, correct in curve.items()
    )
    return Sensitivity("n", "d", method, knob, of(990), points, True, tuple(layers), **more)


PRUNE = parse_step("prune.magnitude_iter:pruning_ratio=0.5")
RATIOS = drawn(
    "prune.magnitude_iter",
    "pruning_ratio",
    {
        "conv1": {0.0: 990, 0.3: 985, 0.6: 700, 0.9: 100},
        "fc1": {0.0: 990, 0.3: 990, 0.6: 989, 0.9: 981},
        "fc2": {0.0: 990, 0.3: 970, 0.6: 989, 0.9: 100},
    },
)


def test_the_strongest_value_that_holds_with_all_milder_ones():
    made = allocate(PRUNE, RATIOS, 0.01)
    assert {c.layer: c.value for c in made.choices} == {"conv1": 0.3, "fc1": 0.9, "fc2": 0.0}
    assert made.step.per_layer == {
        "conv1": {"pruning_ratio": 0.3},
        "fc1": {"pruning_ratio": 0.9},
        "fc2": {"pruning_ratio": 0.0},
    }
    assert made.choices[0].reason == "alone it loses 0.5 points; the next value, 0.6, would lose 29 points"
    assert made.choices[1].reason == "alone it loses 0.9 points"


def test_where_bytes_grow_with_the_knob_the_smallest_is_strongest():
    bits = drawn("quant.kmeans_share", "bits", {"conv1": {1: 100, 4: 900, 8: 990}, "fc1": {1: 100, 4: 989, 8: 990}})
    made = allocate(parse_step("quant.kmeans_share:bits=5"), bits, 0.01)
    assert made.step.per_layer == {"conv1": {"bits": 8}, "fc1": {"bits": 4}}
    hurt = drawn("quant.kmeans_share", "bits", {"conv1": {1: 100, 8: 900}})
    choice = allocate(parse_step("quant.kmeans_share:bits=5"), hurt, 0.01).choices[0]
    assert (choice.value, choice.reason) == (8, "even bits 8 would lose 9 points, and there is nothing milder")


def test_a_layer_that_nothing_may_happen_to_stays_as_it_is():
    hurt = drawn(
        "prune.magnitude_iter", "pruning_ratio", {"conv1": {0.3: 900, 0.6: 700}}, refused={"fc1": "tied to fc2"}
    )
    hurt = replace(hurt, layers=("conv1", "fc1"))
    first, second = allocate(PRUNE, hurt, 0.01).choices
    assert (first.value, first.reason) == (0.0, "even pruning_ratio 0.3 would lose 9 points, so it stays as it is")
    assert (second.value, second.reason) == (None, "tied to fc2")


def test_other_values_of_a_layer_and_the_steps_layers_stay():
    step = replace(PRUNE, layers=("fc1",))
    assert set(allocate(step, RATIOS, 0.01).step.per_layer) == {"fc1"}


@pytest.mark.parametrize(
    ("step", "found", "tolerance", "sentence"),
    [
        (PRUNE, RATIOS, 0.6, r"tolerated loss must be a number in \[0, 0.5\]; got 0.6"),
        (PRUNE, RATIOS, float("nan"), "got nan"),
        (parse_step("quant.kmeans_share"), RATIOS, 0.1, "scan is of prune.magnitude_iter; quant.kmeans_share needs"),
        (PRUNE, replace(RATIOS, complete=False), 0.1, "not complete"),
    ],
)
def test_what_makes_no_sense_is_refused(step: Step, found: Sensitivity, tolerance: float, sentence: str):
    with pytest.raises(WorkbenchError, match=sentence):
        allocate(step, found, tolerance)


def test_the_command_line_prints_the_step(capsys):
    words = "sensitivity --network lenet5_1998 --dataset digits --method quant.kmeans_share --levels 4 --lose 0.02"
    assert main(words.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    step = parse_step(next(line for line in lines if line.startswith("--step ")).removeprefix("--step "))
    assert step.per_layer
    assert any("validation images" in line and "loses" in line for line in lines)


def test_within_a_loss_of_the_whole_network():
    subject = subject_named("lenet5_1998", "digits")
    found = list(scan(PRUNE, subject, levels=6))[-1]
    recipe = Recipe("lenet5_1998", "digits", (PRUNE, method_of(parse_step("quant.kmeans_share:bits=6")).step()))
    made = allocate_within(recipe, 0, found, 0.02, subject)
    measured = run(recipe.with_steps(made.step, recipe.steps[1]), split="validation", subject=subject).run.measurement
    lost = subject.dense_accuracy("validation").accuracy - measured.accuracy.accuracy
    assert lost == pytest.approx(made.lost)
    assert lost <= 0.02
    uniform = recipe.with_steps(parse_step("prune.magnitude_iter:pruning_ratio=0.5"), recipe.steps[1])
    assert measured.file_bytes < run(uniform, split="validation", subject=subject).run.measurement.file_bytes
