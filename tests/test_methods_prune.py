"""Pruning against second ways of computing the same."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

from workbench.core.compressed import Compressed, Layer
from workbench.core.context import Context
from workbench.core.encoded import Encoded
from workbench.core.errors import WorkbenchError
from workbench.layers.channels import groups_of, kept_positions, shrink
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude_iter import MagnitudeIter

CONTEXT = Context(input_shape=(1, 8, 8))
LAYER = Layer("fc", "linear", 0, 1)


def weight(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).numpy()


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_magnitude_agrees_with_torch(ratio):
    w = weight(8, 4, 3, 3)
    conv = torch.nn.Conv2d(4, 8, 3, bias=False)
    conv.weight.data = torch.from_numpy(w.copy())
    prune.l1_unstructured(conv, "weight", amount=round(ratio * w.size))
    ours = MagnitudeIter(pruning_ratio=ratio).encode(Encoded.dense(w), LAYER, CONTEXT)
    assert np.array_equal(ours.decode(), conv.weight.detach().numpy())
    assert ours.values.n == w.size - round(ratio * w.size)


def test_supports_are_nested():
    given = Encoded.dense(weight(30, 20))
    keeps = [MagnitudeIter(pruning_ratio=r).encode(given, LAYER, CONTEXT).keep for r in (0.2, 0.4, 0.8)]
    assert all(not (b & ~a).any() for a, b in itertools.pairwise(keeps))


def test_ties_are_cut_exactly():
    e = MagnitudeIter(pruning_ratio=0.5).encode(Encoded.dense(np.ones((4, 5), np.float32)), LAYER, CONTEXT)
    assert e.values.n == 10


def test_magnitude_decision_counts_every_weight():
    given = Encoded.dense(weight(30, 20))
    method = MagnitudeIter(pruning_ratio=0.3)
    decision = method.decide(given, method.encode(given, LAYER, CONTEXT), LAYER)
    assert decision.removed == 180 == sum(decision.histogram.removed)
    assert sum(decision.histogram.kept) == 420
    assert np.count_nonzero(np.abs(given.decode()) <= decision.threshold) == 180


def test_pruning_keeps_the_codes_of_what_stays():
    from workbench.methods.quant.kmeans_share import KmeansShare

    shared = KmeansShare(bits=3).encode(Encoded.dense(weight(30, 20)), LAYER, CONTEXT)
    both = MagnitudeIter(pruning_ratio=0.5).encode(shared, LAYER, CONTEXT)
    assert both.values.kind == "codebook"
    assert np.array_equal(both.decode()[both.keep], shared.decode()[both.keep])


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("selection", ["independent", "greedy"])
@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.9])
def test_masked_equals_removed(branched, norm, selection, ratio):
    network, shape = branched
    method = L1Filter(pruning_ratio=ratio, norm=norm, selection=selection)
    removed = method.apply(Compressed.of(network), Context(input_shape=shape))
    masked = method.masked(Compressed.of(network), Context(input_shape=shape))
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(masked.network(x), removed.network(x), atol=1e-5)
    count = [sum(p.numel() for p in m.network.parameters()) for m in (masked, removed)]
    assert count[1] < count[0]


def test_a_forgotten_batchnorm_shift_would_show(branched):
    """The check inside the method can fail: leave a BatchNorm's shift in the masked network and it is refused."""
    network, shape = branched
    method = L1Filter(pruning_ratio=0.5)
    model = Compressed.of(network)
    choices = method.choose(model, Context(input_shape=shape))
    masked, removed = method._silenced(model.copy(), choices), method.apply(model, Context(input_shape=shape))
    masked.network.bn1.bias.data += 1.0
    with pytest.raises(WorkbenchError, match="keep zero at zero"):
        method._compare(masked.network, removed.network, Context(input_shape=shape))


def test_l1_removes_the_smallest_filters():
    conv = torch.nn.Sequential(torch.nn.Conv2d(1, 6, 3), torch.nn.ReLU(), torch.nn.Conv2d(6, 2, 3))
    scale = torch.tensor([3.0, 1.0, 5.0, 2.0, 4.0, 6.0])
    conv[0].weight.data = torch.ones(6, 1, 3, 3) * scale.view(-1, 1, 1, 1)
    model = L1Filter(pruning_ratio=0.5).apply(Compressed.of(conv), Context(input_shape=(1, 8, 8)))
    kept = model.network[0].weight[:, 0, 0, 0].tolist()
    assert kept == [5.0, 4.0, 6.0]
    assert model.network[2].weight.shape == (2, 3, 3, 3)
    decision = next(d for d in model.decisions if d.layer == "0")
    assert decision.scores == tuple((9 * scale).tolist())
    assert decision.kept == (False, False, True, False, True, True)
    assert decision.threshold == 27.0


