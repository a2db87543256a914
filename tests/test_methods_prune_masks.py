"""Masks of every granularity against torch's own pruning, against formulas, and against counting by hand."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Batch, Context
from workbench.core.errors import OrderError, WorkbenchError
from workbench.core.recipe import Recipe
from workbench.experiment.pipeline import plan
from workbench.methods import parse_step
from workbench.methods._distil import distillation_loss
from workbench.methods.prune._schedules import share_gone
from workbench.methods.prune.granularity_masks import GranularityMasks as Masks
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude_iter import MagnitudeIter
from workbench.train.settings import TrainSettings

SHAPE = (1, 10, 10)


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    head = (nn.Flatten(), nn.Linear(7 * 9, 12), nn.ReLU(), nn.Linear(12, 4))
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 7, 3), nn.ReLU(), nn.MaxPool2d(2), *head).eval()


def context(**more) -> Context:
    images = torch.rand(32, *SHAPE, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(32) % 4
    return Context(**{"input_shape": SHAPE, "calibration": Batch(images, labels), **more})


def masked(lent: Context | None = None, network: nn.Module | None = None, **knobs) -> Compressed:
    return Masks(**knobs).apply(Compressed.of(network or net()), lent or context())


def weights(model: Compressed) -> dict[str, torch.Tensor]:
    return {layer.name: model.weight(layer) for layer in layers_of(model.network)}


def kept(model: Compressed) -> dict[str, np.ndarray]:
    every = {layer.name: model.stored(layer) for layer in layers_of(model.network)}
    return {name: np.ones(e.shape, bool) if e.keep is None else e.keep for name, e in every.items()}


class Trainer:
    """A lent training that moves every weight a little, differently each time, and notes how it was called."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.losses: list[object] = []
        self.seen: list[dict[str, np.ndarray]] = []

    def __call__(self, model, context, *, epochs, learning_rate, loss=None):
        model = model.copy()
        self.seeds.append(context.seed)
        self.losses.append(loss)
        self.seen.append(kept(model))
        noise = torch.Generator().manual_seed(len(self.seeds))
        for layer in layers_of(model.network):
            moved = model.weight(layer) + 0.05 * torch.randn(model.weight(layer).shape, generator=noise)
            stored = model.stored(layer)
            keep = stored.keep
            fresh = type(stored).dense(moved.numpy())
            model.store(layer, fresh if keep is None else fresh.restrict(keep))
        return model


# Against torch


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.973])
def test_weights_per_layer_agree_with_torch(ratio):
    theirs = net()
    for layer in layers_of(theirs):
        module = theirs.get_submodule(layer.name)
        prune.l1_unstructured(module, "weight", amount=round(ratio * module.weight.numel()))
    ours = weights(masked(pruning_ratio=ratio))
    assert all(torch.equal(ours[name], theirs.get_submodule(name).weight) for name in ours)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_weights_of_the_whole_network_agree_with_torch(ratio):
    theirs = net()
    layers = [(theirs.get_submodule(layer.name), "weight") for layer in layers_of(theirs)]
    total = sum(module.weight.numel() for module, _ in layers)
    prune.global_unstructured(layers, prune.L1Unstructured, amount=round(ratio * total))
    model = masked(pruning_ratio=ratio, scope="global")
    assert all(torch.equal(w, theirs.get_submodule(name).weight) for name, w in weights(model).items())
    assert sum(int(k.sum()) for k in kept(model).values()) == total - round(ratio * total)


@pytest.mark.parametrize(("criterion", "n"), [("l1", 1), ("l2", 2)])
def test_kernels_agree_with_torch(criterion, n):
    """torch prunes whole slices along one dimension, so the kernels are laid out along the first."""
    network = net()
    model = masked(pruning_ratio=0.4, granularity="kernel", criterion=criterion)
    for name in ("0", "2"):
        weight = network.get_submodule(name).weight
        flat = nn.Linear(9, weight.shape[0] * weight.shape[1], bias=False)
        flat.weight.data = weight.detach().reshape(-1, 9).clone()
        prune.ln_structured(flat, "weight", amount=round(0.4 * len(flat.weight)), n=n, dim=0)
        assert torch.equal(weights(model)[name].reshape(-1, 9), flat.weight)


