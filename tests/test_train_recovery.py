"""Training after compressing: it helps, keeps to what is stored, and never touches what it was given."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from workbench.core.compressed import Compressed, layers_of
from workbench.core.context import Context
from workbench.core.encoded import Encoded
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.values import Codebook, FixedPoint, Floats
from workbench.data import load_dataset
from workbench.measure.accuracy import accuracy
from workbench.networks import build, digest_of, pretrained
from workbench.train import fitter
from workbench.train.recovery import fitter as same_fitter

SHAPE = (1, 28, 28)


@cache
def _dense(name: str) -> nn.Module:
    return pretrained(name, "digits").requires_grad_(False)


def _compressed(name: str = "lenet5_1998") -> Compressed:
    """Each layer stored differently: pruned floats, a pruned codebook, whole steps of a scale; the last plain."""
    model = Compressed.of(_dense(name))
    for layer, how in zip(layers_of(model.network), ("kept", "book", "fixed"), strict=False):
        w = model.weight(layer).numpy()
        keep = np.abs(w) > np.quantile(np.abs(w), 0.6)
        if how == "kept":
            model.store(layer, Encoded(w.shape, Floats(w[keep]), keep))
        elif how == "book":
            book = np.quantile(w[keep], [0.1, 0.3, 0.7, 0.9]).astype(np.float32)
            codes = np.abs(w[keep][:, None] - book).argmin(1)
            model.store(layer, Encoded(w.shape, Codebook(codes, book), keep))
        else:
            scale = np.array([np.abs(w).max() / 3], np.float32)
            codes = np.clip(np.rint(w.reshape(-1) / scale), -4, 3).astype(np.int64)
            model.store(layer, Encoded(w.shape, FixedPoint(codes, scale, np.zeros(1, np.int64), -4, 3)))
    return model


def _fit(model: Compressed, context: Context | None = None, **call: object) -> Compressed:
    given = {"epochs": 2, "learning_rate": 1e-3, **call}
    return fitter(load_dataset("digits"))(model, context or Context(SHAPE), **given)


def _state(model: Compressed) -> tuple[object, ...]:
    modules = [(n, type(m), list(m._parameters), m.training) for n, m in model.network.named_modules()]
    flags = [(p.requires_grad, p.grad is None, p.stride()) for p in model.network.parameters()]
    return digest_of(model.network), modules, flags, dict(model.encoded), model.decisions, model.notes


def _loss(model: Compressed) -> float:
    loss = accuracy(model.network, load_dataset("digits").validation, split="validation").loss
    assert loss is not None
    return loss


def test_it_recovers_within_what_is_stored() -> None:
    model = _compressed()
    before = _state(model)
    fitted = _fit(model, epochs=4)
    assert _state(model) == before
    assert _loss(fitted) < _loss(model) / 1.5
    for name, old in model.encoded.items():
        new = fitted.encoded[name]
        weight = fitted.network.state_dict()[name].numpy()
        assert np.array_equal(new.decode(), weight) and not np.array_equal(new.decode(), old.decode())
        assert old.keep is None or not np.any(weight[~old.keep])
        assert isinstance(old.values, Floats) or np.array_equal(new.values.codes, old.values.codes)
    assert not fitted.network.training
    assert [p.requires_grad for p in fitted.network.parameters()] == [False] * 10


def test_same_seed_same_result() -> None:
    model = _compressed("lenet_300_100")
    first, again = (_fit(model, Context(SHAPE, seed=5)) for _ in range(2))
    assert digest_of(first.network) == digest_of(again.network)
    assert digest_of(_fit(model, Context(SHAPE, seed=6)).network) != digest_of(first.network)


def test_no_epochs_no_change() -> None:
    model = _compressed("lenet_300_100")
    fitted = _fit(model, epochs=0)
    assert digest_of(fitted.network) == digest_of(model.network) and fitted.network is not model.network


@pytest.mark.parametrize("after", [1, 5, 20])
def test_a_cancel_stops_within_a_step_and_leaves_nothing(after: int) -> None:
    asked = [0]
    model = _compressed("lenet_300_100")
    before, mode = _state(model), torch.get_rng_state()

    def cancelled() -> bool:
        asked[0] += 1
        return asked[0] > after

    with pytest.raises(Cancelled):
        _fit(model, Context(SHAPE, progress=Progress(cancelled=cancelled)), epochs=50)
    assert asked[0] == after + 1
    assert _state(model) == before and torch.equal(torch.get_rng_state(), mode)
    assert not any(parametrize.is_parametrized(m) for m in model.network.modules())


def test_a_failure_leaves_nothing() -> None:
    model = _compressed("lenet_300_100")
    before = _state(model)

    def broken(logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        return logits.sum() * float("nan")

    with pytest.raises(WorkbenchError, match="diverged"):
        _fit(model, loss=broken)
    assert _state(model) == before


def test_another_loss_is_used() -> None:
    seen: list[torch.Size] = []

    def push(logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        seen.append(images.shape)
        return -logits[:, 3].mean()

    fitted = _fit(Compressed.of(_dense("lenet_300_100")), loss=push, epochs=1)
    validation = load_dataset("digits").validation
    assert len(seen) == 17 and seen[0] == (64, *SHAPE)
    assert float((fitted.network(validation.images).argmax(1) == 3).float().mean()) > 0.9


def test_progress_says_what_is_being_done() -> None:
    heard: list[tuple[str, float | None]] = []
    context = Context(SHAPE, progress=Progress(lambda *words: heard.append(words)))
    _fit(Compressed.of(build("lenet_300_100")), context)
    assert heard[-1][0].startswith("epoch 2/2 · loss ") and heard[-1][1] == 1.0


def test_one_name_for_it() -> None:
    assert fitter is same_fitter
