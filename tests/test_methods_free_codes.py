"""Codes that are free while training: Lloyd's step against a loop, what a training may change and what not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from workbench.core.compressed import Compressed
from workbench.core.context import Context
from workbench.core.encoded import Encoded
from workbench.core.recipe import Recipe
from workbench.core.values import Codebook, FixedPoint, bfloat16
from workbench.experiment.pipeline import compress
from workbench.experiment.subject import subject_named
from workbench.methods import parse_step
from workbench.methods._loosened import Following
from workbench.methods.kd.hinton import Hinton
from workbench.methods.recover.finetune import Finetune

BOTH = pytest.mark.parametrize("method", [Hinton(epochs=1, codes="free"), Finetune(epochs=1, codes="free")])


@pytest.mark.parametrize("short", [False, True])
def test_a_book_follows_the_weights_that_are_nearest(short):
    weight = np.random.default_rng(0).normal(size=60).astype(np.float32)
    book = bfloat16(np.array([0.9, -1.5, 0.1, 5.0], np.float32))
    found = Following(Codebook(np.zeros(60, np.int32), book, short)).encode(Encoded.dense(weight))
    book = np.sort(book)
    own = [min(range(4), key=lambda k: abs(w - book[k])) for w in weight]
    means = [np.mean([w for w, k in zip(weight, own, strict=True) if k == i] or [book[i]]) for i in range(4)]
    expected = bfloat16(np.array(means, np.float32)) if short else np.array(means, np.float32)
    assert found.values.book == pytest.approx(expected, abs=1e-6) and found.values.short is short
    assert found.values.book[3] == 5.0  # no weight is near to it
    assert found.values.codes.tolist() == [min(range(4), key=lambda k: abs(w - expected[k])) for w in weight]


def _shared() -> Compressed:
    """Two of four weights removed, one on each of two values."""
    model = Compressed.of(nn.Sequential(nn.Linear(4, 1)))
    keep = np.array([[True, False, True, False]])
    model.store("0.weight", Encoded((1, 4), Codebook(np.array([0, 1], np.int32), np.float32([-1, 1])), keep))
    return model


def _moves(model: Compressed, context: Context, **_: object) -> Compressed:
    """A training that carries the first weight over to the other side, and tells which tensors learnt as weights."""
    given = model.encoded["0.weight"]
    model.encoded["0.weight"] = given.with_values(replace(given.values, data=np.float32([0.5, 1.0])))
    return model


@BOTH
def test_a_weight_takes_the_value_it_has_come_near(method):
    context = Context(input_shape=(4,), teacher=nn.Identity(), fit=_moves)
    found = method.apply(_shared(), context)
    stored = found.encoded["0.weight"]
    assert isinstance(stored.values, Codebook) and stored.values.codes.tolist() == [1, 1]
    assert stored.decode().tolist() == [[0.75, 0, 0.75, 0]] == found.network[0].weight.tolist()
    assert stored.values.book.tolist() == [-1.0, 0.75]


@BOTH
def test_other_codes_are_kept(method):
    model = _shared()
    steps = FixedPoint(np.array([1, 2], np.int32), np.float32([0.5]), np.zeros(1, np.int32), -2, 2)
    model.store("0.weight", model.encoded["0.weight"].with_values(steps))
    seen = []

    def fit(model: Compressed, context: Context, **_: object) -> Compressed:
        seen.append(model.encoded["0.weight"].values)
        return model

    method.apply(model, Context(input_shape=(4,), teacher=nn.Identity(), fit=fit))
    assert seen == [steps]


def test_free_codes_recover_more_than_kept_ones():
    subject = subject_named("lenet5_1998", "digits")

    def made(*more: str) -> Compressed:
        steps = ("prune.magnitude_iter:pruning_ratio=0.7", "quant.kmeans_share:bits=2", *more)
        return compress(Recipe("lenet5_1998", "digits", tuple(map(parse_step, steps))), subject)

    def loss(model: Compressed) -> float:
        seen = subject.dataset.train
        with torch.no_grad():
            return float(nn.functional.cross_entropy(model.network(seen.images[:]), seen.labels))

    tune = "recover.finetune:epochs=3,learning_rate=0.003"
    before, kept, free = (made(*more) for more in ((), (tune,), (f"{tune},codes=free",)))
    assert loss(free) < loss(kept) < loss(before)
    changed = 0
    for name, encoded in before.encoded.items():
        now = free.encoded[name]
        assert np.array_equal(encoded.keep, now.keep) and now.values.book.size <= 4
        assert np.array_equal(kept.encoded[name].values.codes, encoded.values.codes)
        assert np.array_equal(now.decode(), free.network.get_parameter(name).detach().numpy())
        changed += int((now.values.codes != encoded.values.codes).sum())
    assert changed > 100
