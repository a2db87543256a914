"""The card of a unit against planted cases and second ways of finding the same numbers."""

from __future__ import annotations

import copy
import itertools
import math
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from workbench.core.agreement import Agreement, Correlation, LayerAgreement
from workbench.core.context import Batch, Context
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.records import Decision
from workbench.core.units import Paired, Truth, UnitCard, fate_of
from workbench.core.verdict import FREE, LUCKY, RIGHT, UNKNOWN, WRONG, verdict
from workbench.explain.classes_served import conductance
from workbench.explain.field import field_of
from workbench.explain.units import sample_of, unit_card
from workbench.measure.removal import layer_removal, removal
from workbench.networks import build, network_named

DEAD, TWIN_A, TWIN_B, ALONE = 0, 1, 2, 3


class Planted(nn.Module):
    """Filter 0 is dead, 1 and 2 are the same, 3 alone sees the class that is bright in the last quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 1)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(16, 3)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.bias.zero_()
            self.conv.weight[TWIN_A] = self.conv.weight[TWIN_B] = 1.0
            self.conv.weight[ALONE] = 1.0
            self.conv.bias[DEAD] = -1.0
            self.conv.bias[ALONE] = -0.5
            self.fc.weight.zero_()
            self.fc.bias.copy_(torch.tensor([0.0, 0.0, 0.2]))
            for twin in (TWIN_A, TWIN_B):
                self.fc.weight[0, 4 * twin] = 4.0
                self.fc.weight[1, 4 * twin + 1] = 4.0
            self.fc.weight[2, 4 * ALONE + 3] = 40.0
            self.fc.bias[2] = -2.0

    def forward(self, x):
        return self.fc(self.flatten(self.pool(self.relu(self.conv(x)))))


def planted_data(n=90):
    """One quarter of each image is bright: that of its class, the last for class 2."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    images = 0.1 * torch.rand(n, 1, 8, 8, generator=generator)
    corners = {0: (0, 0), 1: (0, 4), 2: (4, 4)}
    for image, label in zip(images, labels.tolist(), strict=True):
        top, left = corners[label]
        image[0, top : top + 4, left : left + 4] += 0.7 + 0.2 * float(torch.rand((), generator=generator))
    return Batch(images, labels)


def context_of(batch, shape=(1, 8, 8), **more):
    return Context(shape, calibration=batch, **more)


def last(cards):
    return list(cards)[-1]


@pytest.fixture(scope="module")
def planted():
    network, data = Planted().eval(), planted_data()
    with torch.no_grad():
        assert bool((network(data.images).argmax(1) == data.labels).all())
    cards = {i: last(unit_card(network, "conv", i, data=data, context=context_of(data))) for i in range(4)}
    return network, data, cards


def cut_at(*removed):
    kept = tuple(i not in removed for i in range(4))
    return (Decision("conv", "prune.toy", "norm", "filter", 0.5, 4, len(removed), (0.0, 0.5, 1.0, 0.4), kept),)


def test_the_dead_filter_is_told_from_the_others(planted):
    _, data, cards = planted
    card = cards[DEAD]
    assert card.responses.dead and card.responses.active == 0 and card.responses.n == len(data.labels)
    assert card.examples == ()
    assert card.truth.all.lost == card.truth.all.gained == 0 and card.truth.change == 0
    assert not any(cards[i].responses.dead for i in (TWIN_A, TWIN_B, ALONE))
    said = verdict(card, fate_of(cut_at(DEAD), "conv", DEAD))
    assert said.kind == RIGHT and "gives the same answer to everything in 90 images" in said.summary


def test_the_duplicate_names_its_twin(planted):
    _, _, cards = planted
    for unit, other in ((TWIN_A, TWIN_B), (TWIN_B, TWIN_A)):
        found = cards[unit].neighbours[0]
        assert found.unit == other
        assert found.cosine == pytest.approx(1.0) and found.correlation == pytest.approx(1.0)
    assert cards[TWIN_A].truth.all.cost == 0
    said = verdict(cards[TWIN_A], fate_of(cut_at(TWIN_A), "conv", TWIN_A)).summary
    assert "filter 2 answers to the same strokes (cosine 1.00, correlation 1.00)" in said