def test_greedy_ignores_inputs_that_are_gone():
    """Filter 0 of the second layer is large only on an input that the first layer loses."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(2, 2, 1), torch.nn.Conv2d(2, 1, 1)
    )
    net[0].weight.data = torch.tensor([0.1, 1.0]).view(2, 1, 1, 1)
    net[2].weight.data = torch.tensor([[9.0, 0.1], [1.0, 1.0]]).view(2, 2, 1, 1)
    context = Context(input_shape=(1, 4, 4))
    kept = {}
    for selection in ("independent", "greedy"):
        model = L1Filter(pruning_ratio=0.5, selection=selection).apply(Compressed.of(net), context)
        kept[selection] = model.network[2].weight.flatten().tolist()
    assert kept == {"independent": pytest.approx([0.1]), "greedy": pytest.approx([1.0])}


def test_parameters_removed_per_filter():
    """C_in K^2 + C_next K_next^2, and the bias."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 10, 3), torch.nn.ReLU(), torch.nn.Conv2d(10, 4, 5))
    before = sum(p.numel() for p in net.parameters())
    model = L1Filter(pruning_ratio=0.3).apply(Compressed.of(net), Context(input_shape=(3, 12, 12)))
    assert before - sum(p.numel() for p in model.network.parameters()) == 3 * (3 * 9 + 1 + 4 * 25)


def test_hidden_unit_of_the_toy_network():
    """3-2-1: 8 weights; without one hidden neuron 4 are left."""
    net = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(3, 2, bias=False), torch.nn.ReLU(), torch.nn.Linear(2, 1, bias=False)
    )
    assert sum(p.numel() for p in net.parameters()) == 8
    (hidden,) = [g for g in groups_of(net, (1, 1, 3)) if not g.refusal]
    shrink(net, kept_positions([(hidden, torch.tensor([True, False]))]))
    assert sum(p.numel() for p in net.parameters()) == 4


def test_supports_shrink_with_the_filters(branched):
    """Pruned weights stay pruned when whole filters are taken out afterwards."""
    network, shape = branched
    context = Context(input_shape=shape)
    sparse = MagnitudeIter(pruning_ratio=0.6).apply(Compressed.of(network), context)
    before = copy.deepcopy(sparse.network)
    both = L1Filter(pruning_ratio=0.5).apply(sparse.copy(), context)
    for name, encoded in both.encoded.items():
        current = both.network.get_parameter(name).detach().numpy()
        assert np.array_equal(encoded.decode(), current)
        assert encoded.keep.shape == current.shape
        assert not current[~encoded.keep].any()
    assert torch.equal(before.conv1.weight, sparse.network.conv1.weight)


def test_a_network_without_gradients_has_the_same_groups(branched):
    network, shape = branched
    frozen = copy.deepcopy(network).requires_grad_(False)
    with_gradients = L1Filter(pruning_ratio=0.5).apply(Compressed.of(network), Context(input_shape=shape))
    without = L1Filter(pruning_ratio=0.5).apply(Compressed.of(frozen), Context(input_shape=shape))
    assert without.decisions == with_gradients.decisions != ()


def test_says_when_nothing_goes(branched):
    network, shape = branched
    model = L1Filter(pruning_ratio=0.05).apply(Compressed.of(network), Context(input_shape=shape))
    assert any("removed nothing from conv" in note for note in model.notes)


def test_a_network_that_cannot_be_traced_is_refused_in_a_sentence():
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 4, 3)

        def forward(self, x):
            raise RuntimeError("no way through")

    with pytest.raises(WorkbenchError, match="does not run on an image of .*: no way through"):
        L1Filter().apply(Compressed.of(Odd()), CONTEXT)


def test_tied_layers_are_left_whole_when_only_one_is_named(branched):
    network, shape = branched
    model = L1Filter(pruning_ratio=0.5).apply(Compressed.of(network), Context(input_shape=shape, layers=("conv1",)))
    assert any("tied to" in note for note in model.notes)
    assert model.network.conv1.out_channels == 8


def test_an_unknown_layer_is_refused(branched):
    network, shape = branched
    with pytest.raises(WorkbenchError, match=r"has no layer 'conv9' to act on here; it can take conv1, conv2"):
        L1Filter().apply(Compressed.of(network), Context(input_shape=shape, layers=("conv9",)))
