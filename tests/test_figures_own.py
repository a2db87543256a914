"""Values of a layer's own in the figures: marks on the scan, reasons in a table, lines of their own, long spellings."""

from __future__ import annotations

from dataclasses import replace

from figure_records import DENSE_BYTES, accuracy, curve, run, scan

from workbench.core.recipe import Step
from workbench.core.records import Allocation, Estimate, LayerChoice, Stage
from workbench.figures import accuracy_bytes, allocation, sensitivity, theme, waterfall

STEP = Step("prune.toy", {"ratio": 0.5}, None, {"conv": {"ratio": 0.1}})
LONG = "prune.toy:ratio=0.5" + "".join(f"/features.{i}.conv:ratio=0.{i}" for i in range(1, 10)) + "@features"


def made(**changes) -> Allocation:
    choices = (
        LayerChoice("conv", 0.1, accuracy(190), "alone it loses nothing"),
        LayerChoice("fc", None, None, "tied"),
    )
    return replace(Allocation(STEP, "ratio", 0.01, choices, lost=0.0042), **changes)


def own_run(size: int):
    found = run(("prune.toy", {"ratio": 0.5}), correct=190, file_bytes=size)
    step = replace(STEP, per_layer={"conv": {"ratio": size / 1e6}})
    return replace(found, recipe=replace(found.recipe, steps=(step,)))


def test_chosen_values_are_marked_where_they_were_measured():
    view = sensitivity.view(scan(), allocation=made())
    assert [(c.layer, c.value, c.accuracy) for c in view.chosen] == [("conv", 0.1, 0.95)]
    drawn = sensitivity.figure(view)
    assert drawn.data[-1].name == "chosen for its layer" and (drawn.data[-1].x, drawn.data[-1].y) == ((0.1,), (0.95,))
    assert sensitivity.layer_at(view, len(drawn.data) - 1) is None
    cells = sensitivity.heatmap(view).data[0].text
    assert [cell for row in cells for cell in row if "✓" in cell] == ["<b>0.0 ✓</b>"]


def test_what_was_chosen_from_another_scan_is_not_marked():
    other = made(step=replace(STEP, method="quant.toy"))
    assert sensitivity.view(scan(), allocation=other).chosen == ()
    assert sensitivity.figure(sensitivity.view(scan())).data[-1].name == "fc"


def test_the_table_says_what_and_why_and_what_it_costs():
    view = allocation.view(made(), images=360)
    assert view.head == ("layer", "ratio", "why")
    assert view.rows == (("conv", "0.1", "alone it loses nothing"), ("fc", "left alone", "tied"))
    assert view.sentence == (
        "Tolerated for each layer alone: 1 point. All together, the whole recipe loses 0.42 points "
        "(measured on the 360 validation images)."
    )
    assert "loses nothing, before anything is trained" in allocation.view(made(lost=-0.01), trains=True).sentence
    assert allocation.view(made(lost=None, tolerance=0.005)).sentence == "Tolerated for each layer alone: 0.5 points."
    assert allocation.view(None).rows == ()


def test_values_are_spelled_as_their_knob_is():
    whole = replace(STEP, knobs={"bits": 4}, per_layer={})
    choices = (LayerChoice("conv", 6.0, accuracy(190), ""),)
    assert allocation.view(made(step=whole, knob="bits", choices=choices)).rows[0][1] == "6"


def test_own_values_make_a_line_of_their_own():
    runs = [*curve("prune.toy", "ratio", [(0.5, 194, 21_000), (0.9, 180, 5_000)]), own_run(9_000)]
    view = accuracy_bytes.view(runs, titles={"prune.toy": "Pruning"})
    assert [(line.title, len(line.points)) for line in view.lines] == [("Pruning", 2), ("Pruning (own values)", 1)]
    assert accuracy_bytes.recipe_at(view, accuracy_bytes.FIRST_LINE + 1, 0) == runs[-1].recipe.key


def test_an_estimate_is_guided_by_its_own_line():
    runs = [*curve("prune.toy", "ratio", [(0.5, 194, 21_000), (0.9, 180, 5_000)]), own_run(8_000), own_run(12_000)]
    guess = Estimate(0.9, 10_000.0, "runs")
    plain = accuracy_bytes.view(runs, estimate=("prune.toy:ratio=0.6", guess))
    own = accuracy_bytes.view(runs, estimate=(str(STEP), guess))
    assert [size for size, _ in plain.guide] == [5_000, 10_000, 21_000]
    assert [size for size, _ in own.guide] == [8_000, 10_000, 12_000]


def test_long_spellings_are_wrapped_and_lose_nothing():
    lines = theme.wrapped(LONG)
    assert "".join(lines) == LONG and len(lines) > 3 and max(map(len, lines)) <= 80
    assert theme.wrapped("quant.toy:bits=4") == ["quant.toy:bits=4"]
    found = own_run(9_000)
    several = {f"features.{i}.conv": {"ratio": i / 10} for i in range(1, 10)}
    found = replace(found, recipe=replace(found.recipe, steps=(replace(STEP, per_layer=several),)))
    assert max(map(len, accuracy_bytes.view([found]).lines[0].points[0].details)) <= 90


def test_the_method_is_read_from_any_spelling():
    for spelled in (LONG, "prune.toy", "prune.toy@fc1", "prune.toy/conv:ratio=1", " prune.toy:ratio=1"):
        assert theme.method_in(spelled) == "prune.toy"


def test_four_steps_with_own_values_are_four_bars():
    texts = [str(STEP), "recover.toy:epochs=2", "quant.toy:bits=4/conv:bits=6", "recover.toy:epochs=2"]
    stages = tuple(Stage(text, size, {}, 10, 5) for text, size in zip(texts, (9_000, 9_000, 3_500, 3_500), strict=True))
    found = run(*(("x.y", {}),) * 4, stages=stages, parts={"weights": 3_500})
    view = waterfall.view(found, titles={"prune.toy": "Pruning", "quant.toy": "Codes", "recover.toy": "Tuning"})
    assert [c.label for c in view.changes] == ["Pruning", "Tuning", "Codes", "Tuning"]
    assert DENSE_BYTES + sum(c.change for c in view.changes) == 3_500
    assert [*waterfall.figure(view).data[0].y][1:5] == ["Pruning", "Tuning", "Codes", "Tuning (2)"]