def test_the_filter_that_alone_carries_a_class_is_named_with_it(planted):
    _, _, cards = planted
    card = cards[ALONE]
    assert card.truth.worst == 2
    assert (card.truth.classes[2].lost, card.truth.classes[2].n) == (30, 30)
    assert [c.lost for c in card.truth.classes[:2]] == [0, 0]
    gone = verdict(card, fate_of(cut_at(ALONE), "conv", ALONE), classes=("a", "b", "c"))
    assert gone.kind == WRONG and "criterion was wrong" in gone.judgement
    assert "class “c” alone loses 100.0 (30 of its 30 images)" in gone.summary
    assert verdict(card, fate_of(cut_at(DEAD), "conv", ALONE)).kind == RIGHT
    served = {s.target: s.conductance for s in card.classes}
    assert served[2] > 5 and abs(served[0]) < 0.1 and abs(served[1]) < 0.1
    assert {e.label for e in card.examples} <= {0, 1, 2} and all(e.value > 0 for e in card.examples)


def test_kept_though_free_is_said_and_wrong_once_the_truth_ranks_it_among_those_to_go(planted):
    _, _, cards = planted
    fate = fate_of(cut_at(TWIN_B), "conv", TWIN_A)
    assert verdict(cards[TWIN_A], fate).kind == FREE
    layer = LayerAgreement("conv", (), (0.0, 0.5, 1.0, 0.4), (0.5, 0.0, 0.1, 2.0), (0.0,) * 4, Correlation(0, 0, 0, 4))
    assert (layer.belong(2), layer.costliest(1)) == (0.1, 0)
    agreement = Agreement("l1", "norm", 0.1, 90, 90, "validation", (layer,), Correlation(0, 0, 0, 4), 1)
    told = verdict(cards[TWIN_A], fate, agreement=agreement)
    assert told.kind == WRONG and "kept something free" in told.judgement and "number 1 of 4" in told.judgement


def test_removed_too_early_without_harm_is_luck():
    truth = Truth(0.1, 0.2, 0.01, (Paired(40, 0, 0, 45), Paired(40, 0, 0, 45)), "validation", 90)
    card = UnitCard("conv", 3, "filter", 4, truth=truth)
    layer = LayerAgreement("conv", (), (0.0, 0.5, 1.0, 0.4), (0.0, 0.0, 0.0, 0.1), (0.0,) * 4, Correlation(0, 0, 0, 4))
    agreement = Agreement("l1", "norm", 0.1, 90, 90, "validation", (layer,), Correlation(0, 0, 0, 4), 1)
    fate = fate_of(cut_at(0, ALONE), "conv", ALONE)
    assert verdict(card, fate).kind == RIGHT
    told = verdict(card, fate, agreement=agreement)
    assert told.kind == LUCKY and "number 4 of 4" in told.judgement


def test_without_a_cut_nothing_is_judged(planted):
    _, _, cards = planted
    said = verdict(cards[ALONE], None)
    assert (said.kind, said.judgement) == (UNKNOWN, "") and "no step of this recipe ranks it" in said.summary


def test_the_card_grows_and_never_loses_anything(planted):
    network, data, _ = planted
    cards = list(unit_card(network, "conv", 1, data=data, context=context_of(data)))
    parts = ("kernel", "standings", "neighbours", "responses", "truth", "consumers", "examples", "classes")
    known = [[bool(getattr(card, p) is not None and np.size(getattr(card, p))) for p in parts] for card in cards]
    assert known[0][:3] == [True] * 3 and not any(known[0][3:])
    assert all(b >= a for before, after in itertools.pairwise(known) for a, b in zip(before, after, strict=True))
    assert all(known[-1]) and [c.complete for c in cards] == [False] * (len(cards) - 1) + [True]
    assert [s.criterion for s in cards[-1].standings] == ["l1", "l2", "fpgm", "apoz", "taylor", "hrank"]
    assert cards[-1].kernel.shape == (1, 1, 1)


