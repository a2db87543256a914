"""Truncated SVD against the discarded spectrum."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Context
from workbench.layers.factorised import FactorisedConv2d, FactorisedLinear
from workbench.methods.lowrank.tsvd import Tsvd


def network():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(6, 24, 3, padding=1, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 16, 40)
    ).eval()


CONTEXT = Context(input_shape=(6, 8, 8))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("form", ["kernel_first", "kernel_last"])
def test_the_error_is_the_discarded_spectrum(share, form):
    """Eckart and Young: the squared error is the sum of the squared singular values left out."""
    dense = network()
    model = Tsvd(rank_share=share, convolution=form).apply(Compressed.of(dense), CONTEXT)
    factorised = [m for m in model.network.modules() if isinstance(m, FactorisedLinear | FactorisedConv2d)]
    assert factorised
    for name in ("0", "3"):
        now, w = model.network.get_submodule(name), dense.get_submodule(name).weight.detach().double()
        if not isinstance(now, FactorisedLinear | FactorisedConv2d):
            continue
        matrix = w.flatten(1) if w.ndim == 2 or form == "kernel_first" else w.permute(0, 2, 3, 1).flatten(0, 2)
        s, rank = torch.linalg.svdvals(matrix), now.first.weight.shape[0]
        error = (now.product().detach().double() - w).square().sum()
        assert error.item() == pytest.approx(s[rank:].square().sum().item(), rel=1e-4)


@pytest.mark.parametrize("form", ["kernel_first", "kernel_last"])
def test_the_factors_compute_what_their_product_computes(form):
    dense = network()
    model = Tsvd(rank_share=0.2, convolution=form).apply(Compressed.of(dense), CONTEXT)
    x = torch.randn(2, 6, 8, 8)
    flat = network()
    for name in ("0", "3"):
        now = model.network.get_submodule(name)
        if isinstance(now, FactorisedLinear | FactorisedConv2d):
            flat.get_submodule(name).weight.data = now.product().detach()
    assert torch.allclose(model.network(x), flat(x), atol=1e-4)


def test_a_rank_that_saves_nothing_leaves_the_layer_whole():
    dense = network()
    model = Tsvd(rank_share=1.0).apply(Compressed.of(dense), CONTEXT)
    x = torch.randn(2, 6, 8, 8)
    assert torch.equal(model.network(x), dense(x))
    assert sum("left" in note and "whole" in note for note in model.notes) == 2


@pytest.mark.parametrize("energy", [0.5, 0.8])
def test_energy_fixes_the_smallest_rank_that_holds_it(energy):
    dense = network()
    model = Tsvd(choose="energy", energy=energy).apply(Compressed.of(dense), CONTEXT)
    s = torch.linalg.svdvals(dense[3].weight.double()).square()
    rank = model.network[3].first.out_features
    held = torch.cumsum(s, 0) / s.sum()
    assert held[rank - 1] >= energy - 1e-9
    assert rank == 1 or held[rank - 2] < energy


def test_grouped_convolutions_are_left_whole():
    net = nn.Sequential(nn.Conv2d(8, 8, 3, groups=8))
    model = Tsvd(rank_share=0.1).apply(Compressed.of(net), Context(input_shape=(8, 6, 6)))
    assert isinstance(model.network[0], nn.Conv2d)
    assert "grouped" in model.notes[0]
