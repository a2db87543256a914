"""The advisor: its rules as a table, what is barred, what is measured beside it, and whether the two agree."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import ui_fakes
from test_ui_app import button, inside, text_of

from workbench.core.advice import QUESTIONS, RULES, WAYS, Makeup, Needs, advise
from workbench.core.comparison import Bound, Comparison, Curve, Row
from workbench.core.errors import WorkbenchError
from workbench.core.evidence import Evidence, Measured, at_equal_bytes, family_of, fewest_macs, measured_for, verdict
from workbench.core.families import DISPUTES, FAMILIES, SURVEYS, disputes_about
from workbench.core.recipe import Recipe
from workbench.experiment import reports
from workbench.measure.makeup import makeup
from workbench.methods import methods
from workbench.networks import build
from workbench.ui.choices import default_step
from workbench.ui.widgets import Menu

LINEAR = Makeup(25_000, 405_000, 1_888_000, 405_000)
CONV = Makeup(270_000, 640, 40_000_000, 640)


@pytest.mark.parametrize(
    ("needs", "makeup", "first", "source"),
    [
        (Needs(), LINEAR, "share", "this workbench"),
        (Needs(amount="much"), LINEAR, "combine", "Ji et al. 2018, rule 6"),
        (Needs(loss="steady"), CONV, "weights", "Ji et al. 2018, rule 4"),
        (Needs(goal="speed"), CONV, "filters", "Lai et al. 2020; Ji et al. 2018"),
        (Needs(goal="speed", hardware="special"), LINEAR, "weights", "Lai et al. 2020"),
        (Needs(goal="memory"), CONV, "filters", "Ji et al. 2018, rule 1"),
        (Needs(goal="memory", training="none"), LINEAR, "neurons", "Ji et al. 2018, rule 1"),
        (Needs(training="scratch"), CONV, "compact", "Ji et al. 2018, rule 3"),
        (Needs(goal="speed", training="scratch"), CONV, "compact", "Ji et al. 2018, rule 2"),
    ],
)
def test_the_rules_as_a_table(needs, makeup, first, source):
    found = advise(needs, makeup).ways[0]
    assert found.way.id == first and source in [reason.source for reason in found.reasons]
    assert found.score == sum(reason.weight for reason in found.reasons) > 0


def test_few_images_speak_for_distillation():
    scores = {x.way.id: x.score for x in advise(Needs(data="little"), CONV).ways}
    before = {x.way.id: x.score for x in advise(Needs(), CONV).ways}
    assert {way for way in scores if scores[way] > before[way]} == {"distil"}


def test_zeros_are_no_speed_on_usual_hardware():
    for made in (LINEAR, CONV):
        usual = {x.way.id: x.score for x in advise(Needs(goal="speed"), made).ways}
        special = {x.way.id: x.score for x in advise(Needs(goal="speed", hardware="special"), made).ways}
        assert usual["weights"] < 0 < special["weights"] and usual["filters"] > special["filters"]


@pytest.mark.parametrize("needs", [Needs(training="none"), Needs(data="none")])
def test_what_has_to_learn_is_left_out_with_the_reason(needs):
    off = {x.way.id: x.off for x in advise(needs, LINEAR).ways if x.off}
    assert set(off) == {"few", "compact", "distil"} and all(why.endswith(".") for why in off.values())
    assert not [x for x in advise(needs, LINEAR).best if x.off]


def test_what_the_network_refuses_comes_last():
    found = advise(Needs(goal="speed"), LINEAR, {"filters": "it acts on conv layers"})
    assert found.ways[-1].off or found.ways[-1].way.id == "filters"
    assert "filters" not in [x.way.id for x in found.best]
    assert next(x for x in found.ways if x.way.id == "filters").off == "it acts on conv layers"


def test_every_rule_can_hold_and_every_way_exists():
    from itertools import product

    every = [Needs(*answers) for answers in product(*(question.answers for question in QUESTIONS))]
    for rule in RULES:
        assert any(rule.holds(needs, made) for needs in every for made in (LINEAR, CONV)), rule.reason
        assert rule.weights.keys() <= {way.id for way in WAYS}
    assert all(advise(needs, made).best for needs in every for made in (LINEAR, CONV))
    assert {m for way in WAYS for m in way.steps} <= set(methods())
    assert {f"rule {i}" for i in range(1, 7)} <= {rule.source.split(", ")[-1] for rule in RULES}


def test_an_answer_that_is_none_is_refused():
    with pytest.raises(WorkbenchError, match="May it be trained.* none, some, scratch; got 'perhaps'"):
        Needs(training="perhaps")


def test_disputes_are_those_about_what_is_advised():
    found = advise(Needs(training="scratch", goal="speed"), CONV)
    assert found.best[0].way.family == "compact"
    assert any("sixth rule" in d.sentence for d in found.disputes)
    assert not any(d.family == "kd" for d in disputes_about(("compact",)))
    families = {family.id for family in FAMILIES}
    assert {d.family for d in DISPUTES} <= {*families, ""}
    assert all(any(key in d.sentence for key in (*SURVEYS, "this workbench")) for d in DISPUTES)


def test_records_load_without_torch():
    code = "import workbench.core.advice, workbench.core.evidence, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_network_is_made_of_what_it_is():
    found = makeup(build("lenet5"), (1, 28, 28))
    assert (found.conv_weights, found.linear_weights) == (20 * 25 + 50 * 20 * 25, 800 * 500 + 500 * 10)
    assert (found.conv_macs, found.linear_macs) == (24 * 24 * 500 + 8 * 8 * 25_000, 405_000)
    assert found.linear_share("file") == pytest.approx(405_000 / 430_500) and found.linear_share("speed") < 0.5


# What was measured


@pytest.mark.parametrize(
    ("methods", "family"),
    [
        (("prune.l1_filter",), "prune"),
        (("prune.l1_filter", "recover.finetune"), "prune"),
        (("prune.l1_filter", "quant.dfp"), "combo"),
        (("struct.circulant",), "quant"),
        (("quant.dfp", "kd.hinton"), "quant"),
        (("kd.hinton",), "kd"),
        ((), ""),
    ],
)
def test_a_sequence_has_a_family(methods, family):
    assert family_of(methods) == family


def compared(**at: dict[str, tuple[float, float, float]]) -> Comparison:
    """at: `r8={curve: (value, low, high)}`."""
    names = {"prune": ("prune.l1_filter",), "quant": ("quant.dfp",), "more": ("quant.twn",)}
    curves = tuple(Curve(name, steps, ()) for name, steps in names.items())
    rows = tuple(
        Row(f"accuracy at {r[1:]}x", 1000 / int(r[1:]), {n: Bound(*given.get(n, (None,))) for n in names})
        for r, given in at.items()
    )
    return Comparison("d", "validation", 100, 1000, 0.9, curves, (), rows, (), "prune", {}, {}, {})


def test_the_ratio_is_the_highest_at_which_most_families_answer():
    both = {"prune": (0.8, 0.7, 0.9), "quant": (0.85, 0.8, 0.9), "more": (0.88, 0.8, 0.9)}
    found = at_equal_bytes(compared(r4=both, r8=both, r16={"quant": (0.5, 0.4, 0.6)}))
    assert found.question == "accuracy at 8x" and [row.name for row in found.rows] == ["more", "prune"]
    assert at_equal_bytes(None).rows == ()


def test_the_fewest_macs_are_those_within_the_loss():
    def run(method, macs, correct):
        made = ui_fakes.made_up(Recipe("n", "d", (default_step(method),) if method else ()), correct=correct)
        return replace(made, measurement=replace(made.measurement, macs=macs))

    runs = [
        run("", 1000, 95),
        run("prune.l1_filter", 400, 94),
        run("prune.fpgm", 300, 93),
        run("lowrank.tsvd", 500, 95),
    ]
    found = fewest_macs(runs, 0.01)
    assert [(row.family, row.value) for row in found.rows] == [("prune", 400), ("lowrank", 500)] and not found.rising
    assert [row.value for row in fewest_macs(runs, 0.02).rows] == [300, 500]
    assert fewest_macs(runs[1:], 0.02).rows == ()


QUANT, PRUNE = Evidence("quant", "a", 0.9, 0.88, 0.92), Evidence("prune", "b", 0.85, 0.8, 0.87)


@pytest.mark.parametrize(
    ("rows", "rising", "outcome", "words"),
    [
        ((), True, "unknown", "Sharing is advised and was not measured"),
        ((PRUNE,), True, "unknown", "was not measured here"),
        ((QUANT,), True, "unknown", "Only Sharing was measured"),
        ((QUANT, PRUNE), True, "agree", "agree: Sharing did best"),
        ((replace(PRUNE, value=0.95, low=0.93, high=0.97), QUANT), True, "disagree", "Pruning did better"),
        ((replace(PRUNE, value=0.91, low=0.9, high=0.93), QUANT), True, "unsure", "intervals overlap"),
        ((replace(PRUNE, value=0.1, low=0.1, high=0.1), QUANT), False, "disagree", "Pruning did better"),
    ],
)
def test_advice_and_measurement_are_set_against_each_other(rows, rising, outcome, words):
    advice = advise(Needs(), LINEAR)
    assert advice.best[0].way.family == "quant"
    found = verdict(advice, Measured("accuracy at 8x", rising, rows), {"quant": "Sharing", "prune": "Pruning"})
    assert found.outcome == outcome and words in found.sentence


# The panel


@pytest.fixture
def app():
    made = ui_fakes.app(answers=True)
    made.state.view = "advisor"
    yield made
    made.close()


def answer(app, question: str, text: str) -> None:
    next(x for x in inside(app.widget, Menu) if x.description == question).value = text


def test_the_page_advises_says_why_and_sets_the_step(app):
    assert "1. Let weights share a few values" in text_of(app) and "94.1 % of its 430 k weights" in text_of(app)
    answer(app, "What is it for?", "a faster network")
    assert "1. Prune whole filters" in text_of(app) and "only smaller shapes are faster." in text_of(app)
    assert "Lai et al. 2020" in text_of(app) and "Where the surveys disagree" in text_of(app)
    button(app, "Set L1 filter pruning").click()
    assert [s.method for s in app.state.steps] == ["prune.l1_filter"] and app.state.recipe is not None


def test_several_steps_are_set_at_once(app):
    answer(app, "How much smaller?", "as much as it can be")
    button(app, "Set Magnitude pruning + k-means weight sharing").click()
    assert [s.method for s in app.state.recipe.steps] == ["prune.magnitude_iter", "quant.kmeans_share"]


def test_what_a_network_refuses_is_left_out_with_the_reason(app):
    answer(app, "What is it for?", "a faster network")
    app.state.pick_method("quant.kmeans_share")
    app.state.pick_network("lenet_300_100")
    assert "Prune whole filters: it acts on conv layers" in text_of(app)
    assert "1. Merge similar neurons" in text_of(app)


def test_it_is_compared_with_what_was_measured_here(app):
    assert "What was measured is being compared." in text_of(app)
    both = {"prune": (0.95, 0.94, 0.96), "quant": (0.85, 0.8, 0.9)}
    found = replace(compared(r8=both), dataset="digits")
    app.live.notify(reports.Compared("lenet5", found))
    assert "Advice and measurement disagree: Sharing and few bits is advised, and Pruning did better here" in text_of(
        app
    )
    assert "95.0 %" in text_of(app) and "94.0 % to 96.0 %" in text_of(app)
    assert measured_for(advise(Needs(), LINEAR), found).rows[0].family == "prune"
    assert "Memory while it runs is not measured here" not in text_of(app)
    answer(app, "What is it for?", "less memory while it runs")
    assert "Memory while it runs is not measured here" in text_of(app)