def test_nothing_is_changed_and_no_hook_stays(branched):
    network, shape = branched
    data = Batch(torch.rand(40, *shape), torch.arange(40) % 5)
    before = copy.deepcopy(network.state_dict())
    last(unit_card(network, "conv2", 3, data=data, context=context_of(data, shape)))
    last(unit_card(network, "conv2", None, data=data, context=context_of(data, shape)))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in network.modules())
    assert not any(p.grad is not None for p in network.parameters())


def test_tied_units_are_said_to_go_together_and_are_measured_together(branched):
    network, shape = branched
    data = Batch(torch.rand(60, *shape), torch.arange(60) % 5)
    found = [
        last(unit_card(network, name, 2, data=data, context=context_of(data, shape))) for name in ("conv1", "conv3")
    ]
    assert [card.tied for card in found] == [("conv3",), ("conv1",)]
    assert found[0].truth == found[1].truth
    assert "as well, since their outputs are added up" in verdict(found[0], None).summary
    (row,) = removal(network, data, layers=["conv3"])
    assert found[0].truth.without == pytest.approx(row.losses[2], rel=1e-6)


def test_a_depthwise_filter_stands_where_the_unit_stands_that_it_passes_on(branched):
    network, shape = branched
    data = Batch(torch.rand(40, *shape), torch.arange(40) % 5)
    found = [last(unit_card(network, n, 4, data=data, context=context_of(data, shape))) for n in ("conv2", "depthwise")]
    assert found[1].tied == ("conv2",)
    assert [s.place for s in found[0].standings] == [s.place for s in found[1].standings]
    assert found[0].truth == found[1].truth and found[1].kernel.shape == (1, 3, 3)


def test_what_cannot_go_says_why_and_what_is_not_there_is_refused(branched):
    network, shape = branched
    data = Batch(torch.rand(40, *shape), torch.arange(40) % 5)
    card = last(unit_card(network, "fc2", 1, data=data, context=context_of(data, shape)))
    assert card.truth is None and "gives the network's answer" in verdict(card, None).summary
    with pytest.raises(WorkbenchError, match="fc1 has 20 neurons, numbered from 0; there is none numbered 20"):
        next(unit_card(network, "fc1", 20, data=data, context=context_of(data, shape)))
    with pytest.raises(WorkbenchError, match="no layer 'relu1'"):
        next(unit_card(network, "relu1", 0, data=data, context=context_of(data, shape)))


def test_it_can_be_stopped(branched):
    network, shape = branched
    data = Batch(torch.rand(40, *shape, generator=torch.Generator().manual_seed(9)), torch.arange(40) % 5)
    stop = context_of(data, shape, progress=Progress(cancelled=lambda: True))
    with pytest.raises(Cancelled):
        list(unit_card(network, "conv2", 0, data=data, context=stop))


# The truth


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(45, 4)
    ).eval()


def small_data(n=80):
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.rand(n, 1, 12, 12, generator=generator), torch.randint(4, (n,), generator=generator))


def test_single_removal_agrees_with_captums_feature_ablation_on_a_layer_mask():
    from captum.attr import LayerFeatureAblation

    network, data = small(), small_data()
    (row,) = removal(network, data, layers=["3"])

    def loss(images):
        return F.cross_entropy(network(images).double(), data.labels, reduction="none")

    maps = network[:5](data.images[:1])
    mask = torch.arange(maps.shape[1])[None, :, None, None].expand(1, -1, *maps.shape[2:])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drop = LayerFeatureAblation(loss, network[4]).attribute(data.images, layer_mask=mask)
    np.testing.assert_allclose(-drop[:, :, 0, 0].mean(0).numpy(), row.changes, atol=1e-6)


