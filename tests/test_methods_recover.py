"""Recovery: BatchNorm's statistics against a sum over all images, fine-tuning against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Batch, Context
from workbench.core.recipe import Recipe
from workbench.experiment.pipeline import compress
from workbench.experiment.subject import subject_named
from workbench.methods import parse_step
from workbench.methods.recover.batchnorm import BatchNorm


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()).eval()


def test_the_statistics_are_those_of_the_images():
    images = torch.rand(128, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    network = normed()
    network[1].running_mean.fill_(7.0)
    context = Context(input_shape=(1, 6, 6), calibration=Batch(images, torch.zeros(128, dtype=torch.int64)))
    found = BatchNorm(images=128).apply(Compressed.of(network), context).network
    with torch.no_grad():
        maps = network[0](images).numpy().astype(np.float64)
    halves = maps[:64], maps[64:]
    mean = np.mean([half.mean((0, 2, 3)) for half in halves], axis=0)
    variance = np.mean([half.var((0, 2, 3), ddof=1) for half in halves], axis=0)
    assert found[1].running_mean.numpy() == pytest.approx(mean, abs=1e-6)
    assert found[1].running_var.numpy() == pytest.approx(variance, abs=1e-6)
    assert found[1].momentum == 0.1
    assert torch.equal(found[0].weight, network[0].weight)
    assert not any(module.training for module in found.modules())


def test_without_batchnorm_it_says_so():
    model = BatchNorm().apply(Compressed.of(nn.Sequential(nn.Conv2d(1, 1, 1))), Context(input_shape=(1, 2, 2)))
    assert model.notes == ("recover.batchnorm changed nothing: this network has no BatchNorm.",)


def test_fine_tuning_recovers_and_keeps_what_was_removed():
    subject = subject_named("lenet5_1998", "digits")
    seen = subject.dataset.train

    def made(*steps: str) -> Compressed:
        return compress(Recipe("lenet5_1998", "digits", tuple(map(parse_step, steps))), subject)

    def loss(model: Compressed) -> float:
        with torch.no_grad():
            return float(nn.functional.cross_entropy(model.network(seen.images[:]), seen.labels))

    pruned = made("prune.magnitude_iter:pruning_ratio=0.8")
    tuned = made("prune.magnitude_iter:pruning_ratio=0.8", "recover.finetune:epochs=5,learning_rate=0.003")
    assert loss(tuned) < loss(pruned) / 2
    for name, encoded in pruned.encoded.items():
        assert np.array_equal(encoded.keep, tuned.encoded[name].keep)
