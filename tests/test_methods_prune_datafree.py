"""Merging of neurons against the paper's saliency matrix written out, and against duplicates that merge exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Context
from workbench.methods.prune._merging import merges_of
from workbench.methods.prune.magnitude_iter import MagnitudeIter
from workbench.methods.prune.neuron_datafree import NeuronDatafree as Merge

CONTEXT = Context(input_shape=(1, 3, 3))


def net(hidden: int = 12, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(9, hidden), nn.ReLU(), nn.Linear(hidden, 6), nn.Tanh(), nn.Linear(6, 4)
    )


def merged(network: nn.Module, **knobs) -> Compressed:
    return Merge(**knobs).apply(Compressed.of(network), CONTEXT)


def by_matrix(w: np.ndarray, a: np.ndarray) -> list[tuple[int, int, float]]:
    """The procedure as the paper has it: the whole matrix M, its least entry, a row and a column less, again."""
    a, alive, steps = a.copy(), list(range(len(w))), []
    while len(alive) > 1:
        matrix = {(i, j): (a[:, j] ** 2).mean() * ((w[i] - w[j]) ** 2).sum() for i in alive for j in alive if i != j}
        i, j = min(matrix, key=matrix.get)
        steps.append((j, i, matrix[i, j]))
        a[:, i] += a[:, j]
        alive.remove(j)
    return steps


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_order_is_that_of_the_saliency_matrix(seed):
    rng = np.random.default_rng(seed)
    w, a = rng.normal(size=(15, 7)), rng.normal(size=(5, 15))
    found, expected = merges_of(w, a), by_matrix(w, a)
    assert list(zip(found.removed.tolist(), found.into.tolist(), strict=True)) == [(j, i) for j, i, _ in expected]
    assert found.saliency == pytest.approx([s for _, _, s in expected])


def test_equal_neurons_merge_without_a_change():
    network = net()
    with torch.no_grad():
        for twin, of in ((7, 2), (9, 2), (4, 11)):
            network[1].weight[twin], network[1].bias[twin] = network[1].weight[of], network[1].bias[of]
    model = merged(network, pruning_ratio=0.25, cutoff="ratio")
    assert model.network[1].weight.shape == (9, 9)
    x = torch.randn(20, 1, 3, 3)
    first = Merge(pruning_ratio=0.25).apply(Compressed.of(network), Context((1, 3, 3), layers=("1",)))
    assert torch.allclose(first.network(x), network(x), atol=1e-6)
    decision = first.decisions[0]
    assert decision.threshold == 0.0
    assert decision.removed == 3
    assert {2, 7, 9} & {i for i, stays in enumerate(decision.kept) if stays}


def test_an_unequal_bias_counts():
    network = net()
    with torch.no_grad():
        network[1].weight[7], network[1].bias[7] = network[1].weight[2], network[1].bias[2] + 1
    a = network[3].weight.detach().double().numpy()
    w = np.c_[network[1].weight.detach().double().numpy(), network[1].bias.detach().double().numpy()]
    expected = by_matrix(w, a)
    model = Merge(pruning_ratio=0.5).apply(Compressed.of(network), Context((1, 3, 3), layers=("1",)))
    gone = {j for j, _, _ in expected[:6]}
    assert {i for i, stays in enumerate(model.decisions[0].kept) if not stays} == gone
    assert model.decisions[0].threshold == pytest.approx(max(s for _, _, s in expected[:6]))


def test_outgoing_weights_are_handed_over():
    network = net()
    w = np.c_[network[1].weight.detach().double().numpy(), network[1].bias.detach().double().numpy()]
    a = network[3].weight.detach().double().numpy()
    model = Merge(pruning_ratio=0.75).apply(Compressed.of(network), Context((1, 3, 3), layers=("1",)))
    expected = a.copy()
    for j, i, _ in by_matrix(w, a)[:9]:
        expected[:, i] += expected[:, j]
    kept = np.array(model.decisions[0].kept)
    assert model.network[3].weight.detach().numpy() == pytest.approx(expected[:, kept], abs=1e-6)
    assert torch.equal(model.network[1].weight, network[1].weight[torch.from_numpy(kept)])


def test_each_merge_takes_what_goes_in_and_what_comes_out():
    network = net()
    before = sum(p.numel() for p in network.parameters())
    one = Merge(pruning_ratio=1 / 12).apply(Compressed.of(network), Context((1, 3, 3), layers=("1",)))
    assert before - sum(p.numel() for p in one.network.parameters()) == 9 + 1 + 6


@pytest.mark.parametrize("cutoff", ["ratio", "mode"])
def test_masked_equals_removed(branched, cutoff):
    network, shape = branched
    method, lent = Merge(pruning_ratio=0.6, cutoff=cutoff), Context(input_shape=shape)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    small = method.apply(Compressed.of(network), lent).network
    assert torch.allclose(method.masked(Compressed.of(network), lent).network(x), small(x), atol=1e-4)


def test_the_mode_stops_before_what_is_usual():
    network = net(60)
    with torch.no_grad():
        network[1].weight[30:] = network[1].weight[:30] + 1e-3 * torch.randn(30, 9)
        network[1].bias[30:] = network[1].bias[:30]
    model = Merge(cutoff="mode").apply(Compressed.of(network), Context((1, 3, 3), layers=("1",)))
    w = np.c_[network[1].weight.detach().double().numpy(), network[1].bias.detach().double().numpy()]
    a = network[3].weight.detach().double().numpy()
    pairs = [(a[:, j] ** 2).mean() * ((w[i] - w[j]) ** 2).sum() for i in range(60) for j in range(60) if i != j]
    counts, edges = np.histogram([s for s in pairs if s <= np.percentile(pairs, 95)], 100)
    usual = edges[counts.argmax() : counts.argmax() + 2].mean()
    costs = [s for _, _, s in by_matrix(w, a)]
    assert model.decisions[0].removed == next(n for n, s in enumerate(costs) if s >= usual)
    assert model.decisions[0].threshold < usual


def test_supports_grow_with_what_is_handed_over():
    first = MagnitudeIter(pruning_ratio=0.6).apply(Compressed.of(net()), CONTEXT)
    both = Merge(pruning_ratio=0.5).apply(first, CONTEXT)
    state = both.network.state_dict()
    for name, stored in both.encoded.items():
        assert np.array_equal(stored.decode(), state[name].numpy())


def test_a_norm_behind_the_neurons_is_a_reason_to_leave_them():
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)).eval()
    model = merged(network, pruning_ratio=0.5)
    assert model.network[1].weight.shape == (8, 9)
    assert any("left 1 whole: 2 scales each neuron by itself" in note for note in model.notes)