def test_classes_lost_and_gained_and_the_error_are_those_of_the_answers():
    network, data = small(), small_data()
    (row,) = removal(network, data, layers=["3"], units=[4, 1])
    assert row.units == (4, 1)
    for i, unit in enumerate(row.units):
        twin = copy.deepcopy(network)
        with torch.no_grad():
            twin[3].weight[unit] = twin[3].bias[unit] = 0
            a, b = network(data.images), twin(data.images)
        right, after = a.argmax(1) == data.labels, b.argmax(1) == data.labels
        for c in range(4):
            own = data.labels == c
            assert row.lost[i][c] == int((right & ~after & own).sum())
            assert row.gained[i][c] == int((~right & after & own).sum())
            assert (row.right[c], row.seen[c]) == (int((right & own).sum()), int(own.sum()))
        changes = F.cross_entropy(b.double(), data.labels, reduction="none")
        changes = changes - F.cross_entropy(a.double(), data.labels, reduction="none")
        assert row.errors[i] == pytest.approx(float(changes.std() / math.sqrt(len(changes))), rel=1e-4)
        assert row.correct[i] == int(after.sum())


def test_a_whole_layer_without_its_norm_leaves_the_shortcut(branched):
    network, shape = branched
    data = Batch(torch.rand(50, *shape), torch.arange(50) % 5)
    row = layer_removal(network, data, "conv3")
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for tensor in (twin.conv3.weight, twin.conv3.bias, twin.bn3.weight, twin.bn3.bias):
            tensor.zero_()
        expected = float(F.cross_entropy(twin(data.images).double(), data.labels))
    assert row.losses == (pytest.approx(expected, rel=1e-5),)
    card = last(unit_card(network, "conv3", None, data=data, context=context_of(data, shape)))
    assert card.truth.without == pytest.approx(expected, rel=1e-5) and card.kind == "layer"


def test_paired_intervals_widen_by_half_a_pair_and_are_never_of_no_width():
    # Agresti and Min: (10 - 2) / 52 and the standard error of (10.5, 2.5) discordant pairs of 52, by hand
    found = Paired(40, 10, 2, 50)
    error = math.sqrt((10.5 + 2.5) - (10.5 - 2.5) ** 2 / 52) / 52
    assert found.interval == pytest.approx((8 / 52 - 1.959964 * error, 8 / 52 + 1.959964 * error), abs=1e-6)
    low, high = Paired(50, 0, 0, 512).interval
    assert low == -high and 0.003 < high < 0.005
    assert found.without.correct == 32


def test_a_class_is_called_hurt_only_beyond_chance():
    quiet = Truth(1, 1, 0, tuple(Paired(40, 1, 1, 50) for _ in range(10)), "validation", 500)
    assert quiet.worst is None
    hurt = Truth(1, 1, 0, (*quiet.classes[:9], Paired(40, 12, 0, 50)), "validation", 500)
    assert hurt.worst == 9


# What it answers to


def test_the_field_of_resnet20_is_that_of_its_arithmetic():
    network = build("resnet20").eval()
    shape = network_named("resnet20").input_shape
    for layer, stride, reach in (("conv1", 1, 1), ("stage1.0.conv1", 1, 2), ("stage2.0.conv1", 2, 8)):
        field = field_of(network, layer, shape, Progress())
        assert len(field.rows) == 32 // stride
        for i, (low, high) in enumerate(field.rows):
            assert (low, high) == (max(0, i * stride - reach), min(32, i * stride + reach + 1))
        assert field.rows == field.columns
    assert field_of(network, "fc", shape, Progress()) is None


def test_the_field_of_lenet5_is_that_of_its_arithmetic():
    network = build("lenet5").eval()
    field = field_of(network, "conv2", (1, 28, 28), Progress())
    assert field.box(0) == (0, 0, 14, 14) and field.box(8 * 2 + 3) == (4, 6, 18, 20)