@pytest.mark.parametrize("criterion", ["l1", "l2"])
def test_filters_agree_with_torch_and_go_physically(criterion):
    network = net()
    model = masked(pruning_ratio=0.5, granularity="filter", criterion=criterion)
    conv = network[0]
    prune.ln_structured(conv, "weight", amount=3, n=1 if criterion == "l1" else 2, dim=0)
    stays = conv.weight.flatten(1).any(1)
    assert model.network[0].weight.shape == (3, 1, 3, 3)
    assert torch.equal(model.network[0].weight, conv.weight[stays])
    assert model.network[2].weight.shape[1] == 3


# Granularity


def test_kernels_go_whole_and_exactly_as_many():
    model = masked(pruning_ratio=0.4, granularity="kernel")
    for name, keep in kept(model).items():
        each = keep.reshape(keep.shape[0] * keep.shape[1], -1)
        assert (each.all(1) | ~each.any(1)).all()
        decision = next(d for d in model.decisions if d.layer == name)
        assert decision.unit == "kernel"
        assert decision.units == len(each)
        assert (
            decision.removed == round(0.4 * len(each)) == int((~each.any(1)).sum()) == sum(decision.histogram.removed)
        )


@pytest.mark.parametrize("scope", ["per_layer", "global"])
@pytest.mark.parametrize("ratio", [0.3, 0.8, 0.999])
def test_filters_masked_equal_removed(branched, scope, ratio):
    network, shape = branched
    method, lent = Masks(pruning_ratio=ratio, granularity="filter", scope=scope), Context(input_shape=shape)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    small = method.apply(Compressed.of(network), lent).network
    assert torch.allclose(method.masked(Compressed.of(network), lent).network(x), small(x), atol=1e-4)


def test_filters_are_those_of_the_filter_method():
    a = masked(pruning_ratio=0.5, granularity="filter")
    b = L1Filter(pruning_ratio=0.5).apply(Compressed.of(net()), context(layers=("0", "2")))
    assert torch.equal(weights(a)["0"], weights(b)["0"])
    assert {d.layer: d.removed for d in a.decisions} == {"0": 3, "2": 4, "6": 6}


@pytest.mark.parametrize("granularity", ["weight", "kernel", "filter"])
@pytest.mark.parametrize("criterion", ["l1", "l2", "mean", "fpgm", "hrank", "apoz", "taylor", "random"])
def test_every_criterion_works_or_says_what_would(granularity, criterion):
    knobs = {"granularity": granularity, "criterion": criterion, "pruning_ratio": 0.5}
    if granularity == "filter" or criterion not in ("fpgm", "hrank", "apoz"):
        model = masked(**knobs)
        assert all(d.removed == round(0.5 * d.units) for d in model.decisions)
        return
    why = f"{criterion} scores whole filters only; for granularity={granularity} there are l1, l2, mean, taylor, random"
    with pytest.raises(WorkbenchError, match=f"^prune.granularity_masks: {why}.$"):
        masked(**knobs)
    with pytest.raises(OrderError, match=why):
        plan(Recipe("n", "d", (Masks(**knobs).step(),)), net())


def test_taylor_of_weights_is_the_squared_gradient_times_weight():
    network, lent = net(), context()
    parts, total = 0, torch.zeros_like(network[5 + 1].weight)
    for images, labels in zip(lent.calibration.images.split(32), lent.calibration.labels.split(32), strict=True):
        loss = nn.functional.cross_entropy(network(images), labels)
        total, parts = total + (torch.autograd.grad(loss, network[6].weight)[0] * network[6].weight) ** 2, parts + 1
    lowest = torch.argsort((total / parts).flatten().detach(), stable=True)[: round(0.3 * total.numel())]
    model = masked(criterion="taylor", pruning_ratio=0.3)
    assert set(np.flatnonzero(~kept(model)["6"]).tolist()) == set(lowest.tolist())


def test_what_follows_whole_filters_is_what_follows_shapes():
    coded = "quant.kmeans_share:bits=2"
    masks, filters = "prune.granularity_masks", "prune.granularity_masks:granularity=filter"
    assert plan(Recipe("n", "d", (parse_step(coded), parse_step(masks))), net())
    with pytest.raises(OrderError, match="the codes were fitted to the full layer"):
        plan(Recipe("n", "d", (parse_step(coded), parse_step(filters))), net())


# Scope


def test_the_global_threshold_is_the_order_statistic_and_the_same_in_every_layer():
    network = net()
    every = np.sort(np.concatenate([w.abs().numpy().ravel() for w in weights(Compressed.of(network)).values()]))
    model = masked(pruning_ratio=0.7, scope="global")
    assert {d.threshold for d in model.decisions} == {float(every[round(0.7 * every.size) - 1])}
    for name, weight in weights(model).items():
        whole = weights(Compressed.of(network))[name].abs().numpy()
        assert ((whole > model.decisions[0].threshold) == (weight.numpy() != 0)).all()


