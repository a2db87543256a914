"""Masked equals removed: over the zoo, over torchvision, and on what DepGraph misreads."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Context
from workbench.layers.channels import IN, OUT, Group, groups_of, kept_positions, shrink
from workbench.layers.flow import flow_of
from workbench.layers.watch import watch
from workbench.methods.prune.l1_filter import L1Filter
from workbench.networks import build, network_named, networks

LARGE = ("alexnet", "resnet56", "vgg16")
TORCHVISION = [
    f"torchvision/{name}"
    for name in (
        *("resnet50", "densenet121", "mobilenet_v3_small", "googlenet"),
        *("shufflenet_v2_x1_0", "squeezenet1_0", "alexnet", "vgg16"),
    )
]
METHOD = L1Filter(pruning_ratio=0.3)


def warmed(network: nn.Module) -> nn.Module:
    """Every BatchNorm has seen something, so that forgetting a shift or a scale shows."""
    random = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=random)
            module.running_var.uniform_(0.5, 2, generator=random)
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=random)
                module.bias.normal_(0, 0.3, generator=random)
    return network.eval()


def both(network: nn.Module, shape: tuple[int, ...]) -> tuple[Compressed, float, float]:
    """The removed network, the largest difference to the masked one, and the largest score; both as one number."""
    context = Context(input_shape=shape)
    masked = METHOD.masked(Compressed.of(network), context)
    removed = METHOD.apply(Compressed.of(network), context)
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        a, b = masked.network(x), removed.network(x)
    return removed, float((a - b).abs().max()), float(a.abs().max())


def size(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def row(name: str) -> str:
    """Check one network; a line of the table."""
    start, spec = time.perf_counter(), network_named(name)
    network = warmed(build(name))
    groups = groups_of(network, spec.input_shape)
    removed, difference, largest = both(network, spec.input_shape)
    assert difference <= 1e-4 * largest
    left = sum(bool(group.refusal) for group in groups)
    if name not in ("alexnet", "lenet_300_100"):  # neither has a convolution that can lose a filter
        assert size(removed.network) < 0.85 * spec.parameters
        assert left == 1 or "shufflenet" in name
    seconds = time.perf_counter() - start
    return (
        f"{name:32} {len(groups):4} groups, {left:2} whole, {spec.parameters:11,} -> {size(removed.network):11,} "
        f"parameters, differ by {difference:.0e} of {largest:.0e}, {seconds:.1f} s"
    )


@pytest.mark.parametrize("name", [name for name in networks() if name not in LARGE])
def test_masked_equals_removed_over_the_zoo(name: str) -> None:
    row(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LARGE, *TORCHVISION])
def test_masked_equals_removed_on_large_networks(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = row(name)
    with capsys.disabled():
        print("\n" + line)


def test_what_is_shuffled_stays_and_what_is_inside_a_unit_goes() -> None:
    network = build("shufflenet_v2")
    groups = {group.producers[0]: group for group in groups_of(network, (3, 32, 32))}
    assert not groups["stage2.1.branch.first.conv"].refusal
    assert "go through stage2.1.shuffle" in groups["stage2.1.branch.last.conv"].refusal
    assert not groups["head.conv"].refusal and "answer" in groups["fc"].refusal
    model = METHOD.apply(Compressed.of(network), Context(input_shape=(3, 32, 32)))
    assert any("go through stage2.1.shuffle" in note for note in model.notes)


def test_original_alexnet_says_why_each_layer_stays() -> None:
    spec = network_named("alexnet")
    groups = {group.producers: group for group in flow(spec.build().eval(), spec.input_shape)}
    assert "norm1" in groups["conv1",].refusal and "grouped" in groups["conv2",].refusal
    assert "conv4 is a grouped" in groups["conv3",].refusal and sides(groups["fc6",], IN) == ("fc7",)


def flow(network: nn.Module, shape: tuple[int, ...]) -> list[Group]:
    """What following the channels finds, before anything is tried out."""
    return flow_of(network, watch(network, shape), shape)


def sides(group: Group, side: str) -> tuple[str, ...]:
    return tuple(member.module for member in group.members if member.side == side)


class Flattened(nn.Module):
    """Two branches side by side, flattened together: DepGraph mixes up whose columns are whose."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__()
        self.stem, self.relu, self.flatten = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten()
        self.left, self.right = nn.Conv2d(8, left, 1), nn.Conv2d(8, right, 1)
        self.fc = nn.Linear((left + right) * 64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.stem(x))
        return self.fc(self.flatten(torch.cat([self.left(x), self.right(x)], 1)))


