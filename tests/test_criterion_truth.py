"""Rank correlation against scipy's, what counts as a mistake, and the scan that grows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from workbench.core.agreement import Agreement, Correlation, LayerAgreement
from workbench.core.context import Batch, Context
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.records import Decision
from workbench.explain.against_truth import against_truth, correlation, correlation_of_draws, spearman
from workbench.figures import criterion_truth as figure
from workbench.measure.removal import removal
from workbench.methods.prune._criteria import scores_of

RNG = np.random.default_rng(0)
NONE = Correlation(None, None, None, 3)


def layer(name="a", scores=(1.0, 2.0, 3.0), changes=(0.5, 0.0, 0.1), costs=(0.1, 0.0, 0.0), tied=()):
    return LayerAgreement(name, tied, scores, changes, costs, Correlation(-0.5, -1.0, 1.0, len(scores)))


def agreement(*layers, groups=None):
    return Agreement(
        "l1", "norm", 0.2, 512, 5000, "validation", layers, Correlation(0.4, 0.1, 0.6, 9), groups or len(layers)
    )


def test_rank_correlation_is_scipys_ties_included():
    a, b = RNG.integers(0, 5, (2, 40)).astype(float)
    assert float(spearman(a, b)) == pytest.approx(float(spearmanr(a, b).statistic))
    many = spearman(np.stack([a, b]), np.stack([b, b]))
    assert many == pytest.approx([float(spearmanr(a, b).statistic), 1.0])
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_the_interval_is_that_of_resampled_units():
    truth = RNG.normal(size=60)
    scores = truth + RNG.normal(size=60)
    found = correlation(scores, truth)
    drawn = [RNG.integers(0, 60, 60) for _ in range(2000)]
    low, high = np.quantile([spearmanr(scores[i], truth[i]).statistic for i in drawn], [0.025, 0.975])
    assert found.value == pytest.approx(spearmanr(scores, truth).statistic)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))
    assert correlation(np.ones(5), truth[:5]) == Correlation(None, None, None, 5)


def test_chance_has_the_range_of_its_draws():
    draws = list(RNG.random((200, 30)))
    found = correlation_of_draws(draws, np.arange(30.0))
    assert abs(found.value) < 0.05 and found.low < -0.25 < 0.25 < found.high


def test_the_scan_grows_group_by_group_and_says_what_removal_and_the_criterion_say(branched):
    network, shape = branched
    data = Batch(torch.rand(60, *shape), torch.arange(60) % 5)
    context = Context(shape, calibration=data)
    found = list(against_truth("l1", network, data=data, context=context, most=40))
    assert [len(a.layers) for a in found] == list(range(1, len(found) + 1)) and found[-1].complete
    assert not any(a.complete for a in found[:-1]) and found[-1].n == 40 and found[-1].total == 60
    scores = scores_of("l1", network, context)
    chosen = torch.randperm(60, generator=torch.Generator().manual_seed(0))[:40]
    rows = list(removal(network, Batch(data.images[chosen], data.labels[chosen])))
    for own, row in zip(found[-1].layers, rows, strict=True):
        assert (own.layer, *own.tied) == row.producers
        assert own.changes == pytest.approx(row.changes)
        assert own.scores == pytest.approx(scores[own.layer].tolist())
        assert own.correlation.value == pytest.approx(spearmanr(own.scores, own.changes).statistic)
        assert own.costs == pytest.approx([(sum(row.right) - right) / 40 for right in row.correct])
    assert found[-1].of(rows[0].producers[-1]) is found[-1].layers[0]


def test_another_criterion_does_not_measure_the_truth_again(branched, monkeypatch):
    network, shape = branched
    data = Batch(torch.rand(30, *shape), torch.arange(30) % 5)
    context = Context(shape, calibration=data)
    first = list(against_truth("l1", network, data=data, context=context))[-1]
    monkeypatch.setattr("workbench.measure.removal._Tally.add", lambda *_: pytest.fail("measured again"))
    second = list(against_truth("fpgm", network, data=data, context=context))[-1]
    assert [a.changes for a in first.layers] == [a.changes for a in second.layers]
    assert [a.scores for a in first.layers] != [a.scores for a in second.layers]


def test_it_can_be_stopped_and_knows_what_criteria_there_are(branched):
    network, shape = branched
    data = Batch(torch.rand(31, *shape), torch.arange(31) % 5)
    with pytest.raises(WorkbenchError, match="no criterion 'best'; there are l1"):
        next(against_truth("best", network, data=data, context=Context(shape)))
    stop = Context(shape, progress=Progress(cancelled=lambda: True))
    with pytest.raises(Cancelled):
        list(against_truth("l1", network, data=data, context=stop))


def test_regret_is_the_loss_against_the_unit_that_belongs_there():
    # by score 0 < 1 < 2; by truth 1 < 2 < 0: unit 0 stands where 0.0 belongs, 1 where 0.1, 2 where 0.5
    found = {m.unit: m for m in layer().mistakes}
    assert [round(found[i].regret, 9) for i in range(3)] == [0.5, -0.1, -0.4]
    assert [(found[i].place, found[i].true_place) for i in range(3)] == [(1, 3), (2, 1), (3, 2)]
    worst = agreement(layer(), layer("b", changes=(0.0, 0.2, 0.9))).worst(2)
    assert [(m.layer, m.unit) for m in worst] == [("a", 0), ("a", 2)]


def test_the_mean_over_layers_leaves_out_those_without_an_order():
    without = LayerAgreement("b", (), (1.0, 1.0, 1.0), (0.0, 0.1, 0.2), (0.0,) * 3, NONE)
    found = agreement(layer(), without)
    assert found.mean == -0.5 and agreement(without).mean is None
    assert "mean over the layers: −0.50; over all 9 units at once: 0.40" in figure.view(found).sentence


def test_a_criterion_that_knows_makes_no_mistake():
    right = layer(changes=(0.0, 0.1, 0.5))
    assert agreement(right).worst() == ()
    assert figure.mistakes(figure.view(agreement(right))).layout.annotations[0].text == figure.NO_MISTAKES


def test_the_view_marks_what_the_recipe_removed_and_a_click_finds_the_unit():
    cut = Decision("b", "prune.toy", "norm", "filter", 1.0, 3, 1, (1.0, 2.0, 3.0), (False, True, True))
    found = figure.view(agreement(layer(), layer("b", tied=("c",)), groups=3), (cut,), layer="c", unit=2)
    assert found.layers[1].removed == (True, False, False) and found.layers[0].removed == (False,) * 3
    assert found.selected == ("b", 2)
    drawn = figure.figure(found)
    assert [t.name.split(":")[0] for t in drawn.data] == ["a", "b"]
    assert drawn.data[1].marker.symbol[0].endswith("-open") and list(drawn.data[1].marker.size) == [8, 8, 14]
    assert figure.unit_at(found, 1, 2) == ("b", 2)
    assert figure.unit_at(found, 2, 0) is None and figure.unit_at(found, 0, 3) is None
    assert figure.mistake_at(found, 0) == (found.mistakes[0].layer, found.mistakes[0].unit)
    assert figure.mistake_at(found, 99) is None and figure.mistake_at(None, 0) is None
    assert "2 of 3 groups so far" in found.sentence and "512 of 5000 validation images" in found.sentence
    rows = figure.table(found)
    assert rows[1]["layer"] == "b with c" and rows[-1] == {
        "layer": "all units", "units": "9", "rank correlation": "0.40 (95 %: 0.10 to 0.60)",
    }  # fmt: skip


def test_the_curved_axis_is_linear_near_zero_and_grows():
    curve = figure.Curve.of([-0.5, 2.0])
    at = [curve.place(v) for v in (-0.5, -0.001, 0.0, 0.001, 0.1, 2.0)]
    assert at == sorted(at) and at[2] == 0 and at[1] == -at[3]
    assert len(curve.axis()["tickvals"]) == len(curve.axis()["ticktext"])


@pytest.mark.parametrize("draw", [figure.figure, figure.mistakes])
def test_nothing_is_one_sentence_and_dark_differs_in_colour_only(draw):
    assert len(draw(None).data) == 0 and draw(None).layout.annotations[0].text.endswith(".")
    light, dark = (draw(figure.view(agreement(layer())), dark=dark) for dark in (False, True))
    assert [(t.type, t.name) for t in light.data] == [(t.type, t.name) for t in dark.data]
    assert light.layout.template.layout.paper_bgcolor != dark.layout.template.layout.paper_bgcolor
    assert figure.spelled(NONE) == "no order to compare"
