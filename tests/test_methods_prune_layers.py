"""Whole layers taken out, against blocks run by hand, sums of weights, and multiplications counted on paper."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Batch, Context
from workbench.core.errors import OrderError, WorkbenchError
from workbench.core.recipe import Recipe
from workbench.experiment.pipeline import plan
from workbench.layers.branches import branches_of
from workbench.measure.macs import total_macs
from workbench.methods import parse_step
from workbench.methods.prune._criteria import criterion_named
from workbench.methods.prune.granularity_masks import GranularityMasks as Masks
from workbench.methods.prune.l1_filter import L1Filter
from workbench.networks import build
from workbench.networks.artifact import pack_model, unpack_model

SHAPE = (3, 8, 8)
FREE = [f"stage{s}.{b}" for s in (1, 2, 3) for b in range(3) if (s, b) not in ((2, 0), (3, 0))]


@pytest.fixture(scope="module")
def network():
    """Its BatchNorms have seen something, so that forgetting one shows."""
    found = build("resnet20", 0, input_shape=SHAPE)
    torch.manual_seed(1)
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return found.eval()


def context(**more) -> Context:
    images = torch.rand(16, *SHAPE, generator=torch.Generator().manual_seed(3))
    return Context(**{"input_shape": SHAPE, "calibration": Batch(images, torch.arange(16) % 10), **more})


def without(network: nn.Module, lent: Context | None = None, **knobs) -> Compressed:
    return Masks(granularity="layer", **knobs).apply(Compressed.of(network), lent or context())


def blocks_left(model: Compressed) -> list[str]:
    names = [layer.name for layer in layers_of(model.network)]
    return [block for block in FREE if f"{block}.conv1" in names]


def by_hand(network: nn.Module, gone: list[str], x: Tensor) -> Tensor:
    """The forward pass, where blocks that are gone hand on what they are given."""
    x = network.relu1(network.bn1(network.conv1(x)))
    for stage in (1, 2, 3):
        for i, block in enumerate(getattr(network, f"stage{stage}")):
            x = torch.relu(x) if f"stage{stage}.{i}" in gone else block(x)
    return network.fc(x.mean((2, 3)))


def by_block(network: nn.Module, criterion: str) -> dict[str, float]:
    """What the criterion says of single weights, a block's together; of a norm worked out here."""
    names = [f"{b}.conv{i}" for b in FREE for i in (1, 2)]
    found = criterion_named(criterion).weights(network, context(), names)
    if criterion in ("l1", "l2", "mean"):
        found = {name: network.get_submodule(name).weight.detach().abs() for name in names}
    both = {b: torch.cat([found[f"{b}.conv{i}"].flatten() for i in (1, 2)]) for b in FREE}
    means = {"l2": lambda w: w.square().sum().sqrt(), "mean": torch.mean, "random": torch.mean}
    return {b: float(means.get(criterion, torch.sum)(w)) for b, w in both.items()}


# What can go


def test_blocks_that_keep_the_shape_can_go_and_others_not(network):
    found = branches_of(network, SHAPE)
    assert [b.layers for b in found] == [(f"{b}.conv1", f"{b}.conv2") for b in FREE]
    assert found[0].modules == tuple(f"stage1.0.{m}" for m in ("conv1", "bn1", "conv2", "bn2"))


class Parts(nn.Module):
    """A branch added in place, one behind a ReLU, one that is multiplied, one put beside, one that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.inside, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()
        self.rectified = nn.Conv2d(4, 4, 1)
        self.gate, self.beside, self.twice = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.fc, self.more = nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.inside(x)
        y += x
        x = y + self.relu(self.rectified(y))
        x = x * torch.sigmoid(self.gate(x))
        for _ in range(2):
            x = x + self.twice(x)
        x = torch.cat([x, self.beside(x)], 1).mean((2, 3))
        return self.more(self.fc(x) + x)


def test_only_what_is_added_once_to_its_own_input_can_go():
    torch.manual_seed(0)
    found = branches_of(Parts().eval(), (3, 8, 8))
    assert [b.layers for b in found] == [("inside",), ("rectified",), ("fc",)]


def test_a_branch_may_begin_where_another_ends():
    """As in MobileNet V2: the sum's other side is the result of a layer that everything behind needs."""
    torch.manual_seed(0)
    found = branches_of(build("mobilenet_v2", 0, input_shape=(3, 16, 16)).eval(), (3, 16, 16))
    assert len(found) == 10
    assert all(b.layers[0].endswith("expand.conv") and b.layers[-1].endswith("project.conv") for b in found)