@pytest.mark.parametrize("granularity", ["weight", "kernel", "filter"])
def test_both_scopes_agree_on_a_single_layer(granularity):
    one = context(layers=("2",))
    a, b = (
        masked(one, pruning_ratio=0.6, scope=scope, granularity=granularity, criterion="l2")
        for scope in ("per_layer", "global")
    )
    assert torch.equal(weights(a)["2"], weights(b)["2"])


@pytest.mark.parametrize("granularity", ["weight", "kernel"])
@pytest.mark.parametrize("scope", ["per_layer", "global"])
def test_no_layer_is_emptied_and_that_is_said(granularity, scope):
    network = net()
    with torch.no_grad():
        network[0].weight.mul_(1e-4)
    model = masked(network=network, pruning_ratio=0.99, scope=scope, granularity=granularity)
    units = {d.layer: d.units - d.removed for d in model.decisions}
    assert units["0"] == 1
    assert min(units.values()) >= 1
    assert f"prune.granularity_masks keeps one {granularity} of 0, since no layer is emptied." in model.notes
    total = sum(d.units for d in model.decisions)
    if scope == "global":
        assert sum(d.removed for d in model.decisions) == round(0.99 * total)


def test_a_layer_that_loses_nothing_is_told():
    network = net()
    with torch.no_grad():
        network[0].weight.mul_(0).add_(100)
    model = masked(network=network, scope="global")
    assert "prune.granularity_masks left 0 whole: what other layers have scores lower." in model.notes


@pytest.mark.parametrize("scope", ["per_layer", "global"])
def test_a_layer_has_its_own_ratio_and_zero_spares_it(scope):
    lent = context(per_layer={"0": {"pruning_ratio": 0.0}, "6": {"pruning_ratio": 0.9}})
    gone = {d.layer: d.removed for d in masked(lent, pruning_ratio=0.5, scope=scope).decisions}
    size = {name: w.numel() for name, w in weights(Compressed.of(net())).items()}
    if scope == "per_layer":
        assert gone == {n: round({"0": 0.0, "6": 0.9}.get(n, 0.5) * size[n]) for n in size}
    else:
        assert gone["0"] == 0
        assert sum(gone.values()) == round(0.5 * (size["2"] + size["8"]) + 0.9 * size["6"])


# Schedules


def test_the_cubic_ramp_is_the_formula():
    """s_t = s_f + (s_i - s_f)(1 - (t - t_0) / (n dt))^3 with s_i = 0, t_0 = 0, dt = 1."""
    for t in range(11):
        assert share_gone(0.9, t / 10, "gradual") == pytest.approx(0.9 + (0 - 0.9) * (1 - t / 10) ** 3, abs=1e-12)
    left = [1 - share_gone(0.9, t / 5, "iterative") for t in range(6)]
    assert [b / a for a, b in itertools.pairwise(left)] == pytest.approx([0.1**0.2] * 5)
    assert share_gone(0.9, 0.2, "one_shot") == 0.9


@pytest.mark.parametrize("scope", ["per_layer", "global"])
@pytest.mark.parametrize(("schedule", "rounds"), [("gradual", 4), ("iterative", 3), ("one_shot", 1)])
def test_every_round_removes_what_the_schedule_says_and_nothing_comes_back(scope, schedule, rounds):
    trainer = Trainer()
    knobs = {"scope": scope, "schedule": schedule, "rounds": 4 if schedule == "one_shot" else rounds}
    model = masked(context(fit=trainer), pruning_ratio=0.9, epochs=1, **knobs)
    assert len(trainer.seen) == rounds == len(set(trainer.seeds))
    for t, seen in enumerate(trainer.seen, 1):
        share = {"gradual": 0.9 - 0.9 * (1 - t / 4) ** 3, "iterative": 1 - 0.1 ** (t / 3), "one_shot": 0.9}[schedule]
        if scope == "global":
            total = sum(k.size for k in seen.values())
            assert sum(int((~k).sum()) for k in seen.values()) == round(share * total)
        else:
            assert all(int((~k).sum()) == round(share * k.size) for k in seen.values())
    for a, b in itertools.pairwise([*trainer.seen, kept(model)]):
        assert not any((b[name] & ~a[name]).any() for name in a)
    assert len(model.decisions) == len(layers_of(model.network)), "only the last round's"


