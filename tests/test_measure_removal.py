"""What a unit is worth, against taking it out."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from workbench.core.context import Batch
from workbench.core.errors import Cancelled
from workbench.core.progress import Progress
from workbench.layers.channels import groups_of, kept_positions, shrink, silence
from workbench.measure.removal import removal


def batch_of(shape, n=150, classes=5):
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.rand(n, *shape, generator=generator), torch.randint(classes, (n,), generator=generator))


def loss(network, batch):
    with torch.no_grad():
        return float(F.cross_entropy(network(batch.images).double(), batch.labels))


def right(network, batch):
    with torch.no_grad():
        return int((network(batch.images).argmax(1) == batch.labels).sum())


class Odd(nn.Module):
    """Decides by a value, so that its operations cannot be listed beforehand."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) if float(x.sum()) > -1e9 else x


@pytest.mark.parametrize("wrap", [lambda network: network, Odd])
def test_each_unit_silenced_and_taken_out(branched, wrap):
    network, shape = branched
    network = wrap(network).eval()
    batch = batch_of(shape)
    free = [g for g in groups_of(network, shape) if not g.refusal]
    found = {r.producers: r for r in removal(network, batch)}
    assert list(found) == [g.producers for g in free]
    assert len(free) >= 4
    for group in free:
        row = found[group.producers]
        assert row.dense == pytest.approx(loss(network, batch), rel=1e-6)
        assert (len(row.losses), row.n) == (group.count, 150)
        for unit in range(0, group.count, 3):
            keep = torch.arange(group.count) != unit
            silenced, smaller = copy.deepcopy(network), copy.deepcopy(network)
            silence(silenced, group, keep)
            shrink(smaller, kept_positions([(group, keep)]))
            assert row.losses[unit] == pytest.approx(loss(silenced, batch), rel=1e-5)
            assert row.losses[unit] == pytest.approx(loss(smaller, batch), rel=1e-5)
            assert abs(row.correct[unit] - right(smaller, batch)) <= 1
            assert row.changes[unit] == row.losses[unit] - row.dense


def test_only_what_is_asked_for_and_nothing_is_left_behind(branched):
    network, shape = branched
    before = copy.deepcopy(network.state_dict())
    (row,) = removal(network, batch_of(shape), layers=["conv3"])
    assert row.producers == ("conv1", "conv3")
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_it_can_be_stopped(branched):
    network, shape = branched
    with pytest.raises(Cancelled):
        list(removal(network, batch_of(shape), progress=Progress(cancelled=lambda: True)))