@pytest.mark.parametrize(("left", "right"), [(6, 4), (5, 5), (4, 6)])
def test_a_concatenation_before_a_flatten_is_never_wrong(left: int, right: int) -> None:
    torch.manual_seed(0)
    network = Flattened(left, right).eval()
    removed, difference, largest = both(network, (3, 8, 8))
    assert difference <= 1e-5 * largest
    assert removed.network.stem.out_channels == 6
    assert removed.network.left.out_channels == left - round(0.3 * left)
    assert removed.network.right.out_channels == right - round(0.3 * right)


class Normed(nn.Module):
    """Response normalisation counts neighbouring channels, and removing one gives others new neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm, self.conv2 = nn.Conv2d(3, 8, 3), nn.LocalResponseNorm(3, alpha=1.0), nn.Conv2d(8, 8, 3)
        self.relu, self.conv3, self.pool = nn.ReLU(), nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv2(self.norm(self.conv1(x))))
        return self.flatten(self.pool(self.conv3(x)))


def test_a_group_that_would_change_more_is_left_whole_and_the_others_are_not() -> None:
    torch.manual_seed(0)
    removed, difference, largest = both(Normed().eval(), (3, 12, 12))
    assert difference <= 1e-5 * largest
    assert (removed.network.conv1.out_channels, removed.network.conv2.out_channels) == (8, 6)
    assert any("left conv1 whole" in note for note in removed.notes)


class Shuffled(nn.Module):
    """Norm, depthwise and flatten in chains, a shuffle that ends one, and a layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.bn, self.relu1 = nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU()
        self.depthwise, self.second = nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 4, 1)
        self.shuffle, self.last, self.twice = nn.ChannelShuffle(2), nn.Conv2d(4, 3, 1), nn.Conv2d(3, 3, 1)
        self.relu2, self.flatten, self.fc = nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.shuffle(self.second(self.depthwise(self.relu1(self.bn(self.first(x))))))
        return self.fc(self.flatten(self.relu2(self.twice(self.twice(self.last(x))))))


def test_the_way_of_the_channels_by_hand() -> None:
    network = warmed(Shuffled())
    groups = {group.producers: group for group in flow(network, (4, 8, 8))}
    first = groups["first",]
    assert (first.count, sides(first, OUT), sides(first, IN)) == (6, ("first", "bn", "depthwise"), ("second",))
    assert not first.refusal and "shuffle" in groups["second",].refusal and "answer" in groups["fc",].refusal
    tied = groups["last", "twice"]  # it runs on its own output, so both make the same units
    assert not tied.refusal and sides(tied, IN) == ("twice", "fc")
    assert next(m for m in tied.members if m.module == "fc").units.tolist() == [0] * 16 + [1] * 16 + [2] * 16
    removed, difference, largest = both(network, (4, 8, 8))
    assert difference <= 1e-5 * largest and removed.network.first.out_channels == 4
    assert removed.network.second.out_channels == 4 and removed.network.twice.out_channels == 2


def test_a_flatten_lays_each_map_out_in_a_row() -> None:
    class Head(Shuffled):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.flatten(self.relu2(self.last(self.shuffle(x)))))

    network = Head().eval()
    (group,) = [g for g in groups_of(network, (4, 4, 4)) if g.producers == ("last",)]
    assert not group.refusal
    (reader,) = [member for member in group.members if member.module == "fc"]
    assert reader.units.tolist() == [0] * 16 + [1] * 16 + [2] * 16
    small = Head().eval()
    small.load_state_dict(network.state_dict())
    shrink(small, kept_positions([(group, torch.tensor([True, False, True]))]))
    with torch.no_grad():
        network.last.weight[1], network.last.bias[1] = 0, 0
    x = torch.rand(2, 4, 4, 4)
    torch.testing.assert_close(small(x), network(x))