def test_every_round_has_a_seed_that_a_training_takes():
    trainer = Trainer()
    masked(context(fit=trainer), schedule="gradual", pruning_ratio=0.5, epochs=1, rounds=40)
    assert len(set(trainer.seeds)) == 40
    assert all(TrainSettings(seed=seed).seed == seed for seed in trainer.seeds)


def test_supports_of_growing_ratios_are_nested():
    for scope, granularity in itertools.product(("per_layer", "global"), ("weight", "kernel")):
        found = [kept(masked(pruning_ratio=r, scope=scope, granularity=granularity)) for r in (0.2, 0.5, 0.9)]
        assert not any((b[name] & ~a[name]).any() for a, b in itertools.pairwise(found) for name in a)


def test_what_an_earlier_step_removed_stays_removed():
    first = MagnitudeIter(pruning_ratio=0.6).apply(Compressed.of(net()), context())
    before = kept(first)
    after = kept(Masks(pruning_ratio=0.8, criterion="random").apply(first.copy(), context()))
    for name, keep in after.items():
        assert not (keep & ~before[name]).any()
        assert int((~keep).sum()) == round(0.8 * keep.size)


def test_filters_go_round_after_round():
    trainer = Trainer()
    knobs = {"granularity": "filter", "schedule": "gradual", "rounds": 3, "scope": "global"}
    model = masked(context(fit=trainer), pruning_ratio=0.6, epochs=1, **knobs)
    assert len(trainer.seen) == 3
    widths = [[seen[name].shape[0] for name in ("0", "2", "6")] for seen in trainer.seen]
    for t, width in enumerate(widths, 1):
        wanted = 0.6 - 0.6 * (1 - t / 3) ** 3
        assert sum(width) == 25 - sum(round(wanted * n) for n in (6, 7, 12))
    assert sum(d.removed for d in model.decisions) == 25 - sum(widths[-1])


def test_one_shot_without_training_is_magnitude_pruning():
    a = masked(pruning_ratio=0.77)
    b = MagnitudeIter(pruning_ratio=0.77).apply(Compressed.of(net()), context())
    assert all(torch.equal(x, y) for x, y in zip(weights(a).values(), weights(b).values(), strict=True))
    assert [dataclasses.replace(d, method="") for d in a.decisions] == [
        dataclasses.replace(d, method="") for d in b.decisions
    ]


# Training in between


def test_the_teacher_is_asked_when_it_has_a_weight():
    plain, taught, teacher = Trainer(), Trainer(), net(seed=5)
    masked(context(fit=plain), epochs=1)
    assert plain.losses == [None]
    masked(context(fit=taught, teacher=teacher), epochs=1, teacher_weight=0.7, temperature=3.0)
    (loss,), lent = taught.losses, context()
    images, y = lent.calibration.images, lent.calibration.labels
    z = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(loss(z, y, images), distillation_loss(z, teacher(images), y, 3.0, 0.7))
    with pytest.raises(WorkbenchError, match="learns from a teacher"):
        masked(context(fit=taught), epochs=1, teacher_weight=0.7)


def test_codes_stay_codes():
    coded = parse_step("quant.kmeans_share:bits=3")
    (planned,) = plan(Recipe("n", "d", (coded,)), net())
    shared = planned.method.apply(Compressed.of(net()), context())
    both = Masks(pruning_ratio=0.5, scope="global").apply(shared.copy(), context())
    for layer in layers_of(both.network):
        stored = both.stored(layer)
        assert stored.values.kind == "codebook"
        if stored.keep is not None:
            assert np.array_equal(stored.decode()[stored.keep], shared.stored(layer).decode()[stored.keep])


def test_masks_survive_a_round_trip_of_the_state():
    model = masked(pruning_ratio=0.8, scope="global")
    other = net(seed=9)
    other.load_state_dict(model.network.state_dict())
    x = context().calibration.images
    with torch.no_grad():
        assert torch.equal(other(x), model.network(x))


def test_filters_may_follow_a_step_that_left_a_layer_whole():
    """Its weight is on record as dense, and shrinks with its filters."""
    first = masked(context(per_layer={"0": {"pruning_ratio": 0.0}}), pruning_ratio=0.5)
    both = L1Filter(pruning_ratio=0.5).apply(first, context())
    assert all(stored.shape == both.network.state_dict()[name].shape for name, stored in both.encoded.items())