def test_a_patch_holds_everything_that_the_answer_depends_on():
    network, data = small(), small_data()
    card = last(unit_card(network, "3", 2, data=data, context=context_of(data, (1, 12, 12))))
    best = card.examples[0]
    top, left, bottom, right = best.box
    assert best.patch.shape == (1, bottom - top, right - left)
    image = data.images[best.index].clone()
    with torch.no_grad():
        maps = network[:5](data.images)[:, 2]
    assert best.value == pytest.approx(float(maps.max()), abs=1e-6)
    assert best.index == int(maps.amax((1, 2)).argmax())
    mask = torch.zeros(12, 12, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    image[0][~mask] = 0.5
    with torch.no_grad():
        again = network[:5](image[None])[0, 2]
    assert float(again.flatten()[int(maps[best.index].argmax())]) == pytest.approx(best.value, abs=1e-6)


def test_conductance_adds_up_to_what_the_score_gains():
    network, data = small(), small_data()
    found = conductance(network, "3", data, [0, 1, 2, 3], Progress())
    for row, target in enumerate(found.targets):
        rows = torch.nonzero(data.labels == int(target)).flatten()[: int(found.n[row])]
        with torch.no_grad():
            gain = network(data.images[rows])[:, target] - network(torch.zeros(1, 1, 12, 12))[:, target]
        assert found.each[row].sum() == pytest.approx(float(gain.mean()), abs=0.02)


def test_consumers_lose_what_the_unit_gave_them():
    network, data = small(), small_data()
    card = last(unit_card(network, "0", 3, data=data, context=context_of(data, (1, 12, 12))))
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin[0].weight[3] = twin[0].bias[3] = 0
        a, b = network[:4](data.images).double(), twin[:4](data.images).double()
    (found,) = card.consumers
    each = ((a - b).square().sum((0, 2, 3)) / a.square().sum((0, 2, 3))).sqrt()
    assert found.layer == "3"
    assert found.shift == pytest.approx(float(((a - b).square().sum() / a.square().sum()).sqrt()), rel=1e-5)
    assert (found.hardest, found.hardest_shift) == (int(each.argmax()), pytest.approx(float(each.max()), rel=1e-5))


def test_neighbours_are_those_of_numpy():
    network, data = small(), small_data()
    card = last(unit_card(network, "0", 2, data=data, context=context_of(data, (1, 12, 12))))
    rows = network[0].weight.detach().flatten(1).numpy()
    cosines = [float(rows[2] @ w / np.linalg.norm(rows[2]) / np.linalg.norm(w)) for w in rows]
    cosines[2] = -2
    assert card.neighbours[0].unit == int(np.argmax(cosines))
    assert card.neighbours[0].cosine == pytest.approx(max(cosines), rel=1e-5)


def test_a_sample_is_numbered_as_the_split_is():
    data = small_data()
    batch, indices = sample_of(data, 20, seed=3)
    assert len(indices) == 20 and torch.equal(batch.images, data.images[list(indices)])


# What a recipe did with it


def test_a_later_step_counts_the_units_that_are_left():
    first = Decision("c", "a.b", "norm", "filter", 0.1, 4, 1, (0.1, 0.2, 0.3, 0.4), (False, True, True, True))
    second = Decision("c", "a.c", "mean", "filter", 0.3, 3, 1, (0.5, 0.3, 0.9), (True, False, True))
    fates = [fate_of((first, second), "c", unit) for unit in range(4)]
    assert [(fate.removed, fate.method, fate.place) for fate in fates] == [
        (True, "a.b", 1), (False, "a.c", 2), (True, "a.c", 1), (False, "a.c", 3),
    ]  # fmt: skip
    assert fate_of((first,), "other", 0) is None and fate_of((), "c", 0) is None


def test_the_sentence_says_rank_cut_and_cost():
    classes = tuple(Paired(50, 0, 0, 51) for _ in range(10))
    card = UnitCard("conv2", 3, "filter", 50, truth=Truth(0.1, 0.1, 0.0, classes, "validation", 5000))
    decision = Decision("conv2", "prune.l1_filter", "L1 norm of the filter", "filter", 0.41, 50, 3,
                        tuple(0.39 + 0.01 * i for i in (2, 0, 3, 1, *range(4, 50))),
                        tuple(i not in (0, 1, 3) for i in range(50)))  # fmt: skip
    said = verdict(card, fate_of((decision,), "conv2", 3))
    assert said.kind == RIGHT
    assert said.summary == (
        "Removed: L1 norm of the filter rank 2 of 50, below the cut 0.41; "
        "taking it out alone costs 0.0 points (95 %: −0.4 to 0.4 lost, 510 images)."
    )