# What is left


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.6, 0.999])
def test_the_rest_computes_what_the_blocks_do_by_hand(network, ratio):
    model, x = without(network, pruning_ratio=ratio), torch.rand(3, *SHAPE)
    gone = [block for block in FREE if block not in blocks_left(model)]
    assert len(gone) == round(7 * ratio)
    with torch.no_grad():
        assert torch.allclose(model.network(x), by_hand(network, gone, x), atol=1e-4)
    masked = Masks(granularity="layer", pruning_ratio=ratio).masked(Compressed.of(network), context())
    with torch.no_grad():
        assert torch.allclose(model.network(x), masked.network(x), atol=1e-4)


@pytest.mark.parametrize("criterion", ["l1", "l2", "mean", "taylor", "random"])
def test_the_lowest_go(network, criterion):
    model = without(network, pruning_ratio=0.45, criterion=criterion)
    scores = by_block(network, criterion)
    gone = sorted(set(FREE) - set(blocks_left(model)))
    assert gone == sorted(sorted(scores, key=scores.get)[:3])
    assert {d.layer.rpartition(".")[0] for d in model.decisions if d.removed} == set(gone)
    assert all(d.threshold == pytest.approx(sorted(scores.values())[2], rel=1e-4) for d in model.decisions)
    assert all((sum(d.histogram.removed), sum(d.histogram.kept)) == (3, 4) for d in model.decisions)
    assert not any(d.kept or d.scores for d in model.decisions), "they would be taken for the fates of filters"


def test_what_goes_costs_nothing_any_more(network):
    model = without(network, pruning_ratio=0.3)
    gone = [block for block in FREE if block not in blocks_left(model)]
    width, side = {"1": 16, "2": 32, "3": 64}, {"1": 8, "2": 4, "3": 2}
    saved = sum(2 * 9 * width[b[5]] ** 2 * side[b[5]] ** 2 for b in gone)
    assert total_macs(model.network, SHAPE) == total_macs(network, SHAPE) - saved
    assert not any(name.startswith(tuple(f"{b}." for b in gone)) for name in model.network.state_dict())


def test_a_file_says_what_is_gone(network):
    model, x = without(network, pruning_ratio=0.6), torch.rand(2, *SHAPE)
    recipe = '{"network":"resnet20","dataset":"cifar10"}'
    packed = pack_model(model, network="resnet20", dataset="d", input_shape=SHAPE, classes=10, recipe_json=recipe)
    with torch.no_grad():
        assert torch.equal(unpack_model(packed.data).network(x), model.network(x))


def test_filters_and_codes_may_follow(network):
    model = without(network, pruning_ratio=0.3)
    smaller = L1Filter(pruning_ratio=0.5).apply(model.copy(), context())
    assert smaller.network.get_submodule("conv1").out_channels == 8
    steps = "prune.granularity_masks:granularity=layer", "prune.l1_filter", "quant.kmeans_share"
    assert plan(Recipe("resnet20", "cifar10", tuple(map(parse_step, steps))), network)
    with pytest.raises(OrderError, match="codes were fitted to the full layer"):
        plan(Recipe("resnet20", "cifar10", tuple(map(parse_step, reversed(steps)))), network)


# Rounds, layers of one's own, refusals


def test_rounds_take_as_many_and_train_in_between(network):
    seen = []

    def fit(model, lent, *, epochs, learning_rate, loss=None):
        seen.append(len(blocks_left(model)))
        return model.copy()

    model = without(network, context(fit=fit), pruning_ratio=0.6, schedule="gradual", rounds=3, epochs=1)
    assert seen == [7 - round(7 * 0.6 * share) for share in (1 - (2 / 3) ** 3, 1 - (1 / 3) ** 3, 1)]
    assert sum(d.removed for d in model.decisions) == 2 * round(7 * 0.6)
    assert len(model.decisions) == 14


def test_a_step_for_some_layers_takes_only_branches_that_are_in_it_as_a_whole(network):
    some = context(layers=("stage1.0", "stage1.1.conv1"))
    model = without(network, some, pruning_ratio=0.9)
    assert blocks_left(model) == FREE[1:]
    assert any("left stage1.1.conv1 whole: not in a branch" in note for note in model.notes)
    own = context(per_layer={"stage1": {"pruning_ratio": 0.0}, "stage2.1": {"pruning_ratio": 0.0}})
    assert set(blocks_left(without(network, own, pruning_ratio=0.9))) >= {*FREE[:4]}


def test_too_small_a_share_says_that_nothing_went(network):
    model = without(network, pruning_ratio=0.05)
    assert blocks_left(model) == FREE
    assert any("removed nothing: 0.05 of 7 branches is under one" in note for note in model.notes)


def test_networks_without_such_a_branch_are_refused_in_a_sentence():
    with pytest.raises(WorkbenchError, match="cannot take layers out of this network: only a whole branch can go"):
        Masks(granularity="layer").apply(Compressed.of(build("lenet5", 0)), Context((1, 28, 28)))


def test_criteria_of_filters_alone_are_refused(network):
    with pytest.raises(WorkbenchError, match="hrank scores whole filters only; for granularity=layer"):
        without(network, criterion="hrank")
