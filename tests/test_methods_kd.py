"""The distillation loss against its definition, and the thinner student."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import rel_entr, softmax

from workbench.core.compressed import Compressed
from workbench.core.context import Context
from workbench.methods._distil import distillation_loss
from workbench.methods.kd.hinton import Hinton, thinner


def logits(seed):
    return torch.randn(16, 10, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_loss_is_the_one_of_the_paper(temperature, weight):
    z_s, z_t, y = logits(0), logits(1), torch.arange(16) % 10
    p, q = (softmax(z.double().numpy() / temperature, 1) for z in (z_t, z_s))
    hard = -np.log(softmax(z_s.double().numpy(), 1)[np.arange(16), y.numpy()]).mean()
    expected = (1 - weight) * hard + weight * temperature**2 * rel_entr(p, q).sum(1).mean()
    assert distillation_loss(z_s, z_t, y, temperature, weight).item() == pytest.approx(expected, rel=1e-5)


def test_equal_answers_up_to_a_constant_cost_nothing():
    z, y = logits(0), torch.zeros(16, dtype=torch.long)
    assert distillation_loss(z, z + 3.0, y, 4.0, 1.0).item() == pytest.approx(0.0, abs=1e-5)


def test_at_high_temperature_the_gradient_matches_logits():
    """T^2 times the soft gradient tends to (z_s - z_t) / classes for zero-mean logits."""
    z_s = (logits(0) - logits(0).mean(1, keepdim=True)).requires_grad_()
    z_t = logits(1) - logits(1).mean(1, keepdim=True)
    distillation_loss(z_s, z_t, torch.zeros(16, dtype=torch.long), 500.0, 1.0).backward()
    assert torch.allclose(z_s.grad * 16, (z_s - z_t).detach() / 10, atol=2e-3)


def test_entropy_rises_with_temperature():
    entropy = [torch.distributions.Categorical(F.softmax(logits(0) / t, 1)).entropy().mean() for t in (1, 2, 5, 20)]
    assert entropy == sorted(entropy)


def test_a_thinner_student_has_its_share_of_units_and_fresh_weights(branched):
    network, shape = branched
    student = thinner(network, 0.5, Context(input_shape=shape))
    assert (student.conv1.out_channels, student.conv2.out_channels, student.fc1.out_features) == (4, 6, 10)
    assert student.fc2.out_features == 5
    assert student(torch.zeros(2, *shape)).shape == (2, 5)
    again, other = (thinner(network, 0.5, Context(input_shape=shape, seed=s)) for s in (0, 1))
    assert torch.equal(student.fc1.weight, again.fc1.weight)
    assert not torch.equal(student.fc1.weight, other.fc1.weight)


def test_a_student_that_replaces_the_network_comes_first():
    method = Hinton(student="thinner")
    assert "would be lost" in method.follows(None, [("prune.l1_filter", "shape", None)])
    assert method.follows(None, []) is None
    assert Hinton(student="recover").follows(None, [("prune.l1_filter", "shape", None)]) is None


def test_no_epochs_leave_the_network_as_it_is(branched):
    network, shape = branched

    def fit(*_, **__):
        raise AssertionError("no training was asked for")

    context = Context(input_shape=shape, teacher=network, fit=fit)
    model = Hinton(epochs=0).apply(Compressed.of(network), context)
    assert torch.equal(model.network.fc1.weight, network.fc1.weight)
