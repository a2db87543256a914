"""Every filter criterion against a second way of computing it, and what all of them promise."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch_pruning as tp
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Batch, Context
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.layers.channels import groups_of
from workbench.methods.prune import _maps
from workbench.methods.prune._criteria import CRITERIA, Activity, Chance, Distance, Norm, Rank, Taylor, scores_of
from workbench.methods.prune._scores import kept_anywhere, kept_lowest
from workbench.methods.prune.apoz import Apoz
from workbench.methods.prune.fpgm import Fpgm
from workbench.methods.prune.hrank import HRank
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.taylor2019 import Taylor2019

SHAPE = (2, 8, 8)
METHODS = (L1Filter, Fpgm, HRank, Apoz, Taylor2019)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(network, seed=0):
    """`network` with weights from a seed, in eval mode."""
    generator = seeded(seed)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.4
    return network.eval()


def plain():
    """Two convolutions with ReLU and pooling, two linear layers, no BatchNorm."""
    layers = [nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.Flatten()]
    return drawn(nn.Sequential(*layers, nn.Linear(20, 7), nn.ReLU(), nn.Linear(7, 4)))


def context(shape=SHAPE, images=40, classes=4, **more):
    x = torch.rand(images, *shape, generator=seeded(3))
    y = torch.randint(classes, (images,), generator=seeded(4))
    return Context(input_shape=shape, calibration=Batch(x, y), **more)


def loss_of(network, batch):
    with torch.no_grad():
        return float(F.cross_entropy(network(batch.images).double(), batch.labels))


# Geometric median


def test_distance_is_the_sum_over_all_pairs():
    w = torch.randn(7, 3, 3, 3, generator=seeded())
    flat = w.numpy().reshape(7, -1).astype(np.float64)
    by_hand = [sum(np.sqrt(((a - b) ** 2).sum()) for b in flat) for a in flat]
    assert Distance().units(w).numpy() == pytest.approx(by_hand, rel=1e-6)
    norms = np.linalg.norm(flat, axis=1)
    cosine = [
        sum(1 - a @ b / (m * n) for b, n in zip(flat, norms, strict=True)) for a, m in zip(flat, norms, strict=True)
    ]
    assert Distance("cosine").units(w).numpy() == pytest.approx(cosine, rel=1e-5)


def test_distance_does_not_see_where_the_filters_lie():
    w = torch.randn(9, 2, 3, 3, generator=seeded())
    q, _ = torch.linalg.qr(torch.randn(18, 18, generator=seeded(1)))
    shifted, turned = w + torch.randn(2, 3, 3, generator=seeded(2)), (w.flatten(1) @ q).reshape(w.shape)
    for other in (shifted, turned):
        assert Distance().units(other).numpy() == pytest.approx(Distance().units(w).numpy(), rel=1e-5)
    assert not torch.allclose(Norm().units(shifted), Norm().units(w))
    scale = torch.rand(9, 1, 1, 1, generator=seeded(5)) + 0.5
    assert Distance("cosine").units(w * scale).numpy() == pytest.approx(Distance("cosine").units(w).numpy(), rel=1e-4)


def test_planted_duplicates_go_first_whatever_their_norm():
    network = plain()
    filters = network[0].weight.data
    filters.copy_(torch.randn(filters.shape, generator=seeded(8)) * 0.3 + 2.0)
    filters[4] = filters[1] = filters.mean(0)
    model = Fpgm(pruning_ratio=1 / 3).apply(Compressed.of(network), context())
    decision = next(d for d in model.decisions if d.layer == "0")
    assert [i for i, stays in enumerate(decision.kept) if not stays] == [1, 4]
    small = L1Filter(pruning_ratio=1 / 3).apply(Compressed.of(network), context())
    assert next(d for d in small.decisions if d.layer == "0").kept != decision.kept


# Rank of the maps


def test_rank_is_numpys_of_one_map_at_a_time():
    network, lent = plain(), context()
    maps = network[1](network[0](lent.calibration.images)).detach().numpy()
    by_hand = np.mean([[np.linalg.matrix_rank(unit) for unit in image] for image in maps], axis=0)
    assert scores_of("hrank", network, lent)["0"].numpy() == pytest.approx(by_hand)
    assert (by_hand <= 8).all()
    few = scores_of(Rank(images=8), network, lent)["0"].numpy()
    assert few == pytest.approx(np.mean([[np.linalg.matrix_rank(u) for u in image] for image in maps[:8]], axis=0))
    loose = scores_of(Rank(tolerance=0.05), network, lent)["0"].numpy()
    values = np.linalg.svd(maps, compute_uv=False)
    assert loose == pytest.approx((values > 0.05 * values[..., :1]).sum(-1).mean(0))


def test_rank_of_planted_maps():
    a, b = torch.rand(1, 1, 8, 1, generator=seeded()), torch.rand(1, 1, 1, 8, generator=seeded(1))
    maps = torch.cat([torch.zeros(1, 1, 8, 8), a * b, torch.eye(8).view(1, 1, 8, 8)], 1)
    assert Rank().reduce(maps).tolist() == [[0, 1, 8]]
    assert Rank().reduce(torch.tensor([[0.0, 2.0]])).tolist() == [[0, 1]]


def test_ranks_hardly_depend_on_the_images():
    network, lent = plain(), context(images=80)
    network[0].bias.data = torch.linspace(-1.5, 1.0, 6)
    halves = [
        Batch(lent.calibration.images[part], lent.calibration.labels[part]) for part in (slice(40), slice(40, 80))
    ]
    a, b = (scores_of("hrank", network, dataclasses.replace(lent, calibration=half))["0"] for half in halves)
    assert np.corrcoef(a.numpy(), b.numpy())[0, 1] > 0.95


def test_equal_ranks_fall_by_norm_or_in_order():
    network = plain()
    network[0].weight.data.zero_()
    network[0].bias.data.zero_()
    network[0].weight.data[:, 0, 1, 1] = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.5])  # multiples of the image
    kept = {}
    for equal in ("norm", "order"):
        model = HRank(equal=equal, pruning_ratio=0.3).apply(Compressed.of(network), context())
        kept[equal] = next(d for d in model.decisions if d.layer == "0").kept
        assert any("cannot tell the units of 0 apart" in note for note in model.notes) == (equal == "order")
    assert kept["norm"] == (True, True, True, True, False, False)
    assert kept["order"] == (False, False, True, True, True, True)


# Zeros behind the activation


def test_zeros_are_counted_one_by_one():
    network, lent = plain(), context(images=12)
    maps = network[1](network[0](lent.calibration.images)).detach().tolist()
    zeros = [0] * 6
    for image in maps:
        for unit, rows in enumerate(image):
            zeros[unit] += sum(value == 0 for row in rows for value in row)
    apoz = [100 * count / (12 * 64) for count in zeros]
    found = scores_of("apoz", network, lent)
    assert found["0"].numpy() == pytest.approx([100 - share for share in apoz], abs=1e-4)
    hidden = network[:8](lent.calibration.images)
    assert found["6"].numpy() == pytest.approx(100 * (hidden > 0).float().mean(0).numpy(), abs=1e-4)


def test_a_unit_that_is_never_on_goes_and_nothing_changes():
    network, lent = plain(), context()
    network[6].bias.data = torch.tensor([9.0, 9.0, -1e4, 9.0, 9.0, 1e4, 9.0])
    found = scores_of("apoz", network, lent)["6"]
    assert found[2] == 0
    assert found[5] == 100
    model = Apoz(pruning_ratio=1 / 7).apply(Compressed.of(network), dataclasses.replace(lent, layers=("6",)))
    assert next(d for d in model.decisions if d.layer == "6").kept.index(False) == 2
    x = lent.calibration.images
    assert torch.allclose(model.network(x), network(x), atol=1e-5)


def test_the_papers_rule_cuts_at_deviations_from_the_mean():
    network, lent = plain(), context()
    network[6].bias.data = torch.tensor([3.0, 3.0, -9.0, 3.0, 3.0, 3.0, 0.0])
    for k in (0.0, 1.0, 2.0):
        model = Apoz(rule="deviations", deviations=k).apply(Compressed.of(network), lent)
        for decision in model.decisions:
            apoz = 100 - np.array(decision.scores)
            assert decision.removed == min((apoz > apoz.mean() + k * apoz.std() + 1e-9).sum(), len(apoz) - 1)


def test_where_nothing_makes_zeros_it_says_so():
    network = drawn(nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 4)))
    model = Apoz(pruning_ratio=0.5).apply(Compressed.of(network), context())
    assert "prune.apoz cannot tell the units of 0 apart, all score 100: the first go." in model.notes


@pytest.mark.parametrize("inplace", [False, True])
def test_maps_are_those_behind_norm_and_sum_and_pool(inplace):
    class Summed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.bn = nn.Conv2d(2, 4, 3), nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)
            self.relu, self.c = nn.ReLU(inplace=inplace), nn.Conv2d(4, 3, 1)

        def forward(self, x):
            x = self.c(self.relu(F.max_pool2d(self.bn(self.a(x)) + self.b(x), 2)))
            return torch.cat([x, x * 2], 1).mean((2, 3))

    network, x = drawn(Summed()), context().calibration.images
    seen, looked_at = {}, copy.deepcopy(network)
    looked_at.relu.register_forward_hook(lambda _m, _i, out: seen.update(ab=out.clone()))
    looked_at.c.register_forward_hook(lambda _m, _i, out: seen.update(c=out.clone()))
    looked_at(x)
    found = _maps.per_map(network, x, ["a", "b", "c"], lambda maps: maps.sum((2, 3)), Progress())
    for name, maps in (("a", "ab"), ("b", "ab"), ("c", "c")):
        assert torch.allclose(found[name], seen[maps].sum((2, 3)), atol=1e-5)


# Taylor expansion


def test_first_order_is_the_slope_of_the_loss_along_the_gate():
    """Finite differences, with the gate on what reads the unit."""
    network, lent = plain().double(), context(images=32)
    batch = Batch(lent.calibration.images.double(), lent.calibration.labels)
    scores = scores_of(Taylor(batch=32), plain(), lent)
    for unit in range(6):
        losses = []
        for gate in (1 + 1e-5, 1 - 1e-5):
            gated = copy.deepcopy(network)
            gated[3].weight.data[:, unit] *= gate
            losses.append(loss_of(gated, batch))
        slope = (losses[0] - losses[1]) / 2e-5
        assert float(scores["0"][unit]) == pytest.approx(slope**2, rel=1e-3, abs=1e-9)


def test_the_gate_is_the_one_behind_batchnorm_also_over_a_sum(branched):
    """(gamma dL/dgamma + beta dL/dbeta), added over the tied layers and squared; averaged over mini-batches."""
    network, shape = branched
    lent = context(shape, images=24, classes=5)
    x, y = lent.calibration.images, lent.calibration.labels
    found = scores_of(Taylor(batch=8), network, lent)
    own = copy.deepcopy(network)
    by_hand = torch.zeros(8)
    for part in range(3):
        own.zero_grad()
        F.cross_entropy(own(x[8 * part : 8 * part + 8]), y[8 * part : 8 * part + 8]).backward()
        change = sum(bn.weight * bn.weight.grad + bn.bias * bn.bias.grad for bn in (own.bn1, own.bn3))
        by_hand += change.detach() ** 2 / 3
    assert found["conv1"].numpy() == pytest.approx(by_hand.numpy(), rel=1e-3, abs=1e-9)
    assert torch.equal(found["conv1"], found["conv3"])


def test_it_is_the_squared_change_of_the_loss_when_that_is_small():
    """A unit that is read faintly: the second order is nearer to the truth than the first, and both are near."""
    network, lent = plain(), context(images=32)
    network[3].weight.data *= 0.01
    batch = lent.calibration
    dense, first = loss_of(network, batch), scores_of(Taylor(batch=32), network, lent)["0"]
    second = scores_of(Taylor("gate_second_order", batch=32), network, lent)["0"]
    truth = []
    for unit in range(6):
        without = copy.deepcopy(network)
        without[3].weight.data[:, unit] = 0
        truth.append((loss_of(without, batch) - dense) ** 2)
    truth = np.array(truth)
    assert first.numpy() == pytest.approx(truth, rel=0.25)
    assert np.abs(second.numpy() - truth).sum() < 0.3 * np.abs(first.numpy() - truth).sum()


def test_gauss_newton_is_the_hessian_where_gates_enter_linearly():
    network, lent = plain(), context(images=6)
    group = next(g for g in groups_of(network, SHAPE) if g.producers == ("0",))
    both = {form: scores_of(Taylor(form, batch=6), network, lent)["0"] for form in ("gate", "gate_second_order")}
    assert group.count == 6

    def loss(gates):
        maps = network[2](network[1](network[0](lent.calibration.images))) * gates.view(1, 6, 1, 1)
        maps = network[4](network[3](maps) * 1.0)
        return F.cross_entropy(network[5:](maps), lent.calibration.labels)

    ones = torch.ones(6)
    slope = torch.autograd.functional.jacobian(loss, ones)
    curvature = torch.autograd.functional.hessian(loss, ones).diagonal()
    assert both["gate"].numpy() == pytest.approx((slope**2).numpy(), rel=1e-3, abs=1e-10)
    assert both["gate_second_order"].numpy() == pytest.approx(((slope - curvature / 2) ** 2).numpy(), rel=1e-2)


def test_forms_by_weight_add_and_square_exactly():
    network, lent = plain(), context(images=20)
    own = copy.deepcopy(network)
    F.cross_entropy(own(lent.calibration.images), lent.calibration.labels).backward()
    product = (own[0].weight * own[0].weight.grad).detach().flatten(1)
    bias = (own[0].bias * own[0].bias.grad).detach()
    by_filter = scores_of(Taylor("filter", batch=20), network, lent)["0"]
    by_weight = scores_of(Taylor("weights", batch=20), network, lent)["0"]
    assert by_filter.numpy() == pytest.approx(((product.sum(1) + bias) ** 2).numpy(), rel=1e-3)
    assert by_weight.numpy() == pytest.approx((product**2).sum(1).numpy(), rel=1e-3)
    gate = scores_of(Taylor("gate", batch=20), network, lent)["0"]
    assert gate.numpy() == pytest.approx(by_filter.numpy(), rel=1e-3), "without BatchNorm both scale the same output"
    weights = Taylor(batch=20).weights(network, lent, ["0"])["0"]
    assert weights.flatten(1).sum(1).numpy() == pytest.approx(by_weight.numpy(), rel=1e-3)


def test_the_order_of_the_batches_does_not_matter():
    network, lent = plain(), context(images=32)
    turned = Batch(lent.calibration.images.roll(8, 0), lent.calibration.labels.roll(8, 0))
    a = scores_of(Taylor(batch=8), network, lent)
    b = scores_of(Taylor(batch=8), network, dataclasses.replace(lent, calibration=turned))
    assert all(torch.allclose(a[name], b[name], rtol=1e-5) for name in a)
    assert not torch.allclose(a["0"], scores_of(Taylor(batch=32), network, lent)["0"], rtol=1e-3)


# Beside torch-pruning, on the same weights


def group_in(network, name):
    graph = tp.DependencyGraph().build_dependency(network, torch.zeros(1, *SHAPE))
    return graph.get_pruning_group(network.get_submodule(name), tp.prune_conv_out_channels, list(range(6)))


def test_l1_and_taylor_agree_with_torch_pruning():
    network, lent = plain(), context(images=20)
    l1 = tp.importance.GroupMagnitudeImportance(p=1, group_reduction="first", normalizer=None)(group_in(network, "0"))
    assert scores_of("l1", network, lent)["0"].numpy() == pytest.approx(l1.numpy(), rel=1e-5)
    own = copy.deepcopy(network)
    F.cross_entropy(own(lent.calibration.images), lent.calibration.labels).backward()
    imp = tp.importance.GroupTaylorImportance(group_reduction="first", normalizer=None, multivariable=True, bias=False)(
        group_in(own, "0")
    )
    bare = copy.deepcopy(network)  # it leaves the bias out of a filter, and takes the root of the square
    bias = own[0].bias.grad * own[0].bias
    ours = Taylor("filter", batch=20)._by_weight(bare, lent, ["0"])["0"][0] - bias.detach()
    assert ours.abs().numpy() == pytest.approx(imp.numpy(), rel=1e-3)


def test_fpgm_differs_from_torch_pruning_by_what_that_measures():
    """It takes |w|^p before the distance, so that a filter and its negative are one; for p = 1 and w > 0 both agree."""
    network, lent = plain(), context()
    theirs = tp.importance.FPGMImportance(p=1, group_reduction="first", normalizer=None)
    ours = scores_of("fpgm", network, lent)["0"]
    assert not np.allclose(theirs(group_in(network, "0")).numpy(), ours.numpy(), rtol=1e-2)
    network[0].weight.data.abs_()
    ours = scores_of("fpgm", network, lent)["0"]
    assert theirs(group_in(network, "0")).numpy() == pytest.approx(ours.numpy(), rel=1e-4)


# What all of them promise


@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "random"])
def test_a_dead_filter_scores_lowest(name):
    """For the distance too: filters scatter around zero, which is where their geometric median lies."""
    network = plain()
    network[0].weight.data[3], network[0].bias.data[3] = 0, 0
    scores = scores_of(name, network, context())["0"]
    assert int(scores.argmin()) == 3
    assert (scores >= 0).all()
    assert scores.isfinite().all()
    if name in ("l1", "l2", "mean", "hrank", "apoz", "taylor"):
        assert scores[3] == 0


def test_norms_scale_with_the_filter_and_the_others_do_not_see_its_units():
    """A filter twice as large, read by half as much, is the same filter to the network."""
    network, lent = plain(), context()
    other = copy.deepcopy(network)
    other[0].weight.data[2] *= 2
    other[0].bias.data[2] *= 2
    other[3].weight.data[:, 2] /= 2
    for name in ("hrank", "apoz", "taylor"):
        assert torch.allclose(scores_of(name, network, lent)["0"], scores_of(name, other, lent)["0"], rtol=1e-4)
    for name in ("l1", "l2", "mean"):
        a, b = scores_of(name, network, lent)["0"], scores_of(name, other, lent)["0"]
        assert float(b[2]) == pytest.approx(2 * float(a[2]))


def test_the_scores_are_those_that_the_methods_record(branched):
    network, shape = branched
    lent = context(shape, classes=5)
    for cls, name in zip(METHODS, ("l1", "fpgm", "hrank", "apoz", "taylor"), strict=True):
        scores = scores_of(name, network, lent)
        decisions = cls(pruning_ratio=0.5).apply(Compressed.of(network), lent).decisions
        assert decisions
        for decision in decisions:
            assert decision.scores == tuple(scores[decision.layer].tolist())
            assert decision.criterion == CRITERIA[name].title


@pytest.mark.parametrize("name", CRITERIA)
def test_nothing_is_left_behind_and_asking_again_is_free(name, branched, monkeypatch):
    network, shape = branched
    network.requires_grad_(False)
    lent = context(shape, classes=5)
    before = copy.deepcopy(network.state_dict())
    first = scores_of(name, network, lent)
    monkeypatch.setattr(type(network), "forward", None)
    again = scores_of(name, network, lent)
    assert all(torch.equal(first[layer], again[layer]) for layer in first)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in network.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    monkeypatch.undo()
    network.conv2.weight.data += 0.5
    assert not all(torch.equal(first[k], v) for k, v in scores_of(name, network, lent).items()) or name == "random"


@pytest.mark.parametrize("name", ["hrank", "apoz", "taylor"])
def test_data_criteria_can_be_stopped_and_need_images(name, branched):
    network, shape = branched
    network.conv1.weight.data += 0.01  # not remembered from another test
    lent = context(shape, classes=5)
    with pytest.raises(Cancelled):
        scores_of(name, network, lent.with_progress(Progress(cancelled=lambda: True)))
    with pytest.raises(WorkbenchError, match=r"and there is no dataset\.$"):
        scores_of(name, network, dataclasses.replace(lent, calibration=None))


def test_single_weights_have_scores_where_that_makes_sense():
    network, lent = plain(), context()
    for name, criterion in CRITERIA.items():
        if criterion.weighs:
            assert criterion.weights(network, lent, ["0", "6"])["6"].shape == network[6].weight.shape
        else:
            with pytest.raises(WorkbenchError, match="is for whole filters; single weights have no such score"):
                criterion.weights(network, lent, ["0"])
        assert criterion.title
        assert name in ("random", "l1", "l2", "mean", "fpgm", "hrank", "apoz", "taylor")
    with pytest.raises(WorkbenchError, match="There is no criterion 'nonsense'; there are l1, l2, mean"):
        scores_of("nonsense", network, lent)


def test_tied_layers_share_a_score(branched):
    network, shape = branched
    lent = context(shape, classes=5)
    for name, join in (("l1", torch.sum), ("fpgm", torch.sum), ("hrank", torch.mean), ("apoz", torch.mean)):
        own = CRITERIA[name].layers(network, lent, ["conv1", "conv3"])
        both = join(torch.stack([own["conv1"], own["conv3"]]), 0)
        assert torch.allclose(scores_of(name, network, lent)["conv1"], both)
    assert (
        len(set(map(tuple, (scores_of(Chance(), network, lent)[n].tolist() for n in ("conv1", "conv2", "side"))))) == 3
    )


def test_a_layer_has_its_own_norm_and_distance():
    network = plain()
    for cls, knob, other in (
        (L1Filter, {"norm": "l2"}, Norm("l2")),
        (Fpgm, {"distance": "cosine"}, Distance("cosine")),
    ):
        model = cls().apply(Compressed.of(network), context(per_layer={"3": knob}))
        scores = {d.layer: d.scores for d in model.decisions}
        assert scores["3"] == tuple(other.units(network[3].weight.detach()).tolist())
        assert scores["0"] == tuple(cls().ranking().units(network[0].weight.detach()).tolist())


# How many go


def test_ties_fall_in_order_and_one_unit_stays():
    assert kept_lowest(torch.ones(4), 2).tolist() == [False, False, True, True]
    assert kept_lowest(torch.ones(4), 2, torch.tensor([4.0, 1.0, 3.0, 2.0])).tolist() == [True, False, True, False]
    assert kept_lowest(torch.tensor([3.0, 1.0]), 5).tolist() == [True, False]
    everywhere = kept_anywhere([torch.tensor([1.0, 2.0]), torch.tensor([5.0, 1.5, 9.0])], 3)
    assert [keep.tolist() for keep in everywhere] == [[False, True], [False, False, True]]


def test_network_scope_takes_the_lowest_anywhere_and_spares_a_ratio_of_zero():
    network, lent = plain(), context()
    model = Taylor2019(pruning_ratio=0.4).apply(Compressed.of(network), lent)
    pairs = [(s, kept) for d in model.decisions for s, kept in zip(d.scores, d.kept, strict=True)]
    assert sum(not kept for _, kept in pairs) == round(0.4 * 6) + round(0.4 * 5) + round(0.4 * 7)
    assert max(s for s, kept in pairs if not kept) <= min(s for s, kept in pairs if kept)
    spared = Taylor2019(pruning_ratio=0.4).apply(
        Compressed.of(network), dataclasses.replace(lent, per_layer={"6": {"pruning_ratio": 0.0}})
    )
    assert {d.layer: d.removed for d in spared.decisions}["6"] == 0
    assert not any("removed nothing from 6" in note for note in spared.notes), "nothing was asked for there"
    network[8].weight.data *= 1e-3
    quiet = Taylor2019(pruning_ratio=0.2).apply(Compressed.of(network), lent)
    assert "prune.taylor2019 removed nothing from 0: units of other layers score lower." in quiet.notes
    each = Taylor2019(pruning_ratio=0.4, scope="layer").apply(Compressed.of(network), lent)
    assert [d.removed for d in each.decisions] == [2, 2, 3]


@pytest.mark.parametrize("cls", [Apoz, Taylor2019])
def test_rounds_score_anew_train_in_between_and_end_at_the_same_count(cls):
    network, lent, trained = plain(), context(), []

    def fit(model, context, *, epochs, learning_rate, loss=None):
        trained.append((epochs, sum(p.numel() for p in model.network.parameters())))
        return model.copy()

    lent = dataclasses.replace(lent, fit=fit)
    once = cls(pruning_ratio=0.5).apply(Compressed.of(network), lent)
    method = cls(pruning_ratio=0.5, rounds=3, epochs=2)
    model = method.apply(Compressed.of(network), lent)
    assert [epochs for epochs, _ in trained] == [2, 2, 2]
    assert sorted((size for _, size in trained), reverse=True) == [size for _, size in trained]
    assert sum(d.removed for d in model.decisions) == sum(d.removed for d in once.decisions)
    for decision in model.decisions:
        left = model.network.get_submodule(decision.layer).weight
        assert len(decision.scores) == network.get_submodule(decision.layer).weight.shape[0]
        assert decision.kept.count(True) == left.shape[0]
        if decision.layer == "0":  # nothing before it has changed, so what stays are its own filters
            assert torch.equal(left, network[0].weight[torch.tensor(decision.kept)])
    masked = method.masked(Compressed.of(network), lent)
    x = lent.calibration.images
    assert torch.allclose(masked.network(x), model.network(x), atol=1e-4)


def test_methods_work_on_what_earlier_steps_have_left():
    network, lent = plain(), context()
    for first in (L1Filter, Taylor2019):
        model = first(pruning_ratio=0.3).apply(Compressed.of(network), lent)
        for second in METHODS:
            both = second(pruning_ratio=0.3).apply(model.copy(), lent)
            own = both.decisions[len(model.decisions) :]
            for decision in own:
                assert decision.units == model.network.get_submodule(decision.layer).weight.shape[0]
            assert any(decision.removed for decision in own)


def test_activity_of_a_silent_map_is_zero():
    assert Activity().reduce(torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])).tolist() == [[25.0]]
